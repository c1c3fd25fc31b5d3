"""Reader `fasta3`: for each chain a header `>id`, its sequence, and one label character per residue.

The rules, also told to users in docs/data.md:

- The id is the first word after `>`, without control characters; what follows is a description, kept as it is.
- Blank lines, white space within a line, any line ends and gzip are fine; sequence and labels may be wrapped.
- A line is a line of labels where at least half of its characters are digits or `?`; labels follow the sequence.
- Residues are the 20 standard letters and X; lower case is read as upper case.
- Labels are 0, 1, or `?` for a residue of which nothing is known.
- A chain that stands in a file twice, letter for letter, is read once; any other repeated id is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from e1bind.contracts import ResidueRecord
from e1bind.data.ids import id_fault, shown_id
from e1bind.data.labels import labels_fault, labels_of_text
from e1bind.data.letters import letters_fault, read_letters
from e1bind.data.text import FileProblems, read_bytes, to_lines
from e1bind.errors import DataError
from e1bind.files.text import one_line
from e1bind.readers.base import FileReader
from e1bind.readers.options import Fasta3Options
from e1bind.readers.sources import Chains


@dataclass
class _Entry:
    """A record as it stands in the file: the line of its header, and its body as (line, text)."""

    line: int
    id: str
    description: str
    sequence: list[tuple[int, str]] = field(default_factory=list)
    labels: list[tuple[int, str]] = field(default_factory=list)
    misplaced_line: int = 0


class Fasta3Reader(FileReader[Fasta3Options]):
    """Reads one file per ion and split, see the module's rules."""

    table = "data.fasta3"

    def __init__(self, options: Fasta3Options) -> None:
        super().__init__(options)
        self._ion_of: dict[Path, str] = {}

    def file(self, ion: str, split: str) -> Path:
        """The file of an ion, which is no other ion's. Raises `DataError`."""
        path = super().file(ion, split)
        other = self._ion_of.setdefault(path, ion)
        if other != ion:
            raise DataError(
                f"{path}: would give the same labels to {other} and {ion}; give each ion a file of its own and "
                f"write {{ion}} in data.fasta3.{split}"
            )
        return path

    def chains(self, path: Path, ion: str) -> list[ResidueRecord]:
        """All chains of the file. Raises `DataError`."""
        return read_fasta3(path, ion, self.rare_to_x)


def read_fasta3(path: Path, ion: str, rare_to_x: bool = False) -> list[ResidueRecord]:
    """The chains of one file with their labels for `ion`; `rare_to_x` reads B, J, O, U and Z as X.

    Raises `DataError` with every problem of the file (the first 20 in full).
    """
    problems = FileProblems(path)
    entries = list(_entries(to_lines(read_bytes(path)), problems))
    problems.raise_any()
    if not entries:
        raise DataError(f"{path}: is empty; expected records of '>id', a sequence and a line of 0/1 labels")
    chains = Chains(problems)
    for entry in entries:
        record = _record(entry, path, ion, rare_to_x, problems)
        if record is not None:
            chains.add(record, entry.line, [text for _, text in entry.sequence])
    return chains.all()


def _entries(lines: list[str], problems: FileProblems) -> Iterator[_Entry]:
    entry: _Entry | None = None
    for number, raw in enumerate(lines, start=1):
        line = "".join(raw.split())
        if raw.lstrip().startswith(">"):
            if entry is not None:
                yield entry
            words = raw.lstrip()[1:].split(maxsplit=1)
            if not words:
                problems.add(number, "a header without an id; write the chain's id after '>'")
            name, description = [*words, "", ""][:2]
            entry = _Entry(number, name, one_line(description).rstrip())
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
    sequence, labels = read_letters(_joined(entry.sequence), rare_to_x), _joined(entry.labels)
    found = list(_faults(entry, sequence, labels))
    for line, message in found:
        problems.add(line, f"{shown_id(entry.id)}: {message}")
    if found:
        return None
    labelled = {ion: labels_of_text(labels)}
    return ResidueRecord(entry.id, sequence, labelled, source=f"{path}:{entry.line}", description=entry.description)


def _faults(entry: _Entry, sequence: str, labels: str) -> Iterator[tuple[int, str]]:
    if name := id_fault(entry.id):
        yield entry.line, f"the id {name}"
    if not sequence:
        yield entry.line, "no sequence; write it on the line after the header"
    if not labels:
        yield entry.line, "no labels; write a line of 0 and 1, one per residue, after the sequence"
    if entry.misplaced_line:
        yield entry.misplaced_line, "a sequence after the labels; does the next record lack its '>id' line?"
        return
    if fault := letters_fault(sequence):
        yield _line_of(entry.sequence, fault[0]), fault[1]
    if wrong := labels_fault(labels):
        yield _line_of(entry.labels, wrong[0]), wrong[1]
    if sequence and labels and len(sequence) != len(labels):
        yield (
            entry.labels[0][0],
            f"{len(sequence)} residues but {len(labels)} labels; write exactly one label per residue",
        )


def _joined(body: list[tuple[int, str]]) -> str:
    return "".join(text for _, text in body)


def _line_of(body: list[tuple[int, str]], position: int) -> int:
    """The line that holds the character at `position` of the joined body."""
    for line, text in body:
        if position < len(text):
            return line
        position -= len(text)
    raise IndexError(position)
