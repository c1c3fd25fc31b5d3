"""`evaluate`: the same probabilities as `predict`, honest metrics, and what training had seen."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from e1bind import workflow
from e1bind.errors import DataError, UserError
from e1bind.inference.evaluate import EvaluateOptions, evaluate
from e1bind.inference.overlap import overlap, training_sequences
from e1bind.inference.predict import PredictOptions, predict
from e1bind.report.page import number

NEW = """\
>new_1
MKVHCDEACGHKLLPWCCHHDEKRSTAVILMNQ
000110000110000000000000000000000
>new_2
MKVLLHHACDEFGHIKLMNPQRSTVWYACDEFG
0000011000000?0000000000000000000
>unseen_sites
MKVLLHHACDEFGHIKLMNPQRSTVWY
???????????????????????????
"""


@pytest.fixture
def data(write) -> Path:
    return write(NEW)


@pytest.fixture
def evaluated(trained, data, tmp_path):
    options = EvaluateOptions(data=data, target=tmp_path / "out", ions=["ZN"], resamples=40, device="cpu")
    return workflow.evaluate(trained, options)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open(newline="")))


def test_probabilities_are_those_of_predict_to_the_last_digit(evaluated, trained, data, tmp_path):
    _, folder = evaluated
    predict(trained, PredictOptions(data, tmp_path / "p.csv", ions=["ZN"], device="cpu"))
    assert (tmp_path / "p.csv").read_bytes() == (folder / "predictions.csv").read_bytes()


def test_metrics_are_scikit_learns_on_the_labelled_residues_at_the_runs_threshold(evaluated, finished):
    evaluation, folder = evaluated
    labels = "".join(NEW.splitlines()[i] for i in (2, 5, 8))
    known = np.array([c != "?" for c in labels])
    y = np.array([c == "1" for c in labels])[known]
    p = np.array([float(row["probability"]) for row in rows(folder / "predictions.csv")])[known]
    found = {row["metric"]: row for row in rows(folder / "metrics.csv")}
    assert set(found) == {"hra", "auprc", "f1", "mcc"}
    assert float(found["auprc"]["value"]) == pytest.approx(average_precision_score(y, p), abs=1e-6)
    assert float(found["f1"]["value"]) == pytest.approx(f1_score(y, p >= finished.thresholds["ZN"]), abs=1e-9)
    (result,) = evaluation.ions
    assert result.threshold == finished.thresholds["ZN"]
    assert result.counts.tp + result.counts.fn == y.sum()


def test_files_hold_intervals_reasons_proteins_and_figures(evaluated):
    _, folder = evaluated
    summary = json.loads((folder / "metrics.json").read_text())
    ion = summary["ions"]["ZN"]
    assert (ion["proteins"], ion["residues"], ion["positives"]) == (3, 65, 6)
    assert set(ion["calibrated"]) == {"ece", "brier"}
    assert ion["in_training"] == {"by_id": [], "by_sequence": []}
    per_protein = rows(folder / "per_protein.csv")
    assert [row["protein"] for row in per_protein] == ["new_1", "new_2", "unseen_sites"]
    assert [row["residues"] for row in per_protein] == ["33", "32", "0"]
    assert per_protein[2]["auprc"] == ""
    names = {file.name for file in folder.iterdir()}
    assert {"metrics_ZN.png", "pr_ZN.png", "roc_ZN.png", "reliability_ZN.png", "track_ZN_new_1.png"} <= names
    assert "evaluation.html" in names
    assert not [name for name in names if name.endswith(".tmp")]


def test_the_page_shows_the_numbers_of_the_tables_and_every_figure(evaluated, finished):
    _, folder = evaluated
    page = (folder / "evaluation.html").read_text()
    found = {row["metric"]: row for row in rows(folder / "metrics.csv")}
    for metric, row in found.items():
        oof = finished.summary.oof["ZN"].metrics[metric]
        shown = [number(float(row["value"])), "—", number(oof)]
        assert f'<th scope="row">{metric}</th>' + "".join(f"<td>{cell}</td>" for cell in shown) in page, metric
    assert "2 proteins are too few to resample" in page
    assert page.count("<img") == len(list(folder.glob("*.png")))
    assert finished.files.run_id in page
    assert str(folder) not in page


def test_chains_of_the_training_are_found_by_id_and_by_sequence(trained, root, write):
    lines = (root / "examples" / "data" / "CA_train.fasta").read_text().splitlines()
    same_id, copied = lines[:3], [">renamed", *lines[4:6]]
    path = write("\n".join([*same_id, *copied, ">new", "MKVHCDEACGHK", "000110000000"]) + "\n")
    evaluation = evaluate(trained, EvaluateOptions(data=path, ions=["ZN"], resamples=20, device="cpu"))
    found = evaluation.ions[0].overlap
    first = lines[0][1:].split()[0]
    assert found.ids == (first,)
    assert set(found.sequences) == {first, "renamed"}
    assert sum("stand in the training data" in warning for warning in evaluation.warnings) == 2


def test_training_sequences_come_whole_out_of_the_table(trained, root):
    from e1bind.readers.fasta3 import read_fasta3
    from e1bind.runs.oof_table import read_oof

    found = training_sequences(read_oof(trained / "oof_preds.npz"))
    records = [
        r for ion in ("ZN", "CA") for r in read_fasta3(root / "examples" / "data" / f"{ion}_train.fasta", ion)
    ]
    assert found == {record.id: record.sequence for record in records}
    assert len(overlap(records, found).ids) == len(records)


def test_one_class_gives_reasons_not_numbers(trained, write, tmp_path):
    path = write(">a\nMKVHCDEACGHK\n000000000000\n")
    _, folder = workflow.evaluate(
        trained, EvaluateOptions(data=path, target=tmp_path / "o", ions=["ZN"], resamples=20, device="cpu")
    )
    assert {row["value"] for row in rows(folder / "metrics.csv")} == {""}
    assert all("none of the 12 residues" in row["reason"] for row in rows(folder / "metrics.csv"))


def test_ions_and_their_files_must_be_told_apart(trained, data, root):
    with pytest.raises(UserError, match=r"write \{ion\} in the path"):
        evaluate(trained, EvaluateOptions(data=data))
    with pytest.raises(UserError, match="name the test data"):
        evaluate(trained, EvaluateOptions(ions=["ZN"]))
    with pytest.raises(DataError, match="no such file"):
        evaluate(trained, EvaluateOptions(data=data.with_name("none.fasta"), ions=["ZN"], device="cpu"))
    both = root / "examples" / "data" / "{ion}_train.fasta"
    evaluation = evaluate(trained, EvaluateOptions(data=both, resamples=20, device="cpu"))
    assert [(result.ion, len(result.predictions)) for result in evaluation.ions] == [("ZN", 13), ("CA", 2)]
