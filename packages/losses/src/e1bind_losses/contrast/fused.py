"""The walk over the tiles with one GPU kernel for each, for products rounded to bfloat16.

Shape legend: N own pairs, A own pairs and then those of other ranks, D embedding width; I rows and J columns of a
tile.

In plain torch a tile of similarities is written and read some eight times, which beside a GPU's bfloat16 products
should take several times as long as these. Here the first pass writes sums alone, and the second one the weights,
rounded as the product after it wants them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import torch
from torch import Tensor

from e1bind_losses.contrast.products import RoundedProducts
from e1bind_losses.contrast.tiles import Tile
from e1bind_losses.contrast.walks import LOG2_E


def can_fuse(device: torch.device) -> bool:
    """Whether the kernel can run there: on CUDA, where triton is installed, as it is beside torch's CUDA builds."""
    return device.type == "cuda" and importlib.util.find_spec("triton") is not None


class FusedWalk:
    """As `PlainWalk`; nothing is kept, since a similarity costs less to compute again than to read."""

    def __init__(self, products: RoundedProducts, tiles: Sequence[Tile], group_N: Tensor) -> None:
        self.products = products
        self.tiles = [(tile, products.of(tile)) for tile in tiles]
        self.group_N = group_N.int()
        self.c_A = LOG2_E * products.c_A

    def sums(self, cache_bytes: int) -> tuple[Tensor, Tensor]:
        """L [N], and an empty tensor."""
        sum_N = self.c_A.new_zeros(len(self.group_N))
        for tile, _ in self.tiles:
            sum_I, sum_J = self._run(tile, None, None)
            sum_N[tile.rows].add_(sum_I)
            if tile.mirrored:
                sum_N[tile.cols].add_(sum_J)
        return sum_N.log_(), sum_N.new_empty(0)

    def add_gradient(self, g_A: Tensor, log_A: Tensor, kept: Tensor, dz_ND: Tensor) -> None:
        """Add to dz [N, D], from g and L of all pairs."""
        a_A = g_A * torch.exp(-log_A)
        largest = max((tile.size for tile, _ in self.tiles), default=0)
        room = self.products.u_AD.new_empty(largest)
        sum_N = self.c_A.new_zeros(len(dz_ND))
        for tile, of_tile in self.tiles:
            weight_IJ = tile.view(room)
            sum_I, sum_J = self._run(tile, a_A, weight_IJ)
            of_tile.add_product(weight_IJ, of_tile.cols_JD, dz_ND[tile.rows])
            sum_N[tile.rows].add_(sum_I)
            if tile.mirrored:
                of_tile.add_product(weight_IJ.t(), of_tile.rows_ID, dz_ND[tile.cols])
                sum_N[tile.cols].add_(sum_J)
        self.products.add_mean(sum_N, dz_ND)

    def _run(self, tile: Tile, a_A: Tensor | None, weight_IJ: Tensor | None) -> tuple[Tensor, Tensor]:
        """The sums of exp(s), of the weights where `a_A` is given, over columns [I] and over rows [J]."""
        # Here, because triton is not installed everywhere that losses are.
        from e1bind_losses.contrast.fused_kernel import launch

        def ends(x_A: Tensor) -> tuple[Tensor, Tensor]:
            return x_A[tile.rows], x_A[tile.cols]

        return launch(
            ends(self.products.u_AD),
            ends(self.c_A),
            ends(self.group_N) if tile.masked else None,
            None if a_A is None else ends(a_A),
            weight_IJ,
            LOG2_E * self.products.scale,
        )
