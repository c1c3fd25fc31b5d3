"""`predict --structure` from files to files: every residue beside its own value, and no file without the others."""

from __future__ import annotations

import csv

import pytest
from ca_models import S, Strand, painted, pdb

from e1bind.errors import DataError, UserError
from e1bind.inference.predict import PredictOptions, predict


@pytest.fixture
def paint(trained, tmp_path, write):
    """Predict with a structure; what stands in the copy of ZN, and in the table by chain and position."""

    def run(text: str, fasta: str | None = None, name: str = "m.pdb", target: str = "out/o.csv", **options):
        model = tmp_path / name
        model.write_text(text)
        source = None if fasta is None else write(fasta)
        target = tmp_path / target
        outcome = predict(trained, PredictOptions(source, target, structure=model, device="cpu", **options))
        rows = csv.DictReader(target.open(newline=""))
        table = {(r["protein"], int(r["position"])): float(r["probability"]) for r in rows if r["ion"] == "ZN"}
        return painted((target.parent / "m_ZN.pdb").read_text()), table, outcome

    return run


@pytest.mark.parametrize("order", [0, 1])
def test_each_chain_of_a_homodimer_gets_its_own_record(paint, order):
    records = [f">one\n{S}\n", f">two\n{S[3:]}\n"]
    rows, table, _ = paint(
        pdb([Strand(S), Strand(S[3:], "B", column=1)]), "".join(records[::-1] if order else records)
    )
    for chain, record, sequence in (("A", "one", S), ("B", "two", S[3:])):
        own = [row for row in rows if row[0] == chain]
        assert "".join(row[3] for row in own) == sequence
        wanted = [table[record, i + 1] for i in range(len(sequence))]
        assert [row[4] for row in own] == pytest.approx(wanted, abs=0.0051)


def test_names_of_a_force_field_are_predicted_as_the_plain_ones(paint):
    plain, table, _ = paint(pdb([Strand(S)]))
    names = {
        i: {"H": "HSE", "C": "CYX", "D": "ASPP", "K": "LYN", "E": "GLH"}[a] for i, a in enumerate(S) if a in "HCDKE"
    }
    rows, again, _ = paint(pdb([Strand(S, names=names)]))
    assert [row[4] for row in rows] == [row[4] for row in plain]
    assert again == table


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("m_ZN.pdb", "o.csv", None),
        ("m.pdb", "m_CA.pdb", "is the table"),
    ],
)
def test_a_copy_that_would_take_another_file_is_refused_before_anything_is_computed(
    paint, tmp_path, name, target, message
):
    text = pdb([Strand(S)])
    if message is None:
        # The structure's own copy: m_ZN.pdb -> m_ZN_ZN.pdb does not collide, a link called so does.
        (tmp_path / "m_ZN_ZN.pdb").symlink_to(tmp_path / name)
    with pytest.raises(UserError, match=message or "the structure itself"):
        paint(text, name=name, target=target, format="csv")
    assert (tmp_path / name).read_text() == text
    assert not (tmp_path / "o.csv").exists()


def test_a_script_that_cannot_be_written_leaves_no_table_and_no_copy(paint, tmp_path):
    (tmp_path / "out" / "m_CA.pml").mkdir(parents=True)
    with pytest.raises(UserError, match=r"m_CA\.pml is a folder"):
        paint(pdb([Strand(S)]))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["m_CA.pml"]


def test_a_tie_is_refused_before_anything_is_written(paint, tmp_path):
    with pytest.raises(DataError, match="equally well"):
        paint(pdb([Strand(S)]), f">one\nA{S[1:]}\n>two\nG{S[1:]}\n")
    assert not (tmp_path / "out").exists()


def test_scripts_select_only_what_was_called(paint, tmp_path):
    """Two chains of one letter: a number that both have is shown where both are called, else a comment tells."""
    _, _, outcome = paint(pdb([Strand(S, "AA"), Strand(S[::-1], "B"), Strand(S, "B", column=1)]))
    script = (tmp_path / "out" / "m_ZN.pml").read_text()
    assert outcome.calls["ZN"] == 0 or "chain A and resn " in script
    assert "chain AA" not in script
