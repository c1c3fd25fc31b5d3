"""From views to rows of tokens, on the CPU, in data-loader workers.

Rows are `[context sequences | query]`. Views of a protein with one context share a row, `[context | query as view
1 sees it | ... | view V]`: every view's positions go on where the context ends, all have the query's sequence id,
and `view_ids` keeps them from seeing each other.

Shape legend: B proteins, V views, R residues of all proteins, M rows, T padded tokens of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from e1bind.contracts import TokenBatch, View
from e1bind.errors import DataError
from e1bind_backbones.e1.config import E1Config
from e1bind_backbones.e1.tokens import (
    IGNORE,
    MARKERS,
    MARKERS_BEFORE,
    PAD,
    pad_stack,
    residue_ids,
    sequence_ids_of,
)
from e1bind_backbones.options import ViewExecution
from e1bind_backbones.packed.layout import Ints, LayoutParts, RowLayout
from e1bind_backbones.view_batch import Cell, count_views, token_batch


@dataclass
class _Row:
    """A row under construction: token arrays by input name, and where each of its queries begins."""

    ids: list[Ints] = field(default_factory=list)
    within: list[Ints] = field(default_factory=list)
    positions: list[Ints] = field(default_factory=list)
    sequence: list[Ints] = field(default_factory=list)
    view: list[Ints] = field(default_factory=list)
    length: int = 0
    context_length: int = 0

    def add(self, tokens: Ints, sequence: int, position: int, view: int) -> int:
        """Append one sequence whose global positions start at `position`; return its first column."""
        column, n = self.length, len(tokens)
        within = np.arange(n)
        self.ids.append(tokens)
        self.within.append(within)
        self.positions.append(within + position)
        self.sequence.append(np.full(n, sequence))
        self.view.append(np.full(n, view))
        self.length += n
        return column


@dataclass(frozen=True)
class E1ViewEncoder:
    """Encodes views as E1 rows. `execution` says which views may share a row, or must run alone."""

    execution: ViewExecution
    max_positions: int
    max_sequences: int
    block_tables: bool = False

    @classmethod
    def of(cls, config: E1Config, execution: ViewExecution, block_tables: bool = False) -> E1ViewEncoder:
        """The encoder of a model of this shape; `block_tables` where FlexAttention will want them."""
        return cls(execution, config.max_num_positions_within_seq, config.max_num_sequences, block_tables)

    def encode(self, views: Sequence[Sequence[View]]) -> TokenBatch:
        """Rows of B proteins with V views each; all views of a protein have the same residues.

        Raises `DataError` on letters or lengths the model does not take.
        """
        num_views = count_views(views)
        rows: list[_Row] = []
        at: dict[Cell, tuple[int, int]] = {}
        for group in self._groups(views):
            row, columns = self._row([(v, views[b][v]) for b, v in group])
            at.update({cell: (len(rows), column) for cell, column in zip(group, columns, strict=True)})
            rows.append(row)
        inputs, width = self._inputs(rows, num_views, len(views))
        first = {cell: row * width + column for cell, (row, column) in at.items()}
        return token_batch(views, inputs, first, residue_ids, sum(row.length for row in rows))

    def _groups(self, views: Sequence[Sequence[View]]) -> list[list[Cell]]:
        """The cells of each row. Views of a protein share one where they may and have the same, real context."""
        if self.execution == "separate":  # rows in view order, so that each view is a run of rows
            return [[(b, v)] for v in range(len(views[0])) for b in range(len(views))]
        if self.execution == "batched":
            return [[(b, v)] for b in range(len(views)) for v in range(len(views[b]))]
        groups: list[list[Cell]] = []
        for b, protein in enumerate(views):
            by_context: dict[tuple[str, ...], list[Cell]] = {}
            for v, view in enumerate(protein):
                if view.context:
                    by_context.setdefault(view.context, []).append((b, v))
                else:
                    groups.append([(b, v)])
            groups.extend(by_context.values())
        return groups

    def _row(self, group: list[tuple[int, View]]) -> tuple[_Row, list[int]]:
        """One row for views of one protein with one context, and the column of each view's first residue."""
        row, context = _Row(), group[0][1].context
        if len(context) >= self.max_sequences:
            raise DataError(
                f"a context of {len(context)} sequences and the query make more than the {self.max_sequences} "
                "sequences the model takes in a row; lower max_num_samples in [msa.train] and [msa.validation]"
            )
        for index, homologue in enumerate(context):
            row.add(self._tokens(homologue, f"context sequence {index + 1}"), index, row.length, 0)
        row.context_length = row.length
        shared, columns = len(group) > 1, []
        for v, view in group:
            tokens = self._tokens(view.visible, "the chain")
            columns.append(row.add(tokens, len(context), row.context_length, v + 1 if shared else 0))
        return row, [column + MARKERS_BEFORE for column in columns]

    def _tokens(self, residues: str, what: str) -> Ints:
        longest = self.max_positions - MARKERS
        if not 0 < len(residues) <= longest:
            raise DataError(f"{what} has {len(residues)} residues; the model takes 1 to {longest}")
        try:
            return sequence_ids_of(residues)
        except ValueError as err:
            raise DataError(f"{what}: {err}") from None

    def _inputs(self, rows: list[_Row], num_views: int, proteins: int) -> tuple[dict[str, Any], int]:
        def stack(name: str, fill: int) -> torch.Tensor:
            return pad_stack([np.concatenate(getattr(row, name)) for row in rows], fill)

        inputs: dict[str, Any] = {
            "input_ids": stack("ids", PAD),
            "within_seq_position_ids": stack("within", IGNORE),
            "global_position_ids": stack("positions", IGNORE),
            "sequence_ids": stack("sequence", IGNORE),
            "view_ids": stack("view", IGNORE),
        }
        sequence, view = inputs["sequence_ids"], inputs["view_ids"]
        if self.execution == "separate":
            spans = [slice(v * proteins, (v + 1) * proteins) for v in range(num_views)]
            inputs["layout"] = LayoutParts(tuple(self._layout(sequence[s], view[s]) for s in spans))
        else:
            inputs["layout"] = self._layout(sequence, view)
        return inputs, sequence.shape[1]

    def _layout(self, sequence_ids: torch.Tensor, view_ids: torch.Tensor) -> RowLayout:
        layout = RowLayout.build(sequence_ids, view_ids)
        return layout.with_blocks() if self.block_tables else layout
