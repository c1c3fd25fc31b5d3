"""A new run's folder: made exclusively, whole with all that is frozen in it, or not at all."""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from e1bind.errors import RunError
from e1bind.files.reading import plain
from e1bind.files.writing import atomic_write_text
from e1bind.runs.digests import digests
from e1bind.runs.layout import RunDir, check_run_id
from e1bind.runs.seals import sealed
from e1bind.spec import RunSpec

_PACKAGES = ("e1bind-core", "torch", "transformers", "peft", "numpy", "scikit-learn", "pydantic", "pluggy")


def create_run(spec: RunSpec, spec_file: Path, begun: Mapping[str, Any], run_id: str | None = None) -> RunDir:
    """Make a run's folder. `begun`: what `data.json` says. Raises `RunError`, or `UserError` for a wrong run id.

    With a `run_id` the folder may be there already, made by another process of the same run: it is left as it is.
    """
    parent = spec.run.output_dir
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    name = run_id or f"{spec.run.name or _stem(spec_file)}-{stamp}-{secrets.token_hex(2)}"
    check_run_id(name)
    path = parent / name
    temporary = parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        _freeze(RunDir(temporary), spec, spec_file, begun)
        temporary.rename(path)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if run_id is not None and path.is_dir():
            return RunDir(path)
        raise RunError(
            f"run.output_dir: {parent} cannot be written: {error.strerror or error}; choose another folder in the "
            "spec or with --set run.output_dir=PATH"
        ) from error
    return RunDir(path)


def _stem(spec_file: Path) -> str:
    """The spec's name as far as it can be part of a folder's."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in spec_file.stem)
    return kept.strip("._-")[:100] or "run"


def _freeze(run: RunDir, spec: RunSpec, spec_file: Path, begun: Mapping[str, Any]) -> None:
    run.spec_source.write_bytes(spec_file.read_bytes())
    run.overrides.write_text("".join(f"{o}\n" for o in spec.raw.overrides), encoding="utf-8")
    _write_json(run.environment, environment())
    for file in spec.plugins.local:
        run.local_plugins.mkdir(exist_ok=True)
        run.local_plugin(file.name).write_bytes(file.read_bytes())
    freeze_spec(run, spec, begun)


def freeze_spec(run: RunDir, spec: RunSpec, begun: Mapping[str, Any]) -> None:
    """Write spec, plugins, and last what vouches for them; `begun` as `data.json` says it."""
    _write_json(run.resolved_spec, spec.resolved())
    _write_json(run.plugins, provenance(spec))
    frozen = [run.spec_source, run.overrides, run.resolved_spec, run.plugins, run.environment]
    frozen += [run.local_plugin(file.name) for file in spec.plugins.local]
    _write_json(run.begun, sealed({**begun, "files": digests(run.path, frozen)}))


def _write_json(path: Path, value: Any) -> None:
    atomic_write_text(path, json.dumps(plain(value), indent=2) + "\n")


def provenance(spec: RunSpec) -> dict[str, Any]:
    """Every component of the run with the plugin it came from."""
    return {
        path: {
            "component": chosen.component.full_name,
            "target": chosen.component.plugin.target,
            **chosen.component.source.as_dict(),
        }
        for path, chosen in spec.components().items()
    }


def environment() -> dict[str, Any]:
    """What the run ran on, without anything that names a person or a machine."""
    import torch

    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: version(name) for name in _PACKAGES},
        "cpu_count": os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "cuda": torch.version.cuda,
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "world_size": int(os.environ.get("WORLD_SIZE", "1")),
    }
