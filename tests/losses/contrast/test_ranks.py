"""Negatives from all ranks, in real gloo processes: value and gradients are those of one large batch."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from e1bind_losses.contrast.ranks import OtherRanks

WORKER = Path(__file__).with_name("gather_worker.py")
WORLD = 2


def load_worker():
    spec = importlib.util.spec_from_file_location("gather_worker", WORKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


worker = load_worker()


@pytest.fixture(scope="module")
def by_rank(tmp_path_factory) -> list[dict[str, tuple[torch.Tensor, ...]]]:
    """What the ranks measured, by scenario."""
    folder = tmp_path_factory.mktemp("ranks")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ranks = [
        subprocess.Popen(
            [sys.executable, WORKER, str(rank), str(WORLD), folder / "store", folder / f"rank{rank}.pt"],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(WORLD)
    ]
    for rank in ranks:
        _, errors = rank.communicate(timeout=120)
        assert rank.returncode == 0, errors
    return [torch.load(folder / f"rank{rank}.pt", weights_only=True) for rank in range(WORLD)]


@pytest.mark.slow
@pytest.mark.parametrize("name", worker.SCENARIOS)
def test_ranks_together_compute_the_loss_and_gradient_of_one_large_batch(build, by_rank, name):
    sizes, options = worker.SCENARIOS[name]
    total = sum(sizes)
    whole = worker.shard(worker.whole_batch(total), 0, total)
    loss = build("nt-xent", **options)
    want = loss(whole).value
    (want_grad,) = torch.autograd.grad(3 * want, whole.embeddings)
    values, grads, weight_grads = zip(*(results[name] for results in by_rank), strict=True)

    assert (sum(values) / WORLD).item() == pytest.approx(want.item(), rel=1e-9)
    torch.testing.assert_close(torch.cat(grads) / WORLD, want_grad, rtol=1e-7, atol=1e-10)

    model = worker.Projected()
    model(whole, loss).backward()
    for weight_grad in weight_grads:  # DDP has averaged over ranks
        torch.testing.assert_close(weight_grad, model.layer.weight.grad, rtol=1e-7, atol=1e-10)


@pytest.mark.slow
def test_negatives_of_other_ranks_make_the_loss_higher(build, by_rank):
    sizes, options = worker.SCENARIOS["even shards"]
    whole = worker.whole_batch(sum(sizes))
    for rank in range(WORLD):
        own = worker.shard(whole, *worker.bounds(sizes, rank))
        assert by_rank[rank]["even shards"][0] > build("nt-xent", **options)(own).value


def test_without_other_processes_gathering_changes_nothing(build, make):
    assert OtherRanks.meet(5, torch.device("cpu")) is None
    batch = make(R=20, V=3)
    alone = build("nt-xent", gather_negatives=True)(batch).value
    assert alone.item() == build("nt-xent")(batch).value.item()
