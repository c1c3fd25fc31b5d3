from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from e1bind.contracts import ResidueRecord
from e1bind.data.windows import count_windows, cut_windows, merge_windows, training_window
from e1bind.errors import UserError

LETTERS = "ACDEFGHIKLMNPQRSTVWY" * 5


def chain(*positives: int, length: int = 100, ion: str = "ZN") -> ResidueRecord:
    labels = np.zeros(length, dtype=np.int8)
    labels[list(positives)] = 1
    return ResidueRecord("a", LETTERS[:length], {ion: labels})


def test_chain_that_fits_is_left_whole() -> None:
    record, rng = chain(3), np.random.default_rng(0)
    assert training_window(record, 100, rng) is record
    assert training_window(record, None, rng) is record
    assert cut_windows(100, 100, 20) == cut_windows(100, None, 20) == [(0, 100)]


@pytest.mark.parametrize("position", [0, 1, 50, 99])
def test_training_window_holds_a_positive_and_its_labels_stay_aligned(position: int) -> None:
    starts = set()
    for seed in range(200):
        record = training_window(chain(position), 30, np.random.default_rng(seed))
        assert len(record) == len(record.labels["ZN"]) == 30
        assert record.positives("ZN") == 1
        assert record.sequence[int(np.argmax(record.labels["ZN"]))] == LETTERS[position]
        starts.add(position - int(np.argmax(record.labels["ZN"])))
    legal = set(range(max(0, position - 29), min(70, position) + 1))
    assert starts <= legal
    assert len(starts) >= min(len(legal), 25)


def test_training_window_of_a_chain_without_positives_reaches_both_ends() -> None:
    sequences = {training_window(chain(), 98, np.random.default_rng(seed)).sequence for seed in range(50)}
    assert sequences == {LETTERS[:98], LETTERS[1:99], LETTERS[2:100]}


def test_training_window_looks_at_the_ion_asked_for() -> None:
    record = chain(0)
    record = ResidueRecord("a", record.sequence, {**record.labels, **chain(99, ion="CA").labels})
    for seed in range(20):
        assert training_window(record, 10, np.random.default_rng(seed), "CA").positives("CA") == 1
    ends = [training_window(record, 10, np.random.default_rng(seed)) for seed in range(20)]
    assert {(r.positives("ZN"), r.positives("CA")) for r in ends} == {(1, 0), (0, 1)}


@pytest.mark.parametrize("length", [101, 150, 160, 161, 999, 1000])
@pytest.mark.parametrize("overlap", [0, 1, 40, 99])
def test_windows_cover_every_residue_with_the_overlap(length: int, overlap: int) -> None:
    windows = cut_windows(length, 100, overlap)
    assert windows[0][0] == 0
    assert windows[-1][1] == length
    assert all(stop - start == 100 for start, stop in windows)
    assert all(first[1] - second[0] >= overlap for first, second in pairwise(windows))
    assert (len(windows) - 1) * (100 - overlap) + overlap < length  # one fewer would not do


def test_overlap_must_leave_room() -> None:
    with pytest.raises(UserError, match=r"training.window_overlap is 100"):
        cut_windows(200, 100, 100)


def test_merged_scores_are_means_over_the_windows_of_a_residue() -> None:
    merged = merge_windows(5, [(0, 3), (2, 5)], [np.array([1.0, 2, 3]), np.array([5.0, 6, 7])])
    assert merged.tolist() == [1, 2, 4, 6, 7]
    windows = cut_windows(1000, 300, 64)
    truth = np.random.default_rng(0).normal(size=1000)
    np.testing.assert_allclose(merge_windows(1000, windows, [truth[a:b] for a, b in windows]), truth, atol=1e-12)


def test_a_residue_without_a_score_is_an_error() -> None:
    with pytest.raises(ValueError, match="residue 3 of 5"):
        merge_windows(5, [(0, 2), (3, 5)], [np.zeros(2), np.zeros(2)])
    with pytest.raises(ValueError, match="window 0-5 has 4 scores"):
        merge_windows(5, [(0, 5)], [np.zeros(4)])


def test_counts_for_the_log() -> None:
    count = count_windows([50, 150, 250], 100, 20)
    assert (count.chains, count.cut_chains, count.windows, count.longest) == (3, 2, 5, 250)
    assert "2 of 3 chains are longer than 100 residues" in str(count)
    assert "all 3 chains fit whole" in str(count_windows([50, 150, 250], None, 20))
