"""What a run came to, for people and programs: `summary.csv` and, last of all files, `summary.json`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from e1bind.errors import RunError
from e1bind.files.reading import plain
from e1bind.files.text import cell, command
from e1bind.files.writing import atomic_write_text
from e1bind.runs.digests import check_digests, digests
from e1bind.runs.fold_results import fold_artefacts
from e1bind.runs.layout import RunDir
from e1bind.runs.schemas import RUN, Summary
from e1bind.runs.seals import read_sealed, sealed, validated

_HEAD = ("fold", "ion", "best_epoch", "epochs", "proteins", "residues", "positives")


def as_summary(table: Mapping[str, Any], run: RunDir) -> Summary:
    """A summary that is not on disk yet."""
    return validated(Summary, {key: _listed(value) for key, value in table.items()}, run.summary)


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def write_summary(run: RunDir, table: Mapping[str, Any], folds: int) -> Summary:
    """Write the CSV, then the JSON whose presence says that the run is finished; it vouches for all its files."""
    atomic_write_text(run.summary_table, _csv(as_summary(table, run)))
    value = sealed({**table, "files": digests(run.path, artefacts(run, folds))})
    atomic_write_text(run.summary, json.dumps(value, indent=2) + "\n")
    return validated(Summary, value, run.summary)


def artefacts(run: RunDir, folds: int, record: Collection[str] | None = None) -> list[Path]:
    """The files a finished run is made of; of one whose `record` was written, those it may know of."""
    own = [run.begun, run.metrics, run.oof, run.thresholds, run.calibration, run.summary_table]
    parts = [run.fold(number) for number in range(1, folds + 1)]
    return own + [file for fold in parts for file in (fold.done, *fold_artefacts(fold, record, run.path))]


def read_summary(run: RunDir) -> Summary | None:
    """The summary; None where there is none. Raises `RunError` for a damaged one."""
    try:
        return read_sealed(run.summary, Summary)
    except FileNotFoundError:
        return None


def finished_summary(run: RunDir) -> Summary:
    """The summary of a run all of whose folds have finished. Raises `RunError`."""
    try:
        summary = read_summary(run)
    except RunError as error:
        raise RunError(f"{error}; {collect_again(run)}") from error
    if summary is None or not summary.finished:
        gone = f" (it has no {run.summary.name})" if summary is None else ""
        raise RunError(
            f"{run.path} has not been put together yet{gone}; do that with: {command('collect', run.path)}"
        )
    return summary


def check_artefacts(run: RunDir, summary: Summary, files: list[Path]) -> None:
    """Raise `RunError` for the first of `files` that is not the one the summary was written with."""
    if summary.sealed:
        check_digests(run.path, summary.files, files, collect_again(run))
        return
    optional = {run.calibration, *(fold.baselines for fold in run.folds())}
    missing = [file for file in files if file not in optional and not file.exists()]
    if missing:
        raise RunError(f"{missing[0]} is missing; {collect_again(run)}")


def collect_again(run: RunDir) -> str:
    """The command that makes the files of a whole run again."""
    return f"put the run together again with: {command('collect', run.path)}"


def _csv(summary: Summary) -> str:
    """A row for each fold and ion, for each ion over all folds, and for each of its baselines.

    Runs that were held against baselines have a column that tells them from the run itself.
    """
    buffer = io.StringIO()
    names = summary.metric_names
    against = any(of.baselines for of in summary.oof.values())
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([*_HEAD[:2], *["method"] * against, *_HEAD[2:], *map(cell, names)])

    def write(
        place: str | int, ion: str, method: str, counts: Sequence[int | str], of: Mapping[str, float]
    ) -> None:
        head = [place, cell(ion), *[cell(method)] * against]
        writer.writerow([*head, *counts, *(plain(of[name]) for name in names)])

    for row in summary.folds:
        counts = (row.best_epoch, row.epochs, row.proteins, row.residues, row.positives)
        write(row.fold, row.ion, RUN, counts, row.metrics)
    for ion, of in summary.oof.items():
        data = summary.data[ion]
        whole = ("", "", data.proteins, data.residues, data.positives)
        write("oof", ion, RUN, whole, of.metrics)
        for name, baseline in of.baselines.items():
            write("oof", ion, name, whole, baseline.metrics)
    return buffer.getvalue()
