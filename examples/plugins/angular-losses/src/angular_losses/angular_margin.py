"""Additive angular margin on prototypes. Shape legend: R labelled residues, V views, D embedding width."""

import math

from torch import Tensor, nn
from torch.nn import functional

from angular_losses.options import AngularMarginOptions
from e1bind.contracts import LossInputs, LossOutput
from e1bind.scoring import scored_views


class AngularMargin(nn.Module):
    """Cross-entropy between the two prototypes, with the angle to a residue's own one made `margin` wider.

    Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition" (2019), equation 3, for two
    classes whose prototypes are each other's negation: softplus((-cos t - cos(t + margin)) / temperature), t the
    angle between a residue's embedding and its own prototype. Mean over unmasked (residue, view) pairs.
    """

    def __init__(self, options: AngularMarginOptions) -> None:
        super().__init__()
        self.margin, self.temperature = options.margin, options.temperature

    def forward(self, batch: LossInputs) -> LossOutput:
        """The value, and the share of pairs that are closer to the other prototype."""
        sign_R1 = (2 * batch.labels - 1).unsqueeze(1)
        own_RV = sign_R1 * (batch.embeddings.float() @ batch.prototype.float())
        pairs_RV = scored_views(batch.view_mask)
        loss_RV = functional.softplus(-(own_RV + self._widened(own_RV)) / self.temperature)
        count = pairs_RV.sum().clamp_min(1)
        wrong = ((own_RV.detach() < 0) & pairs_RV).sum() / count
        return LossOutput((loss_RV * pairs_RV).sum() / count, {"angular_wrong": wrong})

    def _widened(self, cosine_RV: Tensor) -> Tensor:
        """cos(t + margin); beyond t = pi - margin, where that would rise again, a line that goes on falling."""
        # The square root's slope is infinite at 0: cosines of 1 and -1 are kept away from it.
        sine_RV = (1 - cosine_RV.square()).clamp_min(1e-6).sqrt()
        widened_RV = cosine_RV * math.cos(self.margin) - sine_RV * math.sin(self.margin)
        line_RV = cosine_RV - 1 + math.cos(self.margin)
        return widened_RV.where(cosine_RV > -math.cos(self.margin), line_RV)
