"""One spelling for each ion, whatever it is called; groups; and names that are nobody's."""

from __future__ import annotations

import gemmi
import pytest

from e1bind.data.ions import CODES, ELEMENTS, GROUPS, canonical, ion_of, meant_by, members


@pytest.mark.parametrize(
    ("name", "ion"),
    [
        *((name, "ZN") for name in ("ZN", "zn", "Zn2+", "Zn(2+)", "ZN+2", "Zn++", "zinc", "ZINC ION", "Zinc(II)")),
        ("Zinc 1; catalytic", "ZN"),
        ("Calcium; via carbonyl oxygen", "CA"),
        ("Fe(3+)", "FE"),
        ("Fe cation", "FE"),
        ("FE2", "FE"),
        ("FE (III) ION", "FE"),
        ("Cu(1+)", "CU"),
        ("3CO", "CO"),
        ("K(+)", "K"),
        ("YT3", "Y"),
        ("aluminum", "AL"),
    ],
)
def test_what_an_ion_is_called(name: str, ion: str) -> None:
    assert ion_of(name) == canonical(name) == ion


@pytest.mark.parametrize(
    "name",
    ["ATP", "heme b", "[4Fe-4S] cluster", "Iron-sulfur (4Fe-4S)", "a divalent cation", "NAD(+)", "", "+"],
)
def test_what_is_no_ion_is_taken_for_none(name: str) -> None:
    assert ion_of(name) is None
    assert canonical(name) == name


def test_symbols_are_those_of_the_elements() -> None:
    for symbol, name in ELEMENTS.items():
        element = gemmi.Element(symbol.capitalize())
        assert element.name.upper() == symbol
        assert ion_of(name) == symbol
        assert element.is_metal
    assert set(CODES.values()) <= set(ELEMENTS)
    assert not set(CODES) & set(ELEMENTS)


def test_a_group_is_its_ions() -> None:
    assert members("ree") == GROUPS["REE"]
    assert {"LA", "SC", "Y", "LU"} <= set(GROUPS["REE"])
    assert meant_by("REE", ["ZN", "Eu(3+)", "GD3", "TB"]) == ["Eu(3+)", "GD3", "TB"]
    assert all(ion in ELEMENTS for group in GROUPS.values() for ion in group)


def test_a_code_of_one_charge_means_itself_and_the_ion_means_all_of_them() -> None:
    assert meant_by("FE2", ["FE", "FE2", "ZN"]) == ["FE2"]
    assert meant_by("FE", ["FE", "FE2", "ZN"]) == ["FE", "FE2"]


def test_any_code_a_user_brings_is_an_ion() -> None:
    assert members("SF4") == ("SF4",)
    assert meant_by("SF4", ["ZN", "SF4", "FES"]) == ["SF4"]
