"""`predict` from a file to files."""

from __future__ import annotations

import csv
import gzip
import json
import logging

import numpy as np
import pyarrow.parquet as pq
import pytest
from seals import rewrite

from e1bind.data.fasta import read_fasta
from e1bind.errors import DataError, UserError
from e1bind.inference.predict import PredictOptions, predict
from e1bind.inference.stream import predict_stream
from e1bind.inference.tables import SCHEMA, format_of, schema_of

TWO = ">odd,id\nMKVHCDEACGHK\n>b\nMKVLLHHXX\n"


def rows(path):
    return list(csv.DictReader(path.open(newline="")))


@pytest.fixture
def done(trained, write, tmp_path):
    def run(name: str, text: str = TWO, **options):
        target = tmp_path / name
        return predict(trained, PredictOptions(write(text), target, device="cpu", **options)), target

    return run


def test_csv_has_a_row_for_each_residue_and_ion(done, finished, ensemble, write):
    outcome, target = done("out.csv")
    found = rows(target)
    assert list(found[0]) == SCHEMA.names
    assert (outcome.chains, outcome.residues, outcome.bad) == (2, 21, 0)
    assert len(found) == 42
    wanted = list(predict_stream(ensemble, read_fasta(write(TWO), pytest.fail), lambda *_: None))
    for ion in ("ZN", "CA"):
        own = [row for row in found if row["ion"] == ion]
        assert [row["protein"] for row in own] == ["odd,id"] * 12 + ["b"] * 9
        assert [int(row["position"]) for row in own] == [*range(1, 13), *range(1, 10)]
        assert "".join(row["amino_acid"] for row in own) == "MKVHCDEACGHKMKVLLHHXX"
        mean = np.concatenate([p.mean(ion) for p in wanted])
        assert [float(row["probability"]) for row in own] == pytest.approx(mean.tolist(), abs=1e-7)
        assert [float(row["spread"]) for row in own] == pytest.approx(
            np.concatenate([p.probabilities[ion].std(0) for p in wanted]).tolist(), abs=1e-7
        )
        calibrated = finished.calibrations[ion].apply(mean)
        assert [float(row["calibrated"]) for row in own] == pytest.approx(calibrated.tolist(), rel=1e-6)
        assert [int(row["call"]) for row in own] == (mean >= finished.thresholds[ion]).astype(int).tolist()
        assert outcome.calls[ion] == sum(int(row["call"]) for row in own)


def test_all_formats_say_the_same(done):
    _, plain = done("out.csv")
    wanted = rows(plain)
    _, tsv = done("out.tsv")
    assert list(csv.DictReader(tsv.open(newline=""), delimiter="\t")) == wanted
    _, packed = done("out.csv.gz")
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()
    _, odd = done("noending")
    assert odd.read_bytes() == plain.read_bytes()
    _, parquet = done("out.parquet")
    table = pq.read_table(parquet)
    assert table.schema.equals(SCHEMA)
    assert [float(np.float32(row["probability"])) for row in wanted] == table["probability"].to_pylist()
    _, as_json = done("x.out", format="json")
    content = json.loads(as_json.read_text())
    assert [p["protein"] for p in content["proteins"]] == ["odd,id", "b"]
    flat = [v for p in content["proteins"] for ion in ("ZN", "CA") for v in p["ions"][ion]["probability"]]
    assert flat == pytest.approx([float(row["probability"]) for row in wanted])


def test_a_run_without_calibration_leaves_the_column_empty(copy, write, tmp_path):
    (copy / "calibration.yaml").unlink()
    rewrite(copy / "spec.resolved.json", lambda spec: spec["metrics"].update(calibration="none"))
    predict(copy, PredictOptions(write(TWO), tmp_path / "o.csv", device="cpu", ions=["CA"]))
    found = rows(tmp_path / "o.csv")
    assert {row["calibrated"] for row in found} == {""}
    assert {row["ion"] for row in found} == {"CA"}


def test_bad_records_are_left_out_and_counted(done, caplog):
    with caplog.at_level(logging.WARNING, "e1bind"):
        outcome, target = done("out.csv", ">a\nMKV\n>worse\nM*V\n>c\nMKL\n")
    assert outcome.bad == 1
    assert {row["protein"] for row in rows(target)} == {"a", "c"}
    assert "worse" in caplog.text


def test_strict_stops_and_leaves_what_was_there(done, tmp_path):
    (tmp_path / "out.csv").write_text("old")
    with pytest.raises(DataError, match="worse"):
        done("out.csv", ">a\nMKV\n>worse\nM*V\n", strict=True)
    assert (tmp_path / "out.csv").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["input.fasta", "out.csv"]


def test_nothing_good_is_an_error(done, tmp_path):
    with pytest.raises(DataError, match="none of the 1 records"):
        done("out.csv", ">a\n***\n")
    assert not (tmp_path / "out.csv").exists()


def test_mistakes_are_told_before_anything_is_computed(done, trained, tmp_path, write):
    with pytest.raises(UserError, match="no known ending"):
        done("out.xlsx")
    with pytest.raises(UserError, match="--format xml"):
        done("out.csv", format="xml")
    with pytest.raises(UserError, match="--ion MG"):
        done("out.csv", ions=["MG"])
    with pytest.raises(UserError, match="is not a folder"):
        done("out.csv", msa_dir=tmp_path / "none")
    with pytest.raises(UserError, match="is a folder"):
        predict(trained, PredictOptions(write(TWO), tmp_path, device="cpu"))
    with pytest.raises(UserError, match="name an input"):
        predict(trained, PredictOptions(None, tmp_path / "o.csv"))


def test_formats_by_name(tmp_path):
    assert format_of(tmp_path / "a.TSV", None) == "tsv"
    assert format_of(tmp_path / "a.csv.gz", None) == "csv"
    assert format_of(tmp_path / "a.csv", "json") == "json"


def test_alignments_are_found_by_id(done, tmp_path, caplog):
    sequence = "MKVHCDEACGHKMKVHCDEACGHKLLPW"
    folder = tmp_path / "msa"
    folder.mkdir()
    (folder / "a.a3m").write_text(f">a\n{sequence}\n>h\n{sequence.replace('H', 'Q').replace('K', 'R')}\n")
    (folder / "c.a3m").write_text(">c\nWWWWWWWWWWWWWWWWWWWWWWWWWWWW\n")
    text = f">a\n{sequence}\n>b\n{sequence}\n>c\n{sequence}\n"
    with caplog.at_level(logging.INFO, "e1bind"):
        outcome, target = done("out.csv", text, msa_dir=folder)
    by_id = {row["protein"]: row["probability"] for row in rows(target) if row["position"] == "5"}
    assert set(by_id) == {"a", "b"}
    assert by_id["a"] != by_id["b"]
    assert outcome.bad == 1
    assert "2 of 3 chains have an alignment" in caplog.text


def test_with_several_contexts_their_spread_has_a_column_of_its_own(done, tmp_path):
    sequence = "MKVHCDEACGHKMKVHCDEACGHKLLPW"
    folder = tmp_path / "msa"
    folder.mkdir()
    others = "".join(f">h{i}\n{sequence[:i]}A{sequence[i + 1 :].replace('K', 'R')}\n" for i in range(20))
    (folder / "a.a3m").write_text(f">a\n{sequence}\n{others}")
    text = f">a\n{sequence}\n>b\n{sequence}\n"
    _, plain = done("out.csv", text, msa_dir=folder, contexts=4)
    found = rows(plain)
    assert list(found[0]) == schema_of(True).names
    assert list(found[0]).index("context_spread") == list(found[0]).index("spread") + 1
    zinc = [row for row in found if row["ion"] == "ZN"]
    spread = {name: [float(row["context_spread"]) for row in zinc if row["protein"] == name] for name in "ab"}
    assert max(spread["a"]) > 0
    assert not any(spread["b"])
    table = pq.read_table(done("out.parquet", text, msa_dir=folder, contexts=4)[1])
    assert [float(np.float32(row["context_spread"])) for row in found] == table["context_spread"].to_pylist()
    as_json = json.loads(done("out.json", text, msa_dir=folder, contexts=4)[1].read_text())
    assert as_json["proteins"][0]["ions"]["ZN"]["context_spread"] == pytest.approx(spread["a"])
    with pytest.raises(UserError, match="--contexts 4 draws from alignments"):
        done("none.csv", text, contexts=4)
