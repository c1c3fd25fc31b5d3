"""Memory of the tiles kept from forward to backward."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from e1bind_losses.contrast.recycled import WORTHWHILE_BYTES, recycled
from e1bind_losses.contrast.similarities import similarities
from e1bind_losses.contrast.tiled import Settings

CPU = torch.device("cpu")
LARGE = WORTHWHILE_BYTES // 2


def large(numbers: int = LARGE, dtype: torch.dtype = torch.float32) -> Tensor:
    return recycled(numbers, dtype, CPU)


def test_memory_comes_back_when_the_last_tensor_on_it_has_gone() -> None:
    first = large(50 * LARGE)  # larger than what any other test has left behind
    address, part = first.data_ptr(), first[10:].view(-1)
    del first
    second = large(50 * LARGE)
    assert second.data_ptr() != address, "a view still uses it"
    del part
    assert large(50 * LARGE).data_ptr() == address


def test_two_in_use_share_nothing() -> None:
    first, second = large().fill_(1), large().fill_(2)
    assert first.eq(1).all()
    assert second.eq(2).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_any_size_and_dtype_can_follow_any_other(dtype: torch.dtype) -> None:
    for numbers in (LARGE, 3 * LARGE, 1, 0, 2 * LARGE + 1):
        x = large(numbers, dtype).fill_(3)
        assert x.shape == (numbers,)
        assert x.dtype == dtype
        assert x.eq(3).all()


def embeddings(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(400, 2, 8, generator=generator)
    return torch.nn.functional.normalize(raw, dim=-1).requires_grad_()


def others(e_RVD: Tensor, cache_bytes: int) -> Tensor:
    mask_RV = torch.ones(e_RVD.shape[:2], dtype=torch.bool)
    settings = Settings(10.0, cache_bytes=cache_bytes)
    return similarities(e_RVD, mask_RV, settings).log_sum_RV.sum()


def test_a_graph_kept_for_a_second_backward_pass_keeps_its_memory() -> None:
    """The case in which giving memory back after the first pass would be wrong."""
    first, second = embeddings(0), embeddings(1)
    kept, computed_again = others(first, 10**8), others(first, 0)
    torch.autograd.grad(kept, first, retain_graph=True)
    torch.autograd.grad(others(second, 10**8), second)  # another step meanwhile
    (again,) = torch.autograd.grad(kept, first)
    torch.testing.assert_close(again, *torch.autograd.grad(computed_again, first))


def test_graphs_alive_together_keep_their_own_tiles() -> None:
    first, second = embeddings(0), embeddings(1)
    total = others(first, 10**8) + 2 * others(second, 10**8)
    expected = others(first, 0) + 2 * others(second, 0)
    torch.testing.assert_close(
        torch.autograd.grad(total, (first, second)), torch.autograd.grad(expected, (first, second))
    )
