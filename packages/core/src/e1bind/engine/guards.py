"""Stop before a non-finite number moves a weight, and say which component and which chains it came from."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn.utils import get_total_norm

from e1bind.data.collate import ProteinBatch
from e1bind.engine.model import StepOutput
from e1bind.errors import RunError
from e1bind.scoring import Scores

_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)

_ADVICE = (
    "nothing was changed by this step. Try a lower training.learning_rate, a higher temperature of that loss, "
    "or backbone dtype = 'float32'; if it is always the same chain, look at its data"
)


class NonFinite(RunError):
    """A loss or gradient is NaN or infinite; `batches` are those of the step so far."""

    def __init__(self, message: str, batches: Sequence[ProteinBatch]) -> None:
        self.batches = list(batches)
        super().__init__(message)


def check_finite(output: StepOutput, batch: ProteinBatch) -> None:
    """Raise `NonFinite` where the loss of a micro-batch is NaN or infinite."""
    if bool(torch.isfinite(output.total)):
        return
    bad = [label for label, value in output.losses.items() if not bool(torch.isfinite(value))]
    named = ", ".join(f"losses.{label}" for label in bad) or "the weighted sum of losses"
    where = _first_bad_residue(output.scores_R, batch)
    message = f"{named} is not finite for {batch.ion} in {', '.join(batch.ids)}{where}; {_ADVICE}"
    raise NonFinite(message, [batch])


def check_scores(scores: Scores, where: str) -> None:
    """Raise `RunError` where a residue's score is NaN or infinite: no metric is to be made of it."""
    bad = [chain for chain, values in scores.items() if not np.isfinite(values).all()]
    if bad:
        more = f" and {len(bad) - 3} more chains" if len(bad) > 3 else ""
        raise RunError(
            f"{where}: scores in validation are not finite for {', '.join(bad[:3])}{more}: the model's weights are "
            "broken or overflow; try a lower training.learning_rate or backbone dtype = 'float32'"
        )


def _first_bad_residue(scores_R: Tensor, batch: ProteinBatch) -> str:
    bad = (~torch.isfinite(scores_R)).nonzero()
    if not len(bad):
        return ""
    residue = int(bad[0])
    protein = int(batch.protein_R[residue])
    first = int((batch.protein_R == protein).nonzero()[0])
    return f" (first at {batch.ids[protein]}, residue {residue - first + 1} of what was seen of it)"


TRAINING_MEMORY = (
    "lower training.max_tokens or batch_size (raise accum_steps to keep the global batch), views num_variants, "
    "training.max_residues or msa.train.max_token_length, or turn on the backbone's activation checkpointing"
)
VALIDATION_MEMORY = (
    "lower training.batch_size (a batch of validation holds batch_size x num_variants windows; raise accum_steps "
    "to keep the global batch), training.max_residues or msa.validation.max_token_length"
)
OPTIMIZER_MEMORY = (
    "gradients and the optimizer's state need room: lower lora.r, name fewer lora.targets, or turn "
    "lora.train_mlm_head off"
)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was no memory, on a GPU or a CPU, for torch or for numpy."""
    # torch.OutOfMemoryError is a RuntimeError; the CPU's allocator raises a plain one.
    plain = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return plain or isinstance(error, torch.OutOfMemoryError | MemoryError)


@contextmanager
def memory_told(doing: str, advice: str) -> Iterator[None]:
    """Turn an out-of-memory error into a `RunError` that says what to lower."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise _told(error, doing, advice) from error


@contextmanager
def memory_advice(batch: ProteinBatch, advice: str = TRAINING_MEMORY) -> Iterator[None]:
    """`memory_told` of a batch."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        chains = f"{', '.join(batch.ids[:8])}{', ...' if len(batch.ids) > 8 else ''}"
        raise _told(error, f"at {batch.ion}, {chains} ({batch.tokens.tokens:,} tokens)", advice) from error


def _told(error: Exception, doing: str, advice: str) -> RunError:
    reason = (str(error) or "no memory").splitlines()[0]
    return RunError(f"out of memory {doing}: {advice}. {reason}")


@contextmanager
def disk_advice(run: Path, resume: str) -> Iterator[None]:
    """Turn an error of the disk into a `RunError` that says how to go on once there is room."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        if isinstance(error, OSError) and error.errno not in _DISK_ERRORS and error.filename is None:
            raise
        raise RunError(
            f"{run} cannot be written: {error}. What was saved before is whole; make room, then go on:\n  {resume}"
        ) from error


def check_gradients(trainable: Mapping[str, Tensor], group: Sequence[ProteinBatch]) -> Tensor:
    """The norm of all gradients together, a scalar.

    Raises `RunError` where a trainable tensor has no gradient, `NonFinite` for one that is not finite.
    """
    missing = [name for name, p in trainable.items() if p.grad is None]
    if missing:
        raise RunError(
            f"{len(missing)} of {len(trainable)} trainable tensors got no gradient, the first is {missing[0]}: "
            "no loss of this run depends on them; check lora.targets and lora.train_mlm_head"
        )
    gradients = [p.grad for p in trainable.values() if p.grad is not None]
    total = get_total_norm(gradients)
    if not bool(torch.isfinite(total)):
        norms = torch.stack([gradient.norm() for gradient in gradients])
        name = list(trainable)[int(norms.nan_to_num(nan=torch.inf).argmax())]
        chains = ", ".join(chain for batch in group for chain in batch.ids)
        raise NonFinite(f"the gradient of {name} is not finite after {chains}; {_ADVICE}", group)
    return total
