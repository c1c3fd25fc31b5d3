"""Attention over packed tokens: one function per path, all with the same numbers.

    slices  unmasked SDPA, one call per segment and its prefix; any device, forward and backward
    dense   SDPA with a boolean mask over padded rows; the oracle, memory grows with the square of the row
    flex    FlexAttention with a block mask; on a GPU, or forward only on a CPU
    varlen  the flash kernel for packed segments: within-sequence layers on a GPU in half precision, where torch and
            the GPU have it

Shape legend: N packed tokens, M rows, T padded tokens of a row, h heads, d head width.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from e1bind_backbones.packed import cpu_slices
from e1bind_backbones.packed.blocks import BlockTables
from e1bind_backbones.packed.layout import Job, RowLayout

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Maps q, k, v [N, h, d] (k and v already repeated to all heads) to [N, h, d]; q may be of fewer tokens."""

AttentionPath = Literal["auto", "slices", "dense", "flex"]


@dataclass(frozen=True)
class AttentionChoice:
    """The wanted path; `compile_flex` compiles FlexAttention, and lets "auto" use it on a GPU."""

    path: AttentionPath = "auto"
    compile_flex: bool = False

    @property
    def may_use_flex(self) -> bool:
        """Whether block tables can be of use."""
        return self.path == "flex" or (self.path == "auto" and self.compile_flex)


@dataclass(frozen=True)
class Attention:
    """The attention of one forward pass: what the two kinds of layer call.

    `last_within`, `last_over_all`: the same where queries are of rows' last sequences alone, and within them keys
    too; None where the layout has no others, or the path knows of no such thing.
    """

    within: Attend
    over_all: Attend
    last_within: Attend | None = None
    last_over_all: Attend | None = None

    @classmethod
    def prepare(
        cls,
        choice: AttentionChoice,
        layout: RowLayout,
        sequence_ids: Tensor,
        view_ids: Tensor | None,
    ) -> Attention:
        """Masks are made here, once per forward pass, and shared by all layers."""
        on_gpu = sequence_ids.device.type == "cuda"
        if choice.path == "dense":
            within, over_all = dense_masks(sequence_ids, view_ids)
            return cls(_attend_dense(layout, within), _attend_dense(layout, over_all))
        if choice.path == "flex":
            return cls(*(_attend_flex(layout, kind, choice, sequence_ids.device) for kind in (False, True)))
        fast, last = choice.path == "auto" and on_gpu, layout.last
        global_path = _attend_jobs(layout.global_jobs)
        if fast and choice.compile_flex:
            global_path = _attend_flex(layout, True, choice, sequence_ids.device)
        if last is None:
            return cls(_attend_within(layout, fast), global_path)
        last_paths = _attend_within(last.layout, fast), _attend_jobs(last.global_jobs)
        return cls(_attend_within(layout, fast), global_path, *last_paths)


def attend_slices(q: Tensor, k: Tensor, v: Tensor, jobs: Sequence[Job]) -> Tensor:
    """Unmasked SDPA, one call per job, by torch's public functions. The jobs cover the queries in order."""
    parts = [_attend_job(q, k, v, job) for job in jobs]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _attend_job(q: Tensor, k: Tensor, v: Tensor, job: Job) -> Tensor:
    stop = job.stop + job.shift
    if job.count == 1 and job.prefix_stop in (0, job.key_start):
        first = job.prefix_start if job.prefix else job.key_start
        queries, keys, values = q[job.start : job.stop], k[first:stop], v[first:stop]
        return _sdpa(queries[None], keys[None], values[None])[0]
    own = q[job.start : job.stop], k[job.key_start : stop], v[job.key_start : stop]
    queries, keys, values = (x.unflatten(0, (job.count, job.length)) for x in own)
    if job.prefix:
        keys, values = (
            torch.cat([x[job.prefix_start : job.prefix_stop].expand(job.count, -1, -1, -1), own], dim=1)
            for x, own in ((k, keys), (v, values))
        )
    return _sdpa(queries, keys, values).flatten(0, 1)


def _sdpa(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """SDPA on [batch, tokens, h, d]."""
    out = scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask)
    return out.transpose(1, 2)


def _attend_jobs(jobs: Sequence[Job]) -> Attend:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        run = cpu_slices.attend if cpu_slices.is_available(q) else attend_slices
        return run(q, k, v, jobs)

    return attend


def _attend_within(layout: RowLayout, fast: bool) -> Attend:
    slices = _attend_jobs(layout.within_jobs)
    return _attend_varlen_or(slices, layout) if fast else slices


def dense_masks(sequence_ids: Tensor, view_ids: Tensor | None) -> tuple[Tensor, Tensor]:
    """Boolean masks [M, 1, T, T] of the within-sequence and the global layers; true where a key is seen.

    A padding token sees itself, so that its softmax is finite; its output is dropped.
    """
    s, pad = sequence_ids, sequence_ids < 0
    view = torch.zeros_like(s) if view_ids is None else view_ids
    real = ~pad[:, :, None] & ~pad[:, None, :]
    same_view = view[:, :, None] == view[:, None, :]
    within = real & (s[:, :, None] == s[:, None, :]) & same_view
    seen = real & (s[:, :, None] >= s[:, None, :]) & (same_view | (view[:, None, :] == 0))
    own_padding = torch.diag_embed(pad)
    return (within | own_padding)[:, None], (seen | own_padding)[:, None]


def _attend_dense(layout: RowLayout, mask: Tensor) -> Attend:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return layout.pack(_sdpa(layout.unpack(q), layout.unpack(k), layout.unpack(v), mask))

    return attend


def _attend_flex(layout: RowLayout, with_prefix: bool, choice: AttentionChoice, device: torch.device) -> Attend:
    from e1bind_backbones.packed.flex import block_mask, flex_attend  # slow to import, and seldom used

    tables = layout.blocks[with_prefix] if layout.blocks else BlockTables.build(layout, with_prefix).to(device)
    return flex_attend(block_mask(tables), choice.compile_flex)


def takes_varlen(q: Tensor) -> bool:
    """Whether the variable-length flash kernel takes `q`: half precision, an Ampere GPU or newer, torch 2.10 on."""
    if q.device.type != "cuda" or q.dtype not in (torch.bfloat16, torch.float16) or q.shape[-1] % 8:
        return False
    return _has_varlen() and torch.cuda.get_device_capability(q.device) >= (8, 0)


@cache
def _has_varlen() -> bool:
    return importlib.util.find_spec("torch.nn.attention.varlen") is not None


def _attend_varlen_or(otherwise: Attend, layout: RowLayout) -> Attend:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend_varlen(q, k, v, layout) if takes_varlen(q) else otherwise(q, k, v)

    return attend


def attend_varlen(q: Tensor, k: Tensor, v: Tensor, layout: RowLayout) -> Tensor:
    """Every segment by itself, in one call of the variable-length kernel."""
    from torch.nn.attention.varlen import varlen_attn

    ends, longest = layout.cu_seqlens, layout.longest
    return varlen_attn(q, k, v, ends, ends, longest, longest)
