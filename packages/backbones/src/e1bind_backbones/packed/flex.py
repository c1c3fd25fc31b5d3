"""FlexAttention over packed tokens, its mask made of the tables of `blocks`.

Shape legend: N packed tokens, h heads, d head width.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, flex_attention

from e1bind.errors import UserError
from e1bind_backbones.packed.blocks import BLOCK, BlockTables


def block_mask(tables: BlockTables) -> BlockMask:
    """The mask FlexAttention takes."""
    start, stop, prefix_start, prefix_stop = tables.runs_4N

    def sees(b: Tensor, h: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return ((k >= start[q]) & (k < stop[q])) | ((k >= prefix_start[q]) & (k < prefix_stop[q]))

    tokens = tables.runs_4N.shape[1]
    return BlockMask.from_kv_blocks(
        *_ordered(tables.partial_QK),
        *_ordered(tables.full_QK),
        BLOCK_SIZE=BLOCK,
        mask_mod=sees,
        seq_lengths=(tokens, tokens),
    )


def _ordered(blocks_QK: Tensor) -> tuple[Tensor, Tensor]:
    """Number of set blocks of each row, and all block indices with the set ones first, as [1, 1, ...] int32."""
    indices = torch.argsort(blocks_QK.int(), dim=1, descending=True, stable=True)
    return blocks_QK.sum(1).int()[None, None], indices.int()[None, None]


@cache
def _compiled() -> Callable[..., Tensor]:
    return torch.compile(flex_attention)


def flex_attend(mask: BlockMask, compiled: bool) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Attention of q, k, v [N, h, d] under a block mask; [N, h, d]."""

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if q.device.type == "cpu" and q.requires_grad:
            raise UserError('backbone.e1.attention: "flex" cannot train on a CPU; use "auto" or "slices" there')
        run = _compiled() if compiled else flex_attention
        return run(*(x.transpose(0, 1)[None] for x in (q, k, v)), block_mask=mask)[0].transpose(0, 1)

    return attend
