"""Similarities tile by tile, forward and backward, in O(N D) memory.

Shape legend: R residues, V views, D embedding width, N own valid (residue, view) pairs, M those of other ranks,
A = N + M.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from e1bind_losses.contrast.fused import FusedWalk, can_fuse
from e1bind_losses.contrast.products import FullProducts, RoundedProducts
from e1bind_losses.contrast.ranks import OtherRanks
from e1bind_losses.contrast.tiles import Blocks, plan
from e1bind_losses.contrast.walks import LogWalk, PlainWalk, fits_plain_sums
from e1bind_losses.options import ContrastOptions


@dataclass(frozen=True)
class Settings:
    """How to compute: not what.

    scale        factor of the inner products, 1 / temperature
    rounded      round the operands of the large products to bfloat16
    fused        where they are rounded, on a GPU: one kernel for a tile
    cache_bytes  memory for tiles kept from forward to backward
    blocks       size of a tile, or None to choose by device
    """

    scale: float
    rounded: bool = False
    fused: bool = False
    cache_bytes: int = 0
    blocks: Blocks | None = None

    @classmethod
    def of(cls, options: ContrastOptions) -> Settings:
        """What the options of a loss ask for."""
        return cls(
            1 / options.temperature, options.products == "bfloat16", options.fused, options.cache_mb * 1_000_000
        )


class TiledSimilarities(torch.autograd.Function):
    """(embeddings [R, V, D], places and groups of the valid pairs [N], ...) -> others [R, V], own [R, V, V].

    others[r, v] is the log of the sum of exp(s) over the valid pairs of another group than that of (r, v), other
    ranks' included: -inf where there is none and where (r, v) is not valid. own[r, v, w] is s between views v and w
    of residue r, valid or not, never rounded. s = scale * z . z'.
    """

    @staticmethod
    def forward(
        ctx: Any, e_RVD: Tensor, pair_N: Tensor, group_N: Tensor, settings: Settings, ranks: OtherRanks | None
    ) -> tuple[Tensor, Tensor]:
        own_RVV = settings.scale * torch.bmm(e_RVD, e_RVD.mT)
        with_itself_A = own_RVV.diagonal(dim1=1, dim2=2).reshape(-1).index_select(0, pair_N)
        z_AD = _rows(e_RVD, pair_N)
        if ranks is not None:
            z_MD = ranks.gather(z_AD)
            z_AD = torch.cat([z_AD, z_MD])
            with_itself_A = torch.cat([with_itself_A, settings.scale * z_MD.square().sum(1)])
        walk = _walk(z_AD, group_N, settings, plain=fits_plain_sums(with_itself_A))
        others_N, kept = walk.sums(settings.cache_bytes if ctx.needs_input_grad[0] else 0)
        ctx.walk, ctx.ranks, ctx.scale = walk, ranks, settings.scale
        ctx.save_for_backward(e_RVD, pair_N, others_N, kept)
        others_RV = e_RVD.new_full(e_RVD.shape[:2], -torch.inf)
        others_RV.view(-1).index_copy_(0, pair_N, others_N)
        return others_RV, own_RVV

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_RV: Tensor, g_own_RVV: Tensor) -> tuple[Tensor | None, ...]:
        e_RVD, pair_N, others_N, kept = ctx.saved_tensors
        g_N = g_RV.reshape(-1).index_select(0, pair_N)
        # A pair nobody asks for may have no others at all (L = -inf): exp(-L) must not turn its 0 into NaN.
        scalars_N2 = torch.stack([g_N, others_N.masked_fill(g_N == 0, torch.inf)], dim=1)
        scalars_A2 = scalars_N2 if ctx.ranks is None else torch.cat([scalars_N2, ctx.ranks.gather(scalars_N2)])
        # The part of own views comes first: written as it is, it saves a pass over memory that zeros would take.
        de_RVD = torch.bmm(ctx.scale * (g_own_RVV + g_own_RVV.mT), e_RVD)
        dz_ND = _rows(de_RVD, pair_N)
        ctx.walk.add_gradient(*scalars_A2.unbind(1), kept, dz_ND)
        if len(pair_N) < g_RV.numel():
            de_RVD.view(-1, de_RVD.shape[-1]).index_copy_(0, pair_N, dz_ND)
        return de_RVD, None, None, None, None


def _walk(z_AD: Tensor, group_N: Tensor, settings: Settings, *, plain: bool) -> PlainWalk | LogWalk | FusedWalk:
    """The way to sum: as exp(s) is where it is `plain`, in one kernel where that is asked for and can be had."""
    fused = plain and settings.rounded and settings.fused and can_fuse(z_AD.device)
    blocks = settings.blocks or (Blocks.fused() if fused else Blocks.of(z_AD.device))
    tiles = plan(group_N, len(z_AD) - len(group_N), blocks, lists=not fused)
    if fused:
        return FusedWalk(RoundedProducts(z_AD, settings.scale), tiles, group_N)
    products = (RoundedProducts if settings.rounded else FullProducts)(z_AD, settings.scale)
    return (PlainWalk if plain else LogWalk)(products, tiles, group_N)


def _rows(x_RVD: Tensor, pair_N: Tensor) -> Tensor:
    """The rows of the pairs; a view where every pair is valid."""
    flat = x_RVD.reshape(-1, x_RVD.shape[-1])
    return flat if len(pair_N) == len(flat) else flat.index_select(0, pair_N)
