"""From strings to the tensors E1 reads.

A row of a batch is one string: sequences joined by commas, homologues first, the query last. Every sequence is
written `<bos> 1 r_1 ... r_n 2 <eos>` and keeps its own four markers.

Shape legend: B rows, T padded tokens of a row, n tokens of one row.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

VOCABULARY = (
    "<pad>", "<bos>", "<eos>", "<bos_glm>", "<eos_span>", "?", "1", "2", *string.ascii_uppercase,
)  # fmt: skip
"""The 34 tokens in id order; `1` and `2` open and close a sequence, `?` is a masked residue."""

PAD, BOS, EOS, MASK_ID, OPEN, CLOSE = 0, 1, 2, 5, 6, 7
X_ID = VOCABULARY.index("X")
BOUNDARY_IDS = (PAD, BOS, EOS, OPEN, CLOSE)
MARKERS_BEFORE, MARKERS = 2, 4
"""Tokens of a sequence that are no residues: those before its first residue, and all of them."""
IGNORE = -1
"""What positions and sequence ids hold at padding."""

_IDS = np.full(128, -1, dtype=np.int64)
for _letter in (*string.ascii_uppercase, "?"):
    _IDS[ord(_letter)] = VOCABULARY.index(_letter)

Ints = NDArray[np.int64]


def residue_ids(residues: str) -> Ints:
    """Token ids of residues (`A`-`Z` and `?`). Raises ValueError on any other character."""
    codes = np.frombuffer(residues.encode("utf-32-le"), dtype=np.uint32)
    ids = np.where(codes < 128, _IDS[np.minimum(codes, 127)], -1)
    if (ids < 0).any():
        at = int(np.argmax(ids < 0))
        raise ValueError(f"residue {at + 1} is {residues[at]!r}; residues are the capital letters A-Z, or '?'")
    return ids


def sequence_ids_of(residues: str) -> Ints:
    """Token ids of one sequence with its four markers, [len(residues) + 4]."""
    return np.concatenate([(BOS, OPEN), residue_ids(residues), (CLOSE, EOS)])


@dataclass(frozen=True)
class Row:
    """One row of tokens; the arrays are int64 [n].

    `labels` holds the token ids of the last sequence and 0 elsewhere, or all token ids where the context's labels
    are preserved. `context` is the decoded context, `context_len` its number of tokens.
    """

    input_ids: Ints
    within_seq_position_ids: Ints
    global_position_ids: Ints
    sequence_ids: Ints
    labels: Ints
    context: str
    context_len: int

    def __len__(self) -> int:
        return len(self.input_ids)


def split_row(row: str, *, max_sequences: int = 512, max_residues: int = 8192) -> list[str]:
    """The sequences of a row. Raises ValueError, naming the sequence, where one cannot be read."""
    pieces = row.split(",")
    if len(pieces) > max_sequences:
        raise ValueError(f"a row of {len(pieces)} sequences; the model takes at most {max_sequences}")
    for number, piece in enumerate(pieces, start=1):
        where = f"sequence {number} of {len(pieces)}"
        if not piece.replace("?", ""):
            raise ValueError(f"{where} has no residue{' that is not masked' if piece else ''}")
        if len(piece) > max_residues:
            raise ValueError(f"{where} has {len(piece)} residues; the model takes at most {max_residues}")
        try:
            residue_ids(piece)
        except ValueError as err:
            raise ValueError(f"{where}: {err}") from None
    return pieces


def encode_row(
    row: str,
    *,
    remove_x: bool = False,
    preserve_context_labels: bool = False,
    max_sequences: int = 512,
    max_residues: int = 8192,
) -> Row:
    """Tokens of one row.

    `remove_x` deletes the `X` residues and leaves a gap in the positions; later sequences still count them.
    Raises ValueError on an invalid row.
    """
    pieces = split_row(row, max_sequences=max_sequences, max_residues=max_residues)
    ids, within, offsets, index, offset = [], [], [], [], 0
    for number, piece in enumerate(pieces):
        tokens = sequence_ids_of(piece)
        keep = tokens != X_ID if remove_x else np.ones(len(tokens), dtype=bool)
        ids.append(tokens[keep])
        within.append(np.arange(len(tokens))[keep])
        offsets.append(within[-1] + offset)
        index.append(np.full(len(ids[-1]), number))
        offset += int(within[-1][-1]) + 1
    input_ids = np.concatenate(ids)
    context_len = len(input_ids) - len(ids[-1])
    labels = input_ids.copy()
    if not preserve_context_labels:
        labels[:context_len] = PAD
    context = "".join(VOCABULARY[i] for i in input_ids[:context_len])
    positions = np.concatenate(within), np.concatenate(offsets)
    return Row(input_ids, *positions, np.concatenate(index), labels, context, context_len)


def pad_stack(arrays: Sequence[Ints], fill: int, width: int | None = None) -> Tensor:
    """Right-pad 1-d arrays to the longest (or to `width`) and stack them, int64 [B, T]."""
    width = max(len(a) for a in arrays) if width is None else width
    out = np.full((len(arrays), width), fill, dtype=np.int64)
    for row, array in zip(out, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(out)


def encode_rows(
    rows: Sequence[str],
    *,
    remove_x: bool = False,
    preserve_context_labels: bool = False,
    max_sequences: int = 512,
    max_residues: int = 8192,
) -> dict[str, Tensor]:
    """A padded batch, int64 [B, T] each: what `E1ForMaskedLM` takes by these names, `labels` included.

    Padding is 0 in `input_ids` and `labels`, -1 in positions and sequence ids. Raises ValueError on an invalid row.
    """
    encoded = [
        encode_row(
            row,
            remove_x=remove_x,
            preserve_context_labels=preserve_context_labels,
            max_sequences=max_sequences,
            max_residues=max_residues,
        )
        for row in rows
    ]
    return {
        "input_ids": pad_stack([r.input_ids for r in encoded], PAD),
        "within_seq_position_ids": pad_stack([r.within_seq_position_ids for r in encoded], IGNORE),
        "global_position_ids": pad_stack([r.global_position_ids for r in encoded], IGNORE),
        "sequence_ids": pad_stack([r.sequence_ids for r in encoded], IGNORE),
        "labels": pad_stack([r.labels for r in encoded], PAD),
    }


def boundary_mask(input_ids: Tensor) -> Tensor:
    """True where a token is padding or a marker, bool [B, T]; `?` stands for a residue and is none."""
    return torch.isin(input_ids, torch.tensor(BOUNDARY_IDS, device=input_ids.device))
