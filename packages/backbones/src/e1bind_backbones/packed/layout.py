"""Where the sequences of a batch stand: worked out once per batch on the CPU, used by every layer.

The model runs on the real tokens only, laid end to end ("packed"); padding never reaches a layer.

A segment is a run of packed tokens of one row, one sequence and one view. View 0 is what all views share (the
context, or a row without views); views 1..V of one query share its sequence id and never see each other. A token
sees its own segment and, in global layers, the segments of view 0 of the row's earlier sequences: its prefix.

Shape legend: M rows, T padded tokens of a row, N real tokens, S segments.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from e1bind_backbones.packed.blocks import BlockTables, Ints


@dataclass(frozen=True)
class Job:
    """One attention call: `count` segments of `length` tokens from packed token `start` on.

    Each segment sees itself and the packed tokens [prefix_start, prefix_stop), which stand before it. Keys and
    values may be of more tokens than queries are; there a segment stands `shift` tokens later.
    """

    start: int
    count: int
    length: int
    prefix_start: int
    prefix_stop: int
    shift: int = 0

    @property
    def stop(self) -> int:
        return self.start + self.count * self.length

    @property
    def prefix(self) -> int:
        return self.prefix_stop - self.prefix_start

    @property
    def key_start(self) -> int:
        """Where its first segment stands among keys and values."""
        return self.start + self.shift


def scored_pairs(jobs: Iterable[Job]) -> int:
    """(query, key) pairs that the calls score: what attention costs."""
    return sum(job.count * job.length * (job.length + job.prefix) for job in jobs)


@dataclass(frozen=True)
class RowLayout:
    """The segments of a batch of rows, in packed order.

    `starts`, `stops`, `prefix_starts`, `prefix_stops`: the packed tokens of each segment and of its prefix.
    `token_N` int64 [N]: place of every real token among the M*T; None where there is no padding.
    `cu_seqlens` int32 [S + 1]: segment boundaries, for variable-length kernels.
    `blocks`: FlexAttention's tables for within-sequence and global layers, where they were made in advance.
    `last`: the last sequence of every row by itself; None where no row has another one.
    """

    rows: int
    width: int
    starts: tuple[int, ...]
    stops: tuple[int, ...]
    prefix_starts: tuple[int, ...]
    prefix_stops: tuple[int, ...]
    token_N: Tensor | None
    cu_seqlens: Tensor
    blocks: tuple[BlockTables, BlockTables] | None = None
    last: LastSequences | None = None

    @classmethod
    def build(cls, sequence_ids: Tensor, view_ids: Tensor | None = None) -> RowLayout:
        """From `sequence_ids` and `view_ids` [M, T], -1 at padding; without `view_ids` all tokens are view 0.

        Raises ValueError where the sequences of a row are not in order, or a view is not in the last one.
        """
        sequence_MT = _numpy(sequence_ids)
        view_MT = np.where(sequence_MT < 0, -1, 0) if view_ids is None else _numpy(view_ids)
        rows, width = sequence_MT.shape
        place_N = np.flatnonzero(sequence_MT.ravel() >= 0)
        if len(place_N) == 0:
            raise ValueError("the batch holds no token: every sequence id is -1")
        row_N, sequence_N, view_N = place_N // width, sequence_MT.ravel()[place_N], view_MT.ravel()[place_N]
        starts, stops = _runs(row_N, sequence_N, view_N)
        prefixes = np.stack(_prefixes(row_N[starts], sequence_N[starts], view_N[starts], starts))
        whole = cls._of((rows, width), np.stack([starts, stops]), prefixes, place_N)
        # A row's last token is of its last sequence, and so are all its views.
        final_row = np.append(row_N[1:] != row_N[:-1], True)
        is_last_S = sequence_N[starts] == sequence_N[final_row][np.cumsum(final_row)[starts] - final_row[starts]]
        if is_last_S.all():
            return whole
        return replace(whole, last=LastSequences.of(whole, is_last_S, place_N))

    @classmethod
    def _of(cls, shape: tuple[int, int], spans_2S: Ints, prefixes_2S: Ints, place_N: Ints) -> RowLayout:
        """From first and last-plus-one packed tokens of segments and prefixes, and the tokens' places."""
        rows, width = shape
        starts, stops, prefix_starts, prefix_stops = (tuple(x.tolist()) for x in (*spans_2S, *prefixes_2S))
        return cls(
            rows=rows,
            width=width,
            starts=starts,
            stops=stops,
            prefix_starts=prefix_starts,
            prefix_stops=prefix_stops,
            token_N=None if len(place_N) == rows * width else torch.from_numpy(place_N),
            cu_seqlens=torch.from_numpy(np.append(spans_2S[0], len(place_N)).astype(np.int32)),
        )

    def to(self, device: torch.device) -> RowLayout:
        """The same layout with its tensors on `device`."""

        def move(value: Any) -> Any:
            return None if value is None else value.to(device, non_blocking=True)

        blocks = self.blocks and (self.blocks[0].to(device), self.blocks[1].to(device))
        last = self.last and self.last.to(device)
        return replace(self, token_N=move(self.token_N), cu_seqlens=move(self.cu_seqlens), blocks=blocks, last=last)

    def with_blocks(self) -> RowLayout:
        """The same layout with FlexAttention's tables."""
        return replace(self, blocks=(BlockTables.build(self, False), BlockTables.build(self, True)))

    @property
    def tokens(self) -> int:
        """Number of real tokens, N."""
        return self.stops[-1]

    @cached_property
    def longest(self) -> int:
        """Tokens of the longest segment."""
        return max(stop - start for start, stop in zip(self.starts, self.stops, strict=True))

    @cached_property
    def within_jobs(self) -> tuple[Job, ...]:
        """Attention calls of a within-sequence layer: equal segments that stand side by side share one."""
        return _merge(Job(a, 1, b - a, 0, 0) for a, b in zip(self.starts, self.stops, strict=True))

    @cached_property
    def global_jobs(self) -> tuple[Job, ...]:
        """Attention calls of a global layer; equal segments with one prefix (the views of a query) share one."""
        spans = zip(self.starts, self.stops, self.prefix_starts, self.prefix_stops, strict=True)
        return _merge(Job(a, 1, b - a, p, q) for a, b, p, q in spans)

    def pack(self, values_MT: Tensor) -> Tensor:
        """The real tokens' values: [M, T, ...] to [N, ...]."""
        flat = values_MT.flatten(0, 1)
        return flat if self.token_N is None else flat.index_select(0, self.token_N)

    def unpack(self, values_N: Tensor) -> Tensor:
        """Back to rows: [N, ...] to [M, T, ...], zero at padding."""
        flat = values_N
        if self.token_N is not None:
            flat = values_N.new_zeros(self.rows * self.width, *values_N.shape[1:])
            flat = flat.index_copy(0, self.token_N, values_N)
        return flat.unflatten(0, (self.rows, self.width))


@dataclass(frozen=True)
class LastSequences:
    """The last sequences of rows that have earlier ones too: all that is wanted of a row in the end.

    `packed_N` int64: their tokens among the packed ones of the whole layout. `layout`: of these tokens alone.
    `global_jobs`: their calls in a global layer, with keys and values of all tokens.
    """

    packed_N: Tensor
    layout: RowLayout
    global_jobs: tuple[Job, ...]

    @classmethod
    def of(cls, whole: RowLayout, is_last_S: NDArray[np.bool_], place_N: Ints) -> LastSequences:
        """Those of a layout; `is_last_S` tells its segments, `place_N` is where its tokens stand among the M*T."""
        spans_2S = np.array([whole.starts, whole.stops])[:, is_last_S]
        prefixes_2S = np.array([whole.prefix_starts, whole.prefix_stops])[:, is_last_S]
        packed_N = np.concatenate([np.arange(*span) for span in spans_2S.T])
        stops = np.cumsum(spans_2S[1] - spans_2S[0])
        own_2S = np.stack([stops - (spans_2S[1] - spans_2S[0]), stops])
        layout = RowLayout._of((whole.rows, whole.width), own_2S, np.zeros_like(own_2S), place_N[packed_N])
        jobs = _merge(
            Job(a, 1, b - a, p, q, shift)
            for (a, b), (p, q), shift in zip(
                own_2S.T.tolist(), prefixes_2S.T.tolist(), (spans_2S[0] - own_2S[0]).tolist(), strict=True
            )
        )
        return cls(torch.from_numpy(packed_N), layout, jobs)

    def to(self, device: torch.device) -> LastSequences:
        """The same with its tensors on `device`."""
        packed_N = self.packed_N.to(device, non_blocking=True)
        return replace(self, packed_N=packed_N, layout=self.layout.to(device))


@dataclass(frozen=True)
class LayoutParts:
    """Layouts of runs of rows that go through the model one after the other."""

    parts: tuple[RowLayout, ...]

    def to(self, device: torch.device) -> LayoutParts:
        """The same layouts with their tensors on `device`."""
        return LayoutParts(tuple(part.to(device) for part in self.parts))

    def inputs(self, whole: Mapping[str, Any]) -> list[dict[str, Any]]:
        """A model's inputs part by part: its rows of every tensor, and its layout."""
        rows = [part.rows for part in self.parts]
        pieces = {name: value.split(rows) for name, value in whole.items() if name != "layout"}
        return [{**{name: pieces[name][i] for name in pieces}, "layout": part} for i, part in enumerate(self.parts)]


def _numpy(ids: Tensor) -> Ints:
    return ids.detach().cpu().numpy()


def _runs(row_N: Ints, sequence_N: Ints, view_N: Ints) -> tuple[Ints, Ints]:
    """First and last-plus-one packed token of every run of one (row, sequence, view)."""
    same_row = np.diff(row_N) == 0
    step, view_step = np.diff(sequence_N), np.diff(view_N)
    if (same_row & (step < 0)).any():
        raise ValueError("sequence ids must not decrease along a row: the query comes last")
    if (same_row & (((step == 0) & (view_step < 0)) | ((step > 0) & (view_N[:-1] > 0)))).any():
        raise ValueError("view ids must not decrease along a row, and only its last sequence may have views")
    edges = np.flatnonzero(~same_row | (step != 0) | (view_step != 0)) + 1
    return np.concatenate([[0], edges]), np.concatenate([edges, [len(row_N)]])


def _prefixes(row_S: Ints, sequence_S: Ints, view_S: Ints, starts: Ints) -> tuple[Ints, Ints]:
    """The packed tokens before each segment that it sees in a global layer."""
    first_of_row = np.searchsorted(row_S, row_S, side="left")
    key = row_S * (sequence_S.max() + 1) + sequence_S
    first_of_sequence = np.searchsorted(key, key, side="left")
    shared_query = (view_S[first_of_sequence] == 0) & (view_S > 0)
    if shared_query.any():
        raise ValueError("a sequence has tokens with and without a view id")
    return starts[first_of_row], starts[first_of_sequence]


def _merge(jobs: Iterable[Job]) -> tuple[Job, ...]:
    merged: list[Job] = []
    for job in jobs:
        last = merged[-1] if merged else None
        if last and last.length == job.length and _shareable(last, job):
            merged[-1] = replace(last, count=last.count + 1)
        else:
            merged.append(job)
    return tuple(merged)


def _shareable(last: Job, job: Job) -> bool:
    if last.shift != job.shift:
        return False
    if job.prefix == 0:
        return last.prefix == 0
    return (last.prefix_start, last.prefix_stop) == (job.prefix_start, job.prefix_stop)
