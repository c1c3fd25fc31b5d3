"""A structure of the PDB with calcium: its labels are those of a loop over distances that reads the file by itself.

2GTL (Lumbricus erythrocruorin, 3.5 A) ships with tmtools, which the tests take it from and do not import. Each of
its linker chains M, N and O holds a calcium in a module as of the LDL receptor.
"""

from __future__ import annotations

import logging
import math
from importlib.util import find_spec
from pathlib import Path

import pytest

from e1bind.errors import DataError
from e1bind.readers.options import StructuresOptions
from e1bind.readers.structures import StructuresReader

DONORS = ("N", "O", "S", "SE")
RADII = {"C": 1.7, "N": 1.55, "O": 1.52, "S": 1.8, "CA": 2.31, "ZN": 1.39}
"""Of van der Waals, in A."""
TOUCH = {
    "donor": lambda element, ion, apart: element in DONORS and apart <= 3.0,
    "heavy": lambda element, ion, apart: element != "H" and apart <= 3.0,
    "biolip": lambda element, ion, apart: element != "H" and apart < 0.5 + RADII[element] + RADII[ion],
}


@pytest.fixture(scope="module")
def folder() -> Path:
    """Where tmtools keeps its example structures."""
    found = find_spec("tmtools")
    if found is None or not found.submodule_search_locations:
        pytest.skip("tmtools, which ships the structure 2GTL, is not installed: see CONTRIBUTING")
    path = Path(found.submodule_search_locations[0]) / "data"
    if not (path / "2gtl.pdb").is_file():
        pytest.skip("this tmtools ships no structure 2GTL")
    return path


def by_hand(path: Path, ion: str, rule: str) -> dict[str, set[tuple[str, str]]]:
    """Name and number of the binding residues of each chain, from the columns of a PDB file."""
    lines = path.read_text().splitlines()
    ions = [line for line in lines if line.startswith("HETATM") and line[17:20].strip() == ion]
    found: dict[str, set[tuple[str, str]]] = {}
    for line in lines:
        if line.startswith("ATOM"):
            apart = [math.dist(place(line), place(at)) for at in ions]
            if any(TOUCH[rule](line[76:78].strip(), ion, distance) for distance in apart):
                found.setdefault(line[21], set()).add((line[17:20], line[22:27].strip()))
    return found


def place(line: str) -> tuple[float, float, float]:
    return float(line[30:38]), float(line[38:46]), float(line[46:54])


def residues(path: Path) -> dict[str, list[tuple[str, str]]]:
    """Name and number of all residues of each chain that have atoms, in the file's order."""
    found: dict[str, dict[tuple[str, str], None]] = {}
    for line in path.read_text().splitlines():
        if line.startswith("ATOM"):
            found.setdefault(line[21], {})[line[17:20], line[22:27].strip()] = None
    return {chain: list(names) for chain, names in found.items()}


@pytest.mark.parametrize("rule", list(TOUCH))
@pytest.mark.parametrize("ending", ["pdb", "cif"])
def test_calcium_of_2gtl_binds_what_a_loop_over_distances_says(folder, caplog, ending, rule) -> None:
    caplog.set_level(logging.ERROR)
    options = StructuresOptions(train=folder / f"2gtl.{ending}", rule=rule)
    records = StructuresReader(options).read("CA", "train")
    wanted, names = by_hand(folder / "2gtl.pdb", "CA", rule), residues(folder / "2gtl.pdb")
    found = {
        record.id.removeprefix("2gtl_"): {
            name for name, label in zip(names[record.id[-1]], record.labels["CA"], strict=True) if label == 1
        }
        for record in records
    }
    assert found == wanted
    assert {"M", "N", "O"} <= found.keys()
    assert len(found["M"]) >= 6


def test_an_ion_that_touches_nothing_labels_nothing(folder, caplog) -> None:
    """The zinc of 2GTL has no donor within 3.0 A of it, which makes no chain known."""
    caplog.set_level(logging.ERROR)
    assert by_hand(folder / "2gtl.pdb", "ZN", "donor") == {}
    with pytest.raises(DataError, match="no chain has a site of ZN"):
        StructuresReader(StructuresOptions(train=folder / "2gtl.cif")).read("ZN", "train")
