"""What a fold leaves on disk, beside its model: a run is put together from these, however many processes made them.

metrics.jsonl   every epoch's lines
oof_preds.npz   scores of the chains held out, at the best epoch (columns as in the run's file)
fold.json       best epoch and counts; written last: with it the fold is a finished one
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e1bind.contracts import ResidueRecord
from e1bind.engine.oof import oof_table, read_oof, scores_of, write_oof
from e1bind.engine.rundir import atomic_write, plain
from e1bind.engine.scores import Scores
from e1bind.errors import RunError

FORMAT = 1
DONE, METRICS, OOF = "fold.json", "metrics.jsonl", "oof_preds.npz"


@dataclass
class FoldResult:
    """A fold's best epoch, that epoch's scores by ion, and every row of metrics.

    `prototype_positives`: binding residues each ion's prototype was made of.
    """

    fold: int
    best_epoch: int
    best_value: float
    epochs: int
    scores: Mapping[str, Scores]
    rows: Sequence[Mapping[str, Any]]
    prototype_positives: Mapping[str, int] = field(default_factory=dict)


def write_metrics(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """All rows so far, one JSON object a line; NaN is written as null."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(plain(row)) + "\n" for row in rows)
    atomic_write(folder / METRICS, lambda path: path.write_text(text, encoding="utf-8"))


def write_fold(folder: Path, result: FoldResult, held_out: Sequence[ResidueRecord]) -> None:
    """Write a finished fold."""
    write_metrics(folder, result.rows)
    fold_of = {record.id: result.fold for record in held_out}
    by_fold = {ion: {result.fold: scores} for ion, scores in result.scores.items()}
    write_oof(folder / OOF, oof_table(held_out, fold_of, by_fold))
    done = {
        "format": FORMAT,
        "fold": result.fold,
        "best_epoch": result.best_epoch,
        "best_value": result.best_value,
        "epochs": result.epochs,
        "prototype_positives": dict(result.prototype_positives),
    }
    text = json.dumps(plain(done), indent=2) + "\n"
    atomic_write(folder / DONE, lambda path: path.write_text(text, encoding="utf-8"))


def read_fold(folder: Path) -> FoldResult | None:
    """A finished fold; None where it has not finished. Raises `RunError` for damaged files."""
    if not (folder / DONE).exists():
        return None
    try:
        done = json.loads((folder / DONE).read_text(encoding="utf-8"))
        rows = [json.loads(line) for line in (folder / METRICS).read_text(encoding="utf-8").splitlines()]
        if done.pop("format") != FORMAT:
            raise RunError(f"{folder / DONE} was not written by this version of e1bind")
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, AttributeError, KeyError) as error:
        raise RunError(
            f"{folder} holds a finished fold whose files cannot be read ({error}); remove {DONE} from it and "
            "resume: the fold goes on from its last state"
        ) from error
    return FoldResult(**done, scores=scores_of(read_oof(folder / OOF)), rows=rows)
