"""What readers share: the file of an ion and a split, and the chains of a file with each id once."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from e1bind.contracts import ResidueRecord
from e1bind.data.ids import id_fault
from e1bind.data.letters import letters_fault
from e1bind.data.lookalikes import Lookalikes
from e1bind.data.text import FileProblems
from e1bind.errors import DataError
from e1bind.spec.named_files import not_there

log = logging.getLogger(__name__)


def ion_file(template: Path | None, ion: str, split: str, table: str) -> Path:
    """The file that a table of the spec (e.g. "data.fasta3") names for an ion. Raises `DataError` without one."""
    if template is None:
        raise DataError(f"no {split} data: set {table}.{split} in the spec")
    path = Path(str(template).replace("{ion}", ion))
    try:
        exists = path.exists()
    except OSError as error:  # the ion's name can make the file's too long
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if not exists:
        said = f"there is no such file, which {table}.{split} names for ion {ion!r}"
        raise DataError(f"{path}: {said}; {not_there(template)}")
    return path


def chain_faults(name: object, sequence: str) -> Iterator[str]:
    """What is wrong with a chain's id and its residues, as `read_letters` gives them."""
    if fault := id_fault(name):
        yield f"the id {fault}"
    if not sequence:
        yield "no sequence"
    elif strange := letters_fault(sequence):
        yield strange[1]


class Chains:
    """The chains of one file: each id once, what contradicts an earlier record noted as a problem."""

    def __init__(self, problems: FileProblems) -> None:
        self.problems = problems
        self._lookalikes = Lookalikes(str(problems.path), log.warning, problems.unit)
        self._first: dict[str, tuple[ResidueRecord, int]] = {}
        self._repeats = 0

    def add(self, record: ResidueRecord, line: int, written: Sequence[str] = ()) -> None:
        """Take the record that begins at a line (or row) of the file; `written` is its sequence, line by line."""
        first, at = self._first.setdefault(record.id, (record, line))
        if first is record:
            self._lookalikes.see(record.id, line, written or [record.sequence])
            return
        same = all(np.array_equal(labels, record.labels[ion]) for ion, labels in first.labels.items())
        where = f"{self.problems.unit} {at}"
        if fault := already_read(record.id, where, first.sequence == record.sequence, same):
            self.problems.add(line, fault)
        else:
            self._repeats += 1

    def all(self) -> list[ResidueRecord]:
        """The chains in the file's order. Raises `DataError` with all problems of the file."""
        self.problems.raise_any()
        self._lookalikes.end()
        if self._repeats:
            say_repeats(self.problems.path, self._repeats)
        return [record for record, _ in self._first.values()]


def already_read(name: str, where: str, same_sequence: bool, same_labels: bool) -> str | None:
    """What is wrong with a chain that `where` gives under the same id; None where it says the same of it."""
    if same_sequence and same_labels:
        return None
    clash = (
        "other labels; merge them into one record"
        if same_sequence
        else "another sequence; give each chain an id of its own"
    )
    return f"{name}: already read from {where} with {clash}"


def say_repeats(path: Path, repeats: int) -> None:
    """Warn of chains that a file holds more than once, letter for letter the same."""
    log.warning("%s: %d chains stand in the file more than once and were read once", path, repeats)
