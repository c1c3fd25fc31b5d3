"""AdamW and its learning rate."""

from __future__ import annotations

import math

import torch
from torch import nn

from e1bind.spec.training import TrainingSection


def build_optimizer(model: nn.Module, section: TrainingSection) -> torch.optim.AdamW:
    """AdamW over the trainable parameters; vectors (norms and biases) get no weight decay.

    A tensor is updated in one pass, and on a GPU all of a group at once: adapters are many small ones.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": section.weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=section.learning_rate, fused=True)


def learning_rate(section: TrainingSection, epochs_done: float) -> float:
    """Learning rate of the step that ends `epochs_done` epochs (0 < epochs_done <= epochs).

    Linear from 0 to `learning_rate` over `warmup_epochs`, then half a cosine down to `min_lr`. Measured in epochs,
    not steps, since token-budget batching makes epochs of slightly different lengths.
    """
    if epochs_done < section.warmup_epochs:
        return section.learning_rate * epochs_done / section.warmup_epochs
    span = max(section.epochs - section.warmup_epochs, 1e-9)
    progress = min(max((epochs_done - section.warmup_epochs) / span, 0.0), 1.0)
    return section.min_lr + (section.learning_rate - section.min_lr) * 0.5 * (1 + math.cos(math.pi * progress))


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every parameter group the same rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate
