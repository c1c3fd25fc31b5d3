"""Which record a chain gets, and that order never decides it."""

from __future__ import annotations

from itertools import permutations

import pytest
from ca_models import S, Strand, pdb

from e1bind.contracts import ResidueRecord
from e1bind.errors import DataError
from e1bind.inference.chain_matching import match_chains, own_matches
from e1bind.structures.structure import read_structure


@pytest.fixture
def structure(tmp_path):
    """m.pdb: chain A is S, chain B is S without its first three residues."""
    path = tmp_path / "m.pdb"
    path.write_text(pdb([Strand(S), Strand(S[3:], "B", column=1)]))
    return read_structure(path)


def found(structure, records, has_context=lambda _: False):
    """What each chain gets, the same for any order of the records."""
    answers = {
        tuple((match.chain.label, match.record.id) for match in match_chains(structure, list(order), has_context))
        for order in permutations(ResidueRecord(name, sequence) for name, sequence in records)
    }
    assert len(answers) == 1
    return dict(answers.pop())


def test_a_chain_gets_its_own_record_and_not_that_of_a_longer_one(structure):
    assert found(structure, [("one", S), ("two", S[3:])]) == {"A": "one", "B": "two"}
    assert found(structure, [("x_A", S), ("x_B", S[3:])]) == {"A": "x_A", "B": "x_B"}


def test_a_mature_chain_gets_its_own_record_and_not_the_precursor(structure):
    precursor = "MLLLLALLALLAGLA" + S
    assert found(structure, [("pre", precursor), ("mature", S)]) == {"A": "mature", "B": "mature"}
    assert found(structure, [("pre", precursor)]) == {"A": "pre", "B": "pre"}


def test_a_record_named_after_file_and_chain_goes_before_one_that_fits_more_closely(structure):
    """The construct of chain B has three residues that the model lacks."""
    assert found(structure, [("m_A", S), ("m_B", S), ("other", S[3:])]) == {"A": "m_A", "B": "m_B"}


def test_identical_chains_with_other_alignments_get_their_own_or_nothing(structure):
    both = [("x_A", S), ("x_B", S)]
    assert found(structure, both, lambda _: True) == {"A": "x_A", "B": "x_B"}
    same = [ResidueRecord("one", S), ResidueRecord("two", S)]
    with pytest.raises(DataError, match=r"chain A fits 2 records equally well \(one, two\).*m_A"):
        match_chains(structure, same, lambda record: record.id == "two")
    assert [match.record.id for match in match_chains(structure, same)] == ["one", "one"]


def test_two_mutants_that_fit_equally_well_are_refused(structure):
    mutants = [ResidueRecord("one", "A" + S[1:]), ResidueRecord("two", "G" + S[1:])]
    with pytest.raises(DataError, match="chain A fits 2 records equally well"):
        match_chains(structure, mutants)
    with pytest.raises(DataError, match="chain A fits 2 records equally well"):
        match_chains(structure, mutants[::-1])


def test_chains_of_the_structure_itself_never_swap(tmp_path):
    path = tmp_path / "dimer.pdb"
    path.write_text(pdb([Strand(S), Strand(S, "B", column=1), Strand(S, column=2)]))
    pairs = [(match.chain.label, match.record.id) for match in own_matches(read_structure(path))]
    assert pairs == [("A-1", "dimer_A-1"), ("B", "dimer_B"), ("A-2", "dimer_A-2")]


def test_unknown_residues_are_nothing_identical(tmp_path):
    path = tmp_path / "x.pdb"
    path.write_text(pdb([Strand(S, names=dict.fromkeys(range(len(S)), "UNK"))]))
    with pytest.raises(DataError, match="another sequence"):
        match_chains(read_structure(path), [ResidueRecord("x", "X" * len(S))])
