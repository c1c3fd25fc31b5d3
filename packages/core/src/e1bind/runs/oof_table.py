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

In memory the columns of text are numbers (`CodedTable`), and texts again where they are asked for by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import MetricInputs, ResidueRecord
from e1bind.data.columns import along, chains_of, ids_of, lengths_of, picked
from e1bind.data.packed_strings import starts_of
from e1bind.errors import RunError
from e1bind.files.reading import parsing, read_bytes
from e1bind.files.writing import atomic_write
from e1bind.runs.coded_table import CodedTable, CodedText, read_npz, write_npz
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
    by_ion = {ion: _ordered(records, fold_of, ion) for ion in scores}
    lengths = np.concatenate([np.zeros(0, np.int64), *(lengths_of(chains) for chains in by_ion.values())])
    cuts = starts_of(lengths)
    numbers = {name: np.empty(cuts[-1], dtype) for name, dtype in _DTYPES.items()}
    letters = np.empty(cuts[-1], np.uint32)
    stretches = pairwise(cuts.tolist())
    for ion, chains in by_ion.items():
        for record in chains:
            own = slice(*next(stretches))
            fold = fold_of[record.id]
            score = _score_of(record, ion, fold, scores[ion])
            numbers["residue_index"][own] = np.arange(len(record))
            numbers["fold"][own] = fold
            numbers["label"][own] = record.labels[ion]
            numbers["score"][own] = score
            numbers["probability"][own] = probabilities(score)
            letters[own] = np.frombuffer(record.sequence.encode("utf-32-le"), np.uint32)
    ids = [name for chains in by_ion.values() for name in ids_of(chains)]
    ions = [ion for ion, chains in by_ion.items() for _ in range(len(chains))]
    texts = {
        "protein": CodedText.repeated(ids, lengths),
        "amino_acid": CodedText.of_letters(letters),
        "ion": CodedText.repeated(ions, lengths),
    }
    return CodedTable(numbers, texts, COLUMNS)


def _ordered(records: Sequence[ResidueRecord], fold_of: Mapping[str, int], ion: str) -> Sequence[ResidueRecord]:
    """The chains of an ion by fold and id."""
    chains = chains_of(records, ion)
    return picked(chains, np.argsort(along(chains, fold_of), kind="stable"))


def _score_of(record: ResidueRecord, ion: str, fold: int, by_fold: Mapping[int, Scores]) -> NDArray[np.float32]:
    """A chain's scores. Raises `RunError` unless its own fold and no other has them."""
    seen_in = [f for f, scored in by_fold.items() if record.id in scored]
    if seen_in != [fold]:
        raise RunError(f"{record.id} ({ion}) belongs to fold {fold} but was scored in folds {seen_in}")
    return by_fold[fold][record.id]


def scores_of(table: Table) -> dict[str, Scores]:
    """The scores by ion and chain, as `oof_table` takes them for one fold."""
    coded = CodedTable.of(table)
    found: dict[str, Scores] = {}
    for ion in coded.texts["ion"].names.tolist():
        of_ion = of_ion_N(coded, ion)
        ids, starts = _chains(coded, of_ion)
        found[ion] = dict(zip(ids, np.split(coded["score"][of_ion], starts[1:]), strict=True)) if ids else {}
    return found


def of_ion_N(table: Table, ion: str) -> NDArray[np.bool_]:
    """Which rows are of an ion, [N]."""
    return CodedTable.of(table).texts["ion"].rows(ion)


def _chains(coded: CodedTable, rows_N: NDArray[np.bool_]) -> tuple[list[str], NDArray[np.int64]]:
    """The chains of some rows in order of first appearance, and the first of these rows of each."""
    column = coded.texts["protein"]
    codes, starts = np.unique(column.code_N[rows_N], return_index=True)
    order = np.argsort(starts)
    return column.names[codes[order]].tolist(), starts[order]


def rows_of(table: Table, ion: str, fold: int | None = None) -> MetricInputs:
    """The labelled residues of one ion (and fold) as metrics take them."""
    coded = CodedTable.of(table)
    keep = of_ion_N(coded, ion) & (coded["label"] >= 0)
    if fold is not None:
        keep &= coded["fold"] == fold
    _, protein = coded.texts["protein"].numbered(keep)
    return MetricInputs(coded["probability"][keep].astype(np.float64), coded["label"][keep], protein)


def along_rows(table: Table, ion: str, by_chain: Mapping[str, NDArray[np.floating]]) -> NDArray[np.float64]:
    """Values of each chain's residues in the order of `rows_of(table, ion)`. `RunError` if one is missing."""
    coded = CodedTable.of(table)
    of_ion = of_ion_N(coded, ion)
    ids, _ = _chains(coded, of_ion)
    if missing := [chain for chain in ids if chain not in by_chain]:
        raise RunError(f"{missing[0]} ({ion}) was not predicted")
    values = np.concatenate([by_chain[chain] for chain in ids]).astype(np.float64)
    return values[coded["label"][of_ion] >= 0]


def write_oof(path: Path, table: Table) -> None:
    """Write the table atomically; equal tables give equal bytes."""

    def save(target: Path) -> None:
        with target.open("wb") as file:
            write_npz(file, CodedTable.of(table))

    atomic_write(path, save)


def read_oof(path: Path) -> Table:
    """Read the table without unpickling anything. Raises `RunError`."""
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        raise RunError(f"{path} is missing") from None
    with parsing(path):
        table = read_npz(content, COLUMNS, path)
        _check(table, path)
    return table


def _check(table: CodedTable, path: Path) -> None:
    """Raise `RunError` unless the columns are those that `write_oof` writes."""
    shapes = {column.shape for column in table.numbers.values()} | {of.code_N.shape for of in table.texts.values()}
    if len(shapes) != 1 or any(len(shape) != 1 for shape in shapes):
        raise RunError(f"{path} is damaged: its columns are not equally long")
    for name in COLUMNS:
        wanted, text = _DTYPES.get(name), table.texts.get(name)
        kind = table.numbers[name].dtype if text is None else text.names.dtype
        if text is None if wanted is None else kind != wanted:
            raise RunError(f"{path} is damaged: its column {name} holds {kind}")
    if not table["label"].size or not np.isin(table["label"], (-1, 0, 1)).all():
        raise RunError(f"{path} is damaged: its labels are not 0, 1 or -1, or there are none")
    # Another machine's exp may differ in the last place.
    if not np.allclose(probabilities(table["score"]), table["probability"], rtol=0, atol=1e-6):
        raise RunError(f"{path} is damaged: its probabilities are not those of its scores")
