"""What the tests of the fused kernel share: a batch, and plain torch beside the kernel on it."""

from __future__ import annotations

from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional as F

from e1bind_losses.contrast import tiled
from e1bind_losses.contrast.fused import FusedWalk
from e1bind_losses.contrast.tiled import Settings, TiledSimilarities
from e1bind_losses.contrast.tiles import Blocks


def batch(R: int, V: int, D: int, device: str = "cpu") -> tuple[Tensor, Tensor, Tensor]:
    """Embeddings [R, V, D] with a common part, places of the valid pairs [N], a weight for each [R, V]."""
    torch.manual_seed(R)
    raw_RVD = torch.randn(R, 1, D) + 0.5 * torch.randn(R, V, D) + 0.7 * torch.randn(D)
    e_RVD = F.normalize(raw_RVD, dim=-1).to(device).requires_grad_()
    valid_RV = torch.rand(R, V) >= 0.15
    return e_RVD, valid_RV.flatten().nonzero().squeeze(1).to(device), (torch.rand(R, V) * valid_RV).to(device)


def value_and_gradient(
    e_RVD: Tensor, pair_N: Tensor, weight_RV: Tensor, group_N: Tensor, settings: Settings
) -> tuple[Tensor, Tensor]:
    others_RV, own_RVV = TiledSimilarities.apply(e_RVD, pair_N, group_N, settings, None)
    weighted_RV = torch.where(others_RV.isfinite() & (weight_RV > 0), weight_RV * others_RV, 0.0)
    (gradient_RVD,) = torch.autograd.grad(weighted_RV.sum() + own_RVV.sum(), e_RVD)
    return weighted_RV.detach(), gradient_RVD


def check_equal(inputs: tuple[Tensor, Tensor, Tensor], group_N: Tensor, blocks: Blocks | None) -> None:
    """Sums are those of plain torch; gradients differ by how weights round."""
    settings = [Settings(1 / 0.07, rounded=True, fused=fused, blocks=blocks) for fused in (False, True)]
    with mock.patch.object(tiled, "FusedWalk", wraps=FusedWalk) as walk:
        plain, fused = (value_and_gradient(*inputs, group_N, chosen) for chosen in settings)
    walk.assert_called_once()
    torch.testing.assert_close(fused[0], plain[0], rtol=1e-5, atol=1e-5)
    assert ((fused[1] - plain[1]).norm() / plain[1].norm()).item() < 1e-3


def groups(kind: str, pair_N: Tensor, V: int) -> Tensor:
    residue_N = pair_N // V
    return {"residues": residue_N, "proteins": residue_N // 11, "any order": (residue_N * 7919) % 5}[kind]
