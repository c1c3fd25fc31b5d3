"""Reader `fasta3`: for each chain a header `>id`, its sequence, and one label character per residue.

The rules, also told to users in docs/data.md:

- The id is the first word after `>`, without control characters; what follows is a description and not read.
- Blank lines, white space within a line, any line ends and gzip are fine; sequence and labels may be wrapped.
- A line is a line of labels where at least half of its characters are digits or `?`; labels follow the sequence.
- Residues are the 20 standard letters and X; lower case is read as upper case.
- Labels are 0, 1, or `?` for a residue of which nothing is known.
- A chain that stands in a file twice, letter for letter, is read once; any other repeated id is an error.
"""

from __future__ import annotations

import glob
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_lowercase, ascii_uppercase

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import STANDARD_RESIDUES, UNKNOWN, ResidueRecord
from e1bind.data.ids import id_fault, shown_id
from e1bind.data.lookalikes import Lookalikes
from e1bind.data.options import Fasta3Options
from e1bind.data.text import FileProblems, read_bytes, to_lines
from e1bind.errors import DataError

log = logging.getLogger(__name__)

ALPHABET = frozenset(STANDARD_RESIDUES + "X")
RARE_LETTERS = frozenset("BJOUZ")
# Only ASCII letters are raised: str.upper would turn some foreign letters into several residues.
UPPER = str.maketrans(ascii_lowercase, ascii_uppercase)
RARE_TO_X = dict.fromkeys(map(ord, RARE_LETTERS), "X")
LABELS = {"0": 0, "1": 1, "?": UNKNOWN}


@dataclass
class _Entry:
    """A record as it stands in the file: the line of its header, and its body as (line, text)."""

    line: int
    id: str
    sequence: list[tuple[int, str]] = field(default_factory=list)
    labels: list[tuple[int, str]] = field(default_factory=list)
    misplaced_line: int = 0


class Fasta3Reader:
    """Reads one file per ion and split, see the module's rules."""

    def __init__(self, options: Fasta3Options) -> None:
        self.options = options
        self._ion_of: dict[Path, str] = {}

    def read(self, ion: str, split: str) -> list[ResidueRecord]:
        """The chains of `ion` in the file of `split` ("train" or "test"), in the file's order."""
        path = self._path(ion, split)
        other = self._ion_of.setdefault(path, ion)
        if other != ion:
            raise DataError(
                f"{path}: would give the same labels to {other} and {ion}; give each ion a file of its own and "
                f"write {{ion}} in data.fasta3.{split}"
            )
        records = read_fasta3(path, ion, self.options.unknown_residues == "to-x")
        return records if self.options.msa_dir is None else self._with_alignments(records, path)

    def _path(self, ion: str, split: str) -> Path:
        template = {"train": self.options.train, "test": self.options.test}[split]
        if template is None:
            raise DataError(f"no {split} data: set data.fasta3.{split} in the spec")
        path = Path(str(template).replace("{ion}", ion))
        try:
            exists = path.exists()
        except OSError as error:  # the ion's name can make the file's too long
            raise DataError(f"{path}: cannot be read ({error.strerror})") from error
        if not exists:
            raise DataError(_missing_file(template, path, ion, split))
        return path

    def _with_alignments(self, records: list[ResidueRecord], path: Path) -> list[ResidueRecord]:
        folder = self.options.msa_dir
        assert folder is not None
        if not folder.is_dir():
            raise DataError(f"{folder}: data.fasta3.msa_dir is not a folder; create it or leave msa_dir out")
        names = {entry.name for entry in folder.iterdir()}
        paired = [with_msa(record, folder, names) for record in records]
        found = sum(record.msa is not None for record in paired)
        level = logging.INFO if found else logging.WARNING
        log.log(level, "%s: %d of %d chains have an alignment in %s", path, found, len(paired), folder)
        return paired


def read_fasta3(path: Path, ion: str, rare_to_x: bool = False) -> list[ResidueRecord]:
    """The chains of one file with their labels for `ion`; `rare_to_x` reads B, J, O, U and Z as X.

    Raises `DataError` with every problem of the file (the first 20 in full).
    """
    problems = FileProblems(path)
    entries = list(_entries(to_lines(read_bytes(path)), problems))
    problems.raise_any()
    if not entries:
        raise DataError(f"{path}: is empty; expected records of '>id', a sequence and a line of 0/1 labels")
    first: dict[str, ResidueRecord] = {}
    lines: dict[str, int] = {}
    repeats = 0
    lookalikes = Lookalikes(str(path), log.warning)
    for entry in entries:
        record = _record(entry, path, ion, rare_to_x, problems)
        if record is None:
            continue
        if record.id not in first:
            first[record.id], lines[record.id] = record, entry.line
            lookalikes.see(record.id, entry.line, [text for _, text in entry.sequence])
        elif clash := _clash(first[record.id], record, ion):
            problems.add(entry.line, f"{record.id}: already read from line {lines[record.id]} with {clash}")
        else:
            repeats += 1
    problems.raise_any()
    lookalikes.end()
    if repeats:
        log.warning("%s: %d chains stand in the file more than once and were read once", path, repeats)
    return list(first.values())


def _entries(lines: list[str], problems: FileProblems) -> Iterator[_Entry]:
    entry: _Entry | None = None
    for number, raw in enumerate(lines, start=1):
        line = "".join(raw.split())
        if raw.lstrip().startswith(">"):
            if entry is not None:
                yield entry
            words = raw.lstrip()[1:].split()
            if not words:
                problems.add(number, "a header without an id; write the chain's id after '>'")
            entry = _Entry(number, words[0] if words else "")
        elif line and entry is None:
            problems.add(number, "text before the first header; every record starts with a line '>id'")
            return
        elif line and entry is not None:
            _add_line(entry, line, number)
    if entry is not None:
        yield entry


def _add_line(entry: _Entry, line: str, number: int) -> None:
    if 2 * sum(char.isdigit() or char == "?" for char in line) >= len(line):
        entry.labels.append((number, line))
    elif entry.labels:
        entry.misplaced_line = entry.misplaced_line or number
    else:
        entry.sequence.append((number, line))


def _record(entry: _Entry, path: Path, ion: str, rare_to_x: bool, problems: FileProblems) -> ResidueRecord | None:
    """The entry as a record, or None with its problems noted."""
    sequence, labels = _joined(entry.sequence).translate(UPPER), _joined(entry.labels)
    if rare_to_x:
        sequence = sequence.translate(RARE_TO_X)
    found = list(_faults(entry, sequence, labels))
    for line, message in found:
        problems.add(line, f"{shown_id(entry.id)}: {message}")
    if found:
        return None
    return ResidueRecord(entry.id, sequence, {ion: _label_array(labels)}, source=f"{path}:{entry.line}")


def _faults(entry: _Entry, sequence: str, labels: str) -> Iterator[tuple[int, str]]:
    if fault := id_fault(entry.id):
        yield entry.line, f"the id {fault}"
    if not sequence:
        yield entry.line, "no sequence; write it on the line after the header"
    if not labels:
        yield entry.line, "no labels; write a line of 0 and 1, one per residue, after the sequence"
    if entry.misplaced_line:
        yield entry.misplaced_line, "a sequence after the labels; does the next record lack its '>id' line?"
        return
    if strange := sorted(set(sequence) - ALPHABET):
        at = _first(sequence, strange)
        yield _line_of(entry.sequence, at), _strange_letters(strange, at)
    if wrong := sorted(set(labels) - LABELS.keys()):
        at, shown = _first(labels, wrong), ", ".join(map(repr, wrong))
        yield _line_of(entry.labels, at), f"label {shown} (first at residue {at + 1}); use 0, 1 or ? (unknown)"
    if sequence and labels and len(sequence) != len(labels):
        yield (
            entry.labels[0][0],
            f"{len(sequence)} residues but {len(labels)} labels; write exactly one label per residue",
        )


def _joined(body: list[tuple[int, str]]) -> str:
    return "".join(text for _, text in body)


def _first(text: str, wanted: list[str]) -> int:
    return next(i for i, char in enumerate(text) if char in wanted)


def _line_of(body: list[tuple[int, str]], position: int) -> int:
    """The line that holds the character at `position` of the joined body."""
    for line, text in body:
        if position < len(text):
            return line
        position -= len(text)
    raise IndexError(position)


def _strange_letters(strange: list[str], at: int) -> str:
    shown = ", ".join(map(repr, strange[:8])) + (", ..." if len(strange) > 8 else "")
    advice = "allowed are the 20 standard residues and X"
    if set(strange) <= RARE_LETTERS:
        advice += '; unknown_residues = "to-x" reads B, J, O, U and Z as X'
    return f"letter {shown} in the sequence (first at residue {at + 1}); {advice}"


def _label_array(labels: str) -> NDArray[np.int8]:
    codes = np.frombuffer(labels.encode("ascii"), dtype=np.uint8)
    values = np.full(len(codes), UNKNOWN, dtype=np.int8)
    values[codes == ord("0")] = 0
    values[codes == ord("1")] = 1
    return values


def _clash(first: ResidueRecord, second: ResidueRecord, ion: str) -> str | None:
    if first.sequence != second.sequence:
        return "another sequence; give each chain an id of its own"
    if not np.array_equal(first.labels[ion], second.labels[ion]):
        return "other labels; merge them into one record"
    return None


def with_msa(record: ResidueRecord, folder: Path, names: set[str]) -> ResidueRecord:
    """The record with its alignment, if `names`, what lies in `folder`, hold {id}.a3m or {id}.a3m.gz."""
    for name in (f"{record.id}.a3m", f"{record.id}.a3m.gz"):
        if name in names:
            return ResidueRecord(record.id, record.sequence, record.labels, folder / name, record.source)
    return record


def _missing_file(template: Path, path: Path, ion: str, split: str) -> str:
    """What is there instead of the file of an ion."""
    message = f"{path}: there is no such file, which data.fasta3.{split} names for ion {ion!r}"
    pattern = glob.escape(str(template)).replace("{ion}", "*") + "*"
    matches = sorted(glob.glob(pattern))
    if not matches:
        return f"{message}; correct the path (no file matches {template})"
    shown = ", ".join(matches[:10]) + (f" and {len(matches) - 10} more" if len(matches) > 10 else "")
    return f"{message}; correct the ion or the path. Files that match {template}: {shown}"
