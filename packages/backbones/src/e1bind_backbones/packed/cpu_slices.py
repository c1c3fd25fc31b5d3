"""Attention over slices on a CPU, without the copies autograd would make.

Autograd gives every slice's backward a zero tensor of full size, and views that share a prefix a copy of its keys
each. This function calls the flash kernel behind torch's SDPA on views of the packed tensors, forward and backward,
and adds the gradients of shared keys in place.

A softmax over two sets of keys is merged from its parts by their log-sum-exp, and the kernel's backward pass is
exact for each part when given the merged output and log-sum-exp (FlashAttention, Dao et al. 2022, algorithm 4).

Shape legend: N packed tokens, h heads, d head width; g segments of n tokens in a job, m tokens of its prefix.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from e1bind_backbones.packed.layout import Job

Span = tuple[int, int, int]
"""First token, number of segments, tokens of a segment."""


def is_available(q: Tensor) -> bool:
    """Whether the kernel exists in this torch and takes `q`."""
    return q.device.type == "cpu" and hasattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu")


def attend(q: Tensor, k: Tensor, v: Tensor, jobs: Sequence[Job]) -> Tensor:
    """Attention of q, k, v [N, h, d] by jobs that cover the queries in order; shaped as q, which may be shorter."""
    return _SliceAttention.apply(q, k, v, tuple(jobs))


def _calls(job: Job) -> list[tuple[Span, Span]]:
    """The (queries, keys) of a job's kernel calls; their key sets are disjoint."""
    own, own_keys = (job.start, job.count, job.length), (job.key_start, job.count, job.length)
    if not job.prefix:
        return [(own, own_keys)]
    tokens = job.count * job.length
    if job.count == 1 and job.prefix_stop == job.key_start:
        return [(own, (job.prefix_start, 1, job.prefix + tokens))]
    return [((job.start, 1, tokens), (job.prefix_start, 1, job.prefix)), (own, own_keys)]


def _take(x_Nhd: Tensor, span: Span) -> Tensor:
    """A view of a span as the kernel wants it, [g, h, n, d]."""
    start, count, length = span
    return x_Nhd[start : start + count * length].view(count, length, *x_Nhd.shape[1:]).transpose(1, 2)


class _SliceAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, jobs: tuple[Job, ...]) -> Tensor:
        out, lse = torch.empty_like(q), q.new_empty(q.shape[:2], dtype=_lse_dtype(q))
        for job in jobs:
            parts = [_forward(q, k, v, queries, keys) for queries, keys in _calls(job)]
            out_part, lse_part = parts[0] if len(parts) == 1 else _merge(*parts[0], *parts[1])
            out[job.start : job.stop] = out_part
            lse[job.start : job.stop] = lse_part
        ctx.save_for_backward(q, k, v, out, lse)
        ctx.jobs = jobs
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        q, k, v, out, lse = ctx.saved_tensors
        dout = gradients[0].contiguous()
        dq, dk, dv = torch.zeros_like(q), torch.zeros_like(k), torch.zeros_like(v)
        for job in ctx.jobs:
            for queries, keys in _calls(job):
                operands = _take(q, queries), _take(k, keys), _take(v, keys)
                merged = _take(out, queries), _take(lse[..., None], queries).squeeze(-1)
                parts = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                    _take(dout, queries), *operands, *merged, 0.0, False
                )
                for total, span, part in zip((dq, dk, dv), (queries, keys, keys), parts, strict=True):
                    _take(total, span).add_(part)
        return dq, dk, dv, None


def _lse_dtype(q: Tensor) -> torch.dtype:
    return torch.float64 if q.dtype == torch.float64 else torch.float32


def _forward(q: Tensor, k: Tensor, v: Tensor, queries: Span, keys: Span) -> tuple[Tensor, Tensor]:
    """Output [g*n, h, d] and log-sum-exp [g*n, h] of one kernel call."""
    out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        _take(q, queries), _take(k, keys), _take(v, keys)
    )
    return out.transpose(1, 2).flatten(0, 1), lse.transpose(1, 2).flatten(0, 1)


def _merge(out_a: Tensor, lse_a: Tensor, out_b: Tensor, lse_b: Tensor) -> tuple[Tensor, Tensor]:
    """One softmax over two disjoint sets of keys."""
    lse = torch.logaddexp(lse_a, lse_b)
    weight_a, weight_b = ((part - lse).exp()[..., None] for part in (lse_a, lse_b))
    return (out_a * weight_a + out_b * weight_b).to(out_a.dtype), lse
