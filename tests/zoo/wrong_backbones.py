"""Backbones with one fault each, made from the kit's tiny one."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F
from wrong_plugins import Zoo

from e1bind.plugins import BackbonePlugin, hookimpl
from e1bind.testing.tiny_backbone import IDS, MASKED, PAD, TinyBackbone, TinyEncoder, TinyModel, TinyOptions

E1BIND_API = 1
assert TinyOptions  # named by the descriptors

PROVIDES = {"mlm-logits", "contexts"}
ZOO = Zoo(BackbonePlugin, {"options": f"{__name__}:TinyOptions", "provides": PROVIDES})


@ZOO.right()
class RightBackbone(TinyBackbone):
    """The tiny backbone of the kit."""


class EncodedOtherwise(TinyBackbone):
    """A backbone with another encoder."""

    kind: type[TinyEncoder]

    def encoder(self):
        return self.kind()


class RunOtherwise(TinyBackbone):
    """A backbone with something done to its hidden states [M, T, D]."""

    def hidden(self, model, batch):
        ids = batch.inputs["input_ids"]
        return self.changed(model(ids), ids, batch).flatten(0, 1)


@ZOO.wrong("builds")
class SaysNothingOfContexts(TinyBackbone):
    supports_context = None


@ZOO.wrong("builds")
class NamesOneTargetAsText(TinyBackbone):
    lora_targets = "mix"


@ZOO.wrong("hidden-states-have-the-declared-width")
class DeclaresAnotherWidth(TinyBackbone):
    hidden_size = 16

    def load_model(self):
        return TinyModel(12)


@ZOO.wrong("hidden-states-have-the-declared-width")
class GivesHalfPrecision(RunOtherwise):
    def changed(self, hidden, ids, batch):
        return hidden.bfloat16()


@ZOO.wrong("batches-have-the-right-shape")
class PlacesOutOfRange(EncodedOtherwise):
    class kind(TinyEncoder):
        def encode(self, views):
            batch = super().encode(views)
            return replace(batch, token_RV=batch.token_RV + batch.tokens + batch.padding)


class OneToTheLeft(TinyEncoder):
    def encode(self, views):
        batch = super().encode(views)
        return replace(batch, token_RV=batch.token_RV - 1)


@ZOO.wrong("token-indices-point-at-their-residues")
class PlacesOneToTheLeft(EncodedOtherwise):
    kind = OneToTheLeft


class Reversed(TinyEncoder):
    def encode(self, views):
        batch = super().encode(views)
        return replace(batch, token_RV=batch.token_RV.flip(0))


@ZOO.wrong("token-indices-point-at-their-residues")
class PlacesBackwards(EncodedOtherwise):
    kind = Reversed


class OneTarget(TinyEncoder):
    def encode(self, views):
        batch = super().encode(views)
        return replace(batch, target_R=batch.target_R.clamp(max=IDS["C"]))


@ZOO.wrong("token-indices-point-at-their-residues")
class OneTargetForMany(EncodedOtherwise):
    kind = OneTarget


class AllVisible(TinyEncoder):
    def encode(self, views):
        batch = super().encode(views)
        return replace(batch, visible_RV=torch.ones_like(batch.visible_RV))


@ZOO.wrong("token-indices-point-at-their-residues")
class CallsEverythingVisible(EncodedOtherwise):
    kind = AllVisible


@dataclass(frozen=True)
class WithWeights(TinyEncoder):
    weights: nn.Module = field(default_factory=lambda: nn.Linear(2, 2))


@ZOO.wrong("encoder-can-be-pickled")
class EncodesWithWeights(EncodedOtherwise):
    kind = WithWeights


@dataclass(frozen=True)
class WithLambda(TinyEncoder):
    letters: object = field(default_factory=lambda: lambda letter: letter)


@ZOO.wrong("encoder-can-be-pickled")
class EncodesWithALambda(EncodedOtherwise):
    kind = WithLambda


@ZOO.wrong("has-a-tiny-offline-configuration")
class HasMillionsOfParameters(TinyBackbone):
    def load_model(self):
        model = super().load_model()
        model.unused = nn.Parameter(torch.zeros(6_000_000))
        return model


@ZOO.wrong("has-a-tiny-offline-configuration")
class AsksTheNetwork(TinyBackbone):
    def load_model(self):
        socket.getaddrinfo("localhost", 80)
        return super().load_model()


@ZOO.wrong("same-batch-gives-the-same-states")
class DropsOutAlways(RunOtherwise):
    def changed(self, hidden, ids, batch):
        return F.dropout(hidden, 0.3, training=True)


@ZOO.wrong("padding-changes-nothing")
class AveragesOverPadding(RunOtherwise):
    def changed(self, hidden, ids, batch):
        share = (ids != PAD).float().mean(1)
        return hidden * share[:, None, None]


class WithProtein(TinyEncoder):
    def encode(self, views):
        batch = super().encode(views)
        protein = torch.tensor([b for b, protein in enumerate(views) for _ in protein])
        return replace(batch, inputs={**batch.inputs, "protein": protein})


@ZOO.wrong("other-chains-change-nothing")
class KnowsItsPlaceInTheBatch(RunOtherwise):
    def encoder(self):
        return WithProtein()

    def changed(self, hidden, ids, batch):
        return hidden * (1 + batch.inputs["protein"])[:, None, None]


class WithView(TinyEncoder):
    def encode(self, views):
        batch = super().encode(views)
        view = torch.tensor([v for protein in views for v, _ in enumerate(protein)])
        return replace(batch, inputs={**batch.inputs, "view": view})


@ZOO.wrong("views-do-not-see-each-other")
class TellsViewsApart(RunOtherwise):
    def encoder(self):
        return WithView()

    def changed(self, hidden, ids, batch):
        return hidden + 0.1 * batch.inputs["view"][:, None, None]


class ShowsTheTruth(TinyEncoder):
    def row(self, view):
        return super().row(replace(view, visible=view.truth))


@ZOO.wrong("hidden-residues-stay-hidden")
class ShowsWhatIsHidden(EncodedOtherwise):
    kind = ShowsTheTruth


class MaskIsLysine(TinyEncoder):
    def row(self, view):
        ids, first = super().row(view)
        return [IDS["K"] if i == MASKED else i for i in ids], first


@ZOO.wrong("masks-are-seen")
class MasksWithLysine(EncodedOtherwise):
    kind = MaskIsLysine


@ZOO.wrong("longest-chain-is-taken")
class TakesHalfOfWhatItSays(EncodedOtherwise):
    class kind(TinyEncoder):
        def __init__(self):
            super().__init__(longest=32)


class NoContext(TinyEncoder):
    def row(self, view):
        return super().row(replace(view, context=()))


@ZOO.wrong("contexts-are-read-where-declared")
class IgnoresContexts(EncodedOtherwise):
    kind = NoContext


@ZOO.wrong("contexts-are-read-where-declared", provides={"mlm-logits"})
class ReadsContextsUnsaid(TinyBackbone):
    pass


@ZOO.wrong("masked-lm-head-is-as-declared", provides={"contexts"})
class HasAHeadUnsaid(TinyBackbone):
    pass


@ZOO.wrong("masked-lm-head-is-as-declared")
class ScoresFourTokens(TinyBackbone):
    def mlm_logits(self, model, hidden_KD):
        return super().mlm_logits(model, hidden_KD)[:, :4]


@ZOO.wrong("masked-lm-head-is-as-declared")
class NamesNoSuchHead(TinyBackbone):
    mlm_head_modules = ("lm_head",)


@ZOO.wrong("adapter-targets-are-there")
class TargetsAbsentModules(TinyBackbone):
    lora_targets = ("query", "value")


@ZOO.wrong("only-the-adapter-gets-gradients")
class LearnsNothing(TinyBackbone):
    def hidden(self, model, batch):
        with torch.no_grad():
            return super().hidden(model, batch)


class Ways(TinyOptions):
    activation_checkpointing: bool | Literal["auto"] = Field("auto", description="Whether less is kept.")


class Adjusts(TinyBackbone):
    """A backbone with another way to compute, which changes nothing here."""

    def __init__(self, options):
        super().__init__(options)
        self.options = options

    def adjusted(self, model, options):
        return type(self)(options)


@ZOO.right(options=f"{__name__}:Ways")
class RightInEveryWay(Adjusts):
    pass


@ZOO.wrong("every-way-has-the-same-numbers", options=f"{__name__}:Ways")
class KeepsLessAndComputesLess(Adjusts):
    def hidden(self, model, batch):
        return super().hidden(model, batch) * (0.5 if self.options.activation_checkpointing is True else 1)


@ZOO.wrong("every-way-has-the-same-numbers")
class HasNoWays(Adjusts):
    pass


@ZOO.wrong("weights-are-the-same-each-time")
class DrawsNewWeights(TinyBackbone):
    def load_model(self):
        return TinyModel(self.hidden_size)


@ZOO.wrong("adapter-comes-back-from-disk")
class KeepsAModelAside(TinyBackbone):
    def load_model(self):
        self.model = super().load_model()
        return self.model

    def hidden(self, model, batch):
        return super().hidden(self.model, batch)


@hookimpl
def e1bind_backbones():
    return ZOO.found
