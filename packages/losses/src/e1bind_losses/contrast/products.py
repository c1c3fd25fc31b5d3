"""The matrix products of the tiled kernel, in full precision or with operands rounded to bfloat16.

Shape legend: A pairs, own and of other ranks; D embedding width; I rows and J columns of a tile.

The operands of all tiles are cut out before the walk over them begins. After a large product, the code that makes
views has left the CPU's cache, and half a dozen views made then cost more than the exponentials of a tile.
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
        self.dtype = z_AD.dtype

    def of(self, tile: Tile) -> FullTile:
        """The products of one tile."""
        return FullTile(self.z_AD[tile.rows], self.z_AD[tile.cols], self.scale, tile.mirrored)


class FullTile:
    """Products of the rows and columns of one tile."""

    def __init__(self, rows_ID: Tensor, cols_JD: Tensor, scale: float, mirrored: bool) -> None:
        self.rows_ID, self.cols_JD, self.cols_DJ = rows_ID, cols_JD, cols_JD.t()
        self.scale = scale
        self.mirrored = mirrored

    def similarities(self, unit: float, out_IJ: Tensor) -> Tensor:
        """`unit * scale * z_i . z_j`, written to `out_IJ`."""
        return torch.addmm(out_IJ, self.rows_ID, self.cols_DJ, beta=0, alpha=unit * self.scale, out=out_IJ)

    def accumulate(self, weight_IJ: Tensor, dz_ID: Tensor, dz_JD: Tensor) -> None:
        """Add `scale * weight @ z[cols]` to the rows' gradient, and the mirror image to the columns'."""
        dz_ID.addmm_(weight_IJ, self.cols_JD, alpha=self.scale)
        if self.mirrored:
            dz_JD.addmm_(weight_IJ.t(), self.rows_ID, alpha=self.scale)


class RoundedProducts:
    """Products of operands rounded to bfloat16, summed in fp32: on a GPU's tensor cores, or the same on a CPU.

    Embeddings of language models share a large component m, their mean. Rounding it would cost more than all that
    tells residues apart, so only u = z - m is rounded, and what m contributes stays in fp32:
    z_i . z_j = u_i . u_j + c_i + c_j, c_i = z_i . m - m . m / 2, and W z = W u + (row sums of W) m.
    """

    def __init__(self, z_AD: Tensor, scale: float) -> None:
        self.mean_D = z_AD.mean(0) if len(z_AD) else z_AD.new_zeros(z_AD.shape[1])
        self.u_AD = _rounded(z_AD - self.mean_D)
        self.c_A = scale * (z_AD @ self.mean_D - self.mean_D @ self.mean_D / 2)
        self.scale = scale
        self.dtype = z_AD.dtype

    def of(self, tile: Tile) -> RoundedTile:
        """The products of one tile."""
        return RoundedTile(self, tile)

    def add_mean(self, sum_I: Tensor, dz_ID: Tensor) -> None:
        """Add what the mean contributes to `scale * weight @ z`, from the sums of the weights before rounding."""
        dz_ID.addr_(sum_I, self.mean_D, alpha=self.scale)


class RoundedTile:
    """Rounded products of the rows and columns of one tile."""

    def __init__(self, whole: RoundedProducts, tile: Tile) -> None:
        self.rows_ID, self.cols_JD = whole.u_AD[tile.rows], whole.u_AD[tile.cols]
        self.c_I1, self.c_J = whole.c_A[tile.rows, None], whole.c_A[tile.cols]
        self.whole, self.scale = whole, whole.scale
        self.mirrored = tile.mirrored

    def similarities(self, unit: float, out_IJ: Tensor) -> Tensor:
        """`unit * scale * z_i . z_j`, written to `out_IJ`."""
        torch.add(unit * self.c_I1, unit * self.c_J, out=out_IJ)
        return out_IJ.add_(wide_product(self.rows_ID, self.cols_JD.t()), alpha=unit * self.scale)

    def accumulate(self, weight_IJ: Tensor, dz_ID: Tensor, dz_JD: Tensor) -> None:
        """Add `scale * weight @ z[cols]` to the rows' gradient, and the mirror image to the columns'."""
        rounded_IJ = _rounded(weight_IJ)
        self.whole.add_mean(weight_IJ.sum(1), dz_ID)
        self.add_product(rounded_IJ, self.cols_JD, dz_ID)
        if self.mirrored:
            self.whole.add_mean(weight_IJ.sum(0), dz_JD)
            self.add_product(rounded_IJ.t(), self.rows_ID, dz_JD)

    def add_product(self, rounded_IJ: Tensor, u_JD: Tensor, dz_ID: Tensor) -> None:
        """Add `scale * weight @ u` to `dz_ID`, from rounded weights; `RoundedProducts.add_mean` adds the rest."""
        dz_ID.add_(wide_product(rounded_IJ, u_JD), alpha=self.scale)


def _rounded(x: Tensor) -> Tensor:
    """bfloat16; on a CPU as fp32 again, because torch sums bfloat16 products to bfloat16 there."""
    return x.bfloat16() if x.is_cuda else x.bfloat16().float()


def wide_product(left: Tensor, right: Tensor) -> Tensor:
    """The product of rounded operands, in fp32."""
    return torch.mm(left, right, out_dtype=torch.float32) if left.is_cuda else torch.mm(left, right)
