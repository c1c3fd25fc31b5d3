"""Symbols of atoms where no column tells them."""

from __future__ import annotations

import pytest

from e1bind.structures.residue_names import element_of


@pytest.mark.parametrize(
    ("atom", "residue", "symbol"),
    [
        ("CA", "ALA", "C"),
        ("CA", "CA", "CA"),
        ("ZN", "ZN", "ZN"),
        ("FE", "FE2", "FE"),
        ("SE", "MSE", "SE"),
        ("1HB", "ALA", "H"),
        ("NA", "HEM", "N"),
        ("U", "U", "U"),
        ("", "ALA", ""),
    ],
)
def test_an_ion_is_told_by_its_residue_and_the_rest_by_the_first_letter(atom, residue, symbol) -> None:
    assert element_of(atom, residue) == symbol
