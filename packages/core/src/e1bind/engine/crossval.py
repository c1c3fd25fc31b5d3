"""A whole run: read, fold, train every fold, join what was held out, choose thresholds, sum up."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from e1bind.contracts import ResidueRecord
from e1bind.data.clusters import read_clusters
from e1bind.data.folds import FoldPlan, assign_folds
from e1bind.data.records import merge_ions
from e1bind.data.windows import count_windows
from e1bind.engine.calibrate import calibrate_run
from e1bind.engine.continuing import check_unchanged
from e1bind.engine.distributed import World, peer_advice, restarts, world
from e1bind.engine.events import Listener, log
from e1bind.engine.fingerprint import data_fingerprint, spec_fingerprint
from e1bind.engine.fold import FoldTrainer
from e1bind.engine.fold_files import FoldResult, read_fold
from e1bind.engine.guards import disk_advice
from e1bind.engine.lock import locked
from e1bind.engine.oof import Table, oof_table, rows_of, write_oof, write_thresholds
from e1bind.engine.pipeline import Pipeline, build_pipeline
from e1bind.engine.rundir import RunDir, create_run_dir, provenance, sweep
from e1bind.engine.stopping import StopRequest
from e1bind.engine.summary import build_summary, data_counts, finished_summary, write_summary
from e1bind.errors import Interrupted, RunError
from e1bind.metrics.thresholds import Threshold, choose_threshold
from e1bind.spec import RunSpec
from e1bind.spec.crosschecks import spec_warnings


@dataclass(frozen=True)
class Finished:
    """A whole run: its folder and its summary."""

    run: RunDir
    summary: Mapping[str, Any]


class Draw(Protocol):
    """Makes the figures and the report of a run whose results are in place."""

    def __call__(
        self, run: Path, results: Sequence[FoldResult], table: Table, thresholds: Mapping[str, Threshold]
    ) -> None: ...


def cross_validate(
    spec: RunSpec, spec_file: Path, draw: Draw, listener: Listener, run_id: str | None, fold: int | None
) -> Finished | None:
    """Train all folds of a new run, or one of them.

    With a `fold` the run directory `run_id` may have been made by another process of the same run, and no results
    are put together: `collect` does that. Where torchrun restarts the command, `run_id` is gone on with as well.
    Only the main process gets a result; None for one fold.
    """
    if restarts() and run_id is None:
        raise RunError("torchrun --max-restarts needs --run-id, so that a restart finds the run it goes on with")
    shared = fold is not None or restarts()
    if not shared and run_id is not None and (spec.run.output_dir / run_id).exists():
        raise RunError(
            f"{spec.run.output_dir / run_id} exists: continue it with --resume {spec.run.output_dir / run_id}, "
            "or choose another --run-id"
        )
    with _prepared(spec) as (pipeline, records, plan, here):

        def create() -> Path:
            data = data_facts(pipeline, records, plan)
            run = create_run_dir(spec, spec_file, {**data, "processes": here.size}, run_id)
            check_unchanged(run, spec, data, force=False, processes=here.size)
            return run.path

        run = RunDir(here.main_does(create))
        return _CrossValidation(pipeline, records, plan, run, here, listener, draw).run(fold)


def resume(
    spec: RunSpec, run: RunDir, draw: Draw, listener: Listener, force: bool, fold: int | None
) -> Finished | None:
    """Go on with a run where its folds stand. Raises `RunError` where it is another run by now."""
    with _prepared(spec) as (pipeline, records, plan, here):

        def check() -> None:
            data = data_facts(pipeline, records, plan)
            check_unchanged(run, spec, data, force, here.size)
            if force:
                run.write_json("spec.resolved.json", spec.resolved())
                run.write_json("plugins.json", provenance(spec))
                run.write_json("data.json", {**data, "processes": here.size})

        here.main_does(check)
        return _CrossValidation(pipeline, records, plan, run, here, listener, draw).run(fold)


def collect(spec: RunSpec, run: RunDir, draw: Draw) -> Finished:
    """Put together a run whose folds were trained one by one. Raises `RunError` naming those that are missing."""
    with _prepared(spec) as (pipeline, records, plan, here):
        check_unchanged(run, spec, data_facts(pipeline, records, plan), force=False)
        whole = _CrossValidation(pipeline, records, plan, run, here, Listener(), draw)
        with locked(run.path), _logging_to(run.log), disk_advice(run.path, f"e1bind collect {run.path}"):
            return whole.conclude()


@contextmanager
def _prepared(spec: RunSpec) -> Iterator[tuple[Pipeline, list[ResidueRecord], FoldPlan, World]]:
    """Components, records and folds of a spec, in the world of processes this one belongs to."""
    if spec.run.threads is not None:
        torch.set_num_threads(spec.run.threads)
    with world(spec.run.device, spec.run.distributed_timeout_minutes) as here:
        pipeline = build_pipeline(spec)
        records = read_training_data(pipeline)
        yield pipeline, records, make_folds(spec, records), here


def read_training_data(pipeline: Pipeline) -> list[ResidueRecord]:
    """The training chains of all ions of the run, one record a chain. Raises `DataError`."""
    ions = pipeline.spec.training.ions
    return merge_ions({ion: pipeline.reader.read(ion, "train") for ion in ions})


def make_folds(spec: RunSpec, records: list[ResidueRecord]) -> FoldPlan:
    """One fold per chain for all ions. Raises `DataError`."""
    groups = None if spec.cv.groups is None else read_clusters(spec.cv.groups, (r.id for r in records))
    return assign_folds(records, spec.training.ions, spec.cv.folds, groups, spec.run.seed)


def data_facts(pipeline: Pipeline, records: list[ResidueRecord], plan: FoldPlan) -> dict[str, Any]:
    """What `data.json` says: counts by ion; fingerprints of the spec and of chains, labels, alignments, folds."""
    return {
        "fingerprint": data_fingerprint(records, plan.fold_of),
        "spec": spec_fingerprint(pipeline.spec.resolved()),
        "ions": {ion: data_counts(records, ion) for ion in pipeline.spec.training.ions},
    }


class _logging_to:
    """Send the engine's log lines to a file as well, for the time of a run."""

    def __init__(self, path: Path | None) -> None:
        if path:
            path.parent.mkdir(exist_ok=True)
        self.handler = logging.FileHandler(path, encoding="utf-8") if path else None

    def __enter__(self) -> None:
        if self.handler:
            self.handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
            log.addHandler(self.handler)
            log.setLevel(logging.INFO)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self.handler:
            if isinstance(error, Interrupted):
                log.warning("%s", error)
            elif error is not None:
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
        self.run_dir, self.world, self.draw = run, here, draw
        self.listener = listener if here.is_main else Listener()
        self.ions = pipeline.spec.training.ions

    def run(self, only: int | None) -> Finished | None:
        """Train the folds that have not finished, or `only` one of them; put the run together after all of them."""
        if only is not None and only > self.plan.folds:
            raise RunError(f"--fold {only}: the run has {self.plan.folds} folds (cv.folds)")
        run, main = self.run_dir, self.world.is_main
        # Each fold of an array job has a log of its own: appending from many machines would tear lines apart.
        log_file = run.log if only is None else run.fold(only) / run.log.name
        with (
            locked(run.path, main and only is None),
            _logging_to(log_file if main else None),
            disk_advice(run.path, self._resume_command(only)),
            peer_advice(self.world, self._resume_command(only)),
        ):
            self._train(range(1, self.plan.folds + 1) if only is None else [only], self._resume_command(only))
            finished = self._concluded() if main and only is None else None
            self.world.barrier()
            return finished

    def _train(self, folds: Sequence[int], resume: str) -> None:
        self._introduce()
        started = time.perf_counter()
        with StopRequest(resume) as stop:
            for fold in folds:
                with locked(self.run_dir.fold(fold), self.world.is_main):
                    # Folds of an array job leave the files of the whole run alone.
                    self._fold(fold, stop, join=len(folds) > 1)
        log.info("%d fold%s took %.0f s", len(folds), "s"[: len(folds) > 1], time.perf_counter() - started)

    def _resume_command(self, only: int | None) -> str:
        return f"e1bind train --resume {self.run_dir.path}" + ("" if only is None else f" --fold {only}")

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

    def _fold(self, fold: int, stop: StopRequest, join: bool) -> None:
        finished = self.world.from_main(self.world.is_main and read_fold(self.run_dir.fold(fold)) is not None)
        if finished:
            log.info("fold %d is finished already", fold)
            return
        train_records, held_out = self.plan.split(self.records, fold)
        trainer = FoldTrainer(
            self.pipeline, train_records, held_out, fold, self.run_dir, self.world, self.listener, stop
        )
        result = trainer.run()
        log.info("fold %d: best epoch %d of %d", fold, result.best_epoch, result.epochs)
        if join and self.world.is_main:
            self.run_dir.join_metrics()

    def _concluded(self) -> Finished:
        """The run put together, unless it was before."""
        if finished := finished_summary(self.run_dir):
            log.info("the run is finished already")
            return Finished(self.run_dir, finished)
        return self.conclude()

    def conclude(self) -> Finished:
        """OOF, thresholds, figures, summary; the summary comes last and makes the run a finished one."""
        results = self._results()
        sweep(self.run_dir.path)
        scores = {ion: {result.fold: result.scores[ion] for result in results} for ion in self.ions}
        table = oof_table(self.records, self.plan.fold_of, scores)
        thresholds = choose_thresholds(self.pipeline.spec, table)
        self.run_dir.join_metrics()
        write_oof(self.run_dir.oof, table)
        write_thresholds(self.run_dir.thresholds, thresholds)
        method, metrics = self.pipeline.spec.metrics.calibration, self.pipeline.metrics.values()
        calibrate_run(self.run_dir.path, table, self.ions, method, metrics)
        summary = build_summary(self.pipeline, self.plan, self.records, results, table, thresholds, self.run_dir)
        # The report reads the summary; only with the report in place is the run a finished one.
        write_summary(self.run_dir, {**summary, "status": "drawing the report"})
        self.draw(self.run_dir.path, results, table, thresholds)
        write_summary(self.run_dir, summary)
        for warning in summary["warnings"]:
            log.warning("%s", warning)
        return Finished(self.run_dir, summary)

    def _results(self) -> list[FoldResult]:
        """All folds, as they stand on disk."""
        found = {fold: read_fold(self.run_dir.fold(fold)) for fold in range(1, self.plan.folds + 1)}
        missing = [str(fold) for fold, result in found.items() if result is None]
        if missing:
            raise RunError(
                f"{self.run_dir.path}: fold {', '.join(missing)} of {self.plan.folds} has not finished; train it "
                f"with --resume {self.run_dir.path} --fold {missing[0]}"
            )
        return [result for result in found.values() if result is not None]


def choose_thresholds(spec: RunSpec, table: Table) -> dict[str, Threshold]:
    """One threshold per ion, from out-of-fold probabilities only."""
    thresholds = {}
    for ion in spec.training.ions:
        rows = rows_of(table, ion)
        thresholds[ion] = choose_threshold(rows.probabilities, rows.labels, spec.metrics.threshold_method)
    return thresholds
