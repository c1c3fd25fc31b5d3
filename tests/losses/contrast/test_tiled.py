"""The tiled kernel against its dense twin: values, gradients, memory kept, and every shape of tile."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from e1bind_losses.contrast import similarities as similarities_module
from e1bind_losses.contrast.dense import dense_similarities
from e1bind_losses.contrast.equal_groups import SMALL_GROUP
from e1bind_losses.contrast.tiled import Settings, TiledSimilarities
from e1bind_losses.contrast.tiles import Blocks, plan

SCALE = 1 / 0.07


def inputs(
    R: int,
    V: int,
    D: int,
    groups: str,
    *,
    masked: float = 0.15,
    dtype: torch.dtype = torch.float32,
    shared: float = 0.0,
):
    """`shared` is how long the component is that all embeddings have in common, before they are normalised."""
    torch.manual_seed(R + V)
    raw_RVD = torch.randn(R, 1, D) + 0.5 * torch.randn(R, V, D) + shared
    e_RVD = F.normalize(raw_RVD, dim=-1).to(dtype).requires_grad_()
    mask_RV = torch.rand(R, V) >= masked
    group_R = {
        "residues": torch.arange(R),
        "proteins": torch.arange(R) // 11,
        "shuffled": torch.randint(0, 7, (R,)),
    }[groups]
    return e_RVD, mask_RV, group_R


def tiled(e_RVD: Tensor, mask_RV: Tensor, group_R: Tensor, settings: Settings) -> tuple[Tensor, Tensor]:
    pair_N = mask_RV.flatten().nonzero().squeeze(1)
    return TiledSimilarities.apply(e_RVD, pair_N, group_R[pair_N // mask_RV.shape[1]], settings, None)


def scalar(others_RV: Tensor, own_RVV: Tensor, mask_RV: Tensor) -> Tensor:
    """Some function of both outputs, with a different weight for every entry."""
    torch.manual_seed(1)
    weight_RV = torch.rand(mask_RV.shape) * mask_RV * others_RV.detach().isfinite()
    pair_RVV = mask_RV.unsqueeze(2) & mask_RV.unsqueeze(1)
    own = (own_RVV * torch.randn(own_RVV.shape)).masked_fill(~pair_RVV, 0).sum()
    return (weight_RV * others_RV.masked_fill(weight_RV == 0, 0)).sum() + own


def check_equal(e_RVD: Tensor, mask_RV: Tensor, group_R: Tensor, settings: Settings) -> None:
    """Value and gradient within 1e-5 of the dense twin."""
    want = dense_similarities(e_RVD, mask_RV, group_R, settings.scale)
    got = tiled(e_RVD, mask_RV, group_R, settings)
    for left, right in zip(got, want, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-5)
    (want_grad,) = torch.autograd.grad(scalar(*want, mask_RV), e_RVD)
    (got_grad,) = torch.autograd.grad(scalar(*got, mask_RV), e_RVD)
    torch.testing.assert_close(got_grad, want_grad, rtol=1e-5, atol=1e-5 * want_grad.abs().max().item())


@pytest.mark.parametrize("blocks", [(1, 1), (2, 7), (5, 3), (16, 64), (37, 1), (64, 64), (500, 500)])
@pytest.mark.parametrize("groups", ["residues", "proteins", "shuffled"])
@pytest.mark.parametrize("cache_bytes", [0, 2_000, 10**9])
def test_tiled_equals_dense_whatever_the_tile_size_and_cache(blocks, groups, cache_bytes):
    check_equal(*inputs(29, 3, 16, groups), Settings(SCALE, cache_bytes=cache_bytes, blocks=Blocks(*blocks)))


@pytest.mark.parametrize("groups", ["residues", "proteins", "shuffled"])
def test_tiled_equals_dense_with_the_tiles_of_this_device(groups):
    check_equal(*inputs(500, 4, 32, groups), Settings(SCALE, cache_bytes=10**7))


@pytest.mark.parametrize("groups", ["residues", "proteins"])
@pytest.mark.parametrize("scale", [65.0, 1e3, 1e5])
def test_exponents_beyond_the_range_of_float32_are_summed_in_logs(groups, scale):
    e_RVD, mask_RV, group_R = inputs(40, 3, 16, groups)
    settings = Settings(scale, blocks=Blocks(16, 32))
    got = scalar(*tiled(e_RVD, mask_RV, group_R, settings), mask_RV)
    want = scalar(*dense_similarities(e_RVD.double(), mask_RV, group_R, scale), mask_RV)
    assert got.item() == pytest.approx(want.item(), rel=1e-5)
    (got_grad,), (want_grad,) = (torch.autograd.grad(value, e_RVD) for value in (got, want))
    assert ((got_grad - want_grad).norm() / want_grad.norm()).item() < 1e-5 * scale


def test_vectors_that_are_not_of_unit_length_do_not_overflow():
    e_RVD, mask_RV, group_R = inputs(20, 2, 16, "residues")
    long = (30 * e_RVD.detach()).requires_grad_()
    got = scalar(*tiled(long, mask_RV, group_R, Settings(SCALE, blocks=Blocks(16, 32))), mask_RV)
    want = scalar(*dense_similarities(long.double(), mask_RV, group_R, SCALE), mask_RV)
    assert got.item() == pytest.approx(want.item(), rel=1e-5)
    assert torch.isfinite(torch.autograd.grad(got, long)[0]).all()


@pytest.mark.parametrize("groups", ["residues", "proteins"])
@pytest.mark.parametrize("scale", [3.0, 700.0])
def test_gradcheck(groups, scale):
    e_RVD, mask_RV, group_R = inputs(13, 2, 3, groups, dtype=torch.float64)
    settings = Settings(scale, cache_bytes=300, blocks=Blocks(5, 7))

    def value(e: Tensor) -> Tensor:
        return scalar(*tiled(e, mask_RV, group_R, settings), mask_RV) / scale

    assert torch.autograd.gradcheck(value, (e_RVD,), eps=1e-8 if scale > 100 else 1e-6, atol=1e-4)


def test_a_second_backward_gives_the_same_gradient():
    e_RVD, mask_RV, group_R = inputs(29, 3, 16, "residues")
    value = scalar(*tiled(e_RVD, mask_RV, group_R, Settings(SCALE, cache_bytes=10**9)), mask_RV)
    (first,) = torch.autograd.grad(value, e_RVD, retain_graph=True)
    (second,) = torch.autograd.grad(value, e_RVD)
    assert torch.equal(first, second)


def test_a_gradient_of_the_gradient_is_refused():
    e_RVD, mask_RV, group_R = inputs(29, 3, 16, "residues")
    value = scalar(*tiled(e_RVD, mask_RV, group_R, Settings(SCALE)), mask_RV) ** 2
    (grad,) = torch.autograd.grad(value, e_RVD, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        grad.sum().backward()


def test_nothing_is_kept_without_a_backward_pass():
    e_RVD, mask_RV, group_R = inputs(29, 3, 16, "residues")
    with torch.no_grad():
        others, _ = tiled(e_RVD, mask_RV, group_R, Settings(SCALE, cache_bytes=10**9))
    assert others.grad_fn is None


@pytest.mark.parametrize("budget", [0, 100_000, 300_000, 10**9])
def test_the_cache_stays_in_its_budget(budget):
    e_RVD, mask_RV, group_R = inputs(100, 4, 8, "residues", masked=0.0)
    others, _ = tiled(e_RVD, mask_RV, group_R, Settings(SCALE, cache_bytes=budget, blocks=Blocks(64, 128)))
    e, pairs, sums, kept = others.grad_fn.saved_tensors
    assert (e.shape, len(pairs), len(sums)) == ((100, 4, 8), 400, 400)
    assert kept.numel() * kept.element_size() <= budget
    needed = sum(tile.size for tile in plan(torch.arange(400) // 4, 0, Blocks(64, 128)))
    assert (len(kept) == needed) == (budget == 10**9)
    assert (len(kept) > 0) == (budget > 0)


@pytest.mark.parametrize("run", [1, 3, 20, 50], ids=lambda run: f"groups of {run}")
@pytest.mark.parametrize("ascending", [True, False])
def test_tiles_visit_pairs_of_different_groups_once_and_pairs_of_other_ranks_once(run, ascending):
    N, M = 50, 33
    group_N = torch.arange(N) // run if ascending else torch.arange(N).flip(0) // run
    seen = torch.zeros(N, N + M, dtype=torch.long)
    for tile in plan(group_N, M, Blocks(8, 20)):
        seen[tile.rows, tile.cols] += 1
        if tile.mirrored:
            seen[tile.cols, tile.rows] += 1
    assert seen.max() == 1
    assert (seen[:, N:] == 1).all()
    assert (seen[:, :N][group_N[:, None] != group_N] == 1).all()


def test_tiles_of_one_group_alone_are_left_out():
    N, protein = 600, 300
    tiles = plan(torch.arange(N) // protein, 0, Blocks(30, 50))
    everything = plan(torch.arange(N), 0, Blocks(30, 50))
    assert sum(tile.size for tile in tiles) < 0.6 * sum(tile.size for tile in everything)


def test_only_tiles_that_may_hold_equal_groups_are_masked():
    group_N = torch.arange(60) // 3
    tiles = plan(group_N, 0, Blocks(10, 20))
    for tile in tiles:
        equal = (group_N[tile.rows, None] == group_N[tile.cols]).any().item()
        assert tile.masked or not equal
    assert sum(tile.masked for tile in tiles) < len(tiles)


@pytest.mark.parametrize("blocks", [(1, 1), (2, 7), (5, 3), (64, 64)])
@pytest.mark.parametrize("run", [2, 4, SMALL_GROUP])
def test_small_groups_are_listed_where_they_meet_in_a_tile(blocks, run):
    group_N = torch.arange(70) // run
    for tile in plan(group_N, 9, Blocks(*blocks)):
        assert (tile.equal_K is not None) == tile.masked
        if tile.equal_K is not None:
            listed = torch.zeros(tile.size, dtype=torch.bool)
            listed[tile.equal_K] = True
            assert torch.equal(listed.view(tile.shape), group_N[tile.rows, None] == group_N[tile.cols])


@pytest.mark.parametrize("group_N", [torch.arange(70) // (SMALL_GROUP + 1), torch.arange(70).flip(0)])
def test_large_groups_and_groups_in_any_order_are_not_listed(group_N):
    assert all(tile.equal_K is None for tile in plan(group_N, 0, Blocks(8, 20)))


@pytest.mark.parametrize(("N", "dense"), [(similarities_module.DENSE_UP_TO, True), (2048, False)])
def test_the_dense_twin_serves_small_batches(make, N, dense):
    batch = make(R=N // 2, V=2, dtype=torch.float32)
    with mock.patch.object(similarities_module, "dense_similarities", wraps=dense_similarities) as dense_twin:
        similarities_module.similarities(batch.embeddings, batch.view_mask, Settings(SCALE))
    assert dense_twin.called == dense


def test_rounded_products_stay_close_and_own_views_are_exact():
    e_RVD, mask_RV, group_R = inputs(300, 4, 64, "residues")
    exact = tiled(e_RVD, mask_RV, group_R, Settings(SCALE))
    rounded = tiled(e_RVD, mask_RV, group_R, Settings(SCALE, rounded=True))
    assert torch.equal(exact[1], rounded[1])
    assert not torch.equal(exact[0], rounded[0])
    torch.testing.assert_close(rounded[0], exact[0], rtol=2e-3, atol=2e-3)
    grads = [torch.autograd.grad(scalar(*out, mask_RV), e_RVD)[0] for out in (exact, rounded)]
    assert ((grads[1] - grads[0]).norm() / grads[0].norm()).item() < 2e-3


def test_rounded_products_are_exact_where_all_residues_are_alike():
    """What all embeddings share is not rounded: it would drown what tells them apart."""
    e_RVD, mask_RV, group_R = inputs(300, 4, 64, "residues", shared=3.0)
    grads, values = [], []
    for rounded in (False, True):
        out = tiled(e_RVD, mask_RV, group_R, Settings(1 / 0.07, rounded=rounded))
        values.append(out[0].detach())
        grads.append(torch.autograd.grad(scalar(*out, mask_RV), e_RVD)[0])
    torch.testing.assert_close(values[1], values[0], rtol=1e-5, atol=1e-5)
    assert ((grads[1] - grads[0]).norm() / grads[0].norm()).item() < 2e-4


def test_embeddings_need_not_be_contiguous():
    e_RVD, mask_RV, group_R = inputs(29, 3, 16, "residues")
    turned = e_RVD.detach().permute(2, 0, 1).contiguous().permute(1, 2, 0).requires_grad_()
    assert not turned.is_contiguous()
    check_equal(turned, mask_RV, group_R, Settings(SCALE, blocks=Blocks(8, 8)))
    check_equal(turned, torch.ones_like(mask_RV), group_R, Settings(SCALE, blocks=Blocks(8, 8)))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_non_finite_vectors_reach_every_sum_they_belong_to(bad):
    e_RVD, mask_RV, group_R = inputs(29, 3, 16, "residues", masked=0.0)
    broken = e_RVD.detach().clone()
    broken[3, 1, 2] = bad
    others, _ = tiled(broken, mask_RV, group_R, Settings(SCALE, blocks=Blocks(8, 8)))
    others_of_3 = others[3, [0, 2]]
    elsewhere = torch.cat([others[:3], others[4:]])
    assert torch.isfinite(others_of_3).all()  # their own residue is not among the others
    affected = ~torch.isfinite(elsewhere)
    assert affected.all() if bad != bad else affected.any()


def test_replaced_settings_do_not_change_the_value():
    e_RVD, mask_RV, group_R = inputs(100, 4, 16, "proteins")
    settings = Settings(SCALE)
    values = [
        scalar(*tiled(e_RVD, mask_RV, group_R, replace(settings, cache_bytes=cache)), mask_RV)
        for cache in (0, 10**9)
    ]
    assert values[0].item() == values[1].item()
    grads = [torch.autograd.grad(value, e_RVD)[0] for value in values]
    assert torch.equal(*grads)
