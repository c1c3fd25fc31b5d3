"""The folder of one run: made exclusively, filled atomically, finished by its summary.

A run is finished when, and only when, `summary.json` is there and says so: it is the last file written.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from e1bind.errors import RunError
from e1bind.spec import RunSpec

BEST_ADAPTER = "best_e1_contrastive_model_lora"
BEST_HEADS = "best_e1_contrastive_model_heads.pt"
_PACKAGES = ("e1bind-core", "torch", "transformers", "peft", "numpy", "scikit-learn", "pydantic", "pluggy")


class RunDir:
    """Paths and writers of one run's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def run_id(self) -> str:
        """Name of the folder."""
        return self.path.name

    @property
    def log(self) -> Path:
        return self.path / "training.log"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def oof(self) -> Path:
        return self.path / "oof_preds.npz"

    @property
    def thresholds(self) -> Path:
        return self.path / "global_thresholds.yaml"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def resolved_spec(self) -> Path:
        return self.path / "spec.resolved.json"

    def fold(self, fold: int) -> Path:
        """Folder of one fold, counted from 1."""
        return self.path / f"fold_{fold}"

    def join_metrics(self) -> None:
        """Write `metrics.jsonl` anew from those of the folds."""
        parts = self.path.glob("fold_*/metrics.jsonl")
        in_order = sorted(parts, key=lambda part: int(part.parent.name.removeprefix("fold_")))
        text = "".join(part.read_text(encoding="utf-8") for part in in_order)
        atomic_write(self.metrics, lambda path: path.write_text(text, encoding="utf-8"))

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file atomically."""
        text = json.dumps(plain(value), indent=2) + "\n"
        atomic_write(self.path / name, lambda path: path.write_text(text, encoding="utf-8"))


def create_run_dir(spec: RunSpec, spec_file: Path, data: Mapping[str, Any], run_id: str | None = None) -> RunDir:
    """Make a run's folder, whole with all that is frozen in it, or not at all. Raises `RunError`.

    With a `run_id` the folder may be there already, made by another process of the same run: it is left as it is.
    """
    parent = spec.run.output_dir
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    path = parent / (run_id or f"{spec.run.name or spec_file.stem}-{stamp}-{secrets.token_hex(2)}")
    temporary = parent / f".{path.name}.{os.getpid()}.tmp"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        _freeze(RunDir(temporary), spec, spec_file, data)
        temporary.rename(path)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        if run_id is not None and path.is_dir():
            return RunDir(path)
        raise RunError(
            f"run.output_dir: {parent} cannot be written: {error.strerror}; choose another folder in the spec "
            "or with --set run.output_dir=PATH"
        ) from error
    return RunDir(path)


def _freeze(run: RunDir, spec: RunSpec, spec_file: Path, data: Mapping[str, Any]) -> None:
    (run.path / "spec.toml").write_bytes(spec_file.read_bytes())
    (run.path / "overrides.txt").write_text("".join(f"{o}\n" for o in spec.raw.overrides), encoding="utf-8")
    run.write_json("spec.resolved.json", spec.resolved())
    run.write_json("plugins.json", provenance(spec))
    run.write_json("environment.json", environment())
    run.write_json("data.json", data)


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


def atomic_write(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, sync it to disk and rename it: whole, or not there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written in `folder`; its lock must be held."""
    for leftover in folder.glob(".*.tmp"):
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def plain(value: Any) -> Any:
    """JSON-ready: NaN becomes null, since JSON has none."""
    if isinstance(value, float) and value != value:
        return None
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value
