"""Reader `biolip`: BioLiP's flat file, in which a line is one ligand's site on one chain.

Columns (separated by tabs, no header), as BioLiP's "Download" page lists them: 1 PDB id, 2 chain, 3 resolution,
5 ligand (code of the PDB), 9 binding residues such as `H94 H96`, counted from 1 along the sequence of column 21.
All sites of an ion on a chain are united. A chain without a site of the ion is unknown for it: it is not among the
ion's records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from e1bind.contracts import ResidueRecord
from e1bind.data.ids import shown_id
from e1bind.data.ions import meant_by
from e1bind.data.labels import united
from e1bind.data.letters import read_letters
from e1bind.data.text import FileProblems, read_bytes, to_lines, warn_of_a_cut
from e1bind.errors import DataError
from e1bind.readers.base import FileReader
from e1bind.readers.options import BiolipOptions
from e1bind.readers.positions import labels_of_positions
from e1bind.readers.sources import Chains, chain_faults

COLUMNS = 21
PDB_ID, CHAIN, RESOLUTION, LIGAND, RESIDUES, SEQUENCE = 0, 1, 2, 4, 8, 20


@dataclass
class _Chain:
    """A chain as its first line has it, and the line and residues of each of its sites."""

    name: str
    sequence: str
    line: int
    sites: list[tuple[int, str]] = field(default_factory=list)


class BiolipReader(FileReader[BiolipOptions]):
    """Reads one file for all ions, or one for each."""

    table = "data.biolip"

    def chains(self, path: Path, ion: str) -> list[ResidueRecord]:
        """The chains that have a site of `ion`, in order of first appearance. Raises `DataError`."""
        problems = FileProblems(path)
        lines = list(self._lines(path, problems))
        ligands = meant_by(ion, dict.fromkeys(cells[LIGAND] for _, cells in lines))
        chains: dict[str, _Chain] = {}
        for number, cells in lines:
            if cells[LIGAND] in ligands and self._good_enough(cells, number, problems):
                self._add(chains, number, cells, problems)
        taken = Chains(problems)
        for chain in chains.values():
            if record := _record(chain, ion, path, problems):
                taken.add(record, chain.line)
        records = taken.all()
        if not records:
            raise DataError(f"{path}: holds no site of {ion}")
        return records

    def _lines(self, path: Path, problems: FileProblems) -> Iterator[tuple[int, list[str]]]:
        content = read_bytes(path)
        warn_of_a_cut(path, content)
        for number, line in enumerate(to_lines(content), start=1):
            cells = [cell.strip() for cell in line.split("\t")]
            if len(cells) >= COLUMNS and cells[PDB_ID]:
                yield number, cells
            elif line.strip():
                problems.add(number, f"{len(cells)} columns; a line of BioLiP has {COLUMNS}, separated by tabs")

    def _good_enough(self, cells: list[str], number: int, problems: FileProblems) -> bool:
        """Whether the structure's resolution is within the limit; -1 or nothing, as of NMR, is no resolution."""
        if self.options.max_resolution is None:
            return True
        try:
            resolution = float(cells[RESOLUTION] or -1)
        except ValueError:
            problems.add(number, f"resolution {cells[RESOLUTION]!r} is no number")
            return False
        return 0 < resolution <= self.options.max_resolution

    def _add(self, chains: dict[str, _Chain], number: int, cells: list[str], problems: FileProblems) -> None:
        name = f"{cells[PDB_ID].lower()}_{cells[CHAIN]}"
        sequence = read_letters(cells[SEQUENCE], self.rare_to_x)
        chain = chains.setdefault(name, _Chain(name, sequence, number))
        if chain.sequence == sequence:
            chain.sites.append((number, cells[RESIDUES]))
        else:
            problems.add(number, f"{shown_id(name)}: another sequence than in line {chain.line}")


def _record(chain: _Chain, ion: str, path: Path, problems: FileProblems) -> ResidueRecord | None:
    """The chain with its labels; None with its problems noted."""
    faults = [(chain.line, fault) for fault in chain_faults(chain.name, chain.sequence)]
    labels = []
    for line, residues in chain.sites if not faults else ():
        try:
            if not residues:
                raise ValueError("a site without residues; was the line cut?")
            labels.append(labels_of_positions(residues, chain.sequence, first=1))
        except ValueError as error:
            faults.append((line, str(error)))
    for line, fault in faults:
        problems.add(line, f"{shown_id(chain.name)}: {fault}")
    source = f"{path}:{chain.line}"
    return None if faults else ResidueRecord(chain.name, chain.sequence, {ion: united(labels)}, source=source)
