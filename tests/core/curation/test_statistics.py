"""Counts of chains: those that the data's own page states, and small ones by hand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from e1bind.contracts import UNKNOWN, ResidueRecord
from e1bind.curation.statistics import statistics
from e1bind.readers.fasta3 import read_fasta3

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "metal_binding"


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside the checkout")
@pytest.mark.parametrize("split", ["train", "test"])
def test_counts_of_real_files_are_those_of_their_readme(split: str) -> None:
    text = (SHARED / "README.md").read_text(encoding="utf-8")
    rows = [
        line.strip("| ").split(" | ") for line in text.splitlines() if re.match(rf"\| \w\w \| {split} \|", line)
    ]
    assert len(rows) == 4
    for ion, _, chains, residues, binding, percent, each, lengths, common in rows:
        of = statistics(read_fasta3(SHARED / f"{ion}_{split}.fasta", ion), [ion]).ions[ion]
        assert (of.chains, of.residues, of.known, of.binding) == (
            int(chains), int(residues), int(residues), int(binding),
        )  # fmt: skip
        assert f"{100 * of.share:.2f}" == percent
        assert f"{of.binding / of.chains:.2f}" == each
        assert "{} / {:.0f} / {}".format(*of.lengths) == lengths
        told = [f"{letter} {100 * count / of.binding:.0f}%" for letter, count in of.binders.items()]
        assert ", ".join(told[:4]) == common


def record(name: str, sequence: str, **labels: list[int]) -> ResidueRecord:
    return ResidueRecord(name, sequence, {ion: np.array(row, dtype=np.int8) for ion, row in labels.items()})


def test_unknown_residues_and_chains_are_counted_as_such_and_ions_that_go_together() -> None:
    records = [
        record("a", "MKHC", ZN=[0, UNKNOWN, 1, 1], CA=[0, 0, 1, 0]),
        record("b", "MKH", ZN=[0, 0, 0]),
        record("c", "MKH", CA=[1, 0, 0]),
    ]
    found = statistics(records, ["ZN", "CA"])
    zinc = found.ions["ZN"]
    assert (zinc.chains, zinc.without_sites, zinc.residues, zinc.known, zinc.binding) == (2, 1, 7, 6, 2)
    assert dict(zinc.binders) == {"C": 1, "H": 1}
    assert found.together == {("ZN", "CA"): (1, 1)}
    assert found.as_json()["together"] == {"ZN+CA": {"chains": 1, "binding_both": 1}}
    assert found.warnings[-1].startswith("2 chains share their sequence")
    assert any(w.startswith("ZN: 2 binding residues") for w in found.warnings)


def test_an_ion_that_nothing_binds_is_told() -> None:
    found = statistics([record("a", "MK", ZN=[0, 0])], ["ZN"])
    assert any("no chain has a binding residue" in warning for warning in found.warnings)
