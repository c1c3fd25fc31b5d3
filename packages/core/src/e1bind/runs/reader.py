"""The one reader of finished runs: whoever uses a run's files gets them here, checked, as typed values.

Nothing is unpickled, and no path in a file leads out of the folder. (The exception is the backbone's checkpoint,
which a run names and does not hold; its weights are checked by hash.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from e1bind.errors import RunError, UserError
from e1bind.files.reading import json_value, read_bytes
from e1bind.files.text import command
from e1bind.log import log
from e1bind.metrics.probability_maps import Calibrator, ProbabilityMap
from e1bind.runs.baseline_files import FoldBaseline, read_baselines
from e1bind.runs.continuing import read_begun
from e1bind.runs.decision_files import read_calibration, read_thresholds
from e1bind.runs.digests import advising, check_digests, from_a_copy
from e1bind.runs.fingerprints import spec_fingerprint
from e1bind.runs.fold_results import again, fold_done, read_rows
from e1bind.runs.frozen_spec import frozen_spec, frozen_table
from e1bind.runs.layout import RunDir, opened
from e1bind.runs.oof_table import Table, read_oof
from e1bind.runs.schemas import Begun, PluginSource, Summary, ThresholdEntry
from e1bind.runs.seals import validated_table
from e1bind.runs.summary_file import artefacts, check_artefacts, collect_again, finished_summary
from e1bind.spec import RunSpec


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A finished run as its files tell it; each is held against its SHA-256 when it is read.

    `resolved` is the frozen spec, not validated: no plugin is needed to read a run. `calibrator`: where it is at
    hand already.
    """

    files: RunDir
    begun: Begun
    resolved: Mapping[str, Any]
    summary: Summary
    calibrator: Calibrator | None = None

    @property
    def checked(self) -> bool:
        """Whether the run vouches for its files; those made before there were seals do not."""
        return self.summary.sealed

    def rows(self) -> list[dict[str, Any]]:
        """Every epoch's figures. Raises `RunError`."""
        return self._read(self.files.metrics, read_rows)

    def oof(self) -> Table:
        """Out-of-fold predictions. Raises `RunError`."""
        return self._read(self.files.oof, read_oof)

    def thresholds(self) -> dict[str, ThresholdEntry]:
        """The thresholds by ion. Raises `RunError`."""
        found = self._read(self.files.thresholds, lambda _: read_thresholds(self.files))
        return self._of_ions(found, self.files.thresholds)

    def calibrations(self, calibrator: Calibrator | None) -> dict[str, ProbabilityMap]:
        """The maps of the run's calibration by ion; empty for a run without. Raises `RunError`."""
        check_artefacts(self.files, self.summary, [self.files.calibration])
        if calibrator is None:
            return {}
        with advising(collect_again(self.files)):
            found = read_calibration(self.files, calibrator)
        if not found:
            raise RunError(f"{self.files.calibration} is missing; {collect_again(self.files)}")
        return self._of_ions(found, self.files.calibration)

    def baselines(self, fold: int) -> list[FoldBaseline]:
        """What the baselines of a fold learned; empty where it has none. Raises `RunError`."""
        folder = self.files.fold(fold)
        fold_done(folder, [folder.baselines])
        with advising(again(folder)):
            return read_baselines(folder) or []

    def plugins(self) -> dict[str, PluginSource]:
        """Where each component came from; empty, with a warning, where that cannot be told. Raises `RunError`."""
        text = self.text(self.files.plugins)
        if text is None:
            return {}
        return validated_table(PluginSource, json_value(text.encode(), self.files.plugins), self.files.plugins)

    def text(self, file: Path) -> str | None:
        """A frozen text of the run; None, with a warning, where it is gone or was changed since the run began."""
        known = self.begun.files.get(str(file.relative_to(self.files.path)))
        try:
            content = read_bytes(file)
        except (FileNotFoundError, RunError) as error:
            if self.begun.sealed:
                log.warning("%s is left out: %s", file, "it is missing" if isinstance(error, OSError) else error)
            return None
        if self.begun.sealed and sha256(content).hexdigest() != known:
            log.warning("%s is left out: it was changed after the run was begun", file)
            return None
        return content.decode("utf-8", errors="replace")

    def _read(self, file: Path, read: Any) -> Any:
        check_artefacts(self.files, self.summary, [file])
        with advising(collect_again(self.files)):
            try:
                return read(file)
            except FileNotFoundError:
                raise RunError(f"{file} is missing") from None

    def _of_ions(self, found: dict[str, Any], file: Path) -> dict[str, Any]:
        if set(found) != set(self.summary.ions):
            raise RunError(
                f"{file} is damaged: it is of other ions ({', '.join(found)[:80]}) than the run's; "
                f"{collect_again(self.files)}"
            )
        return found


def read_run(path: Path) -> StoredRun:
    """Read a run directory that was put together. Raises `RunError` where it is not, or a record is damaged."""
    files = opened(path)
    resolved = frozen_table(files)
    _check_folds(files, resolved)
    summary = finished_summary(files)
    begun = read_begun(files)
    if summary.sealed:
        check_digests(files.path, summary.files, [files.begun], from_a_copy(files))
    if begun.sealed and begun.spec != spec_fingerprint(resolved):
        raise RunError(
            f"{files.resolved_spec} was changed after the run: its results would not be those reported; "
            f"{from_a_copy(files)}"
        )
    return StoredRun(files, begun, resolved, summary)


def _check_folds(files: RunDir, resolved: Mapping[str, Any]) -> None:
    """Raise `RunError` unless every fold has finished."""
    folds = resolved.get("cv", {}).get("folds")
    if isinstance(folds, bool) or not isinstance(folds, int) or not 2 <= folds <= 10_000:
        raise RunError(f"{files.resolved_spec} is damaged: cv.folds is {folds!r}; {from_a_copy(files)}")
    missing = [n for n in range(1, folds + 1) if not files.fold(n).done.is_file()]
    if not missing:
        return
    go_on = f"go on with: {command('train', '--resume', files.path)}"
    if len(missing) == folds:
        raise RunError(f"{files.path}: no fold of the run has finished, so there is no model to use; {go_on}")
    listed = ", ".join(map(str, missing))
    raise RunError(
        f"{files.path} is an unfinished run: fold {listed} of {folds} has not finished, and without it "
        f"there are no thresholds; {go_on}"
    )


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What a run leaves for prediction, beside the folds' weights.

    `thresholds` and `calibrations` by ion (the latter empty without calibration); `warnings` are for the user.
    """

    stored: StoredRun
    spec: RunSpec
    thresholds: Mapping[str, float]
    calibrations: Mapping[str, ProbabilityMap]
    warnings: tuple[str, ...]

    @property
    def files(self) -> RunDir:
        return self.stored.files

    @property
    def summary(self) -> Summary:
        return self.stored.summary

    @property
    def ions(self) -> list[str]:
        """Ions the run was trained for."""
        return self.spec.training.ions

    @property
    def folds(self) -> range:
        """Numbers of the folds, from 1."""
        return range(1, self.spec.cv.folds + 1)

    def with_thresholds(self, chosen: Mapping[str, float]) -> FinishedRun:
        """The same run with thresholds that its user chose on purpose. Raises `UserError`."""
        if unknown := [ion for ion in chosen if ion not in self.thresholds]:
            raise UserError(f"--threshold {unknown[0]}: the run was trained for {', '.join(self.ions)}")
        said = [
            f"{ion}: called at {value:.6g} and above as you chose, not at the run's threshold of "
            f"{self.stored.summary.oof[ion].threshold:.6g}"
            for ion, value in chosen.items()
        ]
        return replace(self, thresholds={**self.thresholds, **chosen}, warnings=(*self.warnings, *said))


def open_run(path: Path, checkpoint: str | None = None, trusted: bool = False) -> FinishedRun:
    """Read a finished run for its use. Raises `RunError`, or `SpecError` for missing plugins.

    `checkpoint` is where the backbone stands on this machine, if not where the run found it. `trusted`: code that
    the run brings along may be executed.
    """
    stored = read_run(path)
    spec = frozen_spec(stored.files, checkpoint, trusted, watched=False)
    if sorted(spec.training.ions) != sorted(stored.summary.ions):
        raise RunError(f"{stored.files.summary} is of other ions than {stored.files.resolved_spec}")
    for number in range(1, spec.cv.folds + 1):
        fold = stored.files.fold(number)
        model = [fold.adapter_weights, fold.adapter_config, fold.heads]
        fold_done(fold, model)
        # The run vouches for its folds' records, and for the models of folds whose records are older than seals.
        check_artefacts(stored.files, stored.summary, [fold.done, *model])
    return FinishedRun(
        stored=stored,
        spec=spec,
        thresholds={ion: entry.threshold for ion, entry in stored.thresholds().items()},
        calibrations=stored.calibrations(Calibrator(spec.calibration) if spec.calibration else None),
        warnings=tuple(_warnings(stored, spec)),
    )


def check_whole(run: RunDir, summary: Summary, folds: int) -> None:
    """Raise `RunError` for the first file of a finished run that is gone or not what it was."""
    for number in range(1, folds + 1):
        if fold_done(run.fold(number)) is None:
            go_on = command("train", "--resume", run.path)
            raise RunError(f"{run.fold(number).done} is missing; go on with: {go_on}")
    check_artefacts(run, summary, artefacts(run, folds, summary.files))


def _warnings(stored: StoredRun, spec: RunSpec) -> list[str]:
    """What makes the run's figures doubtful, though it can be used."""
    warnings = []
    if "random-weights" in spec.backbone.options.capabilities():
        warnings.append("the run's backbone has random weights: its probabilities show that it works, nothing more")
    if not stored.checked:
        warnings.append(
            f"{stored.files.path} was made before runs kept SHA-256 of their files: whether they were changed "
            f"since cannot be told; {collect_again(stored.files)}"
        )
        if stored.begun.spec != spec_fingerprint(stored.resolved):
            warnings.append(
                f"{stored.files.resolved_spec} was changed after the run: its results may not be those reported"
            )
    for forced in stored.begun.forced:
        warnings.append(f"the run was gone on with by --force although it had changed: {'; '.join(forced.changes)}")
    return warnings + sorted(_other_plugins(stored.plugins(), spec))


def _other_plugins(used: Mapping[str, PluginSource], spec: RunSpec) -> set[str]:
    """Components that are not those of the training: another version, or a local file with another content."""
    found = set()
    for path, chosen in spec.components().items():
        before, now = used.get(path), chosen.component.source
        if before is None:
            continue
        if before.version != now.version:
            found.add(f"{now.distribution} {before.version} trained the run, {now.version} is here now")
        if before.sha256 != now.sha256:
            found.add(f"{path}: the local plugin {now.file} was changed after the training")
    return found
