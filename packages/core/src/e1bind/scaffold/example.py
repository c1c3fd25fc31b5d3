"""What `e1bind init --example` writes: chains of the PDB with their clusters, and a spec that trains on them.

The files lie beside this one; `examples/` of the source tree has the same, and a test holds one to the other.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from e1bind.files.writing import check_vacant, output_bytes, together

SPEC = "quickstart.toml"


def write_example(folder: Path, overwrite: bool = False) -> list[Path]:
    """Write the example into `folder`, all of its files or none; the spec's path comes first.

    Raises `UserError` where something stands there already; with `overwrite` only files of these names change.
    """
    if not overwrite:
        check_vacant(folder, "choose another folder, or --force to write into it")
    content = dict(_content(files("e1bind.scaffold") / "quickstart", Path()))
    with together():
        for name, text in content.items():
            output_bytes(folder / name, text, "--example")
    return [folder / SPEC, *(folder / name for name in content if name != Path(SPEC))]


def _content(source: Traversable, name: Path) -> list[tuple[Path, bytes]]:
    """Every file below `source` by its name within it."""
    if source.is_file():
        return [(name, source.read_bytes())]
    inner = sorted(source.iterdir(), key=lambda part: part.name)
    return [found for part in inner for found in _content(part, name / part.name)]
