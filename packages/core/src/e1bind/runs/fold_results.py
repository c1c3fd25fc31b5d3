"""What a finished fold leaves beside its model: a run is put together from these, whoever made them.

metrics.jsonl   every epoch's lines
oof_preds.npz   scores of the chains held out, at the best epoch (columns as in the run's file)
fold.json       best epoch, counts, and SHA-256 of all files of the fold; written last: with it the fold is finished
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e1bind.contracts import ResidueRecord
from e1bind.errors import RunError
from e1bind.files.reading import json_value, plain, read_bytes
from e1bind.files.text import command
from e1bind.files.writing import atomic_write, atomic_write_text
from e1bind.runs.digests import advising, check_digests, digests
from e1bind.runs.layout import FoldDir, RunDir
from e1bind.runs.oof_table import oof_table, read_oof, scores_of, write_oof
from e1bind.runs.schemas import FoldDone, MetricsRow
from e1bind.runs.seals import read_sealed, sealed, validated
from e1bind.scoring import Scores

Row = Mapping[str, Any]
"""One split of one ion in one epoch: fold, epoch, ion, split, and figures by name."""


@dataclass
class FoldResult:
    """A fold's best epoch, that epoch's scores by ion, and every row of metrics.

    `prototype_positives`: binding residues each ion's prototype was made of. `spec`: SHA-256 of the spec it was
    trained with; None for one that did not write it down. `way`: options of the backbone that were chosen by the
    memory there was.
    """

    fold: int
    best_epoch: int
    best_value: float
    epochs: int
    scores: Mapping[str, Scores]
    rows: Sequence[Row]
    prototype_positives: Mapping[str, int] = field(default_factory=dict)
    spec: str | None = None
    way: Mapping[str, str | bool] = field(default_factory=dict)


def write_rows(path: Path, rows: Iterable[Row]) -> None:
    """All rows so far, one JSON object a line; NaN is written as null."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, "".join(json.dumps(plain(row)) + "\n" for row in rows))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of a `metrics.jsonl`, None where undefined. Raises FileNotFoundError, or `RunError` naming the line."""
    content = read_bytes(path)
    if content and not content.endswith(b"\n"):
        raise RunError(f"{path} is damaged: its last line is cut off")
    rows = []
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        place = Path(f"{path}:{number}")
        value = json_value(line, place)
        validated(MetricsRow, value, place)
        rows.append(value)
    return rows


def join_rows(run: RunDir) -> None:
    """Write the run's `metrics.jsonl` anew from those of its folds."""
    files = [fold.metrics for fold in run.folds()]
    content = b"".join(read_bytes(file) for file in files if file.is_file())
    atomic_write(run.metrics, lambda path: path.write_bytes(content))


def write_fold(folder: FoldDir, result: FoldResult, held_out: Sequence[ResidueRecord]) -> None:
    """Write a finished fold; adapter and heads of its best epoch must be in place."""
    write_rows(folder.metrics, result.rows)
    fold_of = {record.id: result.fold for record in held_out}
    by_fold = {ion: {result.fold: scores} for ion, scores in result.scores.items()}
    write_oof(folder.oof, oof_table(held_out, fold_of, by_fold))
    done = {
        "fold": result.fold,
        "best_epoch": result.best_epoch,
        "best_value": result.best_value,
        "epochs": result.epochs,
        "prototype_positives": dict(result.prototype_positives),
        "spec": result.spec,
        "way": dict(result.way),
        "files": digests(folder.path, fold_artefacts(folder)),
    }
    atomic_write_text(folder.done, json.dumps(sealed(done), indent=2) + "\n")


def fold_artefacts(
    folder: FoldDir, record: Collection[str] | None = None, within: Path | None = None
) -> list[Path]:
    """The files of a finished fold that its record vouches for, as far as they are there.

    `record`: the names, relative to `within` (the fold's folder without it), that a record which was written holds.
    One that is older than model cards vouches for none; what stands in its place is peft's own.
    """
    named = record is None or str(folder.card.relative_to(within or folder.path)) in record
    return [*_of_old_folds(folder), folder.baselines, *[folder.card] * named]


def _of_old_folds(folder: FoldDir) -> list[Path]:
    """The files of folds whose records are older than seals: all of them are there."""
    return [folder.adapter_weights, folder.adapter_config, folder.heads, folder.metrics, folder.oof]


def fold_done(folder: FoldDir, files: Sequence[Path] | None = None) -> FoldDone | None:
    """The record of a finished fold, with `files` of it (None: all) held against it; None if it has not finished.

    Raises `RunError` that says how to make again what is damaged or gone.
    """
    advice = again(folder)
    with advising(advice):
        try:
            done = read_sealed(folder.done, FoldDone)
        except FileNotFoundError:
            return None
        if done.fold != folder.number:
            raise RunError(f"{folder.done} is that of fold {done.fold}: folders of folds were swapped")
    # What a record with a seal does not name was not there: a frozen backbone has no adapter.
    known, artefacts = _of_old_folds(folder), fold_artefacts(folder, done.files)
    if done.sealed:
        known = [file for file in artefacts if str(file.relative_to(folder.path)) in done.files]
    if files is not None:
        known = [file for file in known if file != folder.card]  # who uses a model does without its description
    missing = [file for file in known if not file.is_file()]
    if missing:
        raise RunError(f"{missing[0]} is missing; {advice}")
    if done.sealed:
        check_digests(folder.path, done.files, artefacts if files is None else files, advice)
    return done


def again(folder: FoldDir) -> str:
    """The command that makes a fold's files again."""
    return (
        "the fold's results are made again from its last state (or trained anew where that is gone) by:\n"
        f"  {shlex.join(['rm', str(folder.done)])} && {command('train', '--resume', folder.path.parent)}"
    )


def read_fold(folder: FoldDir) -> FoldResult | None:
    """A finished fold, all its files checked; None where it has not finished. Raises `RunError`."""
    done = fold_done(folder)
    if done is None:
        return None
    with advising(again(folder)):
        rows, table = read_rows(folder.metrics), read_oof(folder.oof)
        if {int(fold) for fold in set(table["fold"].tolist())} != {folder.number}:
            raise RunError(f"{folder.oof} is that of another fold")
        if any(row["fold"] != folder.number for row in rows):
            raise RunError(f"{folder.metrics} is that of another fold")
    return FoldResult(
        fold=done.fold,
        best_epoch=done.best_epoch,
        best_value=done.best_value,
        epochs=done.epochs,
        scores=scores_of(table),
        rows=rows,
        prototype_positives=done.prototype_positives,
        spec=done.spec,
        way=done.way,
    )
