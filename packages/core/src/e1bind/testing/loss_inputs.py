"""Inputs to try losses with.

Shape legend: R labelled residues, V views, D embedding width, K masked (residue, view) pairs, C vocabulary.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from e1bind.contracts import LossInputs, MaskedTokens
from e1bind.scoring import scored_views

VOCABULARY = 9


def loss_inputs(
    R: int = 14, V: int = 3, D: int = 16, seed: int = 0, masked: float = 0.25, dtype: torch.dtype = torch.float32
) -> LossInputs:
    """Unit vectors of four proteins, both classes; `embeddings` and `mlm.logits` are leaves that want gradients.

    Views of one residue resemble each other. No residue is masked in all views.
    """
    rng = torch.Generator().manual_seed(seed)
    own = torch.randn(R, 1, D, generator=rng)
    e_RVD = F.normalize(own + 0.6 * torch.randn(R, V, D, generator=rng), dim=-1)
    view_mask = torch.rand(R, V, generator=rng) >= masked
    view_mask[torch.arange(R), torch.arange(R) % V] = True
    inputs = LossInputs(
        embeddings=e_RVD.to(dtype).requires_grad_(),
        view_mask=view_mask,
        labels=(torch.arange(R) % 3 == 0).long(),
        protein=torch.arange(R) * 4 // max(R, 1),
        prototype=F.normalize(torch.randn(D, generator=rng), dim=0).to(dtype),
    )
    return with_scores(with_masked_tokens(inputs, seed))


def with_scores(inputs: LossInputs) -> LossInputs:
    """The inputs with the scores of a head that looks in a direction of its own, whatever the prototype is."""
    direction_D = torch.linspace(-1, 1, inputs.embeddings.shape[-1], dtype=inputs.embeddings.dtype)
    weight_RV = scored_views(inputs.view_mask).to(inputs.embeddings.dtype)
    return replace(inputs, scores=(inputs.embeddings @ direction_D * weight_RV).sum(1) / weight_RV.sum(1))


def with_masked_tokens(inputs: LossInputs, seed: int = 0) -> LossInputs:
    """The inputs with the masked tokens that belong to their `view_mask`."""
    rng = torch.Generator().manual_seed(seed + 1)
    masked_RV = ~inputs.view_mask
    count = int(masked_RV.sum())
    logits = torch.randn(count, VOCABULARY, generator=rng).to(inputs.embeddings.dtype)
    mlm = MaskedTokens(
        logits=logits.requires_grad_(),
        targets=torch.randint(VOCABULARY, (count,), generator=rng),
        view=masked_RV.nonzero()[:, 1],
        num_views=masked_RV.shape[1],
    )
    return replace(inputs, mlm=mlm)


def masked_as(inputs: LossInputs, view_mask: Tensor) -> LossInputs:
    """The same residues with other ones masked."""
    return with_scores(with_masked_tokens(replace(inputs, view_mask=view_mask)))


def with_embeddings(inputs: LossInputs, embeddings: Tensor) -> LossInputs:
    """The same residues with other embeddings, as a leaf."""
    return with_scores(replace(inputs, embeddings=embeddings.detach().clone().requires_grad_()))


def residues_in_order(inputs: LossInputs, order_R: Tensor) -> LossInputs:
    """The residues in another order; masked tokens are kept as they are."""
    moved = {name: getattr(inputs, name)[order_R] for name in ("view_mask", "labels", "protein")}
    return with_embeddings(replace(inputs, **moved), inputs.embeddings[order_R])


def views_in_order(inputs: LossInputs, order_V: Tensor) -> LossInputs:
    """The views in another order, those of the masked tokens with them."""
    masks = replace(inputs, view_mask=inputs.view_mask[:, order_V])
    moved = with_embeddings(masks, inputs.embeddings[:, order_V])
    assert inputs.mlm is not None
    return replace(moved, mlm=replace(inputs.mlm, view=order_V.argsort()[inputs.mlm.view]))


def tensors_of(inputs: LossInputs) -> dict[str, Tensor]:
    """Every tensor a loss is given, by name."""
    found = {name: value for name, value in vars(inputs).items() if isinstance(value, Tensor)}
    if inputs.mlm is not None:
        found |= {f"mlm.{name}": value for name, value in vars(inputs.mlm).items() if isinstance(value, Tensor)}
    return found
