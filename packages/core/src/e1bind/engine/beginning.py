"""Before the first step of a fold: each ion's prototype, and what the head is told of the training residues."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from e1bind.contracts import ResidueRecord
from e1bind.data.columns import chains_of
from e1bind.engine.distributed import World
from e1bind.engine.held_out import load, window_batches
from e1bind.engine.model import ContrastiveModel
from e1bind.engine.pipeline import Pipeline
from e1bind.engine.prototypes import Sample, prototype_of, start_of, take_sample
from e1bind.engine.seeds import derive
from e1bind.log import log
from e1bind.scoring import Prototype


def begin_ions(
    pipeline: Pipeline, model: ContrastiveModel, train: Sequence[ResidueRecord], fold: int, world: World
) -> dict[str, Prototype]:
    """Start the head for every ion; the prototypes by ion, none for a head that has none. Raises `RunError`."""
    model.eval()
    found = {}
    for ion in pipeline.spec.training.ions:
        sample = _sample(pipeline, model, train, fold, ion, world)
        if pipeline.spec.has_prototypes:
            found[ion] = prototype_of(
                sample, pipeline.spec.prototypes, model.scoring_temperature, world, f"{ion}, fold {fold}"
            )
            _tell(found[ion], ion, fold)
        start = start_of(sample, world)
        model.head.start(ion, start)  # type: ignore[operator]
        if not pipeline.spec.has_prototypes:
            log.info(
                "fold %d %s: the head starts from %d binding of %d residues",
                fold, ion, start.positives, start.residues,
            )  # fmt: skip
    return found


def _sample(
    pipeline: Pipeline, model: ContrastiveModel, train: Sequence[ResidueRecord], fold: int, ion: str, world: World
) -> Sample:
    """The first `max_samples` training chains of a seeded order, unmasked."""
    chains = chains_of(train, ion)
    rng = np.random.default_rng(derive(pipeline.spec.run.seed, "prototype", fold, ion))
    chosen = [chains[i] for i in rng.permutation(len(chains))[: pipeline.spec.prototypes.max_samples]]
    mine = world.share(window_batches(pipeline, chosen))
    return take_sample(
        (batch.to(world.device) for batch in load(pipeline, ion, mine)),
        lambda batch: model.embed(batch)[1][:, 0],
        pipeline.width,
        world.device,
        len(chains),
    )


def _tell(prototype: Prototype, ion: str, fold: int) -> None:
    log.info(
        "fold %d %s: prototype from %d binding of %d residues in %d proteins; sim_pos %.3f, sim_neg %.3f, "
        "separation %.3f",
        fold, ion, prototype.positives, prototype.residues, prototype.proteins,
        prototype.sim_pos, prototype.sim_neg, prototype.sim_pos - prototype.sim_neg,
    )  # fmt: skip
