"""The cells of a column, looked at a stretch of rows at a time: what is plain is read at once, the rest is told.

What a cell may hold is said by the functions that read one cell (`labels_of_positions` and its like). Those here
read cells of the usual form alone and give what those give; of all others they say that they have not read them.

Shape legend: B rows of a stretch, T residues of their chains, D bytes of their cells, W words in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
from numpy.typing import NDArray

from e1bind.contracts import UNKNOWN
from e1bind.data.packed_strings import Bytes, Ints, starts_of

Mask = NDArray[np.bool_]

NOT_READ = 2
"""Stands for a character that is no label."""
_LABELS = np.full(256, NOT_READ, np.int8)
_LABELS[[ord(mark) for mark in "01?"]] = [0, 1, UNKNOWN]

_BETWEEN, _DIGIT, _LETTER, _MARK, _OPEN, _CLOSE, _OTHER = range(7)
_KINDS = np.full(256, _OTHER, np.uint8)
for _kind, _characters in (
    (_BETWEEN, " \t\n\r\f\v,;|"),
    (_DIGIT, "0123456789"),
    (_LETTER, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    (_MARK, "?"),
):
    _KINDS[[ord(character) for character in _characters]] = _kind
_KINDS[ord("[")], _KINDS[ord("]")] = _OPEN, _CLOSE
_MOST_DIGITS = 9


@dataclass(frozen=True, eq=False)
class Texts:
    """Cells of text: their bytes [D], where each begins and the last one ends [B + 1], and which are null [B]."""

    bytes_D: Bytes
    cuts: Ints
    null_B: Mask

    @classmethod
    def of(cls, column: Any) -> Texts | None:
        """The cells of a `pyarrow.Array`; None where they are no text."""
        if pa.types.is_dictionary(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(pa.string())
        if not pa.types.is_string(column.type):
            return None
        _, offsets, content = column.buffers()
        null_B = column.is_null().to_numpy(zero_copy_only=False)
        if not len(column) or content is None:
            return cls(np.zeros(0, np.uint8), np.zeros(len(column) + 1, np.int64), null_B)
        cuts = np.frombuffer(offsets, np.int32)[column.offset : column.offset + len(column) + 1].astype(np.int64)
        return cls(np.frombuffer(content, np.uint8)[cuts[0] : cuts[-1]], cuts - cuts[0], null_B)

    @property
    def lengths(self) -> Ints:
        """Bytes of each cell [B]."""
        return np.diff(self.cuts)

    def rows_of(self, places: Ints) -> Ints:
        """The row in which each of some bytes stands."""
        return np.searchsorted(self.cuts, places, side="right") - 1


class Chains(NamedTuple):
    """The letters [T] of a stretch of rows, and where each row's begin and the last one's end [B + 1]."""

    letters_T: Bytes
    cuts: Ints


class Read(NamedTuple):
    """Labels int8 [T] of the rows that were read, and which were read, and which say nothing at all [B]."""

    labels_T: NDArray[np.int8]
    read_B: Mask
    empty_B: Mask


def nothing_read(column: Any, chains: Chains) -> Read:
    """Every cell that is not null is left to others."""
    labels_T = np.zeros(len(chains.letters_T), np.int8)
    return Read(labels_T, np.zeros(len(column), np.bool_), column.is_null().to_numpy(zero_copy_only=False))


def read_labels(column: Any, chains: Chains) -> Read:
    """Cells of 0, 1 and ?, as many as the chain has residues."""
    texts = Texts.of(column)
    if texts is None:
        return nothing_read(column, chains)
    lengths = texts.lengths
    empty_B = texts.null_B | (lengths == 0)
    read_B = ~empty_B & (lengths == np.diff(chains.cuts))
    codes = _LABELS[texts.bytes_D]
    read_B[texts.rows_of(np.flatnonzero(codes == NOT_READ))] = False
    labels_T = np.zeros(len(chains.letters_T), np.int8)
    labels_T[np.repeat(read_B, np.diff(chains.cuts))] = codes[np.repeat(read_B, lengths)]
    return Read(labels_T, read_B, empty_B)


def read_places(column: Any, chains: Chains, first: int) -> Read:
    """Cells such as `12 15 33`, `C12, ?C15`, `[]`, or lists of whole numbers; residues are counted from `first`."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        words, read_B, empty_B = _words_of_lists(column)
    elif pa.types.is_integer(column.type):
        empty_B = column.is_null().to_numpy(zero_copy_only=False)
        words, read_B = _numbers(column.fill_null(0), np.flatnonzero(~empty_B)), ~empty_B
    else:
        texts = Texts.of(column)
        if texts is None:
            return nothing_read(column, chains)
        words, read_B = _words_of_text(texts)
        empty_B = texts.null_B | (texts.lengths == 0)
    return _placed(words, read_B & ~empty_B, empty_B, chains, first)


class _Words(NamedTuple):
    """The row, number and letter (0 for none) of each word, and whether it stands for an unknown residue, [W]."""

    row_W: Ints
    number_W: Ints
    letter_W: Bytes
    unknown_W: Mask


def _placed(words: _Words, read_B: Mask, empty_B: Mask, chains: Chains, first: int) -> Read:
    """Labels with the words at their places. A row is not read if a word has no place, or if two differ at one."""
    lengths = np.diff(chains.cuts)
    place_W = words.number_W - first
    fits_W = read_B[words.row_W] & (place_W >= 0) & (place_W < lengths[words.row_W])
    at_W = np.where(fits_W, chains.cuts[words.row_W] + place_W, 0)
    letter_W = words.letter_W & 0xDF  # in capitals
    own_W = chains.letters_T[at_W] if len(chains.letters_T) else np.zeros(len(at_W), np.uint8)
    fits_W &= (letter_W == 0) | (letter_W == own_W)
    read_B = read_B.copy()
    read_B[words.row_W[~fits_W]] = False
    labels_T = np.zeros(len(chains.letters_T), np.int8)
    labels_T[at_W[fits_W & words.unknown_W]] = UNKNOWN
    binding_W = fits_W & ~words.unknown_W
    read_B[words.row_W[binding_W][labels_T[at_W[binding_W]] == UNKNOWN]] = False
    labels_T[at_W[binding_W]] = 1
    return Read(labels_T, read_B, empty_B)


def _numbers(column: Any, row_W: Ints) -> _Words:
    number_W = column.to_numpy(zero_copy_only=False).astype(np.int64)[row_W]
    return _Words(row_W, number_W, np.zeros(len(row_W), np.uint8), np.zeros(len(row_W), np.bool_))


def _words_of_lists(column: Any) -> tuple[_Words, Mask, Mask]:
    empty_B = column.is_null().to_numpy(zero_copy_only=False)
    inner = column.flatten()  # without those of null cells
    lengths = np.where(empty_B, 0, column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False))
    row_W = np.repeat(np.arange(len(column)), lengths)
    if not pa.types.is_integer(inner.type) or inner.null_count or pa.types.is_uint64(inner.type):
        nothing = np.zeros(0, np.int64)
        return (
            _Words(nothing, nothing, nothing.astype(np.uint8), nothing.astype(np.bool_)),
            empty_B & False,
            empty_B,
        )
    words = _numbers(inner, np.arange(len(inner)))
    return words._replace(row_W=row_W), ~empty_B, empty_B


def _words_of_text(texts: Texts) -> tuple[_Words, Mask]:
    """All words of all cells, and the cells [B] that hold words of the usual form alone, or only brackets."""
    kinds = _KINDS[texts.bytes_D]
    in_brackets = _unbracketed(texts, kinds)
    read_B = np.ones(len(texts.null_B), np.bool_)
    read_B[texts.rows_of(np.flatnonzero(kinds >= _OPEN))] = False
    inside = (kinds > _BETWEEN) & (kinds < _OPEN)
    before = np.concatenate([[False], inside[:-1]])
    before[texts.cuts[:-1][texts.lengths > 0]] = False  # a word ends with its cell
    start_W = np.flatnonzero(inside & ~before)
    ends_inside = np.concatenate([~before[1:] | ~inside[1:], [True]]) if len(inside) else inside
    stop_W = np.flatnonzero(inside & ends_inside) + 1
    row_W = texts.rows_of(start_W)
    unknown_W = kinds[start_W] == _MARK
    digit_W = start_W + unknown_W
    has_letter_W = (digit_W < stop_W) & (kinds[np.minimum(digit_W, len(kinds) - 1)] == _LETTER)
    letter_W = np.where(has_letter_W, texts.bytes_D[np.minimum(digit_W, len(kinds) - 1)], 0).astype(np.uint8)
    digit_W = digit_W + has_letter_W
    digits = starts_of((kinds == _DIGIT).astype(np.int64))
    count_W = stop_W - digit_W
    usual_W = (
        (count_W > 0)
        & (count_W <= _MOST_DIGITS)
        & (digits[stop_W] - digits[np.minimum(digit_W, stop_W)] == count_W)
    )
    read_B[row_W[~usual_W]] = False
    # Without a word or brackets a cell is white space, or something that others may make sense of.
    read_B &= in_brackets | (np.bincount(row_W, minlength=len(read_B)) > 0)
    number_W = np.zeros(len(start_W), np.int64)
    for digit in range(int(count_W[usual_W].max(initial=0))):
        has = usual_W & (digit < count_W)
        number_W[has] = number_W[has] * 10 + texts.bytes_D[digit_W[has] + digit] - ord("0")
    return _Words(row_W, number_W, letter_W, unknown_W), read_B


def _unbracketed(texts: Texts, kinds: Bytes) -> Mask:
    """Which cells [B] begin with `[` and end with `]`; of these, the brackets become what stands between words."""
    found = texts.lengths >= 2
    begin, end = texts.cuts[:-1][found], texts.cuts[1:][found] - 1
    both = (kinds[begin] == _OPEN) & (kinds[end] == _CLOSE)
    kinds[begin[both]] = kinds[end[both]] = _BETWEEN
    found[found] = both
    return found
