"""What a model card says of a backbone and of a fold."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from e1bind.contracts import ResidueRecord
from e1bind.engine.outcome import data_counts
from e1bind.engine.pipeline import Pipeline
from e1bind.runs.fold_results import FoldResult
from e1bind.runs.model_card import BackboneCard, FoldCard, IonData
from e1bind.spec.sections import LoraSection


def backbone_card(pipeline: Pipeline, network: nn.Module) -> BackboneCard:
    """The backbone of a run; `network` is its plain model."""
    backbone = pipeline.backbone
    checkpoint = getattr(pipeline.spec.backbone.options, "checkpoint", None)
    return BackboneCard(
        description=backbone.description,
        checkpoint=None if checkpoint is None else str(checkpoint),
        licence="" if backbone.writer is None else backbone.writer.licence,
        module=type(network).__module__,
        model_class=type(network).__name__,
    )


def fold_card(
    pipeline: Pipeline, result: FoldResult, train: Sequence[ResidueRecord], held_out: Sequence[ResidueRecord]
) -> FoldCard:
    """A finished fold."""
    spec = pipeline.spec
    best = {row["ion"]: row for row in result.rows if (row["epoch"], row["split"]) == (result.best_epoch, "valid")}
    return FoldCard(
        fold=result.fold,
        folds=spec.cv.folds,
        best_epoch=result.best_epoch,
        epochs=result.epochs,
        monitor=spec.metrics.monitor,
        adapter=_adapter(spec.lora, spec.lora.targets or pipeline.backbone.lora_targets),
        data=[IonData(ion, _counts(train, ion), _counts(held_out, ion)) for ion in spec.training.ions],
        figures={ion: {name: best[ion].get(name) for name in pipeline.metrics} for ion in spec.training.ions},
    )


def _adapter(section: LoraSection, targets: Sequence[str]) -> str:
    extra = [word for word, there in (("rsLoRA", section.use_rslora), ("DoRA", section.use_dora)) if there]
    extra += ["masked-LM head trained in full"] * section.train_mlm_head
    kind = f"LoRA of rank {section.r}, alpha {section.alpha:g}, dropout {section.dropout:g}"
    return f"{', '.join([kind, *extra])}; on {', '.join(sorted(targets))}."


def _counts(records: Sequence[ResidueRecord], ion: str) -> tuple[int, int, int]:
    counts = data_counts(records, ion)
    return counts["proteins"], counts["residues"], counts["positives"]
