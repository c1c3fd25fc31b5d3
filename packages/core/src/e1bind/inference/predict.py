"""`e1bind predict`: score the chains of a FASTA file or a structure with the fold ensemble of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from e1bind.contracts import ResidueRecord
from e1bind.data.fasta import STDIN, BadRecord, look_at, read_fasta
from e1bind.data.msa_files import AlignmentPlace
from e1bind.errors import DataError, UserError
from e1bind.files.writing import together
from e1bind.inference.alignments import Alignments, place_of
from e1bind.inference.ensemble import Ensemble, choose_device
from e1bind.inference.stream import predict_stream
from e1bind.inference.tables import STDOUT, IonColumns, columns_of, format_of, open_table
from e1bind.log import log
from e1bind.metrics.thresholds import threshold_text
from e1bind.runs.reader import FinishedRun, open_run
from e1bind.runs.schemas import Choice

if TYPE_CHECKING:
    from e1bind.inference.painter import Painter


@dataclass(frozen=True)
class PredictOptions:
    """What to predict and how. `source` None takes the sequences from `structure`; "-" is standard input or output.

    `ions`: those to write; empty: all of the run. `strict` stops at the first bad record. `max_tokens`: residues of
    a batch, contexts and padding included. `contexts`: drawn for each chain with an alignment. `thresholds`: by
    ion, in place of the run's own. `trust_run_code`: code that the run brings along may be executed.
    """

    source: Path | None
    target: Path
    format: str | None = None
    ions: Sequence[str] = ()
    msa_dir: Path | None = None
    structure: Path | None = None
    strict: bool = False
    rare_to_x: bool = False
    device: str = "auto"
    max_tokens: int | None = None
    contexts: int = 1
    checkpoint: str | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    trust_run_code: bool = False


@dataclass
class Outcome:
    """What was done: counts, called residues by ion, the files written, what is worth telling."""

    chains: int = 0
    residues: int = 0
    bad: int = 0
    calls: dict[str, int] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def count(self, record: ResidueRecord, columns: Mapping[str, IonColumns]) -> None:
        """Add a chain that is done."""
        self.chains += 1
        self.residues += len(record)
        for ion, of in columns.items():
            self.calls[ion] += int(of.call.sum())


Advance = Callable[[int], None]
"""Told the number of residues of each chain that is done."""


def predict(run_dir: Path, options: PredictOptions, advance: Advance = lambda _: None) -> Outcome:
    """Predict; write the table and the coloured structures. Raises `UserError` and leaves the target as it was."""
    run = open_run(run_dir, options.checkpoint, options.trust_run_code).with_thresholds(options.thresholds)
    if options.contexts > 1 and options.msa_dir is None:
        raise UserError(f"--contexts {options.contexts} draws from alignments: say with --msa-dir where they are")
    ions = chosen_ions(run, options.ions)
    kind = format_of(options.target, options.format)
    device = choose_device(options.device)
    # Whatever is wrong with the input is told before a model is loaded; standard input can be read only once.
    if options.source not in (None, STDIN):
        look_at(options.source)
    place = place_of(options.msa_dir)
    colours = _colours(options, ions, place)
    outcome = Outcome(calls=dict.fromkeys(ions, 0))
    for warning in run.warnings:
        log.warning("%s", warning)
    ensemble = Ensemble(run, device)
    records = _Records(options, colours, Alignments(ensemble.pipeline, place))
    with together():
        scored = predict_stream(ensemble, records, records.refuse, options.max_tokens, options.contexts)
        with open_table(options.target, kind, run, options.contexts > 1) as table:
            for prediction in scored:
                columns = {ion: columns_of(prediction, run, ion) for ion in ions}
                table.write(prediction, columns)
                if colours is not None:
                    colours.take(prediction.record, columns)
                outcome.count(prediction.record, columns)
                log.debug("%s: %d residues", prediction.record.id, len(prediction.record))
                advance(len(prediction.record))
            outcome.bad = records.bad
            if not outcome.chains:
                raise DataError(f"none of the {outcome.bad} records can be predicted; nothing was written")
        outcome.files = [] if options.target == STDOUT else [options.target]
        if colours is not None:
            outcome.files += colours.write(run)
            outcome.remarks += colours.remarks()
    records.alignments.say()
    outcome.remarks += [said for ion in ions if (said := _cost_of_calling(run, ion, options))]
    return outcome


def _cost_of_calling(run: FinishedRun, ion: str, options: PredictOptions) -> str | None:
    """What the run's threshold costs, and what others would; None where the user chose one, or nobody knows."""
    choices, method = run.summary.oof[ion].choices, run.spec.metrics.threshold_method
    if ion in options.thresholds or method not in choices:
        return None

    def shown(choice: Choice) -> str:
        ratios = f"precision {choice.precision:.2f}, recall {choice.recall:.2f}"
        return f"from {threshold_text(choice.threshold)} on: {ratios}"

    others = "; ".join(f"{name} {shown(choice)}" for name, choice in choices.items() if name != method)
    return (
        f"{ion} is called by {method}, {shown(choices[method])} out of fold ({others}; another one: "
        f"--threshold {ion}=VALUE)"
    )


def chosen_ions(run: FinishedRun, wanted: Sequence[str], option: str = "--ion") -> list[str]:
    """The ions to report, in the run's order. Raises `UserError` that names `option`."""
    if unknown := [ion for ion in wanted if ion not in run.ions]:
        raise UserError(f"{option} {unknown[0]}: the run was trained for {', '.join(run.ions)}")
    return [ion for ion in run.ions if not wanted or ion in wanted]


class _Records:
    """The records to predict, with their alignments; keeps count of those that are refused."""

    def __init__(self, options: PredictOptions, colours: Painter | None, alignments: Alignments) -> None:
        self.options, self.colours, self.alignments = options, colours, alignments
        self.bad = 0

    def __iter__(self) -> Iterator[ResidueRecord]:
        for record in self._plain():
            try:
                paired = self.alignments.of(record)
            except DataError as error:
                self.refuse(record, str(error))
            else:
                yield paired

    def _plain(self) -> Iterable[ResidueRecord]:
        if self.options.source is None:
            assert self.colours is not None
            return self.colours.structure.records()
        return read_fasta(self.options.source, self._on_bad, self.options.rare_to_x)

    def _on_bad(self, record: BadRecord) -> None:
        if self.options.strict:
            raise DataError(f"{self.options.source}: {record}")
        self.bad += 1
        log.warning("left out: %s", record)

    def refuse(self, record: ResidueRecord, message: str) -> None:
        """Leave out a record that cannot be scored; with --strict, stop."""
        if self.options.strict:
            raise DataError(f"{record.source}: {record.id}: {message}")
        self.bad += 1
        log.warning("left out: %s: %s", record.id, message)


def _colours(options: PredictOptions, ions: Sequence[str], place: AlignmentPlace | None) -> Painter | None:
    """The structure, with the sequences that belong to its chains found before anything is computed."""
    if options.structure is None:
        if options.source is None:
            raise UserError("name an input: a FASTA file, '-' for standard input, or --structure alone")
        return None
    if options.source == STDIN:
        raise UserError("--structure needs the sequences in a file, not on standard input: they are read twice")
    from e1bind.inference.chain_matching import match_chains, own_matches  # gemmi waits for a structure
    from e1bind.inference.painter import Painter
    from e1bind.structures.structure import read_structure

    structure = read_structure(options.structure)
    if options.source is None:
        return Painter(structure, own_matches(structure), options.target, ions)

    def has_context(record: ResidueRecord) -> bool:
        return place is not None and place.of(record).msa is not None

    records = read_fasta(options.source, lambda _: None, options.rare_to_x, tell=lambda _: None)
    return Painter(structure, match_chains(structure, records, has_context), options.target, ions)
