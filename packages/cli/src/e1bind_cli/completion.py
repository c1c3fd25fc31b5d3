"""What a shell offers after the Tab key: components, and runs."""

from __future__ import annotations

from pathlib import Path

from e1bind_cli.kinds import kind_of


def component_names(incomplete: str) -> list[str]:
    """KIND.NAME of every component that may be meant; the kind as it was typed, e.g. `losses.nt-xent`."""
    from e1bind.plugins import discover

    index = discover()
    word, dot, _ = incomplete.partition(".")
    typed = kind_of(word) if dot else None
    found = []
    for component in index.components():
        kind = word if component.kind == typed else component.kind
        found.append(f"{kind}.{component.full_name if index.shadowed(component) else component.name}")
    return [name for name in found if name.startswith(incomplete)]


def run_folders(incomplete: str) -> list[str]:
    """The runs whose path goes on from `incomplete`, also one folder below; of other folders their names."""
    head, _, tail = incomplete.rpartition("/")
    above = f"{head}/" if "/" in incomplete else ""
    found: list[str] = []
    for name in _folders(Path(above or "."), tail):
        path = above + name
        inside = [f"{path}/{run}" for run in _folders(Path(path), "") if _is_run(Path(path, run))]
        found += [path] if _is_run(Path(path)) else inside or [f"{path}/"]
    return found


def _folders(folder: Path, begin: str) -> list[str]:
    """Names of the folders in one; hidden ones where their dot was typed."""
    try:
        inside = [path.name for path in folder.iterdir() if path.name.startswith(begin) and path.is_dir()]
    except OSError:
        return []
    return sorted(name for name in inside if begin or not name.startswith("."))


def _is_run(folder: Path) -> bool:
    from e1bind.runs.layout import RunDir

    return RunDir(folder).resolved_spec.exists()
