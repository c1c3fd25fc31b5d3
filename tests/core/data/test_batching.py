from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from e1bind.data.batching import budget_batches, fixed_batches, padding_share
from e1bind.readers.fasta3 import read_fasta3

LENGTHS = np.random.default_rng(0).integers(20, 600, 333).tolist()


def once_each(batches: list[np.ndarray]) -> bool:
    return sorted(np.concatenate(batches).tolist()) == list(range(len(LENGTHS)))


def test_fixed_batches_hold_every_chain_once() -> None:
    batches = fixed_batches(LENGTHS, 4, np.random.default_rng(1))
    assert once_each(batches)
    assert [len(b) for b in batches] == [4] * 83 + [1]


@pytest.mark.parametrize("pool", [1, 50, 10_000])
@pytest.mark.parametrize("max_tokens", [100, 2048])
def test_budget_batches_hold_every_chain_once_and_stay_in_the_budget(pool: int, max_tokens: int) -> None:
    batches = budget_batches(LENGTHS, max_tokens, np.random.default_rng(1), pool)
    assert once_each(batches)
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(LENGTHS[i] for i in batch) <= max_tokens


def test_a_batch_is_full_before_the_next_one_opens() -> None:
    """Within one pool, a batch could not have taken the next longer chain."""
    batches = budget_batches(LENGTHS, 2048, np.random.default_rng(1), 10_000)
    batches.sort(key=lambda batch: min(LENGTHS[i] for i in batch))
    for batch, following in pairwise(batches):
        assert (len(batch) + 1) * min(LENGTHS[i] for i in following) > 2048


def test_plans_repeat_with_the_generator_and_change_with_it() -> None:
    def flat(seed: int) -> list[list[int]]:
        return [b.tolist() for b in budget_batches(LENGTHS, 2048, np.random.default_rng(seed), 100)]

    assert flat(3) == flat(3)
    assert flat(3) != flat(4)


def test_lengths_are_not_met_in_order() -> None:
    batches = budget_batches(LENGTHS, 2048, np.random.default_rng(1), 10_000)
    longest = [max(LENGTHS[i] for i in batch) for batch in batches]
    assert abs(np.corrcoef(np.arange(len(longest)), longest)[0, 1]) < 0.5


def test_nothing_to_batch() -> None:
    assert fixed_batches([], 4, np.random.default_rng(0)) == []
    assert budget_batches([], 100, np.random.default_rng(0), 10) == []
    assert padding_share([], []) == 0


def test_padding_share_counts_what_padding_adds() -> None:
    assert padding_share([10, 5, 5], [np.array([0, 1]), np.array([2])]) == pytest.approx(5 / 25)


def test_padding_on_the_shared_zinc_chains(shared: Path) -> None:
    records = read_fasta3(shared / "data" / "metal_binding" / "ZN_train.fasta", "ZN")
    lengths = [len(record) for record in records]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        assert padding_share(lengths, budget_batches(lengths, 4096, rng, pool=512)) <= 0.04
        assert padding_share(lengths, fixed_batches(lengths, 4, rng)) > 0.35
