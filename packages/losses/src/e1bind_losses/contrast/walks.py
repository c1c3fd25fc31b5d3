"""The passes over the tiles: sums forward, gradient backward.

Shape legend: N own pairs, A own pairs and then those of other ranks, D embedding width; I rows and J columns of a
tile.

With s_ij = scale * z_i . z_j and L_i = log sum of exp(s_ij) over the pairs j of other groups, the gradient of
sum_i g_i L_i is dz_i = scale * sum_j W_ij z_j, W_ij = exp(s_ij) (a_i + a_j), a_i = g_i exp(-L_i). W is symmetric:
only tiles of the upper triangle are visited, each for both sides. Pairs of other ranks enter with their own a_j, so
that every rank gets the gradient of the sum of all ranks' losses with respect to its own embeddings.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor

from e1bind_losses.contrast.products import FullProducts, FullTile, RoundedProducts, RoundedTile
from e1bind_losses.contrast.recycled import recycled
from e1bind_losses.contrast.tiles import Tile

LOG2_E = 1 / math.log(2)
_SAFE_EXPONENT = {torch.float32: 64.0, torch.float64: 640.0}
"""Up to here neither exp(s), nor exp(-s), nor a sum of many, leaves the range of the dtype."""


def fits_plain_sums(with_itself_A: Tensor) -> bool:
    """Whether exp(s) can be summed as it is; for unit vectors in fp32, at temperatures above 1 / 64.

    `with_itself_A` is s of each pair with itself. No s between two pairs is larger than the largest of them.
    """
    if len(with_itself_A) == 0:
        return True
    return bool(with_itself_A.max() <= _SAFE_EXPONENT[with_itself_A.dtype])  # not so for NaN


class Walk:
    """What both ways to sum share. Sums and gradients have the dtype of the embeddings, fp32 or wider."""

    def __init__(self, products: FullProducts | RoundedProducts, tiles: Sequence[Tile], group_N: Tensor) -> None:
        self.tiles = tiles
        self.products = [products.of(tile) for tile in tiles]
        self.group_N = group_N
        self.dtype = products.dtype

    def new(self, *shape: int) -> Tensor:
        """An uninitialised tensor in the dtype of the sums."""
        return torch.empty(shape, dtype=self.dtype, device=self.group_N.device)

    def rooms(self) -> list[Tensor]:
        """Room for one tile's numbers, in the shape of each."""
        room = self.new(max((tile.size for tile in self.tiles), default=0))
        of_shape = {tile.shape: tile for tile in self.tiles}
        views = {shape: tile.view(room) for shape, tile in of_shape.items()}
        return [views[tile.shape] for tile in self.tiles]

    def rows(self, x_A: Tensor) -> list[Tensor]:
        """The rows of each tile."""
        return [x_A[tile.rows] for tile in self.tiles]

    def cols(self, x_A: Tensor) -> list[Tensor]:
        """The columns of each tile: none where those are of other ranks and x holds own pairs only."""
        return [x_A[tile.cols] for tile in self.tiles]

    def take_out(self, tile: Tile, x_IJ: Tensor, value: float) -> None:
        """Write `value` between pairs of one group."""
        if tile.equal_K is not None:
            x_IJ.view(-1).index_fill_(0, tile.equal_K, value)
        elif tile.masked:
            x_IJ.masked_fill_(self.group_N[tile.rows, None] == self.group_N[tile.cols], value)


class PlainWalk(Walk):
    """Sums of exp(s) as they are."""

    def sums(self, cache_bytes: int) -> tuple[Tensor, Tensor]:
        """L [N], and the exponentials of the first tiles, as many as `cache_bytes` hold, one after the other."""
        sum_N = self.new(len(self.group_N)).zero_()
        kept = recycled(self._kept_numbers(cache_bytes), self.dtype, self.group_N.device)
        work = zip(
            self.tiles,
            self.products,
            self.rooms(),
            self._kept_tiles(kept),
            self.rows(sum_N),
            self.cols(sum_N),
            strict=True,
        )
        for tile, products, s_IJ, kept_IJ, sum_I, sum_J in work:
            exp_IJ = self._exponentials(tile, products, s_IJ, s_IJ if kept_IJ is None else kept_IJ)
            sum_I.add_(exp_IJ.sum(1))
            if tile.mirrored:
                sum_J.add_(exp_IJ.sum(0))
        return sum_N.log_(), kept

    def add_gradient(self, g_A: Tensor, log_A: Tensor, kept: Tensor, dz_ND: Tensor) -> None:
        """Add to dz [N, D], from g and L of all pairs and what `sums` kept."""
        a_A = g_A * torch.exp(-log_A)
        work = zip(
            self.tiles,
            self.products,
            self.rooms(),
            self._kept_tiles(kept),
            self.rooms(),
            self.rows(a_A.unsqueeze(1)),
            self.cols(a_A),
            self.rows(dz_ND),
            self.cols(dz_ND),
            strict=True,
        )
        for tile, products, s_IJ, kept_IJ, weight_IJ, a_I1, a_J, dz_ID, dz_JD in work:
            exp_IJ = self._exponentials(tile, products, s_IJ, s_IJ) if kept_IJ is None else kept_IJ
            torch.add(a_I1, a_J, out=weight_IJ).mul_(exp_IJ)
            products.accumulate(weight_IJ, dz_ID, dz_JD)

    def _kept_numbers(self, cache_bytes: int) -> int:
        numbers, most = 0, cache_bytes // self.dtype.itemsize
        for tile in self.tiles:
            if numbers + tile.size > most:
                break
            numbers += tile.size
        return numbers

    def _kept_tiles(self, kept: Tensor) -> list[Tensor | None]:
        """Where each tile is kept, None for those that are not."""
        ends = itertools.accumulate(tile.size for tile in self.tiles)
        held = [tile for tile, end in zip(self.tiles, ends, strict=True) if end <= len(kept)]
        views = [part.view(tile.shape) for tile, part in zip(held, kept.split([t.size for t in held]), strict=True)]
        return [*views, *[None] * (len(self.tiles) - len(held))]

    def _exponentials(self, tile: Tile, products: FullTile | RoundedTile, s_IJ: Tensor, out_IJ: Tensor) -> Tensor:
        """exp(s), 0 between equal groups, in `out_IJ`; `s_IJ` is room for s."""
        # The product goes to the room of one tile, which stays in the CPU's cache, not to the memory of kept tiles.
        # A power of 2, because torch computes those in half the time on a CPU.
        exp_IJ = torch.exp2(products.similarities(LOG2_E, s_IJ), out=out_IJ)
        self.take_out(tile, exp_IJ, 0.0)
        return exp_IJ


class LogWalk(Walk):
    """The same where exp(s) may leave the range of the dtype: running log-sum-exps, nothing kept."""

    def sums(self, cache_bytes: int) -> tuple[Tensor, Tensor]:
        """L [N], and an empty tensor."""
        log_N = self.new(len(self.group_N)).fill_(-torch.inf)
        for tile, products, room_IJ in zip(self.tiles, self.products, self.rooms(), strict=True):
            s_IJ = products.similarities(1.0, room_IJ)
            self.take_out(tile, s_IJ, -torch.inf)
            log_N[tile.rows] = torch.logaddexp(log_N[tile.rows], s_IJ.logsumexp(1))
            if tile.mirrored:
                log_N[tile.cols] = torch.logaddexp(log_N[tile.cols], s_IJ.logsumexp(0))
        return log_N, self.new(0)

    def add_gradient(self, g_A: Tensor, log_A: Tensor, kept: Tensor, dz_ND: Tensor) -> None:
        """Add to dz [N, D], from g and L of all pairs."""
        for tile, products, room_IJ in zip(self.tiles, self.products, self.rooms(), strict=True):
            s_IJ = products.similarities(1.0, room_IJ)
            weight_IJ = g_A[tile.rows, None] * torch.exp(s_IJ - log_A[tile.rows, None])
            weight_IJ += g_A[tile.cols] * torch.exp(s_IJ - log_A[tile.cols])
            self.take_out(tile, weight_IJ, 0.0)
            products.accumulate(weight_IJ, dz_ND[tile.rows], dz_ND[tile.cols])
