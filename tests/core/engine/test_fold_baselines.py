"""The baselines of a real run against an independent script, on the run's own folds and embeddings."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler
from small_runs import go_on, train_once

from e1bind.contracts import MetricInputs, View
from e1bind.curation.reading import read_chains
from e1bind.engine import embeddings
from e1bind.engine import fold_baselines as module
from e1bind.engine.distributed import World
from e1bind.engine.embeddings import embed_chains
from e1bind.engine.fold_baselines import FoldData, fold_baselines
from e1bind.engine.judgement import judge
from e1bind.engine.pipeline import build_model
from e1bind.errors import ContractError, RunError
from e1bind.runs.baseline_files import read_baselines
from e1bind.runs.layout import FoldDir, RunDir
from e1bind.runs.oof_table import read_oof
from e1bind.spec import load_spec

ALONE = World(0, 1, torch.device("cpu"))
ALL = 'compute = ["residue-type", "window", "frozen-probe"]'


@pytest.fixture(scope="module")
def against(tmp_path_factory, spec_text):
    """A run of one epoch held against all three baselines."""
    text = spec_text.replace("compute = []", ALL).replace("epochs = 2", "epochs = 1")
    return train_once(tmp_path_factory.mktemp("against"), text)


def probabilities(run: RunDir, name: str) -> dict[str, np.ndarray]:
    found = {}
    for fold in (1, 2):
        for own in read_baselines(run.fold(fold)):
            found |= own.probabilities if own.name == name else {}
    return found


def test_every_residue_is_predicted_once_by_the_fold_that_held_it_out(against):
    table = read_oof(against.run.oof)
    for fold in (1, 2):
        held_out = set(table["protein"][table["fold"] == fold].tolist())
        found = read_baselines(against.run.fold(fold))
        assert [own.name for own in found] == ["residue-type", "window", "frozen-probe"]
        for own in found:
            assert set(own.probabilities) == held_out
            for chain, values in own.probabilities.items():
                assert len(values) == (table["protein"] == chain).sum()


def test_the_frozen_probe_is_what_a_script_makes_of_the_unadapted_backbone(against, spec_text, tmp_path):
    """Windows of 120 residues with 16 shared, averaged; scaled; the strength the run has chosen."""
    spec = load_spec(_written(tmp_path, spec_text))
    backbone = spec.backbone.build()
    model, encoder = backbone.load_model().eval(), backbone.encoder()
    table = read_oof(against.run.oof)
    chains = dict.fromkeys(table["protein"].tolist())
    embedded, labels, fold_of = {}, {}, {}
    for chain in chains:
        rows = table["protein"] == chain
        sequence = "".join(table["amino_acid"][rows])
        embedded[chain] = _embedded(backbone, model, encoder, sequence)
        labels[chain], fold_of[chain] = table["label"][rows], int(table["fold"][rows][0])
    for fold in (1, 2):
        train, test = ([c for c in chains if (fold_of[c] == fold) == held] for held in (False, True))
        x, y = np.concatenate([embedded[c] for c in train]), np.concatenate([labels[c] for c in train])
        scaler = StandardScaler().fit(x)
        own = next(b for b in read_baselines(against.run.fold(fold)) if b.name == "frozen-probe")
        strength = float(own.fitted["strength"])
        model_ = LogisticRegression(C=strength, tol=1e-10, max_iter=50_000).fit(scaler.transform(x), y)
        for chain in test:
            wanted = model_.predict_proba(scaler.transform(embedded[chain]))[:, 1]
            assert own.probabilities[chain] == pytest.approx(wanted, abs=1e-5)


def _written(folder, text):
    path = folder / "spec.toml"
    path.write_text(text)
    return path


def _embedded(backbone, model, encoder, sequence):
    length, size, overlap = len(sequence), 120, 16
    count = 1 if length <= size else -(-(length - overlap) // (size - overlap))
    starts = [0] if count == 1 else np.linspace(0, length - size, count).astype(int)
    total, seen = np.zeros((length, backbone.hidden_size)), np.zeros(length)
    for start in starts:
        stop = min(length, start + size)
        batch = encoder.encode([[View.unmasked(sequence[start:stop])]])
        with torch.inference_mode():
            hidden = backbone.hidden(model, batch)[batch.token_RV[:, 0]]
        total[start:stop] += hidden.numpy()
        seen[start:stop] += 1
    return total / seen[:, None]


def test_the_summary_holds_metrics_intervals_and_paired_differences_of_each(against):
    summary = json.loads(against.run.summary.read_text())["oof"]["ZN"]
    table = read_oof(against.run.oof)
    own = average_precision_score(table["label"], table["probability"])
    assert summary["auprc"]["value"] == pytest.approx(own)
    assert summary["auprc"]["low"] is None  # thirteen chains have a warning in place of an interval
    assert list(summary["baselines"]) == ["residue-type", "window", "frozen-probe"]
    ids = list(dict.fromkeys(table["protein"].tolist()))
    for name, figures in summary["baselines"].items():
        found = probabilities(against.run, name)
        value = average_precision_score(table["label"], np.concatenate([found[chain] for chain in ids]))
        assert figures["metrics"]["auprc"] == pytest.approx(value)
        assert figures["auprc"]["value"] == pytest.approx(value)
        assert figures["difference"]["value"] == pytest.approx(own - value)
        assert figures["difference"]["low"] is None


def test_a_run_of_too_few_chains_to_tell_says_so_first(against):
    first = against.summary.warnings[0]
    assert first.startswith("ZN: whether the run is above what is had for nothing cannot be told, no interval: 13 ")
    conclusion = against.run.log.read_text().split("folds took")[1]
    assert "cannot be told" in conclusion.split("WARNING")[1]


@pytest.mark.parametrize(("quality", "clearly"), [(1.0, False), (4.0, True)])
def test_a_run_that_is_not_clearly_above_the_best_baseline_says_so(make_pipeline, quality, clearly):
    rng = np.random.default_rng(3)
    protein, labels = np.repeat(np.arange(30), 40), (rng.random(1200) < 0.1).astype(np.int8)

    def scores(strength: float) -> np.ndarray:
        return 1 / (1 + np.exp(-(rng.normal(size=labels.size) + strength * labels)))

    run, values = MetricInputs(scores(quality), labels, protein), {"weak": scores(0.2), "good": scores(1.0)}
    verdict = judge(make_pipeline(), "ZN", run, values, {"weak": 0.5, "good": 0.5}, 200, 1).verdict()
    if clearly:
        assert verdict is None
    else:
        assert verdict.startswith("ZN: not clearly above what is had for nothing: AUPRC 0.")
        assert "the baseline good has" in verdict
        assert "train longer" in verdict


@pytest.fixture
def compute(make_pipeline, tmp_path):
    """`compute(name, train, held_out)`: the baselines of one fold, by name."""
    pipeline = make_pipeline(
        "lora.enabled=false", "prototypes.projector=linear", "prototypes.prototype_dim=64", f"baselines.{ALL}"
    )
    network = pipeline.backbone.load_model()

    def computed(name, train, held_out):
        groups = {record.id: number for number, record in enumerate((*train, *held_out))}
        folder = FoldDir(tmp_path / name, 1)
        fold_baselines(pipeline, network, FoldData(1, train, held_out, groups), folder, ALONE)
        return {own.name: own for own in read_baselines(folder)}

    computed.width = pipeline.backbone.hidden_size
    return computed


@pytest.fixture
def zinc(make_pipeline):
    return read_chains(make_pipeline().spec, "train")


def shuffled(record, rng):
    return replace(record, labels={"ZN": rng.permutation(record.labels["ZN"])})


def test_labels_of_the_chains_held_out_change_nothing(compute, zinc):
    rng = np.random.default_rng(0)
    as_it_is = compute("plain", zinc[:8], zinc[8:])
    others = compute("others", zinc[:8], [shuffled(record, rng) for record in zinc[8:]])
    for name, own in as_it_is.items():
        assert {c: v.tolist() for c, v in own.probabilities.items()} == {
            c: v.tolist() for c, v in others[name].probabilities.items()
        }


def test_shuffled_labels_teach_nothing(compute, zinc):
    """Each baseline then ranks the residues held out as chance does, and expects the positive rate of each."""
    rng = np.random.default_rng(0)
    labels = np.concatenate([record.labels["ZN"] for record in zinc[8:]])
    rate = np.concatenate([record.labels["ZN"] for record in zinc[:8]]).mean()
    areas = {"residue-type": [], "window": [], "frozen-probe": []}
    for draw in range(6):
        for name, own in compute(str(draw), [shuffled(record, rng) for record in zinc[:8]], zinc[8:]).items():
            values = np.concatenate(list(own.probabilities.values()))
            areas[name].append(roc_auc_score(labels, values))
            assert rate / 2 < values.mean() < 2 * rate
    for name, found in areas.items():
        assert np.mean(found) == pytest.approx(0.5, abs=0.3), name  # two families of chains: a coarse scale
    told = compute("told", zinc[:8], zinc[8:])["frozen-probe"]
    assert roc_auc_score(labels, np.concatenate(list(told.probabilities.values()))) > 0.9


def test_a_fold_goes_on_with_whole_baselines_and_computes_damaged_ones_again(compute, zinc, tmp_path, caplog):
    compute("a", zinc[:8], zinc[8:])
    file = tmp_path / "a" / "baselines.safetensors"
    content = file.read_bytes()
    written = file.stat().st_mtime_ns
    compute("a", zinc[:8], zinc[8:])
    assert file.stat().st_mtime_ns == written
    for damaged in (content[:100], content[:-9] + b"\x00" * 9, b"", content.replace(b"window", b"windox")):
        file.write_bytes(damaged)
        caplog.clear()
        compute("a", zinc[:8], zinc[8:])
        assert "the baselines are computed again" in caplog.text
        assert file.read_bytes() == content


def test_a_killed_run_goes_on_to_the_same_bytes_and_other_baselines_are_another_run(against, spec_text, tmp_path):
    copy = Path(shutil.copytree(against.run.path, tmp_path / "copy"))
    before = {name: (copy / name).read_bytes() for name in ("summary.csv", "fold_2/baselines.safetensors")}
    for name in ("summary.json", "fold_2/fold.json", "fold_2/baselines.safetensors"):
        (copy / name).unlink()
    go_on(copy)
    assert {name: (copy / name).read_bytes() for name in before} == before
    path = tmp_path / "spec.toml"
    path.write_text(spec_text.replace("epochs = 2", "epochs = 1"))
    with pytest.raises(RunError, match=r"baselines\.compute"):
        go_on(copy, spec=load_spec(path))


class Wrong:
    """A baseline of somebody else that breaks its contract."""

    def __init__(self, fitted=None, values=None):
        self.fitted, self.values = fitted or {}, values

    def fit(self, chains, rng):
        return self.fitted

    def score(self, fitted, chain):
        if self.values is None:
            raise OSError("no such model")
        return self.values(len(chain.sequence))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (Wrong(), r"baseline e1bind-core/window failed scoring \w+: OSError: no such model"),
        (Wrong(values=lambda n: np.zeros(n + 1)), r"gave values of shape \[\d+\], not a probability"),
        (Wrong(values=lambda n: np.full(n, 1.5)), "not a probability of 0 to 1"),
        (Wrong(values=lambda n: np.full(n, np.nan)), "not a probability of 0 to 1"),
        (Wrong({"names": np.array(["a"])}, np.zeros), "learned 'names', which is no array of finite numbers"),
    ],
)
def test_a_baseline_that_breaks_its_contract_is_named(make_pipeline, zinc, tmp_path, wrong, told):
    pipeline = make_pipeline("baselines.compute=['window']")
    pipeline.baselines["window"].baseline = wrong
    data = FoldData(1, zinc[:8], zinc[8:], dict.fromkeys((record.id for record in zinc), 0))
    with pytest.raises(ContractError, match=told):
        fold_baselines(pipeline, pipeline.backbone.load_model(), data, FoldDir(tmp_path, 1), ALONE)


def test_chains_held_out_are_embedded_some_at_a_time(compute, zinc, monkeypatch):
    """The same probabilities, but for what another neighbour in a batch rounds."""
    whole = compute("whole", zinc[:8], zinc[8:])["frozen-probe"].probabilities
    asked = []

    def counted(pipeline, network, records, world):
        asked.append([len(record) for record in records])
        return embed_chains(pipeline, network, records, world)

    held_out = zinc[8:]
    room = sum(map(len, held_out[:3]))
    monkeypatch.setattr(embeddings, "BLOCK_VALUES", room * compute.width)
    monkeypatch.setattr(embeddings, "embed_chains", counted)
    apart = compute("apart", zinc[:8], held_out)["frozen-probe"].probabilities
    assert asked[0] == [len(record) for record in held_out[:3]]
    assert [length for lengths in asked for length in lengths] == [len(record) for record in held_out]
    assert all(sum(lengths) <= room or len(lengths) == 1 for lengths in asked)
    assert list(apart) == list(whole)
    for chain, values in whole.items():
        assert apart[chain] == pytest.approx(values, abs=1e-5)


@pytest.mark.parametrize(("room", "embedded"), [(100_000, [3, 1]), (1000, [3, 3])])
def test_embeddings_of_earlier_ions_stay_while_there_is_room(make_pipeline, zinc, monkeypatch, room, embedded):
    pipeline = make_pipeline("baselines.compute=['frozen-probe']", f"baselines.max_residues={room}")
    asked = []
    found = {record.id: np.zeros((len(record), 64), np.float32) for record in zinc}

    def counted(pipeline, network, records, world):
        asked.append(len(records))
        return {record.id: found[record.id] for record in records}

    monkeypatch.setattr(module, "embed_chains", counted)
    learned = module._Learned(pipeline, None, ALONE)
    assert set(learned.embeddings_of(zinc[:3])) == {record.id for record in zinc[:3]}
    assert {record.id for record in zinc[1:4]} <= set(learned.embeddings_of(zinc[1:4]))
    assert asked == embedded


def test_more_residues_than_there_is_room_for_are_drawn_by_chain_and_said(make_pipeline, zinc, tmp_path, caplog):
    pipeline = make_pipeline(
        "baselines.compute=['frozen-probe']", "baselines.max_residues=1000", "lora.enabled=true"
    )
    data = FoldData(1, zinc, zinc[:1], {record.id: number for number, record in enumerate(zinc)})
    model = build_model(pipeline, 1)
    with caplog.at_level("INFO", "e1bind"):
        fold_baselines(pipeline, model.network, data, FoldDir(tmp_path, 1), ALONE)
    assert "of 13 chains (baselines.max_residues)" in caplog.text
