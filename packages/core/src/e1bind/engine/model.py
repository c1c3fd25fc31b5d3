"""The trained module: backbone with LoRA, optional projector, head, losses; one forward gives the weighted loss.

Shape legend: B proteins, V views, R residues, Q labelled residues, K masked (residue, view) pairs,
D backbone width, P prototype width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from e1bind.contracts import Backbone, HeadInputs, LossInputs, MaskedTokens
from e1bind.data.collate import ProteinBatch
from e1bind.scoring import Prototype


@dataclass(frozen=True)
class StepOutput:
    """Result of one forward: the weighted sum, each loss unweighted, and the losses' logs (detached scalars)."""

    total: Tensor
    losses: Mapping[str, Tensor]
    logs: Mapping[str, Mapping[str, Tensor]]
    scores_R: Tensor
    """Score (logit) of every residue of the batch, labelled or not; detached."""


class ContrastiveModel(nn.Module):
    """Backbone, projector, head and losses as one module, so that DDP sees one forward for one backward."""

    def __init__(
        self,
        backbone: Backbone,
        network: nn.Module,
        projector: nn.Module,
        head: nn.Module,
        losses: Mapping[str, nn.Module],
        weights: Mapping[str, float],
        scoring_temperature: float,
        needs_mlm: bool,
        fingerprint: str,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.network = network
        self.projector = projector
        self.head = head
        # ModuleDict refuses names with a dot, and a label may be a component's full name.
        self.losses = nn.ModuleList(losses.values())
        self.labels = tuple(losses)
        self.weights = dict(weights)
        self.scoring_temperature = scoring_temperature
        self.needs_mlm = needs_mlm
        self.fingerprint = fingerprint

    def embed(self, batch: ProteinBatch) -> tuple[Tensor, Tensor]:
        """Hidden states of all tokens [M*T, D], and residue embeddings [R, V, P], projected but not normalised."""
        hidden = self.backbone.hidden(self.network, batch.tokens)
        token_RV = batch.tokens.token_RV
        residues = hidden.index_select(0, token_RV.flatten()).unflatten(0, token_RV.shape)
        return hidden, self.projector(residues)

    def forward(self, batch: ProteinBatch, prototype: Prototype | None) -> StepOutput:
        hidden, raw_RVP = self.embed(batch)
        z_RVP = unit(raw_RVP, prototype)
        scores_R = self.scored(batch.ion, batch.tokens.visible_RV, raw_RVP, z_RVP, prototype)
        inputs = self._loss_inputs(batch, hidden, z_RVP, scores_R, prototype)
        total = z_RVP.new_zeros(())
        values: dict[str, Tensor] = {}
        logs: dict[str, Mapping[str, Tensor]] = {}
        for label, loss in zip(self.labels, self.losses, strict=True):
            output = loss(inputs)
            total = total + self.weights[label] * output.value
            values[label] = output.value.detach()
            logs[label] = {name: torch.as_tensor(value).detach() for name, value in output.logs.items()}
        # Every weight of the head gets a gradient, whatever ions it is made for: DDP waits for all of them.
        for parameter in self.head.parameters():
            total = total + parameter.sum() * 0
        return StepOutput(total, values, logs, scores_R.detach())

    def scored(
        self, ion: str, visible_RV: Tensor, raw_RVP: Tensor, z_RVP: Tensor, prototype: Prototype | None
    ) -> Tensor:
        """The head's scores [R] of embedded residues."""
        vector_P = None if prototype is None else prototype.vector_P
        return self.head(HeadInputs(ion, raw_RVP, z_RVP, visible_RV, vector_P, self.scoring_temperature))

    def _loss_inputs(
        self, batch: ProteinBatch, hidden: Tensor, z_RVP: Tensor, scores_R: Tensor, prototype: Prototype | None
    ) -> LossInputs:
        known_Q = (batch.labels_R >= 0).nonzero().squeeze(1)
        nowhere_P = z_RVP.new_full(z_RVP.shape[-1:], float("nan"))
        return LossInputs(
            embeddings=z_RVP.index_select(0, known_Q),
            view_mask=batch.tokens.visible_RV.index_select(0, known_Q),
            labels=batch.labels_R.index_select(0, known_Q),
            protein=batch.protein_R.index_select(0, known_Q),
            prototype=nowhere_P if prototype is None else prototype.vector_P,
            mlm=self._masked_tokens(batch, hidden) if self.needs_mlm else None,
            scores=scores_R.index_select(0, known_Q),
        )

    def _masked_tokens(self, batch: ProteinBatch, hidden: Tensor) -> MaskedTokens:
        """Logits of the masked pairs only: the head never sees the other tokens."""
        residue_K, view_K = (~batch.tokens.visible_RV).nonzero(as_tuple=True)
        hidden_KD = hidden.index_select(0, batch.tokens.token_RV[residue_K, view_K])
        return MaskedTokens(
            logits=self.backbone.mlm_logits(self.network, hidden_KD),
            targets=batch.tokens.target_R[residue_K],
            view=view_K,
            num_views=batch.tokens.token_RV.shape[1],
        )


def unit(raw: Tensor, prototype: Prototype | None) -> Tensor:
    """Unit vectors over the last dimension, of `raw` minus the prototype's center where there is one."""
    return F.normalize(raw if prototype is None else raw - prototype.center_P, dim=-1)
