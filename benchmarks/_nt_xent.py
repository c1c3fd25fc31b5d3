"""NT-Xent in all the ways that are compared: ours, its bare products, the textbook's, and another library's.

Shape legend: N vectors, R residues, V views of each, D width; I and J rows and columns of a tile.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from e1bind.contracts import LossInputs
from e1bind_losses.contrast.products import FullProducts, FullTile, RoundedProducts, RoundedTile, wide_product
from e1bind_losses.contrast.tiles import Blocks, plan
from e1bind_losses.nt_xent import NTXent
from e1bind_losses.options import NTXentOptions

V, TEMPERATURE = 4, 0.07
KEEP_ALL_MB = 100_000
BYTES = {"dense": 20, "pml": 45, "one-product": 4, "cached": 2}
"""Memory of a variant at N vectors, in N^2 bytes; it is left out where that is more than 0.7 of what there is."""
LARGEST_NTXENT = 256

Products = Literal["float32", "bfloat16"]
ValueAndGradient = Callable[[], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Case:
    """N vectors of width D, on a device; how we compute their products."""

    N: int
    D: int
    device: torch.device
    products: Products = "float32"
    fused: bool = False

    def vectors(self) -> Tensor:
        """Unit vectors [R, V, D], the views of a residue alike."""
        torch.manual_seed(0)
        raw = torch.randn(self.N // V, 1, self.D) + 0.3 * torch.randn(self.N // V, V, self.D)
        return F.normalize(raw, dim=-1).to(self.device).requires_grad_()

    def fits(self, variant: str) -> bool:
        """Whether the variant's N x N matrices fit in memory."""
        if self.device.type == "cuda":
            there = torch.cuda.get_device_properties(self.device).total_memory
        else:
            there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return BYTES[variant] * self.N**2 < 0.7 * there


def ours(case: Case, e_RVD: Tensor, cache_mb: int) -> ValueAndGradient:
    loss = NTXent(
        NTXentOptions(temperature=TEMPERATURE, cache_mb=cache_mb, products=case.products, fused=case.fused)
    )
    R = len(e_RVD)
    labels = torch.zeros(R, dtype=torch.long, device=e_RVD.device)
    mask_RV = torch.ones(R, V, dtype=torch.bool, device=e_RVD.device)
    batch = LossInputs(e_RVD, mask_RV, labels, labels, e_RVD.detach()[0, 0])
    return differentiated(e_RVD, lambda: loss(batch).value)


def dense_value(e_RVD: Tensor, temperature: float, mask_RV: Tensor | None = None) -> Tensor:
    """NT-Xent the textbook way; of the (residue, view) pairs that `mask_RV` tells, of all without it."""
    R, V, _ = e_RVD.shape
    z_ND = e_RVD.flatten(0, 1)
    residue_N = torch.arange(R, device=z_ND.device).repeat_interleave(V)
    if mask_RV is not None:
        z_ND, residue_N = z_ND[mask_RV.flatten()], residue_N[mask_RV.flatten()]
    itself_NN = torch.eye(len(z_ND), dtype=torch.bool, device=z_ND.device)
    positive_NN = (residue_N[:, None] == residue_N) & ~itself_NN
    positives_N = positive_NN.sum(1)
    s_NN = (z_ND @ z_ND.T / temperature).masked_fill(itself_NN, -torch.inf)
    log_p_NN = s_NN - s_NN.logsumexp(1, keepdim=True)
    value_N = -log_p_NN.masked_fill(~positive_NN, 0).sum(1) / positives_N.clamp_min(1)
    return value_N[positives_N > 0].mean()


def metric_learning(e_RVD: Tensor, name: str) -> ValueAndGradient:
    # Not among the project's dependencies, hence imported where it is there, and by name.
    distances, losses = (
        importlib.import_module(f"pytorch_metric_learning.{part}") for part in ("distances", "losses")
    )
    similarity = distances.DotProductSimilarity(normalize_embeddings=False)
    loss = getattr(losses, name)(temperature=TEMPERATURE, distance=similarity)
    residue_N = torch.arange(len(e_RVD), device=e_RVD.device).repeat_interleave(V)
    return differentiated(e_RVD, lambda: loss(e_RVD.flatten(0, 1), residue_N))


def differentiated(e_RVD: Tensor, value: Callable[[], Tensor]) -> ValueAndGradient:
    def step() -> tuple[Tensor, Tensor]:
        result = value()
        return result.detach(), torch.autograd.grad(result, e_RVD)[0]

    return step


@dataclass(frozen=True)
class BareTile:
    """The rounded products of a tile, without what is done to their operands and results."""

    tile: RoundedTile

    def similarities(self, unit: float, out_IJ: Tensor) -> Tensor:
        return wide_product(self.tile.rows_ID, self.tile.cols_JD.t())

    def accumulate(self, weight_IJ: Tensor, dz_ID: Tensor, dz_JD: Tensor) -> None:
        wide_product(weight_IJ, self.tile.cols_JD)
        if self.tile.mirrored:
            wide_product(weight_IJ.t(), self.tile.rows_ID)


def replay(e_RVD: Tensor, recompute: bool, products: Products) -> Callable[[], Tensor]:
    """The products of our tiles and nothing else."""
    z_ND = e_RVD.detach().flatten(0, 1)
    tiles = plan(torch.arange(len(z_ND), device=z_ND.device) // V, 0, Blocks.of(z_ND.device))
    room, weight = torch.full((2, max(tile.size for tile in tiles)), 1e-6, device=z_ND.device).unbind(0)
    if products == "bfloat16":
        rounded_products = RoundedProducts(z_ND, 1 / TEMPERATURE)
        of_tiles: list[FullTile | BareTile] = [BareTile(rounded_products.of(tile)) for tile in tiles]
        weight = weight.to(rounded_products.u_AD.dtype)
    else:
        of_tiles = [FullProducts(z_ND, 1 / TEMPERATURE).of(tile) for tile in tiles]
    rooms, weights = ([tile.view(buffer) for tile in tiles] for buffer in (room, weight))

    def step() -> Tensor:
        dz_ND = torch.zeros_like(z_ND)
        targets = [(dz_ND[tile.rows], dz_ND[tile.cols]) for tile in tiles]
        for backward in (False, True):
            for of_tile, s_IJ, weight_IJ, target in zip(of_tiles, rooms, weights, targets, strict=True):
                if recompute or not backward:
                    of_tile.similarities(1.0, s_IJ)
                if backward:
                    of_tile.accumulate(weight_IJ, *target)
        return dz_ND

    return step


def one_product(e_RVD: Tensor) -> Callable[[], Tensor]:
    z_ND = e_RVD.detach().flatten(0, 1)
    return lambda: (z_ND @ z_ND.T) @ z_ND


def losses_of(case: Case, e_RVD: Tensor) -> dict[str, ValueAndGradient]:
    """Everything that computes the loss, as far as it fits."""
    found = {"recompute": ours(case, e_RVD, 0)}
    if case.fits("cached") and not case.fused:  # which keeps nothing
        found["cached"] = ours(case, e_RVD, KEEP_ALL_MB)
    if case.fits("dense"):
        found["dense"] = differentiated(e_RVD, lambda: dense_value(e_RVD, TEMPERATURE))
    if importlib.util.find_spec("pytorch_metric_learning"):
        if case.fits("pml"):
            found["pml"] = metric_learning(e_RVD, "SupConLoss")
        if case.N <= LARGEST_NTXENT:
            found["pml NTXentLoss"] = metric_learning(e_RVD, "NTXentLoss")
    return found


def check_parity(case: Case, steps: dict[str, ValueAndGradient]) -> None:
    """All compute one value; the gradients are ours within rounding. NTXentLoss is another loss: see above."""
    allowed = (1e-5, 1e-4) if case.products == "float32" else (1e-3, 2e-3)
    value, gradient = steps["recompute"]()
    for name, step in steps.items():
        if name == "pml NTXentLoss":  # one positive at a time in the denominator: not our definition
            continue
        other_value, other_gradient = step()
        gap = ((other_gradient - gradient).norm() / gradient.norm()).item()
        if abs((other_value - value).item()) > allowed[0] or gap > allowed[1]:
            raise SystemExit(f"{name}: {other_value} against {value}, gradients differ by {gap:.1e}; not timed")
