"""Chains to predict from FASTA: plain or gzip, a file or standard input, read record by record.

The rules are those of `fasta3` where they apply: the id is the first word after `>`, without control characters;
residues are the 20 standard letters and X in either case, sequences may be wrapped. A line of 0/1 labels after the
sequence, as training files have it, is passed over. A record that breaks a rule is reported with its name and line,
and the rest goes on.
"""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import cast

from e1bind.contracts import ResidueRecord
from e1bind.data.ids import id_fault, shown_id
from e1bind.data.labels import LABELS
from e1bind.data.letters import letters_fault, read_letters
from e1bind.data.lookalikes import Lookalikes, resemblance
from e1bind.errors import DataError
from e1bind.log import log

STDIN = Path("-")
MAX_REMEMBERED = 200_000
"""Ids that are remembered to find repeated ones: a few tens of MB at most, however long the input."""


@dataclass(frozen=True)
class BadRecord:
    """A record that is left out: its name, the line of its header, and what is wrong."""

    name: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.name}: {self.message}"


OnBad = Callable[[BadRecord], None]


def read_fasta(
    path: Path, on_bad: OnBad, rare_to_x: bool = False, tell: Callable[[str], None] = log.warning
) -> Iterator[ResidueRecord]:
    """The records of a FASTA file ("-": standard input), in order; bad ones go to `on_bad`, which may raise.

    `tell` is told of records that are repeated, or look like no protein. A record that stands there twice, letter
    for letter, is read once; another sequence under an id that was read is a bad record. Raises `DataError` where
    the file as a whole is of no use.
    """
    seen: dict[bytes, bytes] = {}
    found = repeats = 0
    lookalikes = Lookalikes(_called(path), tell)
    with _open(path) as lines:
        for name, line, lines_of_record in _records(lines, path):
            found += 1
            body = _without_labels(lines_of_record)
            sequence, problem = _sequence(body, rare_to_x)
            if not name:
                name, problem = "(no name)", "a header without an id; write the chain's id after '>'"
            elif fault := id_fault(name):
                name, problem = shown_id(name), f"the id {fault}"
            if problem is None:
                key, print_ = _digest(name), _digest(sequence)
                known = seen.get(key)
                if known is None:
                    if len(seen) < MAX_REMEMBERED:
                        seen[key] = print_
                    lookalikes.see(name, line, body)
                    yield ResidueRecord(name, sequence, source=f"{path}:{line}")
                    continue
                if known == print_:
                    repeats += 1
                    continue
                problem = "the id was read before with another sequence; give each chain an id of its own"
            on_bad(BadRecord(name, line, problem))
    if repeats:
        tell(f"{_called(path)}: {repeats} records stand there more than once and were read once")
    lookalikes.end()
    if not found:
        raise _empty(path)


def look_at(path: Path) -> None:
    """Raise `DataError` where there is no file, or one that does not begin as FASTA does."""
    with _open(path) as lines:
        if next(_records(lines, path), None) is None:
            raise _empty(path)


def _empty(path: Path) -> DataError:
    return DataError(f"{_called(path)} is empty; expected FASTA: '>id', then the sequence on the next line")


def count_records(path: Path) -> int | None:
    """Number of records, for a progress bar; None where the input can be read only once."""
    if path == STDIN or not path.is_file():
        return None
    with _open(path) as lines:
        return sum(line.startswith(">") for line in lines)


@contextmanager
def _open(path: Path) -> Iterator[Iterator[str]]:
    """Lines of a text with any line ends, unpacked where it is gzip (told by its first bytes)."""
    try:
        raw = sys.stdin.buffer if path == STDIN else path.open("rb")
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        buffered = cast(io.BufferedReader, raw)
        packed = buffered.peek(2)[:2] == b"\x1f\x8b"
        binary = gzip.GzipFile(fileobj=buffered) if packed else buffered
        text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="replace")
        try:
            yield iter(text)
        finally:
            text.detach()  # or it would close standard input
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{_called(path)}: damaged gzip file ({error}); copy or pack it again") from error
    except OSError as error:
        raise DataError(f"{_called(path)}: cannot be read ({error.strerror or error})") from error
    finally:
        if path != STDIN:
            raw.close()


def _records(lines: Iterator[str], path: Path) -> Iterator[tuple[str, int, list[str]]]:
    """(id, line of the header, lines of the body) of each record."""
    name: str | None = None
    start = 0
    body: list[str] = []
    for number, raw in enumerate(lines, start=1):
        line = "".join(raw.split())
        if line.startswith(">"):
            if name is not None:
                yield name, start, body
            words = raw.lstrip()[1:].split()
            name, start, body = (words[0] if words else ""), number, []
        elif line and name is None:
            raise DataError(f"{_called(path)}: is no FASTA: line {number} is not a header ('>id')")
        elif line:
            body.append(line)
    if name is not None:
        yield name, start, body


def _sequence(body: list[str], rare_to_x: bool) -> tuple[str, str | None]:
    """The sequence, and what is wrong with it."""
    sequence = read_letters("".join(body), rare_to_x)
    if not sequence:
        return sequence, "no sequence; write it on the line after the header"
    if (fault := letters_fault(sequence, "--rare-to-x")) is None:
        return sequence, None
    what = resemblance(body)
    return sequence, fault[1] if what is None else f"looks like no protein but like {what}"


def _without_labels(body: list[str]) -> list[str]:
    """The body without the labels that follow the sequence: as many of 0, 1 and ? as there are residues."""
    first = next((i for i, line in enumerate(body) if set(line) <= LABELS.keys()), len(body))
    residues, labels = "".join(body[:first]), "".join(body[first:])
    whole = len(residues) == len(labels) and set(labels) <= LABELS.keys()
    return body[:first] if whole else body


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=8).digest()


def _called(path: Path) -> str:
    return "standard input" if path == STDIN else str(path)
