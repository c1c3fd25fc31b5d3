"""The folder of one run: the one place that knows what its files are called.

A run is finished when, and only when, `summary.json` is there and says so: it is the last file written.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from e1bind.errors import RunError, UserError
from e1bind.files.text import file_part
from e1bind.files.writing import sweep
from e1bind.runs.result_dirs import MODEL_CARD, EvaluationDir

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=@-]{0,199}")
_FOLD = re.compile(r"fold_([1-9][0-9]{0,5})")
_EVALUATION = "evaluation_"
_STATE = re.compile(r"epoch-(\d{5})-step-(\d{7})\.([0-9a-f]{32})\.pt")


def msa_cache(parent: Path) -> Path:
    """Where the runs in a folder share what was worked out of alignments; theirs to delete."""
    return parent / ".cache" / "msa"


@dataclass(frozen=True)
class FoldDir:
    """The files of one fold, `number` from 1."""

    path: Path
    number: int

    @property
    def adapter(self) -> Path:
        """Folder of the PEFT adapter of the best epoch."""
        return self.path / "best_e1_contrastive_model_lora"

    @property
    def adapter_weights(self) -> Path:
        return self.adapter / "adapter_model.safetensors"

    @property
    def adapter_config(self) -> Path:
        return self.adapter / "adapter_config.json"

    @property
    def card(self) -> Path:
        """What the adapter is, for whoever finds it alone; under the name that peft and the hub look for."""
        return self.adapter / MODEL_CARD

    @property
    def heads(self) -> Path:
        """Prototypes and projector of the best epoch."""
        return self.path / "best_e1_contrastive_model_heads.pt"

    @property
    def done(self) -> Path:
        """Written last: with it the fold is a finished one."""
        return self.path / "fold.json"

    @property
    def metrics(self) -> Path:
        """Every epoch's figures, a line each."""
        return self.path / "metrics.jsonl"

    @property
    def oof(self) -> Path:
        """Scores of the chains held out, at the best epoch."""
        return self.path / "oof_preds.npz"

    @property
    def baselines(self) -> Path:
        """What each baseline learned on the fold's training chains, and its predictions of those held out."""
        return self.path / "baselines.safetensors"

    @property
    def states(self) -> Path:
        """Folder of the resumable state."""
        return self.path / "last"

    def saved_epoch(self) -> int:
        """The epoch that the newest state is of; the first where nothing was saved yet."""
        files = self.states.iterdir() if self.states.is_dir() else ()
        return max((position[0] for file in files if (position := state_position(file.name))), default=1)

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    @property
    def log(self) -> Path:
        """The log of a fold that is trained alone."""
        return self.path / "training.log"

    @property
    def sessions(self) -> Path:
        """When and how a fold was worked on that is trained alone."""
        return self.path / "sessions.jsonl"

    def bundle(self, position: str) -> Path:
        """What a step with a non-finite number was made of."""
        return self.path / f"nonfinite-{position}.pt"

    def sweep(self) -> None:
        """Remove what killed processes left half-written; the fold's lock must be held."""
        for folder in (self.path, self.states, self.plots):
            sweep(folder)


def state_name(epoch: int, step: int, digest: str) -> str:
    """What a file of the resumable state is called; `digest` is that of its bytes."""
    return f"epoch-{epoch:05d}-step-{step:07d}.{digest}.pt"


def state_position(name: str) -> tuple[int, int, str] | None:
    """Epoch, step and digest in the name of a file of the resumable state; None for another file."""
    matched = _STATE.fullmatch(name)
    return (int(matched[1]), int(matched[2]), matched[3]) if matched else None


@dataclass(frozen=True)
class RunDir:
    """The files of one run."""

    path: Path

    @property
    def run_id(self) -> str:
        """Name of the folder."""
        return self.path.name

    @property
    def spec_source(self) -> Path:
        """The spec as its user wrote it."""
        return self.path / "spec.toml"

    @property
    def overrides(self) -> Path:
        return self.path / "overrides.txt"

    @property
    def resolved_spec(self) -> Path:
        """The spec as the run took it, every default written out."""
        return self.path / "spec.resolved.json"

    @property
    def plugins(self) -> Path:
        """Where each component came from."""
        return self.path / "plugins.json"

    @property
    def local_plugins(self) -> Path:
        """Folder of the single-file plugins the run was begun with."""
        return self.path / "plugins"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"

    @property
    def begun(self) -> Path:
        """What the run was begun with: fingerprints of spec and data, and of all that is frozen."""
        return self.path / "data.json"

    @property
    def log(self) -> Path:
        return self.path / "training.log"

    @property
    def sessions(self) -> Path:
        """When, on what and by which command the run was worked on."""
        return self.path / "sessions.jsonl"

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
    def calibration(self) -> Path:
        return self.path / "calibration.yaml"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def summary_table(self) -> Path:
        return self.path / "summary.csv"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    @property
    def plots(self) -> Path:
        return self.path / "plots"

    def tracker(self, label: str) -> Path:
        """A tracker's own folder."""
        return self.path / "trackers" / file_part(label)

    def figures(self) -> Iterator[tuple[str, Path]]:
        """Every figure that was drawn, of the folds and of the whole run, by name."""
        for within, plots in [*((fold.path.name, fold.plots) for fold in self.folds()), ("run", self.plots)]:
            for file in sorted(plots.glob("*.png")):
                yield f"{within}/{file.stem}", file

    def fold(self, number: int) -> FoldDir:
        """The files of one fold, counted from 1."""
        return FoldDir(self.path / f"fold_{number}", number)

    def folds(self) -> list[FoldDir]:
        """The folds that have begun, in order."""
        found = [(_FOLD.fullmatch(path.name), path) for path in self.path.iterdir()]
        return sorted((FoldDir(path, int(m[1])) for m, path in found if m), key=lambda fold: fold.number)

    def local_plugin(self, name: str) -> Path:
        """The run's own copy of a single-file plugin."""
        return self.local_plugins / Path(name).name

    def evaluation(self, name: str) -> EvaluationDir:
        """The results on a test set."""
        return EvaluationDir(self.path / f"{_EVALUATION}{file_part(name)}")

    def evaluations(self) -> Iterator[tuple[str, EvaluationDir]]:
        """Each whole evaluation in the run, by the name of its test set."""
        for folder in sorted(self.path.glob(f"{_EVALUATION}*")):
            if EvaluationDir(folder).figures.exists():
                yield folder.name.removeprefix(_EVALUATION), EvaluationDir(folder)

    def sweep(self) -> None:
        """Remove what killed processes left half-written beside the folds; the run's lock must be held."""
        for folder in (self.path, self.plots):
            sweep(folder)


def opened(path: Path) -> RunDir:
    """A run directory that holds nothing but files and folders of its own. Raises `RunError`.

    A link in it could lead a reader, or a writer, anywhere; a FIFO would never end.
    """
    try:
        if not path.is_dir():
            raise RunError(f"there is no run directory {path}")
        for found, mode in _entries(path):
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                what = "a symbolic link" if stat.S_ISLNK(mode) else "no regular file"
                raise RunError(
                    f"{found} is {what}: a run holds its own files; remove it, or put the file itself there"
                )
    except OSError as error:
        raise RunError(f"{path} cannot be read as a run directory: {error.strerror or error}") from error
    return RunDir(path)


def without_links(folder: Path) -> list[Path]:
    """Remove the links below `folder`, not what they lead to: a run with one in it is not `opened`."""
    if not folder.is_dir():
        return []
    links = [found for found, mode in _entries(folder) if stat.S_ISLNK(mode)]
    for link in links:
        link.unlink()
    return links


def _entries(folder: Path) -> Iterator[tuple[Path, int]]:
    """Everything below `folder` with its kind; no link is followed."""
    with os.scandir(folder) as entries:
        for entry in entries:
            mode = entry.stat(follow_symlinks=False).st_mode
            yield Path(entry.path), mode
            if stat.S_ISDIR(mode):
                yield from _entries(Path(entry.path))


def check_run_id(run_id: str) -> None:
    """Raise `UserError` unless `run_id` names a folder, and one in the output folder."""
    if not _RUN_ID.fullmatch(run_id):
        raise UserError(
            f"--run-id {run_id!r} is no name for a run: it becomes a folder in run.output_dir, and is made of at "
            "most 200 letters, digits and . _ - + = @, beginning with a letter or digit"
        )
