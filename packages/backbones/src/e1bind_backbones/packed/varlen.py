"""Attention of all segments in one call of the flash kernel for packed sequences of unlike length.

A segment's keys are its prefix and itself. Where a prefix is not empty, keys and values are gathered, so that those
of every segment stand side by side; a prefix that several segments share is there several times.

Shape legend: N packed tokens, S segments, K keys of all segments, h heads, d head width.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from e1bind_backbones.packed.layout import Job


def takes_varlen(q: Tensor) -> bool:
    """Whether the variable-length flash kernel takes `q`: half precision, an Ampere GPU or newer, torch 2.10 on."""
    if q.device.type != "cuda" or q.dtype not in (torch.bfloat16, torch.float16) or q.shape[-1] % 8:
        return False
    return _has_varlen() and torch.cuda.get_device_capability(q.device) >= (8, 0)


@cache
def _has_varlen() -> bool:
    return importlib.util.find_spec("torch.nn.attention.varlen") is not None


@dataclass(frozen=True)
class SegmentKeys:
    """Where the queries and the keys of every segment begin and end, in segments' order.

    `query_ends`, `key_ends` int32 [S + 1]: bounds of segments. `key_K` int64: which tokens the keys are; None where
    they are all tokens, in order.
    """

    query_ends: Tensor
    key_ends: Tensor
    key_K: Tensor | None
    longest_query: int
    longest_keys: int

    @classmethod
    def of(cls, jobs: Sequence[Job], device: torch.device) -> SegmentKeys:
        """Of attention calls that cover the queries in order."""
        queries, keys, runs = [], [], []
        for job in jobs:
            queries += [job.length] * job.count
            keys += [job.prefix + job.length] * job.count
            for start in range(job.key_start, job.key_start + job.count * job.length, job.length):
                runs += [np.arange(job.prefix_start, job.prefix_stop), np.arange(start, start + job.length)]
        key_K = np.concatenate(runs)
        in_order = len(key_K) == key_K[-1] + 1 and not any(job.prefix for job in jobs)

        def ends(lengths: list[int]) -> Tensor:
            return torch.from_numpy(np.append(0, np.cumsum(lengths)).astype(np.int32)).to(device)

        gathered = None if in_order else torch.from_numpy(key_K).to(device)
        return cls(ends(queries), ends(keys), gathered, max(queries), max(keys))


def attend_varlen(q: Tensor, k: Tensor, v: Tensor, segments: SegmentKeys) -> Tensor:
    """Attention of q, k, v [N, h, d], every segment to its keys; shaped as q, which may be of fewer tokens."""
    from torch.nn.attention.varlen import varlen_attn

    if segments.key_K is not None:
        k, v = _Gather.apply(k, segments.key_K), _Gather.apply(v, segments.key_K)
    ends = segments.query_ends, segments.key_ends
    return varlen_attn(q, k, v, *ends, segments.longest_query, segments.longest_keys)


class _Gather(torch.autograd.Function):
    """`x[key_K]`; what a token gets from several segments is added up in fp32."""

    @staticmethod
    def forward(ctx: Any, x_Nhd: Tensor, key_K: Tensor) -> Tensor:
        ctx.save_for_backward(key_K)
        ctx.tokens = len(x_Nhd)
        return x_Nhd.index_select(0, key_K)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (key_K,) = ctx.saved_tensors
        (gradient,) = gradients
        total = gradient.new_zeros(ctx.tokens, *gradient.shape[1:], dtype=torch.float32)
        return total.index_add_(0, key_K, gradient.float()).to(gradient.dtype), None
