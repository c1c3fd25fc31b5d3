"""Similarities tile by tile, forward and backward, in O(N D) memory.

Shape legend: R residues, V views, D embedding width, N own valid (residue, view) pairs, M those of other ranks,
A = N + M; I rows and J columns of a tile.

With s_ij = scale * z_i . z_j and L_i = log sum of exp(s_ij) over the pairs j of other groups, the gradient of
sum_i g_i L_i is dz_i = scale * sum_j W_ij z_j, W_ij = exp(s_ij) (a_i + a_j), a_i = g_i exp(-L_i). W is symmetric:
only tiles of the upper triangle are visited, each for both sides. Pairs of other ranks enter with their own a_j, so
that every rank gets the gradient of the sum of all ranks' losses with respect to its own embeddings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from e1bind_losses.contrast.products import FullProducts, RoundedProducts
from e1bind_losses.contrast.ranks import OtherRanks
from e1bind_losses.contrast.tiles import Blocks, Tile, plan
from e1bind_losses.options import ContrastOptions

_LOG2_E = 1 / math.log(2)
_SAFE_EXPONENT = {torch.float32: 64.0, torch.float64: 640.0}
"""Up to here neither exp(s), nor exp(-s), nor a sum of many, leaves the range of the dtype."""


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
        walk = _Walk(z_AD, group_N, tiles, settings)
        if walk.bounded:
            budget = settings.cache_bytes if ctx.needs_input_grad[0] else 0
            others_N, kept = walk.summed(len(z_ND), budget)
        else:
            others_N, kept = walk.summed_in_logs(len(z_ND)), []
        own_RVV = torch.baddbmm(e_RVD.new_empty(()), e_RVD, e_RVD.mT, beta=0, alpha=settings.scale)
        ctx.walk, ctx.ranks = walk, ranks
        ctx.save_for_backward(e_RVD, pair_N, others_N, *kept)
        others_RV = e_RVD.new_full(e_RVD.shape[:2], -torch.inf)
        others_RV.view(-1).index_copy_(0, pair_N, others_N)
        return others_RV, own_RVV

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_RV: Tensor, g_own_RVV: Tensor) -> tuple[Tensor | None, ...]:
        e_RVD, pair_N, others_N, *kept = ctx.saved_tensors
        g_N = g_RV.reshape(-1).index_select(0, pair_N)
        # A pair nobody asks for may have no others at all (L = -inf): exp(-L) must not turn its 0 into NaN.
        scalars_N2 = torch.stack([g_N, others_N.masked_fill(g_N == 0, torch.inf)], dim=1)
        scalars_A2 = scalars_N2 if ctx.ranks is None else torch.cat([scalars_N2, ctx.ranks.gather(scalars_N2)])
        dz_ND = ctx.walk.gradient(len(pair_N), scalars_A2, kept)
        de_RVD = _spread(dz_ND, pair_N, e_RVD)
        de_RVD.baddbmm_(g_own_RVV + g_own_RVV.mT, e_RVD, alpha=ctx.walk.settings.scale)
        return de_RVD, None, None, None, None


class _Walk:
    """One pass over the tiles. Sums and gradients are kept in the dtype of the embeddings, fp32 or wider."""

    def __init__(self, z_AD: Tensor, group_N: Tensor, tiles: list[Tile], settings: Settings) -> None:
        self.settings = settings
        self.tiles = tiles
        self.group_N = group_N
        self.like = z_AD.new_empty(0)
        self.products = (RoundedProducts if settings.rounded else FullProducts)(z_AD, settings.scale)
        largest = settings.scale * torch.linalg.vector_norm(z_AD, dim=1).square().max() if len(z_AD) else 0.0
        self.bounded = float(largest) <= _SAFE_EXPONENT[z_AD.dtype]  # NaN is not
        self.room = max((tile.shape[0] * tile.shape[1] for tile in tiles), default=0)

    def summed(self, N: int, budget: int) -> tuple[Tensor, list[Tensor]]:
        """log sum of exp(s) by row, and the first tiles of exp(s), as many as fit into `budget` bytes."""
        sum_N = self.like.new_zeros(N)
        scratch = self.like.new_empty(self.room)
        kept: list[Tensor] = []
        for tile in self.tiles:
            budget -= math.prod(tile.shape) * scratch.element_size()
            out_IJ = self.like.new_empty(tile.shape) if budget >= 0 else _part(scratch, tile)
            exp_IJ = self._exponentials(tile, out_IJ)
            if budget >= 0:
                kept.append(exp_IJ)
            sum_N[tile.rows] += exp_IJ.sum(1)
            if tile.mirrored:
                sum_N[tile.cols] += exp_IJ.sum(0)
        return sum_N.log_(), kept

    def summed_in_logs(self, N: int) -> Tensor:
        """The same where exp(s) may leave the range of the dtype: a running log-sum-exp."""
        log_N = self.like.new_full((N,), -torch.inf)
        scratch = self.like.new_empty(self.room)
        for tile in self.tiles:
            s_IJ = self.products.similarities(tile, 1.0, _part(scratch, tile))
            self._take_out(tile, s_IJ, -torch.inf)
            log_N[tile.rows] = torch.logaddexp(log_N[tile.rows], s_IJ.logsumexp(1))
            if tile.mirrored:
                log_N[tile.cols] = torch.logaddexp(log_N[tile.cols], s_IJ.logsumexp(0))
        return log_N

    def gradient(self, N: int, scalars_A2: Tensor, kept: list[Tensor]) -> Tensor:
        """dz [N, D] from g and L of all pairs; `kept` are the tiles that `summed` kept."""
        dz_ND = self.like.new_zeros(N, self.products.z_AD.shape[1])
        g_A, log_A = scalars_A2.unbind(1)
        a_A = g_A * torch.exp(-log_A)
        scratch, weight = self.like.new_empty(2, self.room).unbind(0)
        for index, tile in enumerate(self.tiles):
            if self.bounded:
                exp_IJ = kept[index] if index < len(kept) else self._exponentials(tile, _part(scratch, tile))
                weight_IJ = torch.add(a_A[tile.rows, None], a_A[tile.cols], out=_part(weight, tile)).mul_(exp_IJ)
            else:
                s_IJ = self.products.similarities(tile, 1.0, _part(scratch, tile))
                weight_IJ = g_A[tile.rows, None] * torch.exp(s_IJ - log_A[tile.rows, None])
                weight_IJ += g_A[tile.cols] * torch.exp(s_IJ - log_A[tile.cols])
                self._take_out(tile, weight_IJ, 0.0)
            self.products.accumulate(tile, weight_IJ, dz_ND)
        return dz_ND

    def _exponentials(self, tile: Tile, out_IJ: Tensor) -> Tensor:
        """exp(s), 0 between equal groups. As a power of 2: torch computes those in half the time on a CPU."""
        exp_IJ = self.products.similarities(tile, _LOG2_E, out_IJ).exp2_()
        self._take_out(tile, exp_IJ, 0.0)
        return exp_IJ

    def _take_out(self, tile: Tile, x_IJ: Tensor, value: float) -> None:
        """Write `value` between pairs of one group."""
        if tile.masked:
            x_IJ.masked_fill_(self.group_N[tile.rows, None] == self.group_N[tile.cols], value)


def _part(buffer: Tensor, tile: Tile) -> Tensor:
    return buffer[: math.prod(tile.shape)].view(tile.shape)


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
