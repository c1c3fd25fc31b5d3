"""Losses with one fault each."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import ConfigDict, Field
from torch import nn
from torch.nn import functional as F
from wrong_plugins import Zoo

from e1bind.contracts import LossOutput
from e1bind.plugins import LossPlugin, hookimpl
from e1bind.scoring import scored_views
from e1bind.spec import Options

E1BIND_API = 1


class LossOptions(Options):
    slope: float = Field(4.0, gt=0, description="Steepness.")


class BareOptions(Options):
    slope: float = 4.0


class LenientOptions(LossOptions):
    model_config = ConfigDict(extra="ignore")


class SetOptions(LossOptions):
    ions: set[str] = Field({"ZN"}, description="A set, which JSON does not have.")


ZOO = Zoo(LossPlugin, {"options": f"{__name__}:LossOptions", "needs": {"prototypes"}})


@ZOO.right()
class RightLoss(nn.Module):
    """Logistic loss on the similarity with the prototype."""

    def __init__(self, options):
        super().__init__()
        self.slope = options.slope

    def forward(self, batch):
        return LossOutput(self.value(batch), {"similarity": self.similarity(batch).detach().mean()})

    def similarity(self, batch):
        weight = self.weight(batch)
        return (batch.embeddings.float() @ batch.prototype.float() * weight).sum(1) / weight.sum(1)

    def weight(self, batch):
        return scored_views(batch.view_mask).float()

    def per_residue(self, batch):
        return F.softplus(-self.slope * (2 * batch.labels - 1) * self.similarity(batch))

    def value(self, batch):
        return self.per_residue(batch).sum() / max(len(batch.labels), 1)


@ZOO.wrong("returns-a-scalar")
class ReturnsAFloat(RightLoss):
    def forward(self, batch):
        return LossOutput(float(self.value(batch)))


@ZOO.wrong("returns-a-scalar")
class ReturnsATensor(RightLoss):
    def forward(self, batch):
        return self.value(batch)


@ZOO.wrong("returns-a-scalar")
class ReturnsOnePerResidue(RightLoss):
    def forward(self, batch):
        return LossOutput(self.per_residue(batch))


@ZOO.wrong("value-has-a-graph")
class Detached(RightLoss):
    def value(self, batch):
        return super().value(batch).detach()


@ZOO.wrong("value-is-finite")
class LogarithmOfNegative(RightLoss):
    def value(self, batch):
        return super().value(batch) + self.similarity(batch).log().sum()


@ZOO.wrong("no-residues-give-a-zero-with-a-graph")
class MeanOfNothing(RightLoss):
    def value(self, batch):
        return self.per_residue(batch).mean()


@ZOO.wrong("no-residues-give-a-zero-with-a-graph")
class ZeroWithoutAGraph(RightLoss):
    def value(self, batch):
        return super().value(batch) if len(batch.labels) else torch.zeros(())


@ZOO.wrong("one-class-is-finite")
class MeanOfEachClass(RightLoss):
    def value(self, batch):
        each = self.per_residue(batch)
        if len(each) == 0:
            return each.sum()
        return each[batch.labels == 1].mean() + each[batch.labels == 0].mean()


@ZOO.wrong("one-view-is-finite")
class SpreadOfOneView(RightLoss):
    def value(self, batch):
        return super().value(batch) + 0 * batch.view_mask.float().std(1).sum()


@ZOO.wrong("gradients-are-finite-at-the-edges")
class RootAtZero(RightLoss):
    def value(self, batch):
        distance = ((batch.embeddings.float() - batch.prototype.float()) ** 2).sum(-1).sqrt()
        return super().value(batch) + (distance * self.weight(batch)).sum() / max(len(batch.labels), 1)


@ZOO.wrong("takes-bfloat16")
class MixesTypes(RightLoss):
    def similarity(self, batch):
        weight = self.weight(batch)
        return (batch.embeddings @ batch.prototype.float() * weight).sum(1) / weight.sum(1)


@ZOO.wrong("same-inputs-give-the-same-value")
class RemembersCalls(RightLoss):
    def __init__(self, options):
        super().__init__(options)
        self.calls = 0

    def value(self, batch):
        self.calls += 1
        return super().value(batch) / self.calls


@ZOO.wrong("same-inputs-give-the-same-value")
class NoiseOfNumpy(RightLoss):
    def value(self, batch):
        return super().value(batch) * (1 + 0.1 * float(np.random.rand()))


@ZOO.wrong("order-of-residues-does-not-matter")
class WeighsByPlace(RightLoss):
    def per_residue(self, batch):
        return super().per_residue(batch) * torch.linspace(0.5, 1.5, len(batch.labels))


@ZOO.wrong("order-of-views-does-not-matter")
class PrefersTheFirstView(RightLoss):
    def weight(self, batch):
        weight = super().weight(batch)
        return torch.cat([2 * weight[:, :1], weight[:, 1:]], dim=1)


@ZOO.wrong("masked-positions-have-no-effect")
class SeesMaskedPositions(RightLoss):
    def weight(self, batch):
        return torch.ones_like(batch.view_mask, dtype=torch.float32)


@ZOO.wrong("inputs-are-not-modified")
class RenumbersProteins(RightLoss):
    def value(self, batch):
        batch.protein.add_(1)
        return super().value(batch)


@ZOO.wrong("logs-are-detached-scalars")
class LogsItsGraph(RightLoss):
    def forward(self, batch):
        value = self.value(batch)
        return LossOutput(value, {"own": value})


@ZOO.wrong("works-in-validation")
class WantsGradients(RightLoss):
    def value(self, batch):
        value = super().value(batch)
        (gradient,) = torch.autograd.grad(value, batch.embeddings, retain_graph=True)
        return value + 0 * gradient.norm().detach()


@ZOO.wrong("masked-tokens-are-used-where-declared")
class PeeksAtMaskedTokens(RightLoss):
    def value(self, batch):
        if batch.mlm is None:
            return super().value(batch)
        each = F.cross_entropy(batch.mlm.logits.float(), batch.mlm.targets, reduction="sum")
        return super().value(batch) + each / max(len(batch.mlm.targets), 1)


@ZOO.wrong("masked-tokens-are-used-where-declared", needs={"prototypes", "mlm-logits"})
class AsksForMaskedTokens(RightLoss):
    pass


@ZOO.wrong("prototype-is-used-where-declared", needs=set())
class UsesThePrototypeUnsaid(RightLoss):
    pass


@ZOO.wrong("prototype-is-used-where-declared")
class AsksForAPrototype(RightLoss):
    def similarity(self, batch):
        return (batch.embeddings.float().mean(-1) * self.weight(batch)).sum(1) / self.weight(batch).sum(1)


@ZOO.wrong("scores-are-used-where-declared")
class UsesScoresUnsaid(RightLoss):
    def value(self, batch):
        return super().value(batch) + batch.scores.float().square().sum() / max(len(batch.labels), 1)


@ZOO.wrong("views-are-needed-where-declared", needs=set())
class ComparesViewsUnsaid(RightLoss):
    def value(self, batch):
        e, mask = batch.embeddings.float(), batch.view_mask
        pair = mask[:, :, None] & mask[:, None, :] & ~torch.eye(mask.shape[1], dtype=torch.bool)
        return ((1 - e @ e.transpose(1, 2)) * pair).sum() / max(int(pair.sum()), 1)


@ZOO.wrong("two-ranks-equal-one", needs=set(), provides={"all-ranks"})
class ClaimsAllRanks(RightLoss):
    def value(self, batch):
        weight = self.weight(batch)[:, :, None]
        mean = (batch.embeddings.float() * weight).sum(1) / weight.sum(1)
        return torch.logsumexp(mean @ mean.T, dim=1).sum() / max(len(mean), 1)


@ZOO.wrong("builds")
class NoModule:
    def __init__(self, options):
        self.options = options


@ZOO.wrong("builds", target=f"{__name__}:Nowhere")
class NoSuchTarget(RightLoss):
    pass


@ZOO.wrong("needs-are-known-words", needs={"prototypes", "mlm-logit"})
class MisspellsANeed(RightLoss):
    pass


@ZOO.wrong("every-option-is-described", options=f"{__name__}:BareOptions")
class SaysNothingOfItsOptions(RightLoss):
    pass


@ZOO.wrong("unknown-options-are-refused", options=f"{__name__}:LenientOptions")
class SwallowsTypos(RightLoss):
    pass


@ZOO.wrong("options-survive-json", options=f"{__name__}:SetOptions")
class HasASetAsOption(RightLoss):
    pass


@hookimpl
def e1bind_losses():
    return ZOO.found
