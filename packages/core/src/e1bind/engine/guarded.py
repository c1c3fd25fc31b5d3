"""Components held to their contracts while a run uses them.

Each wrapper does what the component does, and asks of every value whether it is what the contract says. Where it is
not, a `ContractError` names the component before the value can do harm elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from e1bind.contracts import (
    Adjustable,
    Backbone,
    Baseline,
    BaselineChain,
    CheckpointWriter,
    ContextSource,
    DrawKey,
    Head,
    HeadInputs,
    LossInputs,
    Metric,
    MetricInputs,
    MetricOutput,
    ResidueRecord,
    TokenBatch,
    View,
    ViewEncoder,
    ViewGenerator,
)
from e1bind.engine.contract_faults import (
    built_fault,
    fitted_fault,
    head_module_fault,
    head_scores_fault,
    hidden_fault,
    logits_fault,
    loss_output_fault,
    metric_output_fault,
    token_batch_fault,
    views_fault,
)
from e1bind.engine.residue_probe import residue_places_fault
from e1bind.errors import UserError
from e1bind.metrics.base import probabilities_fault
from e1bind.plugins.foreign import ForeignError, foreign_code
from e1bind.spec import Chosen
from e1bind.spec.named import Named


def built(chosen: Chosen) -> Any:
    """The component, once it has what its kind must have. Raises `ContractError`."""
    component = chosen.build()
    Named.of(chosen).hold(built_fault(chosen.component.kind, component))
    return component


class GuardedViews:
    """A view generator whose views are counted and measured; picklable as it is."""

    def __init__(self, chosen: Chosen) -> None:
        self.views: ViewGenerator = built(chosen)
        self.named = Named.of(chosen)
        self.num_views = self.views.num_views

    def generate(self, record: ResidueRecord, key: DrawKey, contexts: ContextSource | None) -> list[View]:
        """As the view generator. Raises `ContractError` for other views than promised."""
        views = self.views.generate(record, key, contexts)
        self.named.hold(views_fault(record, views, self.num_views))
        return list(views)


@dataclass(frozen=True)
class GuardedEncoder:
    """An encoder whose token indices are kept in range; picklable as it is."""

    encoder: ViewEncoder
    named: Named

    def encode(self, views: Sequence[Sequence[View]]) -> TokenBatch:
        """As the encoder. Raises `ContractError` for a batch of another shape, or indices out of range."""
        batch = self.encoder.encode(views)
        self.named.hold(token_batch_fault(batch, views))
        return batch


class GuardedBackbone:
    """A backbone whose hidden states and logits have the declared shape."""

    def __init__(self, chosen: Chosen) -> None:
        self.backbone: Backbone = built(chosen)
        self.named = Named.of(chosen)
        self.hidden_size = self.backbone.hidden_size
        self.max_residues = self.backbone.max_residues
        self.supports_context = self.backbone.supports_context
        self.has_mlm_head = self.backbone.has_mlm_head
        self.lora_targets = self.backbone.lora_targets
        self.mlm_head_modules = self.backbone.mlm_head_modules
        self.description = self.backbone.description
        self.writer = self.backbone if isinstance(self.backbone, CheckpointWriter) else None

    def encoder(self) -> GuardedEncoder:
        """The tokenising half. Raises `ContractError` where its token indices point at the wrong residues."""
        encoder = self.backbone.encoder()
        self.named.hold(residue_places_fault(encoder, self.supports_context, self.max_residues))
        return GuardedEncoder(encoder, self.named)

    @property
    def is_adjustable(self) -> bool:
        """Whether it can compute in other ways once its model is loaded."""
        return isinstance(self.backbone, Adjustable)

    def adjusted(self, model: nn.Module, options: Any) -> GuardedBackbone:
        """As the backbone, which has to be `Adjustable`."""
        if not isinstance(self.backbone, Adjustable):
            raise TypeError(f"{self.named.full_name} computes in one way")
        other = copy(self)
        other.backbone = self.backbone.adjusted(model, options)
        return other

    def load_model(self) -> nn.Module:
        """As the backbone."""
        model = self.backbone.load_model()
        if not isinstance(model, nn.Module):
            self.named.hold(f"loads a {type(model).__name__} as its model; it must be a torch.nn.Module")
        return model

    def hidden(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        """As the backbone. Raises `ContractError` for another width than declared."""
        hidden = self.backbone.hidden(model, batch)
        self.named.hold(hidden_fault(hidden, batch, self.hidden_size))
        return hidden

    def mlm_logits(self, model: nn.Module, hidden_KD: Tensor) -> Tensor:
        """As the backbone. Raises `ContractError` for scores of another shape."""
        logits = self.backbone.mlm_logits(model, hidden_KD)
        self.named.hold(logits_fault(logits, len(hidden_KD)))
        return logits


class GuardedMetric:
    """A metric that gives a number or a reason, or is named."""

    def __init__(self, chosen: Chosen) -> None:
        self.metric: Metric = built(chosen)
        self.named = Named.of(chosen)
        self.higher_is_better = self.metric.higher_is_better

    def __call__(self, inputs: MetricInputs) -> MetricOutput:
        """As the metric. Raises `ContractError` where it raises, or gives no `MetricOutput`."""
        try:
            output = self.metric(inputs)
        except UserError:
            raise
        except Exception as error:
            what = f"raised {type(error).__name__}: {error}"
            raise self.named.error(f"{what}; a metric that has no number returns NaN with the reason") from error
        self.named.hold(metric_output_fault(output))
        if math.isnan(output.value) and not output.reason:
            return MetricOutput(math.nan, f"{self.named.full_name} gives no reason")
        return output


class GuardedHead:
    """A head whose module gives every residue a score."""

    def __init__(self, chosen: Chosen) -> None:
        self.head: Head = built(chosen)
        self.named = Named.of(chosen)

    def module(self, ions: Sequence[str], width: int) -> nn.Module:
        """As the head, with a hook that looks at what each call returns. Raises `ContractError`."""
        module = self.head.module(ions, width)
        self.named.hold(head_module_fault(module))

        def hold(_: nn.Module, arguments: tuple[HeadInputs], scores: Any) -> None:
            self.named.hold(head_scores_fault(scores, len(arguments[0].raw)))

        module.register_forward_hook(hold)
        return module


class GuardedBaseline:
    """A baseline that learns plain values and gives probabilities, or is named."""

    def __init__(self, chosen: Chosen) -> None:
        self.baseline: Baseline = built(chosen)
        self.named = Named.of(chosen)

    def fit(self, chains: Sequence[BaselineChain], rng: np.random.Generator) -> dict[str, NDArray[Any]]:
        """As the baseline. Raises `ContractError`."""
        with self._failing("learning"):
            fitted = self.baseline.fit(chains, rng)
        self.named.hold(fitted_fault(fitted))
        return {name: np.asarray(value) for name, value in fitted.items()}

    def score(self, fitted: Mapping[str, NDArray[Any]], chain: BaselineChain) -> NDArray[np.float64]:
        """As the baseline. Raises `ContractError`."""
        with self._failing(f"scoring {chain.id}"):
            values = self.baseline.score(fitted, chain)
        self.named.hold(probabilities_fault(values, len(chain.sequence)))
        return np.asarray(values, np.float64)

    @contextmanager
    def _failing(self, doing: str) -> Iterator[None]:
        try:
            with foreign_code():
                yield
        except ForeignError as error:
            raise self.named.error(f"failed {doing}: {error}; leave it out of baselines.compute") from error


def guarded_loss(chosen: Chosen) -> nn.Module:
    """The loss itself, with a hook that looks at what each call returns."""
    loss: nn.Module = built(chosen)
    loss.register_forward_hook(_held_to(Named.of(chosen)))
    return loss


def _held_to(named: Named) -> Callable[[nn.Module, tuple[LossInputs], Any], None]:
    def hold(module: nn.Module, arguments: tuple[LossInputs], output: Any) -> None:
        embeddings = arguments[0].embeddings
        graph = torch.is_grad_enabled() and embeddings.requires_grad
        named.hold(loss_output_fault(output, embeddings.device, graph))

    return hold
