"""The fused kernel in triton's interpreter, beside plain torch.

`test_fused.py` runs this file in a process of its own: the interpreter has to be chosen before triton is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from unittest import mock

import pytest
import torch
from fused_cases import batch, check_equal, groups, value_and_gradient
from torch.nn import functional as F

from e1bind_losses.contrast import tiled
from e1bind_losses.contrast.fused import FusedWalk
from e1bind_losses.contrast.products import RoundedProducts
from e1bind_losses.contrast.tiled import Settings
from e1bind_losses.contrast.tiles import Blocks, plan
from e1bind_losses.contrast.walks import PlainWalk


@pytest.fixture(autouse=True)
def interpreted() -> Iterator[None]:
    """The kernel counts as runnable on the CPU."""
    with mock.patch.object(tiled, "can_fuse", return_value=True):
        yield


@pytest.mark.parametrize("kind", ["residues", "proteins", "any order"])
@pytest.mark.parametrize("blocks", [(160, 300), (64, 64), (1000, 1000)])
def test_the_interpreted_kernel_equals_plain_torch(kind, blocks):
    inputs = batch(R=100, V=3, D=40)
    check_equal(inputs, groups(kind, inputs[1], V=3), Blocks(*blocks))


@pytest.mark.parametrize(("R", "D"), [(1, 8), (50, 64), (50, 65), (43, 130)])
def test_sizes_need_not_fill_the_blocks_of_the_kernel(R, D):
    inputs = batch(R=R, V=3, D=D)
    check_equal(inputs, groups("residues", inputs[1], V=3), Blocks(256, 256))


def test_pairs_of_other_ranks_enter_with_weights_of_their_own():
    torch.manual_seed(0)
    N, M, D = 150, 90, 32
    group_N = torch.arange(N) // 3
    z_AD = F.normalize(torch.randn(N + M, D), dim=-1)
    products, tiles = RoundedProducts(z_AD, 1 / 0.2), plan(group_N, M, Blocks(64, 100))
    walks = [PlainWalk(products, tiles, group_N), FusedWalk(products, tiles, group_N)]
    plain_N, fused_N = (walk.sums(0)[0] for walk in walks)
    torch.testing.assert_close(fused_N, plain_N, rtol=1e-5, atol=1e-5)
    g_A, log_A = torch.rand(N + M), torch.cat([plain_N, plain_N.mean() + torch.rand(M)])
    plain_ND, fused_ND = torch.zeros(N, D), torch.zeros(N, D)
    for walk, dz_ND in zip(walks, (plain_ND, fused_ND), strict=True):
        walk.add_gradient(g_A, log_A, torch.empty(0), dz_ND)
    # The interpreter cuts weights off to bfloat16, where a GPU rounds them.
    assert ((fused_ND - plain_ND).norm() / plain_ND.norm()).item() < 2**-8


def test_nothing_valid_and_tiny_temperatures_take_other_ways():
    e_RVD, pair_N, weight_RV = batch(R=20, V=2, D=16)
    none = pair_N[:0]
    value, gradient = value_and_gradient(e_RVD, none, weight_RV * 0, none, Settings(10.0, rounded=True, fused=True))
    assert value.sum() == 0
    assert gradient.isfinite().all()
    with mock.patch.object(tiled, "FusedWalk") as walk:
        value, gradient = value_and_gradient(
            e_RVD, pair_N, weight_RV, pair_N // 2, Settings(1e3, rounded=True, fused=True)
        )
    walk.assert_not_called()  # exp(s) would leave the range of fp32
    assert value.isfinite().all()
    assert gradient.isfinite().all()


def test_a_loss_of_fused_products_is_the_loss(build, make):
    inputs = make(R=60, V=3, D=32, dtype=torch.float32)
    fused = build("nt-xent", products="bfloat16", fused=True)(inputs).value
    assert fused.item() == pytest.approx(build("nt-xent")(inputs).value.item(), abs=2e-3)
