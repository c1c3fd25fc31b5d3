"""The matrix products of the tiled kernel, in full precision or with operands rounded to bfloat16.

Shape legend: A pairs, own and of other ranks; D embedding width; I rows and J columns of a tile.
"""

from __future__ import annotations

import torch
from torch import Tensor

from e1bind_losses.contrast.tiles import Tile


class FullProducts:
    """Products in the dtype of the embeddings z [A, D]."""

    def __init__(self, z_AD: Tensor, scale: float) -> None:
        self.z_AD = z_AD
        self.scale = scale
        self.width = z_AD.shape[1]
        self.dtype = z_AD.dtype

    def similarities(self, tile: Tile, unit: float, out_IJ: Tensor) -> Tensor:
        """`unit * scale * z_i . z_j`, written to `out_IJ`."""
        rows_ID, cols_JD = self.z_AD[tile.rows], self.z_AD[tile.cols]
        return torch.addmm(out_IJ, rows_ID, cols_JD.t(), beta=0, alpha=unit * self.scale, out=out_IJ)

    def accumulate(self, tile: Tile, weight_IJ: Tensor, dz_ND: Tensor) -> None:
        """Add `scale * weight @ z[cols]` to the rows of `dz_ND`, and the mirror image to its columns."""
        dz_ND[tile.rows].addmm_(weight_IJ, self.z_AD[tile.cols], alpha=self.scale)
        if tile.mirrored:
            dz_ND[tile.cols].addmm_(weight_IJ.t(), self.z_AD[tile.rows], alpha=self.scale)


class RoundedProducts:
    """Products of operands rounded to bfloat16, summed in fp32: on a GPU's tensor cores, or the same on a CPU."""

    def __init__(self, z_AD: Tensor, scale: float) -> None:
        self.z_AD = self._rounded(z_AD)
        self.scale = scale
        self.width = z_AD.shape[1]
        self.dtype = z_AD.dtype

    def similarities(self, tile: Tile, unit: float, out_IJ: Tensor) -> Tensor:
        """`unit * scale * z_i . z_j`, written to `out_IJ`."""
        product_IJ = self._product(self.z_AD[tile.rows], self.z_AD[tile.cols].t())
        return torch.mul(product_IJ, unit * self.scale, out=out_IJ)

    def accumulate(self, tile: Tile, weight_IJ: Tensor, dz_ND: Tensor) -> None:
        """Add `scale * weight @ z[cols]` to the rows of `dz_ND`, and the mirror image to its columns."""
        weight_IJ = self._rounded(weight_IJ)
        dz_ND[tile.rows].add_(self._product(weight_IJ, self.z_AD[tile.cols]), alpha=self.scale)
        if tile.mirrored:
            dz_ND[tile.cols].add_(self._product(weight_IJ.t(), self.z_AD[tile.rows]), alpha=self.scale)

    @staticmethod
    def _rounded(x: Tensor) -> Tensor:
        """bfloat16; on a CPU as fp32 again, because torch sums bfloat16 products to bfloat16 there."""
        return x.bfloat16() if x.is_cuda else x.bfloat16().float()

    @staticmethod
    def _product(left: Tensor, right: Tensor) -> Tensor:
        return torch.mm(left, right, out_dtype=torch.float32) if left.is_cuda else torch.mm(left, right)
