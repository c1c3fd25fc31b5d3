"""Stop before a non-finite number moves a weight, and say which component and which chains it came from."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from e1bind.data.collate import ProteinBatch
from e1bind.engine.model import StepOutput
from e1bind.errors import RunError

_ADVICE = (
    "nothing was changed by this step. Try a lower training.learning_rate, a higher temperature of that loss, "
    "or backbone dtype = 'float32'; if it is always the same chain, look at its data"
)


def check_finite(output: StepOutput, batch: ProteinBatch) -> None:
    """Raise `RunError` where the loss of a micro-batch is NaN or infinite."""
    if bool(torch.isfinite(output.total)):
        return
    bad = [label for label, value in output.losses.items() if not bool(torch.isfinite(value))]
    named = ", ".join(f"losses.{label}" for label in bad) or "the weighted sum of losses"
    where = _first_bad_residue(output.scores_R, batch)
    raise RunError(f"{named} is not finite for {batch.ion} in {', '.join(batch.ids)}{where}; {_ADVICE}")


def _first_bad_residue(scores_R: Tensor, batch: ProteinBatch) -> str:
    bad = (~torch.isfinite(scores_R)).nonzero()
    if not len(bad):
        return ""
    residue = int(bad[0])
    protein = int(batch.protein_R[residue])
    first = int((batch.protein_R == protein).nonzero()[0])
    return f" (first at {batch.ids[protein]}, residue {residue - first + 1} of what was seen of it)"


def check_gradients(trainable: Sequence[tuple[str, Tensor]], group: Sequence[ProteinBatch]) -> None:
    """Raise `RunError` where a trainable tensor has no gradient, or one that is not finite."""
    missing = [name for name, p in trainable if p.grad is None]
    if missing:
        raise RunError(
            f"{len(missing)} of {len(trainable)} trainable tensors got no gradient, the first is {missing[0]}: "
            "no loss of this run depends on them; check lora.targets and lora.train_mlm_head"
        )
    norms = torch.stack([p.grad.norm() for _, p in trainable if p.grad is not None])
    if not bool(torch.isfinite(norms).all()):
        name = trainable[int((~torch.isfinite(norms)).nonzero()[0])][0]
        chains = ", ".join(chain for batch in group for chain in batch.ids)
        raise RunError(f"the gradient of {name} is not finite after {chains}; {_ADVICE}")
