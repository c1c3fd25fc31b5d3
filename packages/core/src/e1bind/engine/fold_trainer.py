"""One fold: prototypes, epochs, the best of them on disk, and its scores of the chains held out."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from e1bind.contracts import ResidueRecord
from e1bind.engine.averages import Sums
from e1bind.engine.beginning import begin_ions
from e1bind.engine.distributed import World
from e1bind.engine.epoch import EpochTrainer, plan_epoch
from e1bind.engine.epoch_lines import epoch_lines
from e1bind.engine.events import Listener
from e1bind.engine.guards import NonFinite, check_scores, memory_told
from e1bind.engine.held_out import evaluate, labelled, measure
from e1bind.engine.model_cards import backbone_card, fold_card
from e1bind.engine.optimization import build_optimizer
from e1bind.engine.pipeline import Pipeline, build_model
from e1bind.engine.stopping import StopRequest
from e1bind.engine.ways import Way, computing
from e1bind.errors import RunError
from e1bind.log import log
from e1bind.runs.adapters import Heads, load_head, save_best
from e1bind.runs.fingerprints import training_fingerprint
from e1bind.runs.fold_results import FoldResult, write_fold, write_rows
from e1bind.runs.fold_state import FoldState, StateFiles, prototype_table, to_cpu
from e1bind.runs.layout import FoldDir
from e1bind.runs.model_card import write_fold_card
from e1bind.runs.step_bundle import save_bundle
from e1bind.scoring import Prototype, Scores


class FoldTrainer:
    """Trains one fold on `train`, validates it on `held_out`; goes on from the state in `last/` if there is one."""

    def __init__(
        self,
        pipeline: Pipeline,
        train: Sequence[ResidueRecord],
        held_out: Sequence[ResidueRecord],
        folder: FoldDir,
        world: World,
        listener: Listener,
        stop: StopRequest,
    ) -> None:
        self.pipeline, self.folder, self.fold = pipeline, folder, folder.number
        self.world, self.listener, self.stop = world, listener, stop
        self.section = pipeline.spec.training
        self.train, self.held_out = train, held_out
        with memory_told("loading the model", "use a smaller backbone, or dtype = 'bfloat16'"):
            self.model = build_model(pipeline, self.fold).to(world.device)
        self.optimizer = build_optimizer(self.model, self.section)
        self.trainable = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.states = StateFiles(folder.states)
        self.result = FoldResult(self.fold, best_epoch=0, best_value=math.nan, epochs=0, scores={}, rows=[])
        self.prototypes: dict[str, Prototype] = {}
        self.best: dict[str, Tensor] = {}
        self.way: Way | None = None
        self.step, self.micros, self.taken = 0, 0, 0
        self.sums: dict[str, Sums] = {}

    def run(self, begun: Callable[[], None] = lambda: None) -> FoldResult:
        """All epochs, until the last one or early stopping. Raises `Interrupted` after a signal.

        `begun` is called when there is nothing left to do but to train.
        """
        if self.world.is_main:
            self.folder.sweep()
        self._begin(begun)
        self.trainer = EpochTrainer(
            self.pipeline,
            self.model,
            self._wrapped(),
            self.optimizer,
            self.prototypes,
            self.world,
            self.listener,
            self.stop,
        )
        self.taken = self._steps_before(self.result.epochs + 1) + self.step
        self.listener.fold_begins(self.fold, self.taken, self.result.epochs)
        while self._goes_on():
            self._epoch(self.result.epochs + 1)
        if not self.result.best_epoch:
            raise RunError(
                f"fold {self.fold}: {self._monitor} was never a number, so there is no best epoch; "
                "see the reasons in the run's log, or monitor another metric"
            )
        self.result.prototype_positives = {ion: p.positives for ion, p in self.prototypes.items()}
        self.result.spec = training_fingerprint(self.pipeline.spec.resolved())
        if self.world.is_main:
            self._describe()
            write_fold(self.folder, self.result, self.held_out)
        return self.result

    def compute(self, way: Way) -> None:
        """Compute in that way from here on; to be called before the first step, and once."""
        self.way = self.result.way = way
        self.pipeline = computing(self.pipeline, self.model, way)

    def _describe(self) -> None:
        """The model card of the fold's adapter, in place of peft's empty one; the fold's record seals it."""
        if not self.pipeline.spec.lora.enabled:
            return
        plain = self.model.network.get_base_model()  # type: ignore[operator]
        card = fold_card(self.pipeline, self.result, self.train, self.held_out)
        write_fold_card(self.folder, card, backbone_card(self.pipeline, plain))

    # ---------------------------------------------------------------------------------- state

    def _begin(self, begun: Callable[[], None]) -> None:
        """Go on from the newest state, or begin with what the untrained model makes of the training chains."""
        state = self.world.from_main(self.states.load() if self.world.is_main else None)
        if state is None:
            self.prototypes = begin_ions(self.pipeline, self.model, self.train, self.fold, self.world)
            begun()
            return
        if sorted(state.prototypes) != (sorted(self.section.ions) if self.pipeline.spec.has_prototypes else []):
            raise RunError(
                f"{self.states.folder}: the state is of other ions than training.ions, or of another head; put the "
                "spec back, or start a new run"
            )
        device = self.world.device
        self.prototypes = {ion: Prototype(**values).to(device) for ion, values in state.prototypes.items()}
        result = self.result
        result.epochs, result.rows = state.epoch - 1, list(state.rows)
        result.best_epoch, result.best_value = state.best_epoch, state.best_value
        result.scores = {ion: {c: v.numpy() for c, v in scores.items()} for ion, scores in state.scores.items()}
        self.step, self.micros = state.step, state.micros
        self.sums, self.best, self.way = dict(state.sums), dict(state.best), state.way
        load_head(self.model.head, state.head, self.states.folder)
        self._set_trainable(state.trainable)
        try:
            self.optimizer.load_state_dict(dict(state.optimizer))
        except (ValueError, KeyError) as error:
            raise RunError(
                f"{self.states.folder}: the state is of another optimizer ({error}); put the spec back, or start a "
                "new run"
            ) from error
        begun()
        if self.best and self.world.is_main:
            # What is on disk may be from an epoch that the state does not know of.
            self._set_trainable(self.best)
            self._save_best()
            write_rows(self.folder.metrics, result.rows)
            self._set_trainable(state.trainable)
        log.info("fold %d goes on at epoch %d, step %d", self.fold, state.epoch, state.step)

    def _set_trainable(self, tensors: Mapping[str, Tensor]) -> None:
        shapes = {name: tensor.shape for name, tensor in tensors.items()}
        if shapes != {name: parameter.shape for name, parameter in self.trainable.items()}:
            raise RunError(
                f"{self.states.folder}: the state is of a model with other trained tensors than the spec's (see "
                "[lora], [head] and prototypes.projector); put the spec back, or start a new run"
            )
        with torch.no_grad():
            for name, parameter in self.trainable.items():
                parameter.copy_(tensors[name])

    def _save(self, epoch: int) -> None:
        """Write the state as of `self.step` steps of `epoch`."""
        if not self.world.is_main:
            return
        result = self.result
        scores = {i: {c: torch.from_numpy(v) for c, v in s.items()} for i, s in result.scores.items()}
        self.states.save(
            FoldState(
                epoch=epoch,
                step=self.step,
                micros=self.micros,
                trainable=to_cpu(self.trainable),
                optimizer=self.optimizer.state_dict(),
                prototypes={ion: prototype_table(p) for ion, p in self.prototypes.items()},
                sums=self.sums,
                best=self.best,
                best_epoch=result.best_epoch,
                best_value=result.best_value,
                scores=scores,
                rows=[dict(row) for row in result.rows],
                head=to_cpu(dict(self.model.head.named_buffers())),
                way=dict(self.way or {}),
            )
        )

    def _save_best(self) -> None:
        model = self.model
        heads = Heads(
            prototypes=self.prototypes,
            projector=model.projector.state_dict(),
            scoring_temperature=model.scoring_temperature,
            fold=self.fold,
            epoch=self.result.best_epoch,
            backbone=model.backbone.description,
            fingerprint=model.fingerprint,
            head=model.head.state_dict(),
        )
        save_best(self.folder, model.network if self.pipeline.spec.lora.enabled else None, heads)

    # --------------------------------------------------------------------------------- epochs

    def _goes_on(self) -> bool:
        result, patience = self.result, self.section.early_stop_patience
        if result.epochs >= self.section.epochs:
            return False
        idle = result.epochs - result.best_epoch
        if patience and idle >= patience:
            log.info("fold %d: no better %s for %d epochs, stopping", self.fold, self._monitor, idle)
            return False
        return True

    def _epoch(self, epoch: int) -> None:
        micros = plan_epoch(self.pipeline, self.train, self.fold, epoch)
        self.listener.stage(f"fold {self.fold} epoch {epoch}/{self.section.epochs}", len(micros))
        try:
            means = self.trainer.run(micros, self.fold, epoch, self.micros, self.sums, self._after_step)
        except NonFinite as error:
            raise RunError(
                f"fold {self.fold}, epoch {epoch}, step {self.step + 1}: {self._with_bundle(error)}"
            ) from error
        self.listener.stage_done()
        rows, scores = self._validate(epoch, means)
        self.step, self.micros, self.sums = 0, 0, {}
        self._keep(epoch, rows, scores)
        self._save(epoch + 1)
        if self.world.is_main:
            write_rows(self.folder.metrics, self.result.rows)
        self.stop.raise_if(self.stop.agreed(self.world), f"after epoch {epoch} of fold {self.fold}")

    def _steps_before(self, epoch: int) -> int:
        """Optimizer steps of the epochs before one: an epoch is planned by its number alone."""
        per_step = self.section.accum_steps * self.world.size
        plans = (plan_epoch(self.pipeline, self.train, self.fold, earlier) for earlier in range(1, epoch))
        return sum(-(-len(plan) // per_step) for plan in plans)

    def _with_bundle(self, error: NonFinite) -> str:
        """The message of `error`, with the place its batches were saved to."""
        position = {
            "fold": self.fold,
            "epoch": self.result.epochs + 1,
            "step": self.step + 1,
            "rank": self.world.rank,
        }
        path = self.folder.bundle("-".join(f"{k}-{v}" for k, v in position.items()))
        save_bundle(path, str(error), error.batches, self.trainable, position)
        return f"{error}. Batches and weights of this step: {path}"

    def _after_step(self, micros: int, stopping: bool) -> None:
        """Save every `save_every_steps` steps, and before a stop."""
        self.step, self.micros, self.taken = self.step + 1, micros, self.taken + 1
        self.listener.step_done(self.fold, self.taken, self.trainer.step_figures)
        every = self.section.save_every_steps
        if stopping or (every and self.step % every == 0):
            self.sums = self.trainer.sums()
            self._save(self.result.epochs + 1)
        if stopping:
            where = f"after step {self.step} of epoch {self.result.epochs + 1} of fold {self.fold}"
            self.stop.raise_if(self.stop.agreed(self.world), where)

    def _after_batch(self, done: int, total: int) -> None:
        """Validation of a large fold takes longer than torchrun or a cluster waits after SIGTERM."""
        self.listener.validate(done, total)
        if self.stop.wanted(self.world):
            self.sums = self.trainer.sums()
            epoch = self.result.epochs + 1
            self._save(epoch)
            where = f"in the validation of epoch {epoch} of fold {self.fold}"
            self.stop.raise_if(self.stop.agreed(self.world), where)

    @property
    def _monitor(self) -> str:
        return self.pipeline.spec.metrics.monitor

    def _wrapped(self) -> nn.Module:
        if self.world.size == 1:
            return self.model
        unused = self.section.ddp_find_unused_parameters
        with warnings.catch_warnings():
            # Its successor is not there in all versions of torch that are supported, and does something else.
            warnings.filterwarnings("ignore", message=".*broadcast_buffers", category=FutureWarning)
            return DistributedDataParallel(
                self.model, broadcast_buffers=False, find_unused_parameters=unused is True
            )

    def _validate(
        self, epoch: int, train: dict[str, dict[str, float]]
    ) -> tuple[list[dict[str, Any]], dict[str, Scores]]:
        """Every ion on the weights as they are now, after all ions were trained on."""
        rows: list[dict[str, Any]] = []
        scores: dict[str, Scores] = {}
        for ion in self.section.ions:
            chains = [r for r in self.held_out if ion in r.labels]
            scores[ion], means = evaluate(
                self.pipeline, self.model, self.prototypes.get(ion), chains, ion, self.world, self._after_batch
            )
            check_scores(scores[ion], f"fold {self.fold}, epoch {epoch}, {ion}")
            values, reasons = measure(self.pipeline, labelled(chains, scores[ion], ion))
            for reason in reasons:
                log.warning("fold %d epoch %d %s: %s", self.fold, epoch, ion, reason)
            head = {"fold": self.fold, "epoch": epoch, "ion": ion}
            rows.append({**head, "split": "train", **train[ion]})
            rows.append({**head, "split": "valid", **means, **values})
        return rows, scores

    def _keep(self, epoch: int, rows: list[dict[str, Any]], scores: dict[str, Scores]) -> None:
        """Record the epoch; save it when it is the best so far. The first with a finite value is a best."""
        result = self.result
        value = float(np.mean([row[self._monitor] for row in rows if row["split"] == "valid"]))
        sign = 1 if self.pipeline.metrics[self._monitor].higher_is_better else -1
        better = math.isfinite(value) and (result.best_epoch == 0 or sign * (value - result.best_value) > 0)
        result.epochs = epoch
        result.rows = [*result.rows, *rows]
        if better:
            result.best_epoch, result.best_value, result.scores = epoch, value, scores
            self.best = to_cpu(self.trainable)
            if self.world.is_main:
                self._save_best()
        for line in epoch_lines(rows, self._monitor, better):
            log.info(line)
        self.listener.epoch_done(self.fold, epoch, self.taken, rows)
