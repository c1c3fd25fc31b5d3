"""From predictions to coloured copies of a structure: what each residue of it gets, and the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from e1bind.contracts import ResidueRecord
from e1bind.errors import UserError
from e1bind.files.text import file_part
from e1bind.files.writing import check_output, output_bytes, output_text
from e1bind.inference.chain_alignment import Match
from e1bind.inference.structure_copies import coloured, sites_of, values_of
from e1bind.inference.tables import STDOUT, IonColumns
from e1bind.inference.viewer_scripts import script_names, script_texts
from e1bind.metrics.thresholds import threshold_text
from e1bind.runs.reader import FinishedRun
from e1bind.structures.structure import Structure


class Painter:
    """Collects the predictions of a structure's chains, and writes the coloured copies beside the table `target`.

    Raises `UserError` at once where one of them cannot be written.
    """

    def __init__(self, structure: Structure, matches: Sequence[Match], target: Path, ions: Sequence[str]) -> None:
        self.structure, self.matches = structure, matches
        self.wanted = {match.record.id for match in matches}
        self.columns: dict[str, Mapping[str, IonColumns]] = {}
        folder = Path() if target == STDOUT else target.parent
        ending = structure.kind
        self.copies = {ion: folder / f"{file_part(structure.stem)}_{file_part(ion)}.{ending}" for ion in ions}
        self._check_places(target)

    def _check_places(self, target: Path) -> None:
        taken = {self.structure.path.resolve(): "the structure itself", target.resolve(): "the table"}
        for ion, copy in self.copies.items():
            for path in (copy, *script_names(copy)):
                if (what := taken.get(path.resolve())) is not None:
                    raise UserError(f"{path} is {what}; write the results to another folder with -o")
                taken[path.resolve()] = f"a result for another ion than {ion}"
                check_output(path)

    def take(self, record: ResidueRecord, columns: Mapping[str, IonColumns]) -> None:
        """Keep the columns of a record that belongs to a chain."""
        if record.id in self.wanted:
            self.columns[record.id] = columns

    def write(self, run: FinishedRun) -> list[Path]:
        """A copy and two scripts for each ion. Raises `UserError`."""
        files: list[Path] = []
        for ion, copy in self.copies.items():
            painted = [(m, self.columns[m.record.id][ion]) for m in self.matches if m.record.id in self.columns]
            values: dict[int, float] = {}
            for match, of in painted:
                values |= values_of(match, of.probability)
            output_bytes(copy, coloured(self.structure, values))
            called = threshold_text(run.thresholds[ion])
            title = f"{ion} binding predicted by {run.files.run_id}; called at {called} and above"
            clear, unclear = sites_of(self.structure, [(match, of.call) for match, of in painted])
            scripts = script_texts(copy, clear, unclear, title)
            for path, text in scripts.items():
                output_text(path, text)
            files += [copy, *scripts]
        return files

    def remarks(self) -> list[str]:
        """How well the chains fit, for people."""
        lines = self.structure.remarks()
        for match in self.matches:
            label = match.chain.label
            lines.append(f"chain {label}: {match.identical} residues of {match.record.id}")
            lines += [f"chain {label}: {remark}" for remark in match.remarks()]
        matched = {match.chain.label for match in self.matches}
        if left := [chain.label for chain in self.structure.chains if chain.label not in matched]:
            lines.append(f"chain {', '.join(left)}: no sequence of the input, no probabilities")
        return lines
