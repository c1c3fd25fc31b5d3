"""A finished run in a notebook: `e1bind.load_run`, and what it gives.

The numbers are those of `e1bind predict`, by the same code; models are loaded by the first call that needs them,
and kept.

Shape legend: L residues of a chain, D width of the embeddings, N rows of the out-of-fold table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import NoReturn

import numpy as np

from e1bind.contracts import ResidueRecord
from e1bind.errors import DataError, UserError
from e1bind.files.text import visible
from e1bind.inference.alignments import Alignments, check_use_of_alignments, place_of
from e1bind.inference.embedding import Embedder, Embeddings, embed_stream, embedder_of_fold
from e1bind.inference.ensemble import Ensemble, choose_device
from e1bind.inference.given_chains import Chains, given_chain, given_chains
from e1bind.inference.predict import chosen_ions
from e1bind.inference.stream import predict_stream
from e1bind.inference.tables import IonColumns, columns_of
from e1bind.log import log
from e1bind.runs.oof_table import Table
from e1bind.runs.reader import FinishedRun, open_run


@dataclass(frozen=True, eq=False, repr=False)
class ChainScores:
    """What a run says of one chain. `scores["ZN"]` are the arrays of an ion, [L] each, in the chain's order.

    probability     float32  mean over the folds, 0 to 1
    spread          float32  standard deviation over the folds
    calibrated      float32  the probability through the run's calibration; None for a run without
    call            int8     1 where the probability is at or above the run's threshold
    context_spread  float32  standard deviation over the contexts; 0 where one or none was drawn
    """

    id: str
    sequence: str
    ions: Mapping[str, IonColumns]

    def __getitem__(self, ion: str) -> IonColumns:
        """The arrays of one ion. Raises `UserError` for an ion that was not scored."""
        if ion not in self.ions:
            raise UserError(f"{ion} was not scored: there are {', '.join(self.ions)}")
        return self.ions[ion]

    def __len__(self) -> int:
        return len(self.sequence)

    def called(self, ion: str) -> list[int]:
        """Positions of the residues that are called, from 1."""
        return (np.flatnonzero(self[ion].call) + 1).tolist()

    def __repr__(self) -> str:
        sites = [f"{ion}: {_sites(self.sequence, self.called(ion))}" for ion in self.ions]
        return visible(f"<{self.id}: {len(self)} residues; called for {'; '.join(sites)}>")


def _sites(sequence: str, positions: Sequence[int], most: int = 12) -> str:
    named = [f"{sequence[at - 1]}{at}" for at in positions[:most]]
    return (" ".join(named) or "none") + (f" and {len(positions) - most} more" if len(positions) > most else "")


class LoadedRun:
    """A finished run, made by `load_run`. Methods raise `UserError` for what their caller can mend."""

    def __init__(self, run: FinishedRun, device: str, max_tokens: int | None) -> None:
        self._run, self._max_tokens = run, max_tokens
        self._device = choose_device(device, "device")

    # ------------------------------------------------------------------------------- the record

    @property
    def path(self) -> Path:
        """The run's directory."""
        return self._run.files.path

    @property
    def ions(self) -> list[str]:
        """Ions the run was trained for."""
        return list(self._run.ions)

    @property
    def folds(self) -> list[int]:
        """Numbers of its folds, from 1."""
        return list(self._run.folds)

    @property
    def thresholds(self) -> dict[str, float]:
        """The probability from which a residue is called, by ion."""
        return dict(self._run.thresholds)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the run's figures doubtful; they were logged when the run was loaded."""
        return (*self._run.warnings, *self._run.summary.warnings)

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Out-of-fold figures by ion and metric, over all folds, at the run's thresholds; NaN where undefined."""
        return {ion: dict(self._run.summary.oof[ion].metrics) for ion in self.ions}

    @cached_property
    def oof(self) -> Table:
        """Out-of-fold predictions: the columns of the run's table by name, [N] each, a row per residue and ion.

        A data frame of them is `pandas.DataFrame(run.oof)`.
        """
        return self._run.stored.oof()

    # -------------------------------------------------------------------------------- new chains

    @cached_property
    def _ensemble(self) -> Ensemble:
        return Ensemble(self._run, self._device)

    def score(
        self,
        sequence: str,
        *,
        id: str = "chain",
        ions: Sequence[str] = (),
        msa: Path | str | None = None,
        contexts: int = 1,
        rare_to_x: bool = False,
    ) -> ChainScores:
        """Score one chain with all folds.

        Letters may be in either case; white space is left out; other letters than the 20 standard ones and X are an
        error, unless `rare_to_x` reads B, J, O, U and Z as X. `ions`: those to score, all without. `msa`: the
        chain's alignment (a3m), of which `contexts` contexts are drawn, by the chain's `id`.
        """
        record = self._chain(sequence, id, msa, rare_to_x)
        return next(self._scored([record], self._ions(ions), _drawn(contexts, msa, "msa")))

    def score_many(
        self,
        chains: Chains,
        *,
        ions: Sequence[str] = (),
        msa_dir: Path | str | None = None,
        contexts: int = 1,
        rare_to_x: bool = False,
    ) -> Iterator[ChainScores]:
        """Score chains one after the other, in order and in memory that does not grow with their number.

        `chains`: a FASTA file, sequences by id, pairs of id and sequence, or `ResidueRecord`s. `msa_dir`: a folder
        of {id}.a3m, or a path with {id} in it. A chain that cannot be scored ends it with a `DataError`.
        """
        records = self._chains(chains, msa_dir, rare_to_x)
        return self._scored(records, self._ions(ions), _drawn(contexts, msa_dir, "msa_dir"))

    def embed(
        self,
        sequence: str,
        *,
        fold: int = 1,
        projected: bool = False,
        id: str = "chain",
        msa: Path | str | None = None,
        rare_to_x: bool = False,
    ) -> Embeddings:
        """Residue embeddings of one chain by the model of one fold, float32 [L, D].

        They are the final hidden states of the adapted backbone, and with `projected` what the run's projector
        makes of them, neither centred nor of unit length. There is no mean over folds: the adapter of each fold
        turns the space in its own way. Compare embeddings of one and the same fold.
        """
        record = self._chain(sequence, id, msa, rare_to_x)
        _, found = next(embed_stream(self._embedder(fold, projected), [record], _stop, self._max_tokens))
        return found

    def embed_many(
        self,
        chains: Chains,
        *,
        fold: int = 1,
        projected: bool = False,
        msa_dir: Path | str | None = None,
        rare_to_x: bool = False,
    ) -> Iterator[tuple[str, Embeddings]]:
        """Id and embeddings [L, D] of each chain, in order; see `embed` and `score_many`."""
        records = self._chains(chains, msa_dir, rare_to_x)
        found = embed_stream(self._embedder(fold, projected), records, _stop, self._max_tokens)
        return ((record.id, values) for record, values in found)

    def _ions(self, wanted: Sequence[str]) -> list[str]:
        return chosen_ions(self._run, [wanted] if isinstance(wanted, str) else wanted, "ions")

    def _embedder(self, fold: int, projected: bool) -> Embedder:
        return embedder_of_fold(self._ensemble, fold, projected, "fold")

    def _chain(self, sequence: str, name: str, msa: Path | str | None, rare_to_x: bool) -> ResidueRecord:
        place = None if msa is None else Path(msa)
        check_use_of_alignments(self._ensemble.pipeline, place is not None, "msa")
        return given_chain(name, sequence, rare_to_x, place)

    def _chains(self, chains: Chains, msa_dir: Path | str | None, rare_to_x: bool) -> Iterator[ResidueRecord]:
        alignments = Alignments(self._ensemble.pipeline, place_of(msa_dir, "msa_dir"), "msa_dir")

        def paired(record: ResidueRecord) -> ResidueRecord:
            try:
                return alignments.of(record)
            except DataError as error:
                raise DataError(f"{record.id}: {error}") from error

        return map(paired, given_chains(chains, rare_to_x))

    def _scored(
        self, records: Iterable[ResidueRecord], ions: Sequence[str], contexts: int
    ) -> Iterator[ChainScores]:
        for prediction in predict_stream(self._ensemble, records, _stop, self._max_tokens, contexts):
            columns = {ion: columns_of(prediction, self._run, ion) for ion in ions}
            yield ChainScores(prediction.record.id, prediction.record.sequence, columns)

    # ------------------------------------------------------------------------------------- shown

    def __repr__(self) -> str:
        figures = "; ".join(f"{ion}: {_figures(of)}" for ion, of in self.metrics.items())
        return visible(f"<e1bind run {self._run.files.run_id}: {len(self.folds)} folds; out of fold {figures}>")

    def _repr_html_(self) -> str:
        names = self._run.summary.metric_names
        head = "".join(f"<th>{escape(name)}</th>" for name in ("ion", "threshold", *names))
        rows = "".join(
            f"<tr><td>{escape(visible(ion))}</td><td>{self.thresholds[ion]:.3g}</td>"
            + "".join(f"<td>{of[name]:.3f}</td>" for name in names)
            + "</tr>"
            for ion, of in self.metrics.items()
        )
        title = f"e1bind run <b>{escape(visible(self._run.files.run_id))}</b>, {len(self.folds)} folds, out of fold"
        return f"<p>{title}</p><table><tr>{head}</tr>{rows}</table>"


def _drawn(contexts: int, place: Path | str | None, option: str) -> int:
    """How many contexts to draw. Raises `UserError`."""
    if contexts < 1:
        raise UserError(f"contexts={contexts}: one context is the least")
    if contexts > 1 and place is None:
        raise UserError(f"contexts={contexts} draws from alignments: say with {option} where they are")
    return contexts


def _figures(metrics: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())


def _stop(record: ResidueRecord, message: str) -> NoReturn:
    raise DataError(f"{record.id}: {message}")


def load_run(
    path: Path | str,
    *,
    device: str = "auto",
    checkpoint: str | None = None,
    thresholds: Mapping[str, float] | None = None,
    max_tokens: int | None = None,
    trust_run_code: bool = False,
) -> LoadedRun:
    """Open a finished run. Raises `RunError` where it is unfinished or damaged, `SpecError` for missing plugins.

    `device`: auto, cpu, cuda or cuda:N. `checkpoint`: where the backbone stands, if not where the run says.
    `thresholds`: by ion, 0 to 1, to call from on purpose, in place of the run's own. `max_tokens`: residues of one
    batch. `trust_run_code`: plugins and checkpoint code that the run brings along may be executed.
    """
    chosen = dict(thresholds or {})
    if wrong := [ion for ion, value in chosen.items() if not 0 <= value <= 1]:
        raise UserError(f"thresholds: {wrong[0]} is {chosen[wrong[0]]:g}; a threshold is a probability from 0 to 1")
    run = open_run(Path(path), checkpoint, trust_run_code).with_thresholds(chosen)
    for warning in run.warnings:
        log.warning("%s", warning)
    return LoadedRun(run, device, max_tokens)
