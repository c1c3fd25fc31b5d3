"""A table in columns whose texts are numbers into the different texts: 21 bytes a row in place of 55.

Shape legend: N rows, U different texts of a column.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from e1bind.errors import RunError

_ROWS = 1 << 18
"""Rows of a text column that are written or read together."""


@dataclass(frozen=True, eq=False)
class CodedText:
    """A column of text: `names` [U], and which of them each row has, `code_N`."""

    names: NDArray[np.str_]
    code_N: NDArray[np.integer]

    @classmethod
    def of(cls, text_N: NDArray[np.str_]) -> CodedText:
        """From the texts themselves."""
        return _joined([_coded(text_N)], text_N.dtype)

    @classmethod
    def repeated(cls, texts: Sequence[str], counts: NDArray[np.int64]) -> CodedText:
        """Each text so many times."""
        codes: dict[str, int] = {}
        code = np.array([codes.setdefault(text, len(codes)) for text in texts], _smallest(len(texts)))
        return cls(np.array(list(codes), dtype=np.str_), np.repeat(code, counts))

    @classmethod
    def of_letters(cls, letter_N: NDArray[np.uint32]) -> CodedText:
        """From single letters, as the numbers of their characters."""
        stretches = [slice(at, at + _ROWS) for at in range(0, len(letter_N), _ROWS)]
        known = np.unique(np.concatenate([letter_N[:0], *(np.unique(letter_N[own]) for own in stretches)]))
        code = np.empty(len(letter_N), _smallest(len(known)))
        for own in stretches:
            code[own] = np.searchsorted(known, letter_N[own])
        return cls(np.array([chr(letter) for letter in known.tolist()], np.str_), code)

    def rows(self, name: str) -> NDArray[np.bool_]:
        """Which rows hold a text, [N]."""
        code = np.flatnonzero(self.names == name)
        return self.code_N == code[0] if len(code) else np.zeros(len(self.code_N), np.bool_)

    def numbered(self, kept_N: NDArray[np.bool_]) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
        """Of some rows the different texts, in order, and which of them each row has; as `numpy.unique`."""
        codes, number = np.unique(self.code_N[kept_N], return_inverse=True)
        names = self.names[codes]
        order = np.argsort(names)
        rank = np.empty(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return names[order], rank[number]

    def texts(self) -> NDArray[np.str_]:
        """The text of each row [N]."""
        return self.names[self.code_N]


class CodedTable(Mapping[str, NDArray[Any]]):
    """Columns of numbers, and columns of text, which are made of their codes when they are asked for."""

    def __init__(self, numbers: Mapping[str, NDArray[Any]], texts: Mapping[str, CodedText], order: Sequence[str]):
        self.numbers, self.texts, self._order = numbers, texts, tuple(order)

    @classmethod
    def of(cls, table: Mapping[str, NDArray[Any]]) -> CodedTable:
        """A table of any kind."""
        if isinstance(table, CodedTable):
            return table
        texts = {name: CodedText.of(column) for name, column in table.items() if column.dtype.kind == "U"}
        return cls({name: column for name, column in table.items() if name not in texts}, texts, list(table))

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.texts[name].texts() if name in self.texts else self.numbers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)


def write_npz(file: BinaryIO, table: CodedTable) -> None:
    """As `np.savez_compressed` would, without ever having the texts of all rows."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in table:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                if name in table.texts:
                    _write_text(member, table.texts[name])
                else:
                    npy.write_array(member, table.numbers[name], allow_pickle=False)


def _write_text(member: Any, column: CodedText) -> None:
    shape = (len(column.code_N),)
    header = {"descr": npy.dtype_to_descr(column.names.dtype), "fortran_order": False, "shape": shape}
    npy.write_array_header_1_0(member, header)
    for start in range(0, len(column.code_N), _ROWS):
        member.write(column.names[column.code_N[start : start + _ROWS]].tobytes())


def read_npz(content: bytes, names: Sequence[str], path: Path) -> CodedTable:
    """The columns of an npz, nothing unpickled. Raises `RunError` where one is missing, else what numpy does."""
    numbers: dict[str, NDArray[Any]] = {}
    texts: dict[str, CodedText] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        there = set(archive.namelist())
        if missing := [name for name in names if f"{name}.npy" not in there]:
            raise RunError(f"{path} is damaged: it lacks {', '.join(missing)}")
        for name in names:
            with archive.open(f"{name}.npy") as member:
                dtype, count = _header(member)
                if count is not None and dtype.kind == "U" and dtype.itemsize:
                    texts[name] = _joined(_parts(member, dtype, count), dtype)
                    continue
            with archive.open(f"{name}.npy") as member:
                numbers[name] = npy.read_array(member, allow_pickle=False)
    return CodedTable(numbers, texts, names)


def _header(member: Any) -> tuple[np.dtype[Any], int | None]:
    """Type and length of an array; no length where it has not one dimension."""
    version = npy.read_magic(member)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"an array of format {version}")
    shape, _, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(member)
    return dtype, shape[0] if len(shape) == 1 else None


def _parts(member: Any, dtype: np.dtype[Any], count: int) -> Iterator[tuple[list[str], NDArray[np.int64]]]:
    for start in range(0, count, _ROWS):
        wanted = min(_ROWS, count - start) * dtype.itemsize
        content = member.read(wanted)
        if len(content) < wanted:
            raise ValueError("an array was cut")
        yield _coded(np.frombuffer(content, dtype))


def _coded(text_N: NDArray[np.str_]) -> tuple[list[str], NDArray[np.int64]]:
    """The texts of the runs of equal rows, and how long each run is."""
    differs = text_N[1:] != text_N[:-1]
    begins = np.flatnonzero(np.concatenate([np.ones(min(len(text_N), 1), np.bool_), differs]))
    return text_N[begins].tolist(), np.diff(np.append(begins, len(text_N)))


def _joined(parts: Any, dtype: np.dtype[Any]) -> CodedText:
    codes: dict[str, int] = {}
    found = []
    for texts, counts in parts:
        code = np.array([codes.setdefault(text, len(codes)) for text in texts], np.int32)
        found.append(np.repeat(code.astype(_smallest(len(codes))), counts))
    wide = max((part.dtype for part in found), key=lambda own: own.itemsize, default=np.dtype(np.uint8))
    code = np.concatenate([part.astype(wide, copy=False) for part in found] or [np.zeros(0, wide)])
    return CodedText(np.array(list(codes), dtype=dtype), code)


def _smallest(count: int) -> np.dtype[Any]:
    """The smallest whole numbers that tell `count` texts apart."""
    return np.min_scalar_type(max(count - 1, 0))
