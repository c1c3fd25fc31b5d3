"""The built-in baselines against independent scripts, and what they must not look at."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from e1bind.baselines.frozen_probe import FrozenProbe
from e1bind.baselines.options import FrozenProbeOptions, ResidueTypeOptions, WindowOptions
from e1bind.baselines.residue_type import ResidueType
from e1bind.baselines.window import Window
from e1bind.contracts import BaselineChain

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def zinc(root):
    """Labelled zinc chains of the examples, two of them with residues of which nothing is known."""
    lines = (root / "examples" / "data" / "ZN_train.fasta").read_text().split("\n")
    chains = []
    for number, (head, sequence, own) in enumerate(zip(lines[0::3], lines[1::3], lines[2::3], strict=False)):
        labels = np.array([int(c) for c in own], np.int8)
        if number < 2:
            labels[::5] = -1
        chains.append(BaselineChain(head[1:].split()[0], sequence, labels, group=number // 2))
    return chains


@pytest.fixture(scope="module")
def embedded(zinc):
    """The same chains with embeddings that tell a little of the labels, on very different scales."""
    rng = np.random.default_rng(1)
    scale = 10.0 ** rng.uniform(-2, 2, 12)
    found = []
    for chain in zinc:
        rows = rng.normal(size=(len(chain.sequence), 12)) + 0.8 * (chain.labels == 1)[:, None] * (np.arange(12) < 4)
        embeddings = (rows * scale + 5 * scale).astype(np.float32)
        embeddings[:, 11] = 3.0  # a constant one
        found.append(BaselineChain(chain.id, chain.sequence, chain.labels, chain.group, embeddings))
    return found


def test_residue_type_is_the_share_of_binding_residues_of_each_type(zinc):
    baseline = ResidueType(ResidueTypeOptions())
    fitted = baseline.fit(zinc, RNG)
    text = "".join(c.sequence for c in zinc)
    labels = np.concatenate([c.labels for c in zinc])
    for letter in "CHDEWA":
        own = labels[np.array([t == letter for t in text]) & (labels >= 0)]
        assert baseline.score(fitted, BaselineChain("x", letter, np.array([-1], np.int8)))[0] == pytest.approx(
            own.mean()
        )


def test_a_residue_type_never_seen_binds_as_often_as_any(zinc):
    baseline = ResidueType(ResidueTypeOptions())
    chains = [BaselineChain("a", "CCAA", np.array([1, 0, 0, -1], np.int8))]
    fitted = baseline.fit(chains, RNG)
    found = baseline.score(fitted, BaselineChain("b", "CAWX", np.full(4, -1, np.int8)))
    assert found.tolist() == pytest.approx([1 / 2, 0, 1 / 3, 1 / 3])


def test_window_agrees_with_scikit_learn_on_a_dense_one_hot_table(zinc):
    baseline = Window(WindowOptions(size=5, strength=0.5))
    fitted = baseline.fit(zinc[:9], RNG)
    letters = "ACDEFGHIKLMNPQRSTVWY"

    def table(chain):
        padded = f"--{chain.sequence}--"
        return [list(padded[i : i + 5]) for i in range(len(chain.sequence))]

    encoder = OneHotEncoder(categories=[list(letters)] * 5, handle_unknown="ignore", sparse_output=False)
    x = encoder.fit_transform([row for chain in zinc[:9] for row in table(chain)])
    y = np.concatenate([chain.labels for chain in zinc[:9]])
    model = LogisticRegression(C=0.5, tol=1e-10, max_iter=5000).fit(x[y >= 0], y[y >= 0])
    for chain in zinc[9:]:
        wanted = model.predict_proba(encoder.transform(table(chain)))[:, 1]
        assert baseline.score(fitted, chain) == pytest.approx(wanted, abs=1e-6)


def test_the_frozen_probe_agrees_with_a_script_that_scales_chooses_and_fits(embedded):
    train, test = embedded[:10], embedded[10:]
    strengths = [1e-3, 1e-1, 10.0]
    baseline = FrozenProbe(FrozenProbeOptions(strengths=strengths))
    fitted = baseline.fit(train, RNG)
    y = np.concatenate([c.labels for c in train])
    x = np.concatenate([c.embeddings for c in train]).astype(np.float64)[y >= 0]
    groups = np.concatenate([[c.group] * len(c.sequence) for c in train])[y >= 0]
    y = y[y >= 0]
    scaler = StandardScaler().fit(x)
    z = scaler.transform(x)
    learn, judge = next(iter(GroupKFold(3).split(z, y, groups)))

    def fit(rows, strength):
        return LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(z[rows], y[rows])

    judged = [average_precision_score(y[judge], fit(learn, s).predict_proba(z[judge])[:, 1]) for s in strengths]
    chosen = strengths[int(np.argmax(judged))]
    assert float(fitted["strength"]) == chosen
    model = fit(slice(None), chosen)
    for chain in test:
        wanted = model.predict_proba(scaler.transform(chain.embeddings.astype(np.float64)))[:, 1]
        assert baseline.score(fitted, chain) == pytest.approx(wanted, abs=1e-6)


def test_unknown_residues_teach_nothing():
    """Their labels could be anything: chains cut off where the unknown begins teach the same types."""
    known, unknown = np.array([1, 0, 0, 1], np.int8), np.full(3, -1, np.int8)
    whole = BaselineChain("a", "CADHWWW", np.concatenate([known, unknown]))
    baseline = ResidueType(ResidueTypeOptions())
    cut = baseline.fit([BaselineChain("a", "CADH", known)], RNG)
    assert baseline.fit([whole], RNG)["frequency"].tolist() == cut["frequency"].tolist()


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_is_predicted_with_certainty_and_no_error(embedded, label):
    chains = [
        BaselineChain(c.id, c.sequence, np.full(len(c.sequence), label, np.int8), c.group, c.embeddings)
        for c in embedded[:3]
    ]
    for baseline in (FrozenProbe(FrozenProbeOptions()), Window(WindowOptions())):
        found = baseline.score(baseline.fit(chains, RNG), embedded[4])
        assert found == pytest.approx(np.full(len(embedded[4].sequence), label), abs=1e-12)


def test_one_group_takes_the_first_strength(embedded):
    chains = [BaselineChain(c.id, c.sequence, c.labels, 0, c.embeddings) for c in embedded]
    fitted = FrozenProbe(FrozenProbeOptions(strengths=[0.5, 0.1])).fit(chains, RNG)
    assert float(fitted["strength"]) == 0.1


def test_without_embeddings_the_probe_says_what_is_missing(zinc):
    with pytest.raises(ValueError, match="there are no embeddings"):
        FrozenProbe(FrozenProbeOptions()).fit(zinc, RNG)


def test_an_even_window_has_no_middle():
    with pytest.raises(ValidationError, match="must be odd"):
        WindowOptions(size=20)
