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
    cache_bytes  memory for tiles kept from forward to backward
    blocks       size of a tile, or None to choose by device
    """

    scale: float
    rounded: bool = False
    cache_bytes: int = 0
    blocks: Blocks | None = None

    @classmethod
    def of(cls, options: ContrastOptions) -> Settings:
        """What the options of a loss ask for."""
        return cls(1 / options.temperature, options.products == "bfloat16", options.cache_mb * 1_000_000)


class TiledSimilarities(torch.autograd.Function):
    """(embeddings [R, V, D], ...) -> others [R, V], own [R, V, V]; see `similarities`."""

    @staticmethod
    def forward(
        ctx: Any, e_RVD: Tensor, pair_N: Tensor, group_N: Tensor, settings: Settings, ranks: OtherRanks | None
    ) -> tuple[Tensor, Tensor]:
        z_ND = _rows(e_RVD, pair_N)
        z_AD = z_ND if ranks is None else torch.cat([z_ND, ranks.gather(z_ND)])
        tiles = plan(group_N, len(z_AD) - len(z_ND), settings.blocks or Blocks.of(e_RVD.device))
        products = (RoundedProducts if settings.rounded else FullProducts)(z_AD, settings.scale)
        walk = (PlainWalk if fits_plain_sums(z_AD, settings.scale) else LogWalk)(products, tiles, group_N)
        others_N, kept = walk.sums(settings.cache_bytes if ctx.needs_input_grad[0] else 0)
        own_RVV = torch.baddbmm(e_RVD.new_empty(()), e_RVD, e_RVD.mT, beta=0, alpha=settings.scale)
        ctx.walk, ctx.ranks = walk, ranks
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
        dz_ND = ctx.walk.gradient(*scalars_A2.unbind(1), kept)
        de_RVD = _spread(dz_ND, pair_N, e_RVD)
        de_RVD.baddbmm_(g_own_RVV + g_own_RVV.mT, e_RVD, alpha=ctx.walk.products.scale)
        return de_RVD, None, None, None, None


def _rows(e_RVD: Tensor, pair_N: Tensor) -> Tensor:
    """The embeddings of the pairs; a view where every pair is valid."""
    flat = e_RVD.reshape(-1, e_RVD.shape[-1])
    return flat if len(pair_N) == len(flat) else flat.index_select(0, pair_N)


def _spread(dz_ND: Tensor, pair_N: Tensor, like_RVD: Tensor) -> Tensor:
    """The gradient of `_rows`."""
    if len(pair_N) == like_RVD.shape[0] * like_RVD.shape[1]:
        return dz_ND.view(like_RVD.shape)
    de_RVD = torch.zeros_like(like_RVD, memory_format=torch.contiguous_format)
    de_RVD.view(-1, like_RVD.shape[-1]).index_copy_(0, pair_N, dz_ND)
    return de_RVD
