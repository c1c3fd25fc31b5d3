"""Shared by the loss tests: random inputs, and losses built the way a run builds them, from their descriptors."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from e1bind.contracts import LossInputs, MaskedTokens
from e1bind_losses.plugin import e1bind_losses

BuildLoss = Callable[..., nn.Module]
MakeInputs = Callable[..., LossInputs]


def _load(path: str) -> type:
    module, name = path.split(":")
    return getattr(import_module(module), name)


@pytest.fixture(scope="session")
def build() -> BuildLoss:
    """`build("nt-xent", temperature=0.1)`: the component of that name with these options."""
    descriptors = {descriptor.name: descriptor for descriptor in e1bind_losses()}

    def build_loss(name: str, **options: object) -> nn.Module:
        descriptor = descriptors[name]
        return _load(descriptor.target)(_load(descriptor.options)(**options))

    return build_loss


@pytest.fixture(scope="session")
def make() -> MakeInputs:
    """`make(R, V, D)`: inputs with unit vectors, some masked pairs, both classes and several proteins."""

    def inputs(
        R: int = 9,
        V: int = 3,
        D: int = 6,
        *,
        seed: int = 0,
        dtype: torch.dtype = torch.float64,
        masked: float = 0.2,
    ) -> LossInputs:
        torch.manual_seed(seed)
        common = torch.randn(R, 1, D, dtype=torch.float64)
        e_RVD = F.normalize(common + torch.randn(R, V, D, dtype=torch.float64), dim=-1).to(dtype)
        view_mask = torch.rand(R, V) >= masked
        K = int((~view_mask).sum())
        mlm = MaskedTokens(
            logits=torch.randn(K, 7, dtype=torch.float64).to(dtype).requires_grad_(),
            targets=torch.randint(7, (K,)),
            view=(~view_mask).nonzero()[:, 1],
            num_views=V,
        )
        return LossInputs(
            embeddings=e_RVD.requires_grad_(),
            view_mask=view_mask,
            labels=(torch.arange(R) % 3 == 0).long(),
            protein=torch.arange(R) // 4,
            prototype=F.normalize(torch.randn(D, dtype=torch.float64), dim=0).to(dtype),
            mlm=mlm,
        )

    return inputs
