"""Heads with one fault each."""

from __future__ import annotations

import torch
from torch import nn
from wrong_plugins import Zoo

from e1bind.plugins import HeadPlugin, hookimpl
from e1bind.scoring import scored_views
from e1bind.spec import Options

E1BIND_API = 1


class HeadOptions(Options):
    pass


ZOO = Zoo(HeadPlugin, {"options": f"{__name__}:HeadOptions", "provides": {"scores"}, "needs": {"loss-on-scores"}})


class Linear(nn.Module):
    """A linear map for each ion."""

    def __init__(self, ions, width):
        super().__init__()
        self.row = {ion: row for row, ion in enumerate(ions)}
        self.weight = nn.Parameter(torch.zeros(len(ions), width))
        self.register_buffer("mean", torch.zeros(len(ions), width))

    def start(self, ion, start):
        self.mean[self.row[ion]] = start.mean_P

    def forward(self, inputs):
        row, weight_RV = self.row[inputs.ion], scored_views(inputs.view_mask).to(inputs.raw.dtype)
        logit_RV = (inputs.raw - self.mean[row]) @ self.weight[row]
        return (logit_RV * weight_RV).sum(1) / weight_RV.sum(1)


@ZOO.right()
class RightHead:
    """A linear map for each ion."""

    made = Linear

    def __init__(self, options):
        self.options = options

    def module(self, ions, width):
        return self.made(ions, width)


@ZOO.wrong("builds")
class NoModule(RightHead):
    module = None


@ZOO.wrong("makes-a-module")
class NotAModule(RightHead):
    def module(self, ions, width):
        return lambda inputs: inputs.raw.sum((1, 2))


class PerView(Linear):
    def forward(self, inputs):
        return inputs.raw @ self.weight[self.row[inputs.ion]]


@ZOO.wrong("scores-every-residue")
class ScoresPerView(RightHead):
    made = PerView


class Prototypes(Linear):
    def forward(self, inputs):
        seen = 0 if inputs.prototype is None else (inputs.unit.detach().mean(1) * 0 + inputs.prototype).sum(1)
        return super().forward(inputs) + seen


@ZOO.wrong("prototypes-are-used-where-declared")
class PrototypesUnsaid(RightHead):
    made = Prototypes


@ZOO.wrong("what-it-learns-is-declared", needs=set())
class LearnsUnsaid(RightHead):
    pass


class Idle(Linear):
    def __init__(self, ions, width):
        super().__init__(ions, width)
        self.idle = nn.Parameter(torch.zeros(3))


@ZOO.wrong("scores-have-a-graph")
class IdleParameter(RightHead):
    made = Idle


class Forgetful(Linear):
    def __init__(self, ions, width):
        super().__init__(ions, width)
        self.mean = self._buffers.pop("mean")


@ZOO.wrong("state-dict-holds-everything")
class Forgets(RightHead):
    made = Forgetful


class Drawn(Linear):
    def __init__(self, ions, width):
        super().__init__(ions, width)
        nn.init.normal_(self.weight)


@ZOO.wrong("module-is-the-same-every-time")
class BeginsAnyhow(RightHead):
    made = Drawn


class AllViews(Linear):
    def forward(self, inputs):
        row = self.row[inputs.ion]
        return ((inputs.raw - self.mean[row]) @ self.weight[row]).mean(1)


@ZOO.wrong("order-and-masked-positions-do-not-matter")
class LooksAtMasked(RightHead):
    made = AllViews


class Dropping(Linear):
    def forward(self, inputs):
        keep = torch.rand(len(inputs.raw)) < 0.999
        return super().forward(inputs) + keep * 1e-6 * torch.rand(len(inputs.raw))


@ZOO.wrong("evaluation-repeats-itself")
class RandomInEvaluation(RightHead):
    made = Dropping


@hookimpl
def e1bind_heads():
    return ZOO.found
