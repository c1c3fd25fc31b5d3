from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from e1bind.data import msa_sampling
from e1bind.data.msa import Alignment, parse_a3m, read_a3m
from e1bind.data.msa_sampling import draw_order, draw_probabilities, fitting, neighbor_counts, query_similarity


@pytest.fixture(scope="module")
def golden(shared: Path) -> tuple[Alignment, dict[str, Any]]:
    folder = shared / "golden" / "e1_tiny" / "msa"
    return read_a3m(folder / "tiny.a3m"), json.loads((folder / "tiny.json").read_text())


def slow_neighbor_counts(rows: list[str], threshold: float) -> list[int]:
    """The definition, pair by pair."""
    counts = []
    for first in rows:
        near = 0
        for second in rows:
            match = sum(a == b and a != "-" for a, b in zip(first, second, strict=True))
            filled = sum(b != "-" for b in second)
            near += filled > 0 and match / filled >= threshold
        counts.append(near if first.strip("-") else 0)
    return counts


def random_columns(seed: int, rows: int, columns: int) -> NDArray[np.uint8]:
    """Relatives of one sequence, some near, some far, with gaps; one row of gaps."""
    rng = np.random.default_rng(seed)
    letters = np.frombuffer(b"ACDEFGHIKLX", dtype=np.uint8)
    table = np.tile(rng.choice(letters, columns), (rows, 1))
    changed = rng.random((rows, columns)) < rng.random((rows, 1))
    table[changed] = rng.choice(letters, int(changed.sum()))
    table[rng.random((rows, columns)) < rng.random((rows, 1)) * 0.4] = ord("-")
    table[rows // 2] = ord("-")
    return table


def test_golden_rows(golden: tuple[Alignment, dict[str, Any]]) -> None:
    alignment, facts = golden
    assert list(alignment.ids) == facts["ids"]
    assert [bytes(row).decode() for row in alignment.columns] == facts["match_columns"]
    assert [alignment.sequence(i) for i in range(len(alignment.ids))] == facts["context_strings"]


def test_golden_similarities_and_neighbours(golden: tuple[Alignment, dict[str, Any]]) -> None:
    alignment, facts = golden
    np.testing.assert_allclose(query_similarity(alignment.columns), facts["query_similarity"], atol=1e-6)
    for threshold, counts in facts["num_neighbors"].items():
        assert neighbor_counts(alignment.columns, float(threshold)).tolist() == counts
        weights = facts["sampling_weights_unnormalised"][threshold]
        np.testing.assert_allclose(1 / np.array(counts), weights, atol=1e-6)


def test_golden_bands(golden: tuple[Alignment, dict[str, Any]]) -> None:
    alignment, facts = golden
    assert facts["bands"]
    for band in facts["bands"]:
        counts = neighbor_counts(alignment.columns, band["neighbor_similarity_lower_bound"])
        low, high = band["min_query_similarity"], band["max_query_similarity"]
        probability = draw_probabilities(query_similarity(alignment.columns), counts, low, high)
        assert [alignment.ids[i] for i in np.flatnonzero(probability)] == band["eligible_ids"]
        np.testing.assert_allclose(probability, band["probabilities"], atol=1e-6)


def test_golden_truncation(golden: tuple[Alignment, dict[str, Any]]) -> None:
    alignment, facts = golden
    assert facts["truncation"]
    for case in facts["truncation"]:
        rows = [alignment.ids.index(name) for name in case["drawn_order"]]
        sequences = [alignment.sequence(row) for row in rows]
        kept = fitting([len(s) for s in sequences], case["max_num_samples"], case["max_token_length"])
        assert case["drawn_order"][:kept] == case["kept_ids"]
        assert ",".join(sequences[:kept]) == case["context"]


@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("rows", [1, 16, 100])
def test_neighbour_counts_equal_the_definition(
    rows: int, threshold: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(msa_sampling, "_FEW", 5)  # several blocks, the last ones partly filled
    monkeypatch.setattr(msa_sampling, "_MANY", 16)
    columns = random_columns(rows, rows, 10)
    expected = slow_neighbor_counts([bytes(row).decode() for row in columns], threshold)
    assert neighbor_counts(columns, threshold).tolist() == expected


def test_rows_that_repeat_and_rows_of_gaps_count_as_the_definition_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(msa_sampling, "_FEW", 5)
    monkeypatch.setattr(msa_sampling, "_MANY", 16)
    table = random_columns(3, 40, 12)
    columns = np.concatenate([table, table[::3], table[:5], np.full((30, 12), ord("-"), dtype=np.uint8)])
    columns = columns[np.random.default_rng(0).permutation(len(columns))]
    rows = [bytes(row).decode() for row in columns]
    for threshold in (0.0, 1 / 3, 0.7, 0.8, 1.0):
        assert neighbor_counts(columns, threshold).tolist() == slow_neighbor_counts(rows, threshold)


def test_thousands_of_rows_of_gaps_or_of_one_sequence_are_counted_as_one() -> None:
    query = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY" * 10, dtype=np.uint8)
    columns = np.concatenate([query[None], np.full((20_000, 200), ord("-"), dtype=np.uint8), [query] * 20_000])
    counts = neighbor_counts(columns, 0.8)
    assert counts.tolist() == [20_001, *[0] * 20_000, *[20_001] * 20_000]


def test_thresholds_are_inclusive() -> None:
    columns = parse_a3m(b">q\nMKVCE\n>a\nMKVCA\n>b\nMKVAA\n", Path("a")).columns
    assert neighbor_counts(columns, 0.8).tolist() == [2, 3, 2]
    similarity = query_similarity(columns)
    assert similarity.tolist() == [1, 0.8, 0.6]
    assert (draw_probabilities(similarity, np.ones(3, np.int32), 0.6, 0.8) > 0).tolist() == [False, True, True]


def test_rows_of_gaps_and_empty_bands_are_never_drawn() -> None:
    columns = parse_a3m(b">q\nMK-\n>g\n---\n", Path("a")).columns
    counts = neighbor_counts(columns, 0.8)
    assert counts.tolist() == [1, 0]
    assert draw_probabilities(query_similarity(columns), counts, 0, 1).tolist() == [1, 0]
    nothing = draw_probabilities(query_similarity(columns), counts, 0, 0.9)
    assert nothing.tolist() == [0, 0]
    assert len(draw_order(nothing, 10, np.random.default_rng(0))) == 0


def test_no_rows_at_all() -> None:
    empty = np.zeros((0, 0), dtype=np.uint8)
    assert query_similarity(empty).tolist() == neighbor_counts(empty, 0.8).tolist() == []
    assert fitting([], 10, 100) == 0


def test_draws_are_weighted_and_without_replacement() -> None:
    """First draws follow the weights; a second draw follows them with the first one taken out."""
    probability = np.array([0.5, 0.3, 0.0, 0.2])
    rng = np.random.default_rng(0)
    orders = [tuple(draw_order(probability, 2, rng).tolist()) for _ in range(8_000)]
    assert all(first != second for first, second in orders)
    counts = Counter(orders)
    for (first, second), seen in counts.items():
        expected = probability[first] * probability[second] / (1 - probability[first])
        assert seen / len(orders) == pytest.approx(expected, abs=0.02)
    assert sorted(draw_order(probability, 99, rng).tolist()) == [0, 1, 3]


def test_a_context_stops_at_the_first_sequence_that_would_exceed_the_limit() -> None:
    assert fitting([5, 5, 20, 1], 10, 12) == 2
    assert fitting([5, 5, 2, 1], 10, 12) == 3
    assert fitting([5, 5, 2, 1], 2, 12) == 2
    assert fitting([13, 1], 10, 12) == 0
