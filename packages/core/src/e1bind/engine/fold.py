"""One fold: prototypes, epochs, the best of them on disk, and its scores of the chains held out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from e1bind.contracts import ResidueRecord
from e1bind.engine.artifacts import save_best
from e1bind.engine.distributed import World
from e1bind.engine.epoch import EpochTrainer, plan_epoch
from e1bind.engine.evaluation import Scores, evaluate, labelled, load, measure, window_batches
from e1bind.engine.events import Listener, log
from e1bind.engine.optimization import build_optimizer
from e1bind.engine.pipeline import Pipeline, build_model
from e1bind.engine.prototypes import Prototype, make_prototype
from e1bind.engine.rundir import RunDir
from e1bind.engine.seeds import derive
from e1bind.errors import RunError


@dataclass
class FoldResult:
    """What a fold leaves behind: its best epoch, that epoch's scores by ion, and every row of metrics."""

    fold: int
    best_epoch: int = 0
    best_value: float = math.nan
    epochs: int = 0
    scores: dict[str, Scores] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    prototypes: dict[str, Prototype] = field(default_factory=dict)


class FoldTrainer:
    """Trains one fold on `train`, validates it on `held_out`."""

    def __init__(
        self,
        pipeline: Pipeline,
        train: Sequence[ResidueRecord],
        held_out: Sequence[ResidueRecord],
        fold: int,
        run: RunDir,
        world: World,
        listener: Listener,
    ) -> None:
        self.pipeline, self.fold, self.run_dir = pipeline, fold, run
        self.world, self.listener = world, listener
        self.section = pipeline.spec.training
        self.train, self.held_out = train, held_out
        self.model = build_model(pipeline, fold).to(world.device)
        self.result = FoldResult(fold)

    def run(self) -> FoldResult:
        """All epochs, until the last one or early stopping."""
        result = self.result
        result.prototypes = {ion: self._prototype(ion) for ion in self.section.ions}
        trainer = EpochTrainer(
            self.pipeline,
            self.model,
            self._wrapped(),
            build_optimizer(self.model, self.section),
            result.prototypes,
            self.world,
            self.listener,
        )
        for epoch in range(1, self.section.epochs + 1):
            micros = plan_epoch(self.pipeline, self.train, self.fold, epoch)
            self.listener.stage(f"fold {self.fold} epoch {epoch}/{self.section.epochs}", len(micros))
            means = trainer.run(micros, self.fold, epoch)
            self.listener.stage_done()
            rows, scores = self._validate(epoch, means)
            self._keep(epoch, rows, scores)
            if self.section.early_stop_patience and epoch - result.best_epoch >= self.section.early_stop_patience:
                log.info(
                    "fold %d: no better %s for %d epochs, stopping",
                    self.fold,
                    self._monitor,
                    epoch - result.best_epoch,
                )
                break
        if not result.best_epoch:
            raise RunError(
                f"fold {self.fold}: {self._monitor} was never a number, so there is no best epoch; "
                "see the reasons in training.log, or monitor another metric"
            )
        return result

    @property
    def _monitor(self) -> str:
        return self.pipeline.spec.metrics.monitor

    def _wrapped(self) -> nn.Module:
        if self.world.size == 1:
            return self.model
        unused = self.section.ddp_find_unused_parameters
        return DistributedDataParallel(self.model, broadcast_buffers=False, find_unused_parameters=unused is True)

    def _prototype(self, ion: str) -> Prototype:
        """From the first `max_samples` training chains of a seeded order, unmasked."""
        chains = sorted((r for r in self.train if ion in r.labels), key=lambda r: r.id)
        rng = np.random.default_rng(derive(self.pipeline.spec.run.seed, "prototype", self.fold, ion))
        chosen = [chains[i] for i in rng.permutation(len(chains))[: self.pipeline.spec.prototypes.max_samples]]
        self.model.eval()
        device = self.world.device
        mine = self.world.share(window_batches(self.pipeline, chosen))
        prototype = make_prototype(
            (batch.to(device) for batch in load(self.pipeline, ion, mine)),
            lambda batch: self.model.embed(batch)[1][:, 0],
            self.pipeline.width,
            self.pipeline.spec.prototypes,
            self.world,
            f"{ion}, fold {self.fold}",
        )
        log.info(
            "fold %d %s: prototype from %d binding of %d residues in %d proteins; sim_pos %.3f, sim_neg %.3f, "
            "separation %.3f",
            self.fold, ion, prototype.positives, prototype.residues, prototype.proteins,
            prototype.sim_pos, prototype.sim_neg, prototype.sim_pos - prototype.sim_neg,
        )  # fmt: skip
        return prototype

    def _validate(
        self, epoch: int, train: dict[str, dict[str, float]]
    ) -> tuple[list[dict[str, Any]], dict[str, Scores]]:
        """Every ion on the weights as they are now, after all ions were trained on."""
        rows: list[dict[str, Any]] = []
        scores: dict[str, Scores] = {}
        for ion in self.section.ions:
            chains = [r for r in self.held_out if ion in r.labels]
            scores[ion], means = evaluate(
                self.pipeline, self.model, self.result.prototypes[ion], chains, ion, self.world
            )
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
        result.rows += rows
        if better:
            result.best_epoch, result.best_value, result.scores = epoch, value, scores
            if self.world.is_main:
                save_best(self.model, result.prototypes, self.run_dir.fold(self.fold), self.fold, epoch)
        if self.world.is_main:
            self.run_dir.append_metrics(rows)
        for line in epoch_lines(rows, self._monitor, better):
            log.info(line)
        self.listener.epoch_done(self.fold, epoch, rows)


def epoch_lines(rows: Sequence[dict[str, Any]], monitor: str, better: bool) -> list[str]:
    """One line of text for each ion of an epoch."""
    lines = []
    for train, valid in zip(rows[::2], rows[1::2], strict=True):
        figures = {"loss": train.get("loss"), "val_loss": valid.get("loss")}
        figures |= {name: valid.get(name) for name in dict.fromkeys((monitor, "auprc", "auroc"))}
        figures |= {name: train.get(name) for name in ("pull_mask_ratio", "sim_pos", "sim_neg")}
        shown = "  ".join(f"{k} {v:.4f}" for k, v in figures.items() if v is not None)
        mark = "  *" if better else ""
        lines.append(f"fold {train['fold']} epoch {train['epoch']} {train['ion']}: {shown}{mark}")
    return lines
