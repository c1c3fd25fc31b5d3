"""Out-of-fold predictions: every training residue once, scored by the fold that did not see it.

`oof_preds.npz` holds one row per training residue and ion, ordered by ion, fold, chain and residue; no pickle:

    protein       str      chain id
    residue_index int32    0-based position in the chain
    amino_acid    str      one letter
    fold          int16    fold that held the chain out, from 1
    ion           str
    label         int8     0, 1, or -1 where nothing is known
    score         float32  logit
    probability   float32  logistic function of the score, not calibrated
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import MetricInputs, ResidueRecord
from e1bind.errors import RunError
from e1bind.files.reading import npz_columns, parsing, read_bytes
from e1bind.files.writing import atomic_write
from e1bind.scoring import Scores, probabilities

Table = Mapping[str, NDArray[Any]]
COLUMNS = ("protein", "residue_index", "amino_acid", "fold", "ion", "label", "score", "probability")
_DTYPES = {
    "residue_index": np.int32,
    "fold": np.int16,
    "label": np.int8,
    "score": np.float32,
    "probability": np.float32,
}


def oof_table(
    records: Sequence[ResidueRecord], fold_of: Mapping[str, int], scores: Mapping[str, Mapping[int, Scores]]
) -> Table:
    """The table from `scores[ion][fold]`. Raises `RunError` where a chain has no score or two."""
    columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
    for ion, by_fold in scores.items():
        chains = sorted((r for r in records if ion in r.labels), key=lambda r: (fold_of[r.id], r.id))
        for record in chains:
            fold = fold_of[record.id]
            seen_in = [f for f, scored in by_fold.items() if record.id in scored]
            if seen_in != [fold]:
                raise RunError(f"{record.id} ({ion}) belongs to fold {fold} but was scored in folds {seen_in}")
            length, score = len(record), by_fold[fold][record.id]
            columns["protein"].append(np.full(length, record.id))
            columns["residue_index"].append(np.arange(length))
            columns["amino_acid"].append(np.array(list(record.sequence)))
            columns["fold"].append(np.full(length, fold))
            columns["ion"].append(np.full(length, ion))
            columns["label"].append(record.labels[ion])
            columns["score"].append(score)
            columns["probability"].append(probabilities(score))
    table = {name: np.concatenate(parts) for name, parts in columns.items()}
    return {name: values.astype(_DTYPES.get(name, values.dtype)) for name, values in table.items()}


def scores_of(table: Table) -> dict[str, Scores]:
    """The scores by ion and chain, as `oof_table` takes them for one fold."""
    found: dict[str, Scores] = {}
    for ion in dict.fromkeys(table["ion"].tolist()):
        of_ion = table["ion"] == ion
        proteins, starts = np.unique(table["protein"][of_ion], return_index=True)
        order = np.argsort(starts)
        parts = np.split(table["score"][of_ion], starts[order][1:])
        found[ion] = {str(proteins[i]): part for i, part in zip(order, parts, strict=True)}
    return found


def rows_of(table: Table, ion: str, fold: int | None = None) -> MetricInputs:
    """The labelled residues of one ion (and fold) as metrics take them."""
    keep = (table["ion"] == ion) & (table["label"] >= 0)
    if fold is not None:
        keep &= table["fold"] == fold
    _, protein = np.unique(table["protein"][keep], return_inverse=True)
    return MetricInputs(table["probability"][keep].astype(np.float64), table["label"][keep], protein)


def along_rows(table: Table, ion: str, by_chain: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float64]:
    """Values of each chain's residues in the order of `rows_of(table, ion)`. `RunError` if one is missing."""
    of_ion = table["ion"] == ion
    proteins, starts = np.unique(table["protein"][of_ion], return_index=True)
    ids = [str(proteins[i]) for i in np.argsort(starts)]
    if missing := [chain for chain in ids if chain not in by_chain]:
        raise RunError(f"{missing[0]} ({ion}) was not predicted")
    values = np.concatenate([by_chain[chain] for chain in ids]).astype(np.float64)
    return values[table["label"][of_ion] >= 0]


def write_oof(path: Path, table: Table) -> None:
    """Write the table atomically; equal tables give equal bytes."""

    def save(target: Path) -> None:
        with target.open("wb") as file:
            np.savez_compressed(file, **table)  # type: ignore[arg-type]

    atomic_write(path, save)


def read_oof(path: Path) -> Table:
    """Read the table without unpickling anything. Raises `RunError`."""
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        raise RunError(f"{path} is missing") from None
    table = npz_columns(content, COLUMNS, path)
    with parsing(path):
        _check(table, path)
    return table


def _check(table: Table, path: Path) -> None:
    """Raise `RunError` unless the columns are those that `write_oof` writes."""
    if len({column.shape for column in table.values()}) != 1 or table["label"].ndim != 1:
        raise RunError(f"{path} is damaged: its columns are not equally long")
    for name, column in table.items():
        wanted = _DTYPES.get(name)
        if column.dtype.kind != "U" if wanted is None else column.dtype != wanted:
            raise RunError(f"{path} is damaged: its column {name} holds {column.dtype}")
    if not table["label"].size or not np.isin(table["label"], (-1, 0, 1)).all():
        raise RunError(f"{path} is damaged: its labels are not 0, 1 or -1, or there are none")
    # Another machine's exp may differ in the last place.
    if not np.allclose(probabilities(table["score"]), table["probability"], rtol=0, atol=1e-6):
        raise RunError(f"{path} is damaged: its probabilities are not those of its scores")
