"""A whole run: read, fold, train every fold, join what was held out, choose thresholds, sum up."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from e1bind.contracts import ResidueRecord
from e1bind.data.clusters import read_clusters
from e1bind.data.folds import FoldPlan, assign_folds
from e1bind.data.records import merge_ions
from e1bind.data.windows import count_windows
from e1bind.engine.distributed import World, world
from e1bind.engine.events import Listener, log
from e1bind.engine.fold import FoldResult, FoldTrainer
from e1bind.engine.oof import Table, oof_table, rows_of, write_oof, write_thresholds
from e1bind.engine.pipeline import Pipeline, build_pipeline
from e1bind.engine.rundir import RunDir, create_run_dir
from e1bind.engine.scores import Scores
from e1bind.engine.summary import build_summary, write_summary
from e1bind.metrics.thresholds import Threshold, choose_threshold
from e1bind.spec import RunSpec
from e1bind.spec.crosschecks import spec_warnings


@dataclass(frozen=True)
class Finished:
    """What `train` returns: the run's folder and its summary."""

    run: RunDir
    summary: Mapping[str, Any]


class Draw(Protocol):
    """Makes the figures and the report of a run whose results are in place."""

    def __call__(
        self, run: Path, results: Sequence[FoldResult], table: Table, thresholds: Mapping[str, Threshold]
    ) -> None: ...


def cross_validate(spec: RunSpec, spec_file: Path, draw: Draw, listener: Listener | None = None) -> Finished | None:
    """Train a spec to its end. Only the main process gets a result; the others get None."""
    if spec.run.threads is not None:
        torch.set_num_threads(spec.run.threads)
    with world(spec.run.device) as here:
        quiet = listener if listener is not None and here.is_main else Listener()
        pipeline = build_pipeline(spec)
        records = read_training_data(pipeline)
        plan = make_folds(spec, records)
        path = here.from_main(_create(spec, spec_file) if here.is_main else None)
        run = RunDir(path)
        with _logging_to(run.log if here.is_main else None):
            return _CrossValidation(pipeline, records, plan, run, here, quiet, draw).run()


def read_training_data(pipeline: Pipeline) -> list[ResidueRecord]:
    """The training chains of all ions of the run, one record a chain. Raises `DataError`."""
    ions = pipeline.spec.training.ions
    return merge_ions({ion: pipeline.reader.read(ion, "train") for ion in ions})


def make_folds(spec: RunSpec, records: list[ResidueRecord]) -> FoldPlan:
    """One fold per chain for all ions. Raises `DataError`."""
    groups = None if spec.cv.groups is None else read_clusters(spec.cv.groups, (r.id for r in records))
    return assign_folds(records, spec.training.ions, spec.cv.folds, groups, spec.run.seed)


def _create(spec: RunSpec, spec_file: Path) -> Path:
    return create_run_dir(spec, spec_file).path


class _logging_to:
    """Send the engine's log lines to a file as well, for the time of a run."""

    def __init__(self, path: Path | None) -> None:
        self.handler = logging.FileHandler(path, encoding="utf-8") if path else None

    def __enter__(self) -> None:
        if self.handler:
            self.handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
            log.addHandler(self.handler)
            log.setLevel(logging.INFO)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self.handler:
            if error is not None:
                log.error("the run stopped: %s: %s", type(error).__name__, error)
            log.removeHandler(self.handler)
            self.handler.close()


class _CrossValidation:
    def __init__(
        self,
        pipeline: Pipeline,
        records: list[ResidueRecord],
        plan: FoldPlan,
        run: RunDir,
        here: World,
        listener: Listener,
        draw: Draw,
    ) -> None:
        self.pipeline, self.records, self.plan = pipeline, records, plan
        self.run_dir, self.world, self.listener, self.draw = run, here, listener, draw
        self.ions = pipeline.spec.training.ions

    def run(self) -> Finished | None:
        self._introduce()
        started = time.perf_counter()
        results = [self._fold(fold) for fold in range(1, self.plan.folds + 1)]
        if not self.world.is_main:
            self.world.barrier()
            return None
        log.info("%d folds took %.0f s", self.plan.folds, time.perf_counter() - started)
        finished = self._conclude(results)
        self.world.barrier()
        return finished

    def _introduce(self) -> None:
        spec = self.pipeline.spec
        log.info("run %s", self.run_dir.path)
        log.info("backbone: %s", self.pipeline.backbone.description)
        if spec.backbone.options.capabilities() & {"random-weights"}:
            log.warning(
                "the backbone has random weights: good for trying things out, not for finding binding sites"
            )
        for warning in spec_warnings(spec):
            log.warning("%s", warning)
        for count in self.plan.counts:
            log.info(
                "fold %d %s: %d proteins, %d residues, %d binding",
                count.fold, count.ion, count.proteins, count.residues, count.positives,
            )  # fmt: skip
        lengths = [len(record) for record in self.records]
        for contexts in (self.pipeline.train_contexts, self.pipeline.validation_contexts):
            # Before training, so that a broken alignment is found now and its weights are worked out once.
            if contexts is not None and any(record.msa for record in self.records):
                contexts.prepare(self.records)
        log.info("%s", count_windows(lengths, self.pipeline.max_residues, spec.training.window_overlap))

    def _fold(self, fold: int) -> FoldResult:
        train_records, held_out = self.plan.split(self.records, fold)
        trainer = FoldTrainer(self.pipeline, train_records, held_out, fold, self.run_dir, self.world, self.listener)
        result = trainer.run()
        log.info("fold %d: best epoch %d of %d", fold, result.best_epoch, result.epochs)
        return result

    def _conclude(self, results: list[FoldResult]) -> Finished:
        """OOF, thresholds, figures, summary; the summary comes last and makes the run a finished one."""
        scores: dict[str, dict[int, Scores]] = {
            ion: {result.fold: result.scores[ion] for result in results} for ion in self.ions
        }
        table = oof_table(self.records, self.plan.fold_of, scores)
        thresholds = choose_thresholds(self.pipeline.spec, table)
        write_oof(self.run_dir.oof, table)
        write_thresholds(self.run_dir.thresholds, thresholds)
        summary = build_summary(self.pipeline, self.plan, self.records, results, table, thresholds, self.run_dir)
        # The report reads the summary; only with the report in place is the run a finished one.
        write_summary(self.run_dir, {**summary, "status": "drawing the report"})
        self.draw(self.run_dir.path, results, table, thresholds)
        write_summary(self.run_dir, summary)
        for warning in summary["warnings"]:
            log.warning("%s", warning)
        return Finished(self.run_dir, summary)


def choose_thresholds(spec: RunSpec, table: Table) -> dict[str, Threshold]:
    """One threshold per ion, from out-of-fold probabilities only."""
    thresholds = {}
    for ion in spec.training.ions:
        rows = rows_of(table, ion)
        thresholds[ion] = choose_threshold(rows.probabilities, rows.labels, spec.metrics.threshold_method)
    return thresholds
