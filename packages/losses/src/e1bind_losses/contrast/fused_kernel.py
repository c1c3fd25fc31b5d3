"""One GPU kernel for a tile: products, exponentials, sums and weights; similarities never leave the chip.

Shape legend: I rows and J columns of a tile, D embedding width; B, C and K of them in a block of the kernel.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import triton
from torch import Tensor
from triton import language as tl

Pair = tuple[Tensor, Tensor]
"""Something of a tile's rows, and the same of its columns."""


class KernelBlocks(NamedTuple):
    """Size of a block of the kernel, and how many warps and stages of loads it takes."""

    rows: int
    cols: int
    depth: int
    warps: int
    stages: int

    @classmethod
    def of(cls, capability: int, weights: bool) -> KernelBlocks:
        """For a compute capability. Hopper (90) wants wide blocks, for which weights leave no registers."""
        return cls(128, 256, 64, 8, 3) if capability == 90 and not weights else cls(128, 128, 64, 8, 3)


@triton.jit
def tile_kernel(  # type: ignore[no-untyped-def]
    row_u,
    col_u,
    row_c,
    col_c,
    row_group,
    col_group,
    row_a,
    col_a,
    weight,
    row_sum,
    col_sum,
    height,
    width,
    depth,
    unit,
    MASKED: tl.constexpr,
    WEIGHTS: tl.constexpr,
    B: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
):
    """x = exp2(unit u_i . u_j + c_i + c_j), 0 where groups are equal (MASKED); with WEIGHTS, x (a_i + a_j) instead.

    In:  row_u [I, D], col_u [J, D] bf16; c, a [I], [J] fp32; group [I], [J] int32; I, J, D as height, width, depth.
    Out: row_sum [blocks of J, I] and col_sum [blocks of I, J], fp32: the sums of x within blocks, to be added up;
         with WEIGHTS, weight [I, J], x rounded to bf16.
    Groups, a and weight may be None where they are not used.
    """
    block_i, block_j = tl.program_id(0), tl.program_id(1)
    i_B, j_C = block_i * B + tl.arange(0, B), block_j * C + tl.arange(0, C)
    in_i, in_j = i_B < height, j_C < width
    s_BC = tl.zeros((B, C), tl.float32)
    for start in range(0, depth, K):
        d_K = start + tl.arange(0, K)
        in_d = d_K < depth
        row_BK = tl.load(row_u + i_B[:, None] * depth + d_K[None, :], mask=in_i[:, None] & in_d[None, :], other=0.0)
        col_KC = tl.load(col_u + j_C[None, :] * depth + d_K[:, None], mask=in_j[None, :] & in_d[:, None], other=0.0)
        s_BC = tl.dot(row_BK, col_KC, s_BC)
    c_B, c_C = tl.load(row_c + i_B, mask=in_i, other=0.0), tl.load(col_c + j_C, mask=in_j, other=0.0)
    x_BC = tl.exp2(s_BC * unit + (c_B[:, None] + c_C[None, :]))
    inside = in_i[:, None] & in_j[None, :]
    counts = inside
    if MASKED:
        group_B = tl.load(row_group + i_B, mask=in_i, other=0)
        group_C = tl.load(col_group + j_C, mask=in_j, other=0)
        counts = counts & (group_B[:, None] != group_C[None, :])
    x_BC = tl.where(counts, x_BC, 0.0)
    if WEIGHTS:
        a_B, a_C = tl.load(row_a + i_B, mask=in_i, other=0.0), tl.load(col_a + j_C, mask=in_j, other=0.0)
        x_BC *= a_B[:, None] + a_C[None, :]
        tl.store(
            weight + i_B[:, None] * width + j_C[None, :],
            x_BC.to(tl.bfloat16),
            mask=inside,
        )
    tl.store(row_sum + block_j * height + i_B, tl.sum(x_BC, 1), mask=in_i)
    tl.store(col_sum + block_i * width + j_C, tl.sum(x_BC, 0), mask=in_j)


def launch(u: Pair, c: Pair, groups: Pair | None, a: Pair | None, weight_IJ: Tensor | None, unit: float) -> Pair:
    """Run `tile_kernel`; the sums of x over columns [I] and over rows [J].

    Without groups nothing is taken out; weights are written where `a` and `weight_IJ` are given.
    """
    row_u_ID, col_u_JD = u
    (height, depth), width = row_u_ID.shape, len(col_u_JD)
    blocks = KernelBlocks.of(_capability(row_u_ID.device), weights=a is not None)
    grid = (triton.cdiv(height, blocks.rows), triton.cdiv(width, blocks.cols))
    sum_I = torch.empty(grid[1], height, dtype=torch.float32, device=row_u_ID.device)
    sum_J = torch.empty(grid[0], width, dtype=torch.float32, device=row_u_ID.device)
    with torch.cuda.device_of(row_u_ID):  # triton starts kernels on the current device, wherever the tensors are
        tile_kernel[grid](
            *u,
            *c,
            *(groups or (None, None)),
            *(a or (None, None)),
            weight_IJ,
            sum_I,
            sum_J,
            height,
            width,
            depth,
            unit,
            MASKED=groups is not None,
            WEIGHTS=a is not None,
            B=blocks.rows,
            C=blocks.cols,
            K=blocks.depth,
            num_warps=blocks.warps,
            num_stages=blocks.stages,
        )
    return sum_I.sum(0), sum_J.sum(0)


def _capability(device: torch.device) -> int:
    """Of a GPU; 0 in triton's interpreter, which runs on the CPU."""
    if device.type != "cuda":
        return 0
    major, minor = torch.cuda.get_device_capability(device)
    return 10 * major + minor
