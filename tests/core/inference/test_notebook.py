"""A run in a notebook: light to import, and the very numbers of `e1bind predict`."""

from __future__ import annotations

import csv
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from plugin_packages import run_python
from seals import rewrite

import e1bind
from e1bind.contracts import DrawKey, ResidueRecord
from e1bind.data.windows import cut_windows
from e1bind.errors import DataError, RunError, UserError
from e1bind.inference.notebook import LoadedRun
from e1bind.inference.predict import PredictOptions, predict
from e1bind.runs.adapters import load_adapter, load_heads
from e1bind.runs.oof_table import COLUMNS
from e1bind.views.masked import unmasked_view

LONG = "MKVHCDEACGHKLLPWFYTSNQRGIVE" * 10
CHAINS = {"long": LONG, "odd,id": "mkvhcdeACGHK", "c": "MKVLLHHXX"}
COLUMNS_OF_PREDICT = {"probability": np.float32, "spread": np.float32, "calibrated": np.float32, "call": np.int8}


@pytest.fixture(scope="module")
def run(trained: Path) -> LoadedRun:
    return e1bind.load_run(trained, device="cpu")


def fasta(chains: dict[str, str]) -> str:
    return "".join(f">{name}\n{sequence}\n" for name, sequence in chains.items())


def predicted(
    run_dir: Path, source: Path, tmp_path: Path, **options
) -> dict[tuple[str, str], dict[str, list[str]]]:
    """Columns of what `predict` writes, by chain and ion."""
    target = tmp_path / "predicted.csv"
    predict(run_dir, PredictOptions(source, target, device="cpu", **options))
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in csv.DictReader(target.open(newline="")):
        columns = found.setdefault((row["protein"], row["ion"]), {name: [] for name in row})
        for name, value in row.items():
            columns[name].append(value)
    return found


def same(scores, table, ions=("ZN", "CA")) -> None:
    """To the last bit: the table writes as many digits as tell a float32 from its neighbours."""
    for chain in scores:
        for ion in ions:
            of = table[chain.id, ion]
            assert "".join(of["amino_acid"]) == chain.sequence
            for name, dtype in COLUMNS_OF_PREDICT.items():
                values = getattr(chain[ion], name)
                if values is None:
                    assert set(of[name]) == {""}
                    continue
                assert (values.dtype, values.shape) == (dtype, (len(chain),))
                assert np.array_equal(values, np.array(of[name], dtype=dtype)), name


def test_import_is_light_and_load_run_is_there():
    code = """
import sys
import e1bind
print([name for name in ("numpy", "torch", "transformers", "pydantic", "pyarrow") if name in sys.modules])
print("load_run" in dir(e1bind), e1bind.__version__, hasattr(e1bind, "load_runs"))
print(e1bind.load_run.__module__)
"""
    assert run_python(code).stdout.splitlines() == [
        "[]",
        f"True {e1bind.__version__} False",
        "e1bind.inference.notebook",
    ]


def test_many_chains_get_the_numbers_of_predict(run, trained, write, tmp_path):
    assert max(map(len, CHAINS.values())) > run._ensemble.pipeline.max_residues
    table = predicted(trained, write(fasta(CHAINS)), tmp_path)
    pairs = list(CHAINS.items())
    records = [ResidueRecord(name, sequence) for name, sequence in pairs]
    for given in (CHAINS, pairs, iter(pairs), records, write(fasta(CHAINS)), str(write(fasta(CHAINS)))):
        found = list(run.score_many(given))
        assert [chain.id for chain in found] == list(CHAINS)
        same(found, table)


def test_one_chain_gets_the_numbers_of_predict(run, trained, write, tmp_path):
    for name, sequence in CHAINS.items():
        table = predicted(trained, write(fasta({name: sequence})), tmp_path)
        same([run.score(sequence, id=name)], table)


def test_one_ion_can_be_asked_for(run):
    (found,) = run.score_many({"a": "MKVHC"}, ions=["CA"])
    assert list(found.ions) == ["CA"]
    assert list(run.score("MKVHC", ions="CA").ions) == ["CA"]
    with pytest.raises(UserError, match="ZN was not scored: there are CA"):
        found["ZN"]
    with pytest.raises(UserError, match="ions MG: the run was trained for ZN, CA"):
        run.score("MKVHC", ions=["MG"])
    with pytest.raises(UserError, match="ions MG"):
        run.score_many({"a": "MKVHC"}, ions=["MG"])


def test_a_run_without_calibration_has_none(copy, write, tmp_path):
    (copy / "calibration.yaml").unlink()
    rewrite(copy / "spec.resolved.json", lambda spec: spec["metrics"].update(calibration="none"))
    scores = list(e1bind.load_run(copy, device="cpu").score_many(CHAINS))
    assert scores[0]["ZN"].calibrated is None
    same(scores, predicted(copy, write(fasta(CHAINS)), tmp_path))


def test_thresholds_that_were_chosen_are_those_that_call(trained, write, tmp_path):
    chosen = {"ZN": 0.1}
    run = e1bind.load_run(trained, device="cpu", thresholds=chosen)
    assert run.thresholds["ZN"] == 0.1
    same(run.score_many(CHAINS), predicted(trained, write(fasta(CHAINS)), tmp_path, thresholds=chosen))


def test_alignments_are_read_and_several_contexts_averaged(run, trained, write, tmp_path):
    sequence = CHAINS["odd,id"].upper() * 3
    others = "".join(f">h{i}\n{sequence[:i]}A{sequence[i + 1 :].replace('K', 'R')}\n" for i in range(20))
    folder = tmp_path / "msa"
    folder.mkdir()
    (folder / "a.a3m").write_text(f">a\n{sequence}\n{others}")
    chains = {"a": sequence, "b": sequence}
    table = predicted(trained, write(fasta(chains)), tmp_path, msa_dir=folder, contexts=3)
    found = list(run.score_many(chains, msa_dir=folder, contexts=3))
    same(found, table)
    assert found[0]["ZN"].context_spread.tolist() == [
        float(v) for v in map(np.float32, table["a", "ZN"]["context_spread"])
    ]
    alone = run.score(sequence, id="a", msa=folder / "a.a3m", contexts=3)
    assert alone["ZN"].probability == pytest.approx(found[0]["ZN"].probability, abs=1e-6)
    assert not np.array_equal(alone["ZN"].probability, run.score(sequence, id="a")["ZN"].probability)
    with pytest.raises(UserError, match="contexts=2 draws from alignments: say with msa_dir"):
        run.score_many(chains, contexts=2)
    with pytest.raises(UserError, match="contexts=0"):
        run.score(sequence, contexts=0)
    with pytest.raises(DataError, match="msa_dir is not a folder"):
        run.score_many(chains, msa_dir=tmp_path / "none")


def test_models_are_loaded_once(trained, monkeypatch):
    run = e1bind.load_run(trained, device="cpu")
    assert "_ensemble" not in vars(run)
    assert run.metrics
    assert run.oof
    assert "_ensemble" not in vars(run)
    run.score("MKVHC")
    ensemble = run._ensemble
    run.embed("MKVHC")
    run.score("MKVHC")
    assert run._ensemble is ensemble


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": "MKV*"}, r"a: letter '\*' in the sequence \(first at residue 4\)"),
        ({"a": "MKB"}, "rare_to_x=True reads B, J, O, U and Z as X"),
        ({"a": ""}, "a: no sequence"),
        ({"": "MKV"}, "is empty"),
        ({"a": 7}, "a sequence is a string"),
        ([("a", "MKV"), ("a", "MKL")], "a was given before"),
        (["MKV"], "chain 1 is of type str; give sequences by id"),
        ("MKVHC", "MKVHC: there is no such file"),
    ],
)
def test_what_is_no_chain_is_refused(run, given, message):
    with pytest.raises(DataError, match=message):
        list(run.score_many(given))


def test_lower_case_white_space_and_rare_letters_are_read_as_predict_reads_them(run, trained, write, tmp_path):
    table = predicted(trained, write(">a\nmkvh\ncdub\n"), tmp_path, rare_to_x=True)
    same([run.score(" mkvh\ncdub ", id="a", rare_to_x=True)], table)
    same(run.score_many({"a": "mkvhcdub"}, rare_to_x=True), table)
    same(run.score_many(write(">a\nmkvh\ncdub\n"), rare_to_x=True), table)
    with pytest.raises(DataError, match="rare_to_x"):
        run.score("MKU")


def test_figures_and_out_of_fold_table_are_the_run_s(run, finished):
    assert run.ions == ["ZN", "CA"]
    assert run.folds == [1, 2]
    assert run.metrics == {ion: dict(finished.summary.oof[ion].metrics) for ion in run.ions}
    assert set(run.metrics["ZN"]) == {"auprc", "hra", "f1", "mcc"}
    assert tuple(run.oof) == COLUMNS
    assert len({column.shape for column in run.oof.values()}) == 1
    assert run.thresholds == dict(finished.thresholds)
    assert any("random weights" in warning for warning in run.warnings)


def test_a_run_shows_itself(run):
    assert repr(run).startswith(f"<e1bind run {run.path.name}: 2 folds; out of fold ZN: auprc ")
    page = run._repr_html_()
    assert page.count("<tr>") == 3
    assert "<th>auprc</th>" in page
    assert f"{run.metrics['ZN']['auprc']:.3f}" in page or math.isnan(run.metrics["ZN"]["auprc"])
    scores = run.score("MKVHCDEACGHK", id="x")
    assert repr(scores).startswith("<x: 12 residues; called for ZN: ")
    assert scores.called("ZN") == (np.flatnonzero(scores["ZN"].call) + 1).tolist()


def test_embeddings_are_those_of_one_fold(run, ensemble):
    """Against the model itself: fold 2's adapter and projector, one window after the other."""
    found = run.embed(LONG, fold=2)
    projected = run.embed(LONG, fold=2, projected=True)
    pipeline, model = ensemble.pipeline, ensemble.model
    folder = ensemble.run.files.fold(2)
    load_adapter(model.network, folder)
    model.projector.load_state_dict(dict(load_heads(folder).projector))
    total, seen = np.zeros((len(LONG), pipeline.backbone.hidden_size)), np.zeros((len(LONG), 1))
    record = ResidueRecord("x", LONG)
    with torch.inference_mode():
        for start, stop in cut_windows(len(LONG), pipeline.max_residues, pipeline.spec.training.window_overlap):
            view = unmasked_view(record.window(start, stop), DrawKey(0, 0, "x"))
            batch = pipeline.encoder.encode([[view]])
            hidden = pipeline.backbone.hidden(model.network, batch)
            total[start:stop] += hidden[batch.token_RV[:, 0]].numpy()
            seen[start:stop] += 1
        wanted = total / seen
        assert found == pytest.approx(wanted, abs=1e-5)
        raw = model.projector(torch.tensor(wanted, dtype=torch.float32)).numpy()
    assert projected == pytest.approx(raw, abs=1e-4)
    assert (found.dtype, found.shape) == (np.float32, (len(LONG), pipeline.backbone.hidden_size))
    assert not np.allclose(found, run.embed(LONG, fold=1), atol=1e-3)


def test_many_chains_are_embedded_in_order(run):
    found = dict(run.embed_many(CHAINS, fold=2))
    assert list(found) == list(CHAINS)
    for name, values in found.items():
        assert values == pytest.approx(run.embed(CHAINS[name], fold=2), abs=1e-5)


def test_there_is_no_mean_over_folds(run):
    for fold in (0, 3, True):
        with pytest.raises(UserError, match=r"the run has the folds 1 to 2; name one of them.*have no mean"):
            run.embed("MKVHC", fold=fold)
        with pytest.raises(UserError, match="fold"):
            run.embed_many({"a": "MKVHC"}, fold=fold)


def test_scores_do_not_depend_on_what_was_embedded_in_between(run):
    before = run.score(LONG)["ZN"].probability
    streams = zip(run.embed_many(CHAINS, fold=1), run.embed_many(CHAINS, fold=2), strict=True)
    assert all(not np.array_equal(one, two) for (_, one), (_, two) in streams)
    assert np.array_equal(run.score(LONG)["ZN"].probability, before)


def test_mistakes_are_told_when_the_run_is_loaded(trained, tmp_path):
    with pytest.raises(RunError, match="there is no run directory"):
        e1bind.load_run(tmp_path / "none")
    with pytest.raises(UserError, match="device tpu: there is no such device"):
        e1bind.load_run(trained, device="tpu")
    with pytest.raises(UserError, match="trained for ZN, CA"):
        e1bind.load_run(trained, thresholds={"MG": 0.5})
    with pytest.raises(UserError, match="ZN is 7; a threshold is a probability"):
        e1bind.load_run(trained, thresholds={"ZN": 7})
    unfinished = Path(shutil.copytree(trained, tmp_path / "unfinished"))
    (unfinished / "fold_2" / "fold.json").unlink()
    with pytest.raises(RunError, match="unfinished run"):
        e1bind.load_run(str(unfinished))
