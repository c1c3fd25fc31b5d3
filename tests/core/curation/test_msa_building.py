"""Alignments built by the real MMseqs2, read by the rule of names, kept, refused and built anew."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from e1bind.contracts import ResidueRecord
from e1bind.curation import msa_building
from e1bind.curation.inputs import Chain
from e1bind.curation.msa_building import MsaParameters, build_alignments
from e1bind.data.msa import read_a3m
from e1bind.data.msa_files import AlignmentPlace
from e1bind.errors import UserError
from e1bind.readers.fasta3 import read_fasta3

pytestmark = pytest.mark.skipif(shutil.which("mmseqs") is None, reason="MMseqs2 is not on the PATH")
QUICK = MsaParameters(iterations=1, sensitivity=1)


@pytest.fixture(scope="module")
def chains(root: Path) -> list[Chain]:
    """Three real chains, one of them under an id that no file can be called."""
    real = read_fasta3(root / "examples" / "data" / "ZN_train.fasta", "ZN")
    real = sorted(real, key=len)[-3:]
    return [Chain(name, r.sequence, ("ZN",)) for name, r in zip(("one", "sp|two/2 x", "three"), real, strict=True)]


@pytest.fixture(scope="module")
def database(chains, tmp_path_factory) -> Path:
    """The chains, and a relative of the first with a residue less and one more."""
    path = tmp_path_factory.mktemp("db") / "db.fasta"
    first = chains[0].sequence
    relative = first[:20] + first[21:40] + "W" + first[40:]
    path.write_text("".join(f">d{i}\n{c.sequence}\n" for i, c in enumerate(chains)) + f">kin\n{relative}\n")
    return path


def test_each_chain_stands_first_in_the_file_that_msa_dir_looks_for(
    chains, database, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(msa_building, "BATCH", 2)
    told = []
    done = build_alignments(chains, database, tmp_path, QUICK, advance=lambda *n: told.append(n))
    assert (done.built, done.kept) == (3, 0)
    assert told == [(0, 3), (2, 3), (3, 3)]
    place = AlignmentPlace(tmp_path, "msa_dir")
    for chain, depth in zip(chains, done.depths, strict=True):
        found = place.of(ResidueRecord(chain.id, chain.sequence)).msa
        alignment = read_a3m(found, chain.sequence)
        assert alignment.ids[0] == chain.id
        assert alignment.query == chain.sequence
        assert alignment.remark is None
        assert len(alignment.ids) == depth >= 2
    assert "kin" in {name.split()[0] for name in read_a3m(tmp_path / "one.a3m").ids}
    manifest = json.loads((tmp_path / "msa.json").read_text())
    assert manifest["chains"]["one"]["depth"] == done.depths[0]
    assert manifest["program"].startswith("MMseqs2 ")
    assert [c[1] for c in manifest["commands"]] == ["createdb", "createdb", "search", "result2msa", "unpackdb"]


def test_what_is_done_is_kept_and_other_makings_are_refused(chains, database, tmp_path) -> None:
    build_alignments(chains[:1], database, tmp_path, QUICK)
    before = (tmp_path / "one.a3m").stat().st_mtime_ns
    done = build_alignments(chains, database, tmp_path, QUICK)
    assert (done.built, done.kept) == (2, 1)
    assert (tmp_path / "one.a3m").stat().st_mtime_ns == before
    (tmp_path / "three.a3m").unlink()
    changed = Chain("one", chains[0].sequence[1:], ("ZN",))
    assert build_alignments([changed, *chains[1:]], database, tmp_path, QUICK).built == 2
    with pytest.raises(UserError, match=r"other parameters: evalue = 0\.001"):
        build_alignments(chains, database, tmp_path, MsaParameters(1, 1, 1.0))
    other = tmp_path / "other.fasta"
    other.write_text(database.read_text() + ">more\nMKVHHHCCCWWYTRESDFGKLMNPQ\n")
    with pytest.raises(UserError, match=r"another database .* --rebuild"):
        build_alignments(chains, other, tmp_path, QUICK)
    assert build_alignments(chains, other, tmp_path, QUICK, rebuild=True).built == 3
    (tmp_path / "msa.json").unlink()
    with pytest.raises(UserError, match="nothing says how they were built"):
        build_alignments(chains, other, tmp_path, QUICK)


def test_an_interruption_leaves_whole_batches(chains, database, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(msa_building, "BATCH", 1)

    def stop(done: int, total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build_alignments(chains, database, tmp_path, QUICK, advance=stop)
    assert {p.name for p in tmp_path.iterdir()} == {"one.a3m", "msa.json"}
    done = build_alignments(chains, database, tmp_path, QUICK)
    assert (done.built, done.kept) == (2, 1)
