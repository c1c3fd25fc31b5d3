"""The passes over the tiles: sums forward, gradient backward.

Shape legend: N own pairs, A own pairs and then those of other ranks, D embedding width; I rows and J columns of a
tile.

With s_ij = scale * z_i . z_j and L_i = log sum of exp(s_ij) over the pairs j of other groups, the gradient of
sum_i g_i L_i is dz_i = scale * sum_j W_ij z_j, W_ij = exp(s_ij) (a_i + a_j), a_i = g_i exp(-L_i). W is symmetric:
only tiles of the upper triangle are visited, each for both sides. Pairs of other ranks enter with their own a_j, so
that every rank gets the gradient of the sum of all ranks' losses with respect to its own embeddings.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from e1bind_losses.contrast.products import FullProducts, RoundedProducts
from e1bind_losses.contrast.recycled import recycled
from e1bind_losses.contrast.tiles import Tile

_LOG2_E = 1 / math.log(2)
_SAFE_EXPONENT = {torch.float32: 64.0, torch.float64: 640.0}
"""Up to here neither exp(s), nor exp(-s), nor a sum of many, leaves the range of the dtype."""


def fits_plain_sums(z_AD: Tensor, scale: float) -> bool:
    """Whether exp(s) can be summed as it is; for unit vectors in fp32, at temperatures above 1 / 64."""
    if len(z_AD) == 0:
        return True
    largest = scale * torch.linalg.vector_norm(z_AD, dim=1).max() ** 2
    return bool(largest <= _SAFE_EXPONENT[z_AD.dtype])  # not so for NaN


class Walk:
    """What both ways to sum share. Sums and gradients have the dtype of the embeddings, fp32 or wider."""

    def __init__(self, products: FullProducts | RoundedProducts, tiles: Sequence[Tile], group_N: Tensor) -> None:
        self.products = products
        self.tiles = tiles
        self.group_N = group_N
        self.room = max((tile.size for tile in tiles), default=0)

    def new(self, *shape: int) -> Tensor:
        """An uninitialised tensor in the dtype of the sums."""
        return torch.empty(shape, dtype=self.products.dtype, device=self.group_N.device)

    def take_out(self, tile: Tile, x_IJ: Tensor, value: float) -> None:
        """Write `value` between pairs of one group."""
        if tile.masked:
            x_IJ.masked_fill_(self.group_N[tile.rows, None] == self.group_N[tile.cols], value)


class PlainWalk(Walk):
    """Sums of exp(s) as they are."""

    def sums(self, cache_bytes: int) -> tuple[Tensor, Tensor]:
        """L [N], and the exponentials of the first tiles, as many as `cache_bytes` hold, one after the other."""
        sum_N = self.new(len(self.group_N)).zero_()
        kept = recycled(self._kept_numbers(cache_bytes), self.products.dtype, self.group_N.device)
        scratch, start = self.new(self.room), 0
        for tile in self.tiles:
            keep = start + tile.size <= len(kept)
            exp_IJ = self._exponentials(tile, tile.view(scratch), tile.view(kept[start:]) if keep else None)
            start += tile.size
            sum_N[tile.rows].add_(exp_IJ.sum(1))
            if tile.mirrored:
                sum_N[tile.cols].add_(exp_IJ.sum(0))
        return sum_N.log_(), kept

    def gradient(self, g_A: Tensor, log_A: Tensor, kept: Tensor) -> Tensor:
        """dz [N, D] from g and L of all pairs and what `sums` kept."""
        dz_ND = self.new(len(self.group_N), self.products.width).zero_()
        a_A = g_A * torch.exp(-log_A)
        scratch, weight, start = self.new(self.room), self.new(self.room), 0
        for tile in self.tiles:
            if start + tile.size <= len(kept):
                exp_IJ = tile.view(kept[start:])
            else:
                exp_IJ = self._exponentials(tile, tile.view(scratch))
            start += tile.size
            weight_IJ = torch.add(a_A[tile.rows, None], a_A[tile.cols], out=tile.view(weight)).mul_(exp_IJ)
            self.products.accumulate(tile, weight_IJ, dz_ND)
        return dz_ND

    def _kept_numbers(self, cache_bytes: int) -> int:
        numbers, most = 0, cache_bytes // self.products.dtype.itemsize
        for tile in self.tiles:
            if numbers + tile.size > most:
                break
            numbers += tile.size
        return numbers

    def _exponentials(self, tile: Tile, s_IJ: Tensor, out_IJ: Tensor | None = None) -> Tensor:
        """exp(s), 0 between equal groups, in `out_IJ` or else in the scratch room `s_IJ`."""
        # The product goes to the scratch room, which stays in the CPU's cache, not to the memory of kept tiles.
        # A power of 2, because torch computes those in half the time on a CPU.
        self.products.similarities(tile, _LOG2_E, s_IJ)
        exp_IJ = torch.exp2(s_IJ, out=s_IJ if out_IJ is None else out_IJ)
        self.take_out(tile, exp_IJ, 0.0)
        return exp_IJ


class LogWalk(Walk):
    """The same where exp(s) may leave the range of the dtype: running log-sum-exps, nothing kept."""

    def sums(self, cache_bytes: int) -> tuple[Tensor, Tensor]:
        """L [N], and an empty tensor."""
        log_N = self.new(len(self.group_N)).fill_(-torch.inf)
        scratch = self.new(self.room)
        for tile in self.tiles:
            s_IJ = self.products.similarities(tile, 1.0, tile.view(scratch))
            self.take_out(tile, s_IJ, -torch.inf)
            log_N[tile.rows] = torch.logaddexp(log_N[tile.rows], s_IJ.logsumexp(1))
            if tile.mirrored:
                log_N[tile.cols] = torch.logaddexp(log_N[tile.cols], s_IJ.logsumexp(0))
        return log_N, self.new(0)

    def gradient(self, g_A: Tensor, log_A: Tensor, kept: Tensor) -> Tensor:
        """dz [N, D] from g and L of all pairs."""
        dz_ND = self.new(len(self.group_N), self.products.width).zero_()
        scratch = self.new(self.room)
        for tile in self.tiles:
            s_IJ = self.products.similarities(tile, 1.0, tile.view(scratch))
            weight_IJ = g_A[tile.rows, None] * torch.exp(s_IJ - log_A[tile.rows, None])
            weight_IJ += g_A[tile.cols] * torch.exp(s_IJ - log_A[tile.cols])
            self.take_out(tile, weight_IJ, 0.0)
            self.products.accumulate(tile, weight_IJ, dz_ND)
        return dz_ND
