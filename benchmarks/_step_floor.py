"""The floor of a step: what its multiplications take at the rate of large products, and nothing else.

Counted, two operations for a multiplication and an addition:

    frozen products   2 for each weight and token forward, 2 for the gradient of the input; the first layer's
                      queries, keys and values need none
    adapters          2 forward, 4 backward for each adapter weight and token
    attention         4 H for each scored (query, key) pair and layer of width H forward, 8 H backward
    NT-Xent           2 P for each pair of embeddings forward, 2 P backward
    masked-LM head    4 for each weight and masked residue

Tokens of contexts are counted in the layers that need them: from the last global layer on, only their keys and
values there. Prediction needs the frozen products and attention, forward: adapters can be merged. Norms,
rotations, gates, dropout, the other losses, the optimizer and all that is not arithmetic are not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from benchmarks._step_cases import RANK, Case, Product
from e1bind.contracts import TokenBatch
from e1bind.engine.loader import EvaluationBatches, TrainingBatches
from e1bind_backbones.packed.layout import RowLayout, scored_pairs

SIZE = 1024
"""Of the square matrices whose product is the measure."""


@dataclass(frozen=True)
class Operations:
    """FLOP of each part."""

    frozen: float
    adapters: float
    attention: float
    nt_xent: float
    masked_lm: float

    @property
    def total(self) -> float:
        """Of all parts."""
        return self.frozen + self.adapters + self.attention + self.nt_xent + self.masked_lm


class Measure:
    """One large product, whose time in turn with a step gives the floor of the step."""

    flop = 2.0 * SIZE**3

    def __init__(self) -> None:
        self.a, self.b = torch.randn(2, SIZE, SIZE).unbind(0)

    def run(self) -> None:
        torch.mm(self.a, self.b)


def of_step(case: Case) -> Operations:
    """Of one optimizer step."""
    batch = TrainingBatches(case.pipeline, [case.micro], epoch=1)[0]
    tokens, width = batch.tokens, case.shape.width
    frozen, adapters = _weights(case, tokens)
    unneeded = 3 * width * width * tokens.tokens
    embeddings = int(tokens.visible_RV[batch.labels_R >= 0].sum())
    head = width * width + width * case.shape.config.vocab_size
    return Operations(
        frozen=4 * frozen - 2 * unneeded,
        adapters=6 * adapters,
        attention=12 * width * _pairs(case, tokens),
        nt_xent=4 * width * embeddings**2,
        masked_lm=4 * head * int((~tokens.visible_RV).sum()),
    )


def of_prediction(case: Product) -> Operations:
    """Of scores of the same chains, one view each."""
    tokens = EvaluationBatches(case.pipeline, [case.micro])[0].tokens
    frozen, _ = _weights(case, tokens)
    return Operations(2 * frozen, 0, 4 * case.shape.width * _pairs(case, tokens), 0, 0)


def _weights(case: Case, batch: TokenBatch) -> tuple[int, int]:
    """Multiplications of a forward pass: with frozen weights that are adapted, and with adapters'."""
    frozen = adapters = 0
    for name, module in case.model.network.named_modules():
        if hasattr(module, "lora_A") and hasattr(module, "base_layer"):
            inputs, outputs = module.base_layer.in_features, module.base_layer.out_features
            tokens = _tokens(case, batch, name)
            frozen += inputs * outputs * tokens
            adapters += RANK * (inputs + outputs) * tokens
    return frozen, adapters


def _tokens(case: Case, batch: TokenBatch, name: str) -> int:
    """How many have to pass the module of that name, e.g. "...layers.2.norm_attn_norm.self_attn.q_proj"."""
    last = batch.inputs["layout"].last
    layer = int(name.partition("layers.")[2].partition(".")[0])
    last_global = case.shape.config.last_global_layer
    needs_all = layer < last_global or (layer == last_global and name.endswith(("k_proj", "v_proj")))
    return batch.tokens if needs_all or last is None else last.layout.tokens


def _pairs(case: Case, batch: TokenBatch) -> int:
    """Scored (query, key) pairs of all layers."""
    config, layout = case.shape.config, batch.inputs["layout"]
    assert isinstance(layout, RowLayout)
    last = layout.last
    found = 0
    for i in range(config.num_hidden_layers):
        if last is None or i < config.last_global_layer:
            found += scored_pairs(layout.global_jobs if config.is_global(i) else layout.within_jobs)
        else:
            found += scored_pairs(last.global_jobs if config.is_global(i) else last.layout.within_jobs)
    return found
