"""Reader `biotrainer`: FASTA of its protocol residue_to_class, in which each residue has a class of one letter.

Either one file of sequences with headers `>id TARGET=CCC SET=train`, perhaps `MASK=110`; or sequences as `>id`, and
classes as records `>id SET=train` of a file of labels, masks as records `>id` of a third. `SET` is train or val
(both are training chains here: folds are made anew), test (or test1, ...), or pred, which is passed over; the older
`VALIDATION=True` changes nothing. A masked residue (0) is unknown. Every residue has a class, so that a chain
without a binding one is known: none of its residues binds.

Source: "Data standardization" of biotrainer's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from e1bind.contracts import ResidueRecord
from e1bind.data.ids import shown_id
from e1bind.data.ions import meant_by
from e1bind.data.labels import labels_at
from e1bind.data.letters import read_letters
from e1bind.data.text import FileProblems, read_bytes, to_lines, warn_of_a_cut
from e1bind.errors import DataError
from e1bind.readers.base import FileReader
from e1bind.readers.options import BiotrainerOptions
from e1bind.readers.sources import Chains, chain_faults, ion_file

_SET = re.compile(r"train|val|test\d*|pred")
_ATTRIBUTES = ("TARGET", "SET", "MASK", "VALIDATION")


@dataclass(frozen=True)
class _Entry:
    """A record: the line and the words of its header, and its body without white space."""

    line: int
    id: str
    said: dict[str, str]
    body: str


class BiotrainerReader(FileReader[BiotrainerOptions]):
    """Reads one file of sequences, and if they are apart one of labels and one of masks."""

    table = "data.biotrainer"

    def chains(self, path: Path, ion: str) -> list[ResidueRecord]:
        """The training chains of a file. Raises `DataError`."""
        return self.chains_of(path, ion, "train")

    def chains_of(self, path: Path, ion: str, split: str) -> list[ResidueRecord]:
        """The chains of a split by their `SET`, in the file's order. Raises `DataError`."""
        binding, unknown = self._letters(ion), set(self.options.unknown)
        chains = Chains(FileProblems(path))
        others = [self._others(name, ion) for name in ("labels", "masks")]
        seen: set[str] = set()
        for entry in _entries(path, chains.problems):
            said, target, mask = self._said(entry, others)
            faults = list(_faults(entry, said, target, mask, split))
            sequence = read_letters(entry.body, self.rare_to_x)
            faults += chain_faults(entry.id, sequence)
            if target and len(target) != len(sequence):
                faults.append(f"{len(sequence)} residues but {len(target)} classes; write one for each residue")
            for fault in faults:
                chains.problems.add(entry.line, f"{shown_id(entry.id)}: {fault}")
            if faults or not _belongs(said["SET"], split):
                continue
            seen |= set(target)
            hidden = {i for i, (one, shown) in enumerate(zip(target, mask or "1" * len(target), strict=True))
                      if one in unknown or shown == "0"}  # fmt: skip
            positive = {i for i, one in enumerate(target) if one in binding} - hidden
            labels = {ion: labels_at(len(sequence), positive, hidden)}
            chains.add(ResidueRecord(entry.id, sequence, labels, source=f"{path}:{entry.line}"), entry.line)
        records = chains.all()
        return self._held(records, path, split, seen, binding | unknown)

    def _letters(self, ion: str) -> set[str]:
        """The classes that bind an ion. Raises `DataError` where the spec has none for it."""
        letters = self.options.binding
        own = meant_by(ion, letters)
        if not own:
            raise DataError(f"data.biotrainer.binding has no letters for {ion}; it has {', '.join(letters)}")
        return {letter for name in own for letter in letters[name]}

    def _others(self, name: str, ion: str) -> dict[str, _Entry]:
        """The records of the file of labels or masks, by id; none where the spec names no such file."""
        template = getattr(self.options, name)
        if template is None:
            return {}
        path = ion_file(template, ion, name, self.table)
        problems = FileProblems(path)
        found: dict[str, _Entry] = {}
        for entry in _entries(path, problems):
            first = found.setdefault(entry.id, entry)
            if first is not entry and (first.said, first.body) != (entry.said, entry.body):
                problems.add(entry.line, f"{shown_id(entry.id)}: other {name} than in line {first.line}")
        problems.raise_any()
        return found

    def _said(self, entry: _Entry, others: list[dict[str, _Entry]]) -> tuple[dict[str, str], str, str]:
        """What is said of a chain in all files: attributes, classes, mask."""
        labels, masks = (found.get(entry.id) for found in others)
        said = {**entry.said, **(labels.said if labels else {})}
        target = labels.body if labels else said.get("TARGET", "") if self.options.labels is None else ""
        return said, target, masks.body if masks else said.get("MASK", "")

    def _held(
        self, records: list[ResidueRecord], path: Path, split: str, seen: set[str], letters: set[str]
    ) -> list[ResidueRecord]:
        """The records. Raises `DataError` where there are none, or none with a class that binds."""
        if not records:
            raise DataError(f"{path}: holds no chains of SET={split}")
        if not letters & seen:
            shown = ", ".join(map(repr, sorted(seen)[:20]))
            raise DataError(f"{path}: no residue is of a class of data.biotrainer.binding; its classes are {shown}")
        return records


def _entries(path: Path, problems: FileProblems) -> Iterator[_Entry]:
    """The records of a FASTA file; what is none is noted."""
    content = read_bytes(path)
    warn_of_a_cut(path, content)
    header: tuple[int, str, dict[str, str]] | None = None
    body: list[str] = []
    for number, raw in enumerate(to_lines(content), start=1):
        if raw.lstrip().startswith(">"):
            if header is not None:
                yield _Entry(*header, "".join(body))
            words = raw.lstrip()[1:].split() or [""]
            header, body = (number, words[0], _attributes(words[1:], number, problems)), []
        elif header is not None:
            body += raw.split()
        elif raw.strip():
            problems.add(number, "text before the first header; every record starts with a line '>id'")
            return
    if header is not None:
        yield _Entry(*header, "".join(body))


def _attributes(words: Iterable[str], number: int, problems: FileProblems) -> dict[str, str]:
    pairs = [(name, value) for name, is_one, value in (word.partition("=") for word in words) if is_one]
    for name, _ in pairs:
        if name not in _ATTRIBUTES and name.upper() in _ATTRIBUTES:
            problems.add(number, f"{name}= is written {name.upper()}=")
    return dict(pairs)


def _faults(entry: _Entry, said: dict[str, str], target: str, mask: str, split: str) -> Iterator[str]:
    group = said.get("SET", "")
    if not _SET.fullmatch(group):
        yield f"SET={group} is none" if group else "no SET; write SET=train, val, test or pred"
    elif _belongs(group, split) and not target:
        yield "no classes; write TARGET= in the header, or a record of the file that `labels` names"
    if mask and (set(mask) - {"0", "1"} or len(mask) != len(entry.body)):
        yield f"the mask is not one of 0 and 1 for each of {len(entry.body)} residues"


def _belongs(group: str, split: str) -> bool:
    return group in ("train", "val") if split == "train" else group.startswith("test")
