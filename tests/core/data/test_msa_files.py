"""Which file is a chain's alignment: folders, paths with {id} and {ion}, odd ids."""

from __future__ import annotations

from pathlib import Path

import pytest

from e1bind.contracts import ResidueRecord
from e1bind.data.msa_files import AlignmentPlace, with_alignments
from e1bind.errors import DataError
from e1bind.files.text import file_part


def found(place: AlignmentPlace, name: str) -> str | None:
    path = place.of(ResidueRecord(name, "MK")).msa
    return None if path is None else str(path)


@pytest.mark.parametrize("name", ["sp|P1|X", "a/b", "a b", "a:b", "../up", "x" * 300, "."])
def test_ids_that_cannot_be_names_have_one_by_rule(tmp_path: Path, name: str) -> None:
    place = tmp_path / f"{file_part(name)}.a3m"
    place.write_text(f">{name}\nMK\n")
    (tmp_path.parent / "up.a3m").write_text(">no\nMK\n")
    assert found(AlignmentPlace(tmp_path, "msa_dir"), name) == str(place)
    assert found(AlignmentPlace(tmp_path / "{id}.a3m", "msa_dir"), name) == str(place)


def test_a_file_called_as_the_id_comes_first_and_gzip_is_found(tmp_path: Path) -> None:
    (tmp_path / "a|b.a3m.gz").touch()
    (tmp_path / f"{file_part('a|b')}.a3m").touch()
    assert found(AlignmentPlace(tmp_path, "msa_dir"), "a|b") == str(tmp_path / "a|b.a3m.gz")
    assert found(AlignmentPlace(tmp_path / "{id}.a3m", "msa_dir"), "a|b") == str(tmp_path / "a|b.a3m.gz")


def test_paths_hold_chain_and_ion(tmp_path: Path) -> None:
    (tmp_path / "ZN" / "a").mkdir(parents=True)
    (tmp_path / "ZN" / "a" / "uniref.a3m").touch()
    (tmp_path / "ZN" / "b.a3m").touch()
    assert found(AlignmentPlace(tmp_path / "{ion}" / "{id}" / "uniref.a3m", "msa_dir", "ZN"), "a")
    assert found(AlignmentPlace(tmp_path / "{ion}", "msa_dir", "ZN"), "b")
    assert not found(AlignmentPlace(tmp_path / "{ion}" / "{id}" / "uniref.a3m", "msa_dir", "CA"), "a")
    with pytest.raises(DataError, match=r"\{ion\} has no meaning here"):
        AlignmentPlace(tmp_path / "{ion}", "--msa-dir")


def test_required_alignments_that_are_missing_are_all_named(tmp_path: Path) -> None:
    (tmp_path / "a.a3m").touch()
    records = [ResidueRecord(name, "MK") for name in ("a", "b", "c")]
    place = AlignmentPlace(tmp_path, "msa_dir")
    with pytest.raises(DataError, match=r"2 of 3 chains have no alignment in .*: b, c; add"):
        with_alignments(records, place, Path("x.fasta"), required=True)
    assert [r.msa is not None for r in with_alignments(records, place, Path("x.fasta"))] == [True, False, False]
