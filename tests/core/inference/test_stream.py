"""Order, batches and memory of a stream of chains."""

from __future__ import annotations

import numpy as np
import pytest

from e1bind.contracts import ResidueRecord
from e1bind.inference import chunks as ahead
from e1bind.inference.chunks import plan_batches
from e1bind.inference.stream import predict_stream

RNG = np.random.default_rng(0)


def chains(count: int, low: int = 5, high: int = 60) -> list[ResidueRecord]:
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    lengths = RNG.integers(low, high, count)
    return [ResidueRecord(f"c{i}", "".join(RNG.choice(letters, n))) for i, n in enumerate(lengths)]


def refuse(record, message):
    pytest.fail(f"{record.id}: {message}")


def test_order_of_output_is_order_of_input_over_chunks(ensemble, monkeypatch):
    monkeypatch.setattr(ahead, "LOOK_AHEAD", 2)
    records = chains(30)
    assert [p.record.id for p in predict_stream(ensemble, records, refuse, 200)] == [r.id for r in records]


def test_probabilities_do_not_depend_on_batches_or_chunks(ensemble, monkeypatch):
    records = chains(12, 20, 200)
    whole = list(predict_stream(ensemble, records, refuse))
    monkeypatch.setattr(ahead, "LOOK_AHEAD", 1)
    pieces = list(predict_stream(ensemble, records, refuse, 150))
    for a, b in zip(whole, pieces, strict=True):
        for ion in ("ZN", "CA"):
            assert a.probabilities[ion].shape == (2, len(a.record))
            assert a.probabilities[ion] == pytest.approx(b.probabilities[ion], abs=1e-6)


def test_input_is_read_no_further_ahead_than_a_chunk(ensemble, monkeypatch):
    monkeypatch.setattr(ahead, "LOOK_AHEAD", 2)
    read = 0

    def source():
        nonlocal read
        for record in chains(40, 20, 21):
            read += 1
            yield record

    out = predict_stream(ensemble, source(), refuse, 100)
    next(out)
    assert read == 10  # 2 batches of 100 residues, 20 a chain


def test_batches_hold_every_window_once_within_the_budget_and_the_longest_come_first():
    tokens = RNG.integers(1, 90, 200).tolist()
    batches = plan_batches(tokens, 300)
    assert sorted(i for batch in batches for i in batch) == list(range(200))
    assert all(len(b) * max(tokens[i] for i in b) <= 300 for b in batches)
    longest = [max(tokens[i] for i in b) for b in batches]
    assert longest == sorted(longest, reverse=True)
    assert plan_batches([], 10) == []
    assert plan_batches([50], 10) == [[0]]


def test_a_chain_with_a_broken_alignment_is_refused_and_the_rest_goes_on(ensemble, tmp_path):
    bad = tmp_path / "b.a3m"
    bad.write_text(">b\nWWWWWWWWWWWWWWWWWWWWWWWW\n")
    first, second = chains(2, 20, 40)
    broken = ResidueRecord("b", "MKVHCDEACGHKMKVHCDEACGHK", msa=bad)
    told = []
    out = list(predict_stream(ensemble, [first, broken, second], lambda r, m: told.append((r.id, m))))
    assert [p.record.id for p in out] == [first.id, second.id]
    assert [name for name, _ in told] == ["b"]


def test_an_alignment_changes_the_probabilities(ensemble, tmp_path):
    sequence = "MKVHCDEACGHKMKVHCDEACGHKLLPW"
    msa = tmp_path / "a.a3m"
    msa.write_text(f">a\n{sequence}\n>h\n{sequence.replace('H', 'Q').replace('K', 'R')}\n")
    alone = ResidueRecord("a", sequence)
    aligned = ResidueRecord("a", sequence, msa=msa)
    one, two = predict_stream(ensemble, [alone, aligned], refuse)
    assert np.abs(one.mean("ZN") - two.mean("ZN")).max() > 1e-4


def deep_alignment(tmp_path, sequence):
    """Forty homologues of a chain, each changed in other places."""
    rng = np.random.default_rng(0)
    rows = []
    for number in range(40):
        letters = np.array(list(sequence))
        at = rng.choice(len(letters), 8, replace=False)
        letters[at] = rng.choice(list("ADEGKLSTV"), 8)
        rows.append(f">h{number}\n{''.join(letters)}\n")
    file = tmp_path / "deep.a3m"
    file.write_text(f">a\n{sequence}\n{''.join(rows)}")
    return file


def test_several_contexts_are_averaged_and_the_first_is_that_of_one(ensemble, tmp_path):
    sequence = "MKVHCDEACGHKMKVHCDEACGHKLLPW"
    aligned = ResidueRecord("a", sequence, msa=deep_alignment(tmp_path, sequence))
    alone = ResidueRecord("b", sequence)
    sampling = ensemble.run.spec.msa.validation
    assert sampling.max_num_samples > 1
    (one,) = predict_stream(ensemble, [aligned], refuse)
    with_three, lonely = predict_stream(ensemble, [aligned, alone], refuse, contexts=3)
    assert with_three.by_context["ZN"].shape == (3, len(sequence))
    assert np.allclose(with_three.by_context["ZN"][0], one.mean("ZN"), atol=1e-6)
    assert np.abs(np.diff(with_three.by_context["ZN"], axis=0)).max() > 1e-5  # draws differ
    assert np.allclose(with_three.mean("ZN"), with_three.by_context["ZN"].mean(0), atol=1e-6)
    assert np.allclose(with_three.context_spread("ZN"), with_three.by_context["ZN"].std(0))
    assert lonely.by_context["ZN"].shape == (1, len(sequence))
    assert not lonely.context_spread("ZN").any()


def test_contexts_of_windows_are_put_together_context_by_context(ensemble, tmp_path):
    """In small batches windows of several contexts are mixed; the values stay those of large ones."""
    sequence = "MKVHCDEACGHK" * 12
    aligned = ResidueRecord("a", sequence, msa=deep_alignment(tmp_path, sequence))
    (large,) = predict_stream(ensemble, [aligned], refuse, contexts=2)
    (small,) = predict_stream(ensemble, [aligned], refuse, 200, contexts=2)
    assert np.allclose(large.by_context["ZN"], small.by_context["ZN"], atol=1e-5)
