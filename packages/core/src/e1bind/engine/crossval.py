"""A whole run: read, fold, train every fold, and put together what was held out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from e1bind.contracts import ResidueRecord
from e1bind.curation.folding import make_folds
from e1bind.data.columns import aligned_mask, lengths_of, picked
from e1bind.data.fold_plan import FoldPlan
from e1bind.data.windows import count_windows
from e1bind.engine.conclusion import Draw, Finished, conclude, finished_before, whole_before
from e1bind.engine.cpu_memory import keep_freed_memory
from e1bind.engine.dataset import data_facts
from e1bind.engine.distributed import World, device_name, peer_advice, restarts, world
from e1bind.engine.events import Listener, Spoken
from e1bind.engine.fold_baselines import FoldData, fold_baselines
from e1bind.engine.fold_trainer import FoldTrainer
from e1bind.engine.guards import disk_advice
from e1bind.engine.memory_plan import choose_way
from e1bind.engine.pipeline import Pipeline, build_losses, build_pipeline
from e1bind.engine.shared_chains import training_chains
from e1bind.engine.stopping import StopRequest
from e1bind.engine.threads import set_threads
from e1bind.engine.tracking import tracked
from e1bind.engine.view_probe import views_warning
from e1bind.engine.ways import Way
from e1bind.errors import RunError
from e1bind.files.text import command
from e1bind.log import log
from e1bind.runs.continuing import Continuation, check_unchanged
from e1bind.runs.creation import create_run
from e1bind.runs.fold_results import join_rows, read_fold
from e1bind.runs.frozen_spec import TRUST, brings_code
from e1bind.runs.layout import RunDir, check_run_id, msa_cache, opened
from e1bind.runs.lock import locked
from e1bind.runs.log_file import logging_to
from e1bind.runs.sessions import Session
from e1bind.spec import RunSpec
from e1bind.spec.crosschecks import spec_warnings
from e1bind.spec.named_files import check_files


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
    if run_id is not None:
        check_run_id(run_id)
    shared = fold is not None or restarts()
    if not shared and run_id is not None and (spec.run.output_dir / run_id).exists():
        there = spec.run.output_dir / run_id
        raise RunError(
            f"{there} exists: choose another --run-id, or go on with it:\n  {command('train', '--resume', there)}"
        )
    with _prepared(spec, spec.run.output_dir) as (pipeline, records, plan, here):
        whole = _CrossValidation(pipeline, records, plan, here, listener, draw)

        def create() -> Path:
            data = data_facts(spec, records, plan, here.size)
            run = opened(create_run(spec, spec_file, data, run_id).path)
            whole.going_on = check_unchanged(run, spec, data, force=False, processes=here.size)
            return run.path

        return whole.run(RunDir(here.main_does(create)), fold)


def resume(
    spec: RunSpec, path: Path, draw: Draw, listener: Listener, force: bool, fold: int | None
) -> Finished | None:
    """Go on with a run where its folds stand. Raises `RunError` where it is another run by now."""
    run = opened(path)
    with _prepared(spec, run.path.absolute().parent) as (pipeline, records, plan, here):
        whole = _CrossValidation(pipeline, records, plan, here, listener, draw)
        here.main_does(lambda: whole.check(run, force))
        return whole.run(run, fold)


def collect(spec: RunSpec, path: Path, draw: Draw, inner: Listener) -> Finished:
    """Put together a run whose folds were trained one by one. Raises `RunError` naming those that are missing."""
    run = opened(path)
    with _prepared(spec, run.path.absolute().parent) as (pipeline, records, plan, here):
        going_on = check_unchanged(run, spec, data_facts(spec, records, plan, here.size), force=False)
        with (
            locked(run.path),
            logging_to(run.log),
            disk_advice(run.path, command("collect", run.path)),
            tracked(spec, run, None, Spoken(inner), resumed=True) as listener,
        ):
            return conclude(pipeline, plan, records, going_on, draw, listener)


@contextmanager
def _prepared(spec: RunSpec, parent: Path) -> Iterator[tuple[Pipeline, Sequence[ResidueRecord], FoldPlan, World]]:
    """Components, records and folds of a spec whose run lies in `parent`, in the world this process belongs to.

    What is checked at once comes first, the backbone last: it may be fetched from a hub, which takes its time.
    """
    check_files(spec, ["train"])
    with (
        world(spec.run.device, spec.run.distributed_timeout_minutes) as here,
        training_chains(spec, here) as records,
    ):
        plan = make_folds(spec, records)
        build_losses(spec)  # each fold builds its own; what cannot be built is told before a run is begun
        pipeline = build_pipeline(spec, msa_cache(parent))
        set_threads(spec.run.threads, pipeline.backbone.hidden_size)
        yield pipeline, records, plan, here


class _CrossValidation:
    """The folds of one run. `going_on` is known on the main process alone."""

    going_on: Continuation

    def __init__(
        self,
        pipeline: Pipeline,
        records: Sequence[ResidueRecord],
        plan: FoldPlan,
        here: World,
        listener: Listener,
        draw: Draw,
    ) -> None:
        self.pipeline, self.records, self.plan = pipeline, records, plan
        self.world, self.draw = here, draw
        self.listener = listener
        self.told_memory = False
        self.way: Way | None = None

    def check(self, run: RunDir, force: bool) -> None:
        """Hold the run against what it was begun with. Raises `RunError`."""
        numbers = range(1, self.plan.folds + 1)
        finished = tuple(number for number in numbers if run.fold(number).done.is_file())
        trains = len(finished) < self.plan.folds
        spec, here = self.pipeline.spec, self.world
        data = data_facts(spec, self.records, self.plan, here.size)
        self.going_on = check_unchanged(run, spec, data, force, here.size if trains else None, finished)
        if self.going_on.changes and not trains and finished_before(run):
            listed = "\n  ".join(self.going_on.changes)
            raise RunError(
                f"{run.path} is finished: there is nothing to go on with, and --force would only write into its "
                f"record what it was not trained with:\n  {listed}\nStart a new run"
            )

    def run(self, run: RunDir, only: int | None) -> Finished | None:
        """Train the folds that have not finished, or `only` one of them; put the run together after all of them."""
        if only is not None and only > self.plan.folds:
            raise RunError(f"--fold {only}: the run has {self.plan.folds} folds (cv.folds)")
        self.run_dir, main = run, self.world.is_main
        # Each fold of an array job has a log of its own: appending from many machines would tear lines apart.
        log_file = run.log if only is None else run.fold(only).log
        self.session = Session(
            (run if only is None else run.fold(only)).sessions, device_name(self.world.device), self.world.size
        )
        with (
            locked(run.path, main and only is None),
            logging_to(log_file if main else None),
            disk_advice(run.path, self._resume_command(only)),
            peer_advice(self.world, self._resume_command(only)),
            self._listening(only),
        ):
            self._train(range(1, self.plan.folds + 1) if only is None else [only], self._resume_command(only))
            finished = self._concluded() if main and only is None else None
            self.world.barrier()
            return finished

    @contextmanager
    def _listening(self, only: int | None) -> Iterator[None]:
        """Trackers and the log beside the listener; on the main process alone anybody listens."""
        if not self.world.is_main:
            self.listener = Listener()
            yield
            return
        resumed = any(fold.states.exists() or fold.done.exists() for fold in self.run_dir.folds())
        with tracked(self.pipeline.spec, self.run_dir, only, Spoken(self.listener), resumed) as self.listener:
            yield

    def _train(self, folds: Sequence[int], resume: str) -> None:
        keep_freed_memory(self.world.device)
        self._introduce()
        started = time.perf_counter()
        with StopRequest(resume) as stop:
            for fold in folds:
                with locked(self.run_dir.fold(fold).path, self.world.is_main), self._session():
                    # Folds of an array job leave the files of the whole run alone.
                    self._fold(fold, stop, join=len(folds) > 1)
        log.info("%d fold%s took %.0f s", len(folds), "s"[: len(folds) > 1], time.perf_counter() - started)

    @contextmanager
    def _session(self) -> Iterator[None]:
        """Write down when this work began, and how long it took so far."""
        if not self.world.is_main:
            yield
            return
        self.session.begin()
        try:
            yield
        finally:
            self.session.pause()

    def _resume_command(self, only: int | None) -> str:
        words = [*([TRUST] if brings_code(self.pipeline.spec) else []), *([] if only is None else ["--fold", only])]
        return command("train", "--resume", self.run_dir.path, *words)

    def _introduce(self) -> None:
        spec = self.pipeline.spec
        log.info("run %s", self.run_dir.path)
        log.info("backbone: %s", self.pipeline.backbone.description)
        if spec.backbone.options.capabilities() & {"random-weights"}:
            log.warning(
                "the backbone has random weights: good for trying things out, not for finding binding sites"
            )
        odd_views = views_warning(self.pipeline.views, self.records, spec.run.seed)
        for warning in [*spec_warnings(spec), *([odd_views] if odd_views else [])]:
            log.warning("%s", warning)
        for count in self.plan.counts:
            log.info(
                "fold %d %s: %d proteins, %d residues, %d binding",
                count.fold, count.ion, count.proteins, count.residues, count.positives,
            )  # fmt: skip
        # Each process begins at another chain: what it weighs the others find on the disk.
        first = len(self.records) * self.world.rank // self.world.size
        for contexts in (self.pipeline.train_contexts, self.pipeline.validation_contexts):
            # Before training, so that a broken alignment is found now and its weights are worked out once.
            if contexts is not None and aligned_mask(self.records).any():
                contexts.prepare(picked(self.records, np.roll(np.arange(len(self.records)), -first)))
        log.info(
            "%s",
            count_windows(
                lengths_of(self.records).tolist(), self.pipeline.max_residues, spec.training.window_overlap
            ),
        )

    def _fold(self, fold: int, stop: StopRequest, join: bool) -> None:
        if (way := self.world.main_does(lambda: self._way_of(fold))) is not None:
            log.info("fold %d is finished already", fold)
            self.way = way
            return
        train, held_out = self.plan.split(self.records, fold)
        folder = self.run_dir.fold(fold)
        trainer = FoldTrainer(self.pipeline, train, held_out, folder, self.world, self.listener, stop)
        data = FoldData(fold, train, held_out, self.plan.group_of)
        fold_baselines(self.pipeline, trainer.model.network, data, folder, self.world)
        stop.raise_if(stop.agreed(self.world), f"before fold {fold} trained on")
        result = trainer.run(lambda: self._begin_training(trainer))
        log.info("fold %d: best epoch %d of %d", fold, result.best_epoch, result.epochs)
        if join and self.world.is_main:
            join_rows(self.run_dir)

    def _way_of(self, fold: int) -> Way | None:
        """How a finished fold was trained; None where it has not finished."""
        result = read_fold(self.run_dir.fold(fold))
        return None if result is None else result.way

    def _begin_training(self, trainer: FoldTrainer) -> None:
        """A change that was forced goes into the record once a fold has taken it up, and before it trains.

        All folds compute in one way: that of the state, of a fold before, or the one there is memory for.
        """
        if self.world.is_main:
            self.going_on = self.going_on.commit()
        way = self.way if trainer.way is None else trainer.way
        if way is None or not self.told_memory:
            self.told_memory = True
            model, chains = trainer.model, trainer.train
            way = choose_way(self.pipeline, model, trainer.prototypes, chains, trainer.fold, self.world, way)
        self.way = way
        trainer.compute(way)

    def _concluded(self) -> Finished:
        """The run put together, unless it was before and is whole still."""
        if summary := whole_before(self.run_dir, self.plan.folds):
            log.info("the run is finished already")
            return Finished(self.run_dir, summary)
        return conclude(self.pipeline, self.plan, self.records, self.going_on, self.draw, self.listener)
