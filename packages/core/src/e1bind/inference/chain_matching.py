"""From predictions to a coloured structure: which record belongs to which chain, and what each residue gets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from e1bind.contracts import ResidueRecord
from e1bind.errors import DataError, UserError
from e1bind.files.text import file_part
from e1bind.inference.structure import Match, ResidueKey, Structure, align, best_identity
from e1bind.inference.structure_copies import write_coloured
from e1bind.inference.tables import STDOUT, IonColumns
from e1bind.inference.viewer_scripts import write_scripts
from e1bind.runs.reader import FinishedRun


def match_chains(structure: Structure, records: Iterable[ResidueRecord]) -> list[Match]:
    """For every chain that has one, the record it fits best. Raises `DataError` where no chain has one."""
    best: dict[str, Match] = {}
    nearest, nearest_id = 0.0, "none"
    for record in records:
        for chain in structure.chains:
            match = align(record, chain)
            if match is not None and (chain.name not in best or match.identical > best[chain.name].identical):
                best[chain.name] = match
        if not best and (share := best_identity(record, structure)) > nearest:
            nearest, nearest_id = share, record.id
    if not best:
        names = ", ".join(f"{chain.name} ({len(chain.sequence)} residues)" for chain in structure.chains)
        raise DataError(
            f"{structure.path}: the structure has another sequence: no chain ({names}) fits a record of the input; "
            f"the nearest is {nearest_id} with {nearest:.0%} identical residues, 90% are needed"
        )
    return [best[chain.name] for chain in structure.chains if chain.name in best]


class Painter:
    """Collects the predictions of a structure's chains, and writes the coloured copies."""

    def __init__(self, structure: Structure, matches: Sequence[Match]) -> None:
        self.structure, self.matches = structure, matches
        self.wanted = {match.record.id for match in matches}
        self.columns: dict[str, Mapping[str, IonColumns]] = {}

    def take(self, record: ResidueRecord, columns: Mapping[str, IonColumns]) -> None:
        """Keep the columns of a record that belongs to a chain."""
        if record.id in self.wanted:
            self.columns[record.id] = columns

    def write(self, target: Path, run: FinishedRun) -> list[Path]:
        """A copy and two scripts for each ion, beside the table. Raises `DataError`."""
        stem = self.structure.path.name.removesuffix(".gz").rsplit(".", 1)[0]
        folder = Path() if target == STDOUT else target.parent
        files: list[Path] = []
        for ion in next(iter(self.columns.values()), {}):
            values, calls = self._values(ion)
            copy = folder / f"{file_part(stem)}_{file_part(ion)}.{self.structure.kind}"
            if copy.resolve() == self.structure.path.resolve():
                raise UserError(f"{copy} is the structure itself; write the results to another folder with -o")
            write_coloured(self.structure, copy, values)
            title = f"{ion} binding predicted by {run.files.run_id}; called at {run.thresholds[ion]:.4g} and above"
            files += [copy, *write_scripts(copy, calls, title)]
        return files

    def _values(self, ion: str) -> tuple[dict[ResidueKey, float], list[ResidueKey]]:
        """The probability of every residue that has one, and the residues that are called."""
        values: dict[ResidueKey, float] = {}
        calls: list[ResidueKey] = []
        for match in self.matches:
            if match.record.id not in self.columns:
                continue
            of = self.columns[match.record.id][ion]
            for keys, at in zip(match.chain.keys, match.position_L, strict=True):
                if at >= 0:
                    values |= dict.fromkeys(keys, float(of.probability[at]))
                    calls += keys if of.call[at] else []
        return values, calls

    def remarks(self) -> list[str]:
        """How well the chains fit, for people."""
        lines = []
        for match in self.matches:
            lines.append(f"chain {match.chain.name}: {match.identical} residues of {match.record.id}")
            lines += [f"chain {match.chain.name}: {remark}" for remark in match.remarks()]
        matched = {match.chain.name for match in self.matches}
        if left := [chain.name for chain in self.structure.chains if chain.name not in matched]:
            lines.append(f"chain {', '.join(left)}: no sequence of the input, no probabilities")
        return lines
