"""Masked-LM cross-entropy of the backbone's own pretrained head.

Shape legend: K masked (residue, view) pairs, C entries of the vocabulary, V views.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from e1bind.contracts import LossInputs, LossOutput, MaskedTokens
from e1bind_losses.options import MaskedLMOptions
from e1bind_losses.precision import full_precision, zero_with_graph


class MaskedLM(nn.Module):
    """Mean over views of each view's mean cross-entropy over its masked residues.

    In:  mlm.logits [K, C], mlm.targets [K] in 0..C-1, mlm.view [K] in 0..V-1: masked residues of the query alone,
         so boundary and context tokens are ignored and no other logits exist.
    Out: scalar >= 0; views that mask nothing are left out; with nothing masked at all (K = 0) a zero with a graph.
    Logs: the share of masked residues whose true token has the highest logit; NaN where K = 0.
    Raises `ValueError` in training where the host gave no `mlm`: the loss would silently train nothing.
    """

    def __init__(self, options: MaskedLMOptions) -> None:
        super().__init__()

    @full_precision
    def forward(self, batch: LossInputs) -> LossOutput:
        if batch.mlm is None:
            if self.training:
                raise ValueError("LossInputs.mlm is None, but the loss 'mlm' needs the masked tokens of the batch")
            return LossOutput(zero_with_graph(batch.embeddings))
        mlm = batch.mlm
        loss_K = F.cross_entropy(mlm.logits, mlm.targets, reduction="none")
        hit_K = (mlm.logits.detach().argmax(1) == mlm.targets).float()
        return LossOutput((loss_K * _weights(mlm)).sum(), {"mlm_accuracy": hit_K.mean()})


def _weights(mlm: MaskedTokens) -> Tensor:
    """Weight [K] of each pair: 1 / (masked residues of its view * views that mask something)."""
    count_V = F.one_hot(mlm.view, mlm.num_views).sum(0).to(mlm.logits.dtype)
    return 1 / (count_V[mlm.view] * (count_V > 0).sum())
