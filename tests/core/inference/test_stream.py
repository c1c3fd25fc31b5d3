"""Order, batches and memory of a stream of chains."""

from __future__ import annotations

import numpy as np
import pytest

from e1bind.contracts import ResidueRecord
from e1bind.inference import stream
from e1bind.inference.stream import plan_batches, predict_stream

RNG = np.random.default_rng(0)


def chains(count: int, low: int = 5, high: int = 60) -> list[ResidueRecord]:
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    lengths = RNG.integers(low, high, count)
    return [ResidueRecord(f"c{i}", "".join(RNG.choice(letters, n))) for i, n in enumerate(lengths)]


def refuse(record, message):
    pytest.fail(f"{record.id}: {message}")


def test_order_of_output_is_order_of_input_over_chunks(ensemble, monkeypatch):
    monkeypatch.setattr(stream, "LOOK_AHEAD", 2)
    records = chains(30)
    assert [p.record.id for p in predict_stream(ensemble, records, refuse, 200)] == [r.id for r in records]


def test_probabilities_do_not_depend_on_batches_or_chunks(ensemble, monkeypatch):
    records = chains(12, 20, 200)
    whole = list(predict_stream(ensemble, records, refuse))
    monkeypatch.setattr(stream, "LOOK_AHEAD", 1)
    pieces = list(predict_stream(ensemble, records, refuse, 150))
    for a, b in zip(whole, pieces, strict=True):
        for ion in ("ZN", "CA"):
            assert a.probabilities[ion].shape == (2, len(a.record))
            assert a.probabilities[ion] == pytest.approx(b.probabilities[ion], abs=1e-6)


def test_input_is_read_no_further_ahead_than_a_chunk(ensemble, monkeypatch):
    monkeypatch.setattr(stream, "LOOK_AHEAD", 2)
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
