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
    """Products of operands rounded to bfloat16, summed in fp32: on a GPU's tensor cores, or the same on a CPU.

    Embeddings of language models share a large component m, their mean. Rounding it would cost more than all that
    tells residues apart, so only u = z - m is rounded, and what m contributes stays in fp32:
    z_i . z_j = u_i . u_j + c_i + c_j, c_i = z_i . m - m . m / 2, and W z = W u + (row sums of W) m.
    """

    def __init__(self, z_AD: Tensor, scale: float) -> None:
        self.mean_D = z_AD.mean(0) if len(z_AD) else z_AD.new_zeros(z_AD.shape[1])
        self.u_AD = self._rounded(z_AD - self.mean_D)
        self.c_A = scale * (z_AD @ self.mean_D - self.mean_D @ self.mean_D / 2)
        self.scale = scale
        self.width = z_AD.shape[1]
        self.dtype = z_AD.dtype

    def similarities(self, tile: Tile, unit: float, out_IJ: Tensor) -> Tensor:
        """`unit * scale * z_i . z_j`, written to `out_IJ`."""
        c_A = unit * self.c_A
        torch.add(c_A[tile.rows, None], c_A[tile.cols], out=out_IJ)
        return out_IJ.add_(self._product(self.u_AD[tile.rows], self.u_AD[tile.cols].t()), alpha=unit * self.scale)

    def accumulate(self, tile: Tile, weight_IJ: Tensor, dz_ND: Tensor) -> None:
        """Add `scale * weight @ z[cols]` to the rows of `dz_ND`, and the mirror image to its columns."""
        self._add_product(weight_IJ, tile.cols, dz_ND[tile.rows])
        if tile.mirrored:
            self._add_product(weight_IJ.t(), tile.rows, dz_ND[tile.cols])

    def _add_product(self, weight_IJ: Tensor, cols: slice, dz_ID: Tensor) -> None:
        dz_ID.addr_(weight_IJ.sum(1), self.mean_D, alpha=self.scale)
        dz_ID.add_(self._product(self._rounded(weight_IJ), self.u_AD[cols]), alpha=self.scale)

    @staticmethod
    def _rounded(x: Tensor) -> Tensor:
        """bfloat16; on a CPU as fp32 again, because torch sums bfloat16 products to bfloat16 there."""
        return x.bfloat16() if x.is_cuda else x.bfloat16().float()

    @staticmethod
    def _product(left: Tensor, right: Tensor) -> Tensor:
        return torch.mm(left, right, out_dtype=torch.float32) if left.is_cuda else torch.mm(left, right)
