"""Alignments in a3m form, as they are found in the wild.

Shape legend: N rows, C match columns.

An a3m file holds FASTA records; the first one is the query. Capital letters and "-" are match columns, one for each
residue of the query; lower case letters are insertions relative to it. The rules for files that people have:

- Lines that begin with "#" (ColabFold, HH-suite), blank lines, NUL bytes and any line ends are passed over;
  sequences may be wrapped; gzip is fine. "." is a gap, or padding beside insertions where the file is an a2m.
- Rows of annotation (secondary structure, confidence, consensus) are no proteins and passed over.
- A header may be empty, hold tabs, or occur twice: rows are told apart by their place, never by their name.
- One file may hold the blocks of several chains. A record of capital letters only opens a new block where its
  number of columns changes, or where a NUL or "#" line stands before it and it is no relative of the block's query
  (less than 25 % identity). The blocks of the chain asked for are used, joined where there are several.
- The query must be the chain asked for: equal (X agrees with any letter and with "-"), or the chain a part of it.
  Where something like it stands first (a consensus), the chain may be a row further down. A query that shares half
  of its four-residue words with the chain (missing loops, point mutations) is used with a warning; any other is an
  error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from e1bind.data.msa_chain import is_chain, starts
from e1bind.data.msa_rows import is_annotation, without_dots
from e1bind.data.text import FileProblems, read_bytes, to_lines
from e1bind.errors import DataError

_NO_INSERTIONS = str.maketrans("", "", ascii_lowercase)
_ALLOWED = frozenset(ascii_lowercase + ascii_uppercase + "-")
_WORD = 4
RELATED_WORDS = 0.5
RELATED_IDENTITY = 0.25


@dataclass(frozen=True, eq=False)
class Alignment:
    """One chain's alignment; row 0 is the query. Without rows the file was empty.

    `rows` are the sequences as written, with insertions in lower case and "-" for gaps; `columns` uint8 [N, C] are
    their match columns as ASCII codes. `remark` says what is odd about the query, if anything. `asked` is the chain
    that was asked for, if any.
    """

    ids: tuple[str, ...]
    rows: tuple[str, ...]
    columns: NDArray[np.uint8]
    remark: str | None = None
    asked: str | None = None

    @property
    def chain(self) -> str:
        """Residues of the chain that the alignment is of: the one asked for, else the query's."""
        return self.query.replace("-", "") if self.asked is None else self.asked

    @property
    def query(self) -> str:
        """The match columns of row 0."""
        return self.columns[0].tobytes().decode("ascii") if len(self.columns) else ""

    def sequence(self, row: int) -> str:
        """What a row becomes in a context: insertions are residues again, gaps are gone."""
        return self.rows[row].upper().replace("-", "")


@dataclass
class _Row:
    line: int
    id: str
    after_break: bool
    text: str = ""

    @cached_property
    def columns(self) -> str:
        """The match columns; asked for once the text is whole."""
        return self.text if self.text.isupper() else self.text.translate(_NO_INSERTIONS)

    @property
    def is_ungapped(self) -> bool:
        """Capitals only, as a query is."""
        return self.text.isupper() and "-" not in self.text


def read_a3m(path: Path, query: str | None = None) -> Alignment:
    """The alignment of the chain `query` (its residues, or some in a row) in a file; the first one where None.

    Raises `DataError` for a file that is no alignment, or not the chain's.
    """
    return parse_a3m(read_bytes(path), path, query)


def parse_a3m(content: bytes, path: Path, query: str | None = None) -> Alignment:
    """`read_a3m` for bytes at hand; `path` is for messages."""
    problems = FileProblems(path)
    rows = _rows(content, problems)
    problems.raise_any()
    if not rows:
        return Alignment((), (), np.zeros((0, 0), dtype=np.uint8))
    blocks = _blocks(rows, query, problems)
    problems.raise_any()
    if query is None:
        return _alignment(blocks[0])
    return _of_chain(blocks, query, path)


def _rows(content: bytes, problems: FileProblems) -> list[_Row]:
    rows: list[_Row] = []
    broken = False
    for number, line in enumerate(to_lines(content), start=1):
        for index, piece in enumerate(line.split("\0")):
            text = piece.strip()
            broken = broken or index > 0 or text.startswith("#")
            if not text or text.startswith("#"):
                continue
            if text.startswith(">"):
                rows.append(_Row(number, text[1:], broken))
                broken = False
            elif rows:
                rows[-1].text += text
            else:
                problems.add(number, "text before the first header; an a3m file begins with '>' and the query")
                return rows
    rows = [row for row in rows if not is_annotation(row.id, row.text)]
    for row, text in zip(rows, without_dots([row.text for row in rows]), strict=True):
        row.text = text
        if not row.columns:
            problems.add(row.line, "a record without match columns; write its aligned sequence after the header")
        elif strange := sorted(set(row.text) - _ALLOWED):
            problems.add(
                row.line, f"{', '.join(map(repr, strange))} in the sequence; a3m holds letters, '-' and '.'"
            )
    return rows


def _blocks(rows: Sequence[_Row], query: str | None, problems: FileProblems) -> list[list[_Row]]:
    """The rows by chain; a row whose columns fit no block is a problem."""
    blocks = [[rows[0]]]
    for row in rows[1:]:
        first = blocks[-1][0]
        if _opens_block(row, first, query):
            blocks.append([row])
        elif len(row.columns) != len(first.columns):
            problems.add(row.line, _misfit(row, first))
        else:
            blocks[-1].append(row)
    # Without a NUL or "#" between them, a block of a single row is rather a row with a letter too many.
    for before, block in pairwise(blocks):
        told_apart = block[0].after_break or _is_chain(block[0], query)
        if not told_apart and min(len(before), len(block)) == 1:
            problems.add(block[0].line, _misfit(block[0], before[0]))
    return blocks


def _opens_block(row: _Row, first: _Row, query: str | None) -> bool:
    if len(row.columns) != len(first.columns):
        return row.is_ungapped or _is_chain(row, query)
    if not row.after_break:
        return False
    if _is_chain(row, query):
        return not _is_chain(first, query)
    same = sum(a == b for a, b in zip(row.columns, first.columns, strict=True))
    return row.is_ungapped and same < RELATED_IDENTITY * len(first.columns)


def _is_chain(row: _Row, query: str | None) -> bool:
    return query is not None and row.text == row.columns and len(row.text) == len(query) and holds(row.text, query)


def _misfit(row: _Row, first: _Row) -> str:
    return (
        f"{len(row.columns)} match columns (capitals and '-') where the query of line {first.line} has "
        f"{len(first.columns)}; align the sequences, or write insertions in lower case"
    )


def _of_chain(blocks: Sequence[list[_Row]], query: str, path: Path) -> Alignment:
    same = [block for block in blocks if holds(block[0].columns, query)]
    same = same or [block for block in blocks if _holds_below(block, query)]
    if same:
        width = min(len(block[0].columns) for block in same)
        joined = chain.from_iterable(block for block in same if len(block[0].columns) == width)
        return _alignment(joined, None, query)
    best = max(blocks, key=lambda block: shared_words(block[0].columns, query))
    share = shared_words(best[0].columns, query)
    what = f"{path}, line {best[0].line}: the query ({len(best[0].columns)} columns) is not the chain"
    if share < RELATED_WORDS:
        raise DataError(
            f"{what} ({len(query)} residues): they share {share:.0%} of their {_WORD}-residue words; "
            "put the chain's own alignment there, or remove the file"
        )
    remark = f"{what} letter for letter ({share:.0%} of the {_WORD}-residue words agree); used anyway"
    return _alignment(best, remark, query)


def _holds_below(block: Sequence[_Row], query: str) -> bool:
    """Whether the chain is a row of a block where something like it stands first: a consensus, say."""
    for row in block:
        if is_chain(row.text, query):
            pairs = [(a, b) for a, b in zip(row.columns, block[0].columns, strict=True) if a != "-"]
            if sum(a == b for a, b in pairs) >= RELATED_IDENTITY * len(pairs):
                return True
    return False


def _alignment(rows: Iterable[_Row], remark: str | None = None, asked: str | None = None) -> Alignment:
    rows = list(rows)
    columns = np.frombuffer("".join(row.columns for row in rows).encode("ascii"), dtype=np.uint8)
    ids, texts = tuple(row.id for row in rows), tuple(row.text for row in rows)
    return Alignment(ids, texts, columns.reshape(len(rows), -1), remark, asked)


def holds(columns: str, query: str) -> bool:
    """Whether the residues of `query` stand in `columns` one after the other; X agrees with all, "-" with X."""
    return bool(starts(columns, query))


def shared_words(columns: str, query: str) -> float:
    """Share of the four-residue words of the shorter sequence that the other one has; 0 where it has no word."""
    first, second = (_words(text.replace("-", "")) for text in (columns, query))
    fewer = min(len(first), len(second))
    return len(first & second) / fewer if fewer else 0.0


def _words(text: str) -> set[str]:
    return {text[i : i + _WORD] for i in range(len(text) - _WORD + 1)}
