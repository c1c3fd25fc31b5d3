"""Mangled files of every format give records that agree with the whole file, or a `DataError`; nothing else."""

from __future__ import annotations

import logging
from pathlib import Path

import gemmi
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e1bind.data.record_faults import records_fault
from e1bind.errors import DataError
from e1bind.plugins import PluginPolicy, discover

READERS = discover(PluginPolicy(allow=())).components("reader")
TABLES = {"table": {"values": "positions", "first": 1}}
ROWS = 'id,sequence,ZN\none,MKVHCDEACGHK,"4 5 8"\ntwo,GSHMCELPCWHT,3 9 11\nthree,GSHMCELPCWHTKKKKKKKK,11 12\n'


def cif_of(folder: Path) -> dict:
    """The example's structure as mmCIF."""
    structure = gemmi.read_structure(str(folder / "zinc.pdb"))
    structure.setup_entities()
    path = folder / "zinc.cif"
    path.write_text(structure.make_mmcif_document().as_string())
    return {"train": str(path)}


MANGLES = {
    "cut": lambda content, place: content[:place],
    "bytes": lambda content, place: content[:place] + bytes([place % 256, 0, 255]) + content[place:],
    "nul": lambda content, place: content[:place] + b"\0" + content[place:],
    "utf-16": lambda content, place: content.decode("latin-1").encode("utf-16"),
    "line ends": lambda content, place: content[:place] + content[place:].replace(b"\n", b"\r\n"),
    "old line ends": lambda content, place: content.replace(b"\n", b"\r"),
    "twice": lambda content, place: content + content[place:],
    "huge line": lambda content, place: content[:place] + b"A" * 50_000 + content[place:],
    "swapped": lambda content, place: content[place:] + content[:place],
}


def example(component, folder: Path, form: str) -> tuple[dict, Path]:
    """Options that read a small file, and the file."""
    options = component.load_options().example(folder)
    if component.name == "table":
        (folder / "chains.csv").write_text(ROWS)
        options |= TABLES["table"]
    if form == "cif":
        options = cif_of(folder)
        return options, Path(options["train"])
    (file,) = [path for path in folder.iterdir() if path.is_file()]
    return options, file


CASES = [pytest.param(component, "", id=component.name) for component in READERS]
CASES += [pytest.param(c, "cif", id="structures, mmCIF") for c in READERS if c.name == "structures"]


@pytest.mark.parametrize(("component", "form"), CASES)
def test_a_mangled_file_gives_whole_records_or_a_sentence(component, form, tmp_path, caplog) -> None:
    options, file = example(component, tmp_path, form)
    reader = component.build(component.load_options()(**options))
    whole = file.read_bytes()
    true = {r.id: (r.sequence, r.labels["ZN"].tolist()) for r in reader.read("ZN", "train")}

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(how=st.sampled_from(sorted(MANGLES)), place=st.integers(0, len(whole)))
    def mangled(how: str, place: int) -> None:
        file.write_bytes(MANGLES[how](whole, place))
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            try:
                found = reader.read("ZN", "train")
            except DataError:
                return
        assert records_fault(found, "ZN") is None
        told = any("was the file cut?" in message for message in caplog.messages)
        for record in found if how in ("cut", "line ends", "old line ends", "twice") else ():
            if record.id in true:
                same = (record.sequence, record.labels["ZN"].tolist()) == true[record.id]
                assert same or told, f"{record.id} of a file mangled by {how} at {place}"

    mangled()
