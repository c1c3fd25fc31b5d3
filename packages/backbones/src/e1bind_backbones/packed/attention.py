"""Attention over packed tokens: one function per path, all with the same numbers.

    slices  unmasked SDPA, one call per segment and its prefix; any device, forward and backward
    dense   SDPA with a boolean mask over padded rows; the oracle, memory grows with the square of the row
    flex    FlexAttention with a block mask; on a GPU, or forward only on a CPU
    varlen  the flash kernel for packed segments: on a GPU in half precision, where torch and the GPU have it

Shape legend: N packed tokens, M rows, T padded tokens of a row, h heads, d head width.
"""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from e1bind_backbones.packed import cpu_slices
from e1bind_backbones.packed.blocks import BlockTables
from e1bind_backbones.packed.layout import Job, RowLayout
from e1bind_backbones.packed.varlen import SegmentKeys, attend_varlen, takes_varlen

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
        own = attend_jobs(layout.within_jobs, fast)
        all_before = own
        if any(job.prefix for job in layout.global_jobs):
            all_before = attend_jobs(layout.global_jobs, fast)
            if fast and choice.compile_flex:
                all_before = _attend_flex(layout, True, choice, sequence_ids.device)
        if last is None:
            return cls(own, all_before)
        last_jobs = last.layout.within_jobs, last.global_jobs
        return cls(own, all_before, *(attend_jobs(jobs, fast) for jobs in last_jobs))


def attend_slices(q: Tensor, k: Tensor, v: Tensor, jobs: Sequence[Job]) -> Tensor:
    """Unmasked SDPA, one call per job, by torch's public functions. The jobs cover the queries in order."""
    queries = q.split([job.count * job.length for job in jobs])
    keys, values = _Runs(k, jobs), _Runs(v, jobs)
    parts = [_attend_job(own, keys, values, job) for own, job in zip(queries, jobs, strict=True)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


class _Runs:
    """The tokens of a tensor that jobs want, run by run.

    It is cut once, where runs begin and end: the gradients of slices would be tensors of full size, one for each.
    """

    def __init__(self, x_Nhd: Tensor, jobs: Sequence[Job]) -> None:
        bounds = ((job.prefix_start, job.prefix_stop, job.key_start, job.stop + job.shift) for job in jobs)
        self.edges = sorted({0, len(x_Nhd), *(edge for four in bounds for edge in four)})
        self.pieces = x_Nhd.split([b - a for a, b in itertools.pairwise(self.edges)])

    def __call__(self, start: int, stop: int) -> Tensor:
        """Tokens [start, stop), both of them bounds of a job."""
        pieces = self.pieces[bisect_left(self.edges, start) : bisect_left(self.edges, stop)]
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)


def _attend_job(queries: Tensor, keys: _Runs, values: _Runs, job: Job) -> Tensor:
    stop = job.stop + job.shift
    if job.count == 1 and job.prefix_stop in (0, job.key_start):
        first = job.prefix_start if job.prefix else job.key_start
        return _sdpa(queries[None], keys(first, stop)[None], values(first, stop)[None])[0]
    shape = (job.count, job.length)
    own = [(x, x(job.key_start, stop).unflatten(0, shape)) for x in (keys, values)]
    if job.prefix:
        shared = (x(job.prefix_start, job.prefix_stop).expand(job.count, -1, -1, -1) for x, _ in own)
        k, v = (torch.cat([before, x], dim=1) for before, (_, x) in zip(shared, own, strict=True))
    else:
        k, v = (x for _, x in own)
    return _sdpa(queries.unflatten(0, shape), k, v).flatten(0, 1)


def _sdpa(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """SDPA on [batch, tokens, h, d]."""
    out = scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask)
    return out.transpose(1, 2)


def attend_jobs(jobs: Sequence[Job], fast: bool) -> Attend:
    """Attention by calls that cover the queries in order; `fast`: in one, where the kernel for that takes them."""
    made: list[SegmentKeys] = []

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if fast and takes_varlen(q):
            if not made:
                made.append(SegmentKeys.of(jobs, q.device))
            return attend_varlen(q, k, v, made[0])
        run = cpu_slices.attend if cpu_slices.is_available(q) else attend_slices
        return run(q, k, v, jobs)

    return attend


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


def attend_padded(real_MT: Tensor) -> Attend:
    """Attention of q, k, v [M*T, h, d] within rows of one sequence each, keys at padding left out."""
    rows, mask = real_MT.shape, real_MT[:, None, None]

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return _sdpa(q.unflatten(0, rows), k.unflatten(0, rows), v.unflatten(0, rows), mask).flatten(0, 1)

    return attend


def _attend_flex(layout: RowLayout, with_prefix: bool, choice: AttentionChoice, device: torch.device) -> Attend:
    from e1bind_backbones.packed.flex import block_mask, flex_attend  # slow to import, and seldom used

    tables = layout.blocks[with_prefix] if layout.blocks else BlockTables.build(layout, with_prefix).to(device)
    return flex_attend(block_mask(tables), choice.compile_flex)
