"""NT-Xent, forward + backward, beside its peers, and beside the matrix products it cannot do without.

    uv run python benchmarks/losses.py [--sizes 256 1024 2048 4096 8192 16384] [--repeats 3]
    uv pip install pytorch-metric-learning --no-deps   # for the column of that name; left out where absent

Columns, CPU ms of one thread:
    recompute   ours, no tile kept for the backward pass (cache_mb = 0): 2 units of 2 N^2 D FLOP
    cached      ours, all tiles kept: 1.5 units
    replay      only the products of the same tiles, for each of the two
    one-product two plain N x N x D products in one call each (2 units), where the N x N matrix fits
    dense       the whole matrix in plain autograd
    pml         pytorch-metric-learning's SupConLoss, whose value is the same when a residue's views are its class
    pml NTXentLoss   its loss of that name, another one: each positive alone with the negatives. Only at 256: it
                builds positives x negatives, 13 GB at 1,024
Values and gradients of all are compared first.
"""

from __future__ import annotations

from _harness import arguments, finish, peak_megabytes, print_peak, rounded, seconds, start

# isort: split
import importlib.util
from collections.abc import Callable
from functools import partial
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional as F

from e1bind.contracts import LossInputs
from e1bind_losses.contrast import similarities
from e1bind_losses.contrast.products import FullProducts
from e1bind_losses.contrast.tiles import Blocks, plan
from e1bind_losses.nt_xent import NTXent
from e1bind_losses.options import NTXentOptions

V, D, TEMPERATURE = 4, 768, 0.07
KEEP_ALL_MB = 100_000
SMALL = [8, 16, 32, 64, 128, 256, 512]
LARGEST = {"dense": 16384, "pml": 8192, "pml NTXentLoss": 256, "one-product": 8192}
"""Vectors up to which a peer is run: beyond, it needs more memory or time than a shared machine has."""

ValueAndGradient = Callable[[], tuple[Tensor, Tensor]]


def vectors(N: int, device: torch.device) -> Tensor:
    """Unit vectors [R, V, D], the views of a residue alike."""
    torch.manual_seed(0)
    raw = torch.randn(N // V, 1, D) + 0.3 * torch.randn(N // V, V, D)
    return F.normalize(raw, dim=-1).to(device).requires_grad_()


def ours(e_RVD: Tensor, cache_mb: int, products: str = "float32") -> ValueAndGradient:
    loss = NTXent(NTXentOptions(temperature=TEMPERATURE, cache_mb=cache_mb, products=products))
    R = len(e_RVD)
    labels = torch.zeros(R, dtype=torch.long, device=e_RVD.device)
    mask_RV = torch.ones(R, V, dtype=torch.bool, device=e_RVD.device)
    batch = LossInputs(e_RVD, mask_RV, labels, labels, e_RVD.detach()[0, 0])
    return differentiated(e_RVD, lambda: loss(batch).value)


def dense_value(e_RVD: Tensor, temperature: float) -> Tensor:
    """NT-Xent the textbook way."""
    R, V, _ = e_RVD.shape
    z_ND = e_RVD.flatten(0, 1)
    residue_N = torch.arange(R, device=z_ND.device).repeat_interleave(V)
    itself_NN = torch.eye(len(z_ND), dtype=torch.bool, device=z_ND.device)
    positive_NN = (residue_N[:, None] == residue_N) & ~itself_NN
    s_NN = (z_ND @ z_ND.T / temperature).masked_fill(itself_NN, -torch.inf)
    log_p_NN = s_NN - s_NN.logsumexp(1, keepdim=True)
    return -log_p_NN.masked_fill(~positive_NN, 0).sum(1).div(V - 1).mean()


def metric_learning(e_RVD: Tensor, name: str) -> ValueAndGradient:
    from pytorch_metric_learning import distances, losses

    similarity = distances.DotProductSimilarity(normalize_embeddings=False)
    loss = getattr(losses, name)(temperature=TEMPERATURE, distance=similarity)
    residue_N = torch.arange(len(e_RVD), device=e_RVD.device).repeat_interleave(V)
    return differentiated(e_RVD, lambda: loss(e_RVD.flatten(0, 1), residue_N))


def differentiated(e_RVD: Tensor, value: Callable[[], Tensor]) -> ValueAndGradient:
    def step() -> tuple[Tensor, Tensor]:
        result = value()
        return result.detach(), torch.autograd.grad(result, e_RVD)[0]

    return step


def replay(e_RVD: Tensor, recompute: bool) -> Callable[[], Tensor]:
    """The products of our tiles and nothing else."""
    z_ND = e_RVD.detach().flatten(0, 1)
    tiles = plan(torch.arange(len(z_ND), device=z_ND.device) // V, 0, Blocks.of(z_ND.device))
    products = [FullProducts(z_ND, 1 / TEMPERATURE).of(tile) for tile in tiles]
    buffers = torch.full((2, max(tile.size for tile in tiles)), 1e-6, device=z_ND.device)
    rooms, weights = ([tile.view(buffer) for tile in tiles] for buffer in buffers)

    def step() -> Tensor:
        dz_ND = torch.zeros_like(z_ND)
        targets = [(dz_ND[tile.rows], dz_ND[tile.cols]) for tile in tiles]
        for backward in (False, True):
            for of_tile, s_IJ, weight_IJ, target in zip(products, rooms, weights, targets, strict=True):
                if recompute or not backward:
                    of_tile.similarities(1.0, s_IJ)
                if backward:
                    of_tile.accumulate(weight_IJ, *target)
        return dz_ND

    return step


def one_product(e_RVD: Tensor) -> Callable[[], Tensor]:
    z_ND = e_RVD.detach().flatten(0, 1)
    return lambda: (z_ND @ z_ND.T) @ z_ND


def variants(e_RVD: Tensor) -> dict[str, ValueAndGradient]:
    """Everything that computes the loss, as far as it fits."""
    N = e_RVD.shape[0] * V
    found = {"recompute": ours(e_RVD, 0), "cached": ours(e_RVD, KEEP_ALL_MB)}
    if LARGEST["dense"] >= N:
        found["dense"] = differentiated(e_RVD, lambda: dense_value(e_RVD, TEMPERATURE))
    if importlib.util.find_spec("pytorch_metric_learning"):
        if LARGEST["pml"] >= N:
            found["pml"] = metric_learning(e_RVD, "SupConLoss")
        if LARGEST["pml NTXentLoss"] >= N:
            found["pml NTXentLoss"] = metric_learning(e_RVD, "NTXentLoss")
    return found


def check_parity(steps: dict[str, ValueAndGradient]) -> None:
    """All compute one value; the gradients are ours within fp32 rounding. NTXentLoss is another loss: see below."""
    value, gradient = steps["recompute"]()
    for name, step in steps.items():
        if name == "pml NTXentLoss":  # one positive at a time in the denominator: not our definition
            continue
        other_value, other_gradient = step()
        gap = ((other_gradient - gradient).norm() / gradient.norm()).item()
        if abs((other_value - value).item()) > 1e-5 or gap > 1e-4:
            raise SystemExit(f"{name}: {other_value} against {value}, gradients differ by {gap:.1e}; not timed")


def measure(N: int, repeats: int, device: torch.device) -> dict[str, object]:
    """Milliseconds of all variants at one size, and ours against each peer (> 1: ours is faster)."""
    e_RVD = vectors(N, device)
    steps = variants(e_RVD)
    check_parity(steps)
    products = {"replay 2u": replay(e_RVD, True), "replay 1.5u": replay(e_RVD, False)}
    if LARGEST["one-product"] >= N:
        products["one-product"] = one_product(e_RVD)
    taken = seconds({**steps, **products}, repeats, device)
    peers = [name for name in taken if name not in ("recompute", "cached", *products)]
    return {
        "ms": rounded({name: 1e3 * value for name, value in taken.items()}, 1),
        "over_replay": rounded(
            {
                "recompute": taken["recompute"] / taken["replay 2u"],
                "cached": taken["cached"] / taken["replay 1.5u"],
            }
        ),
        "times_faster": {
            peer: rounded({own: taken[peer] / taken[own] for own in ("recompute", "cached")}, 2) for peer in peers
        },
    }


def small(repeats: int, device: torch.device) -> dict[str, dict[str, float]]:
    """Milliseconds of our two ways at small sizes: what `DENSE_UP_TO` stands on."""
    found = {}
    for N in SMALL:
        e_RVD = vectors(N, device)
        steps = {"dense": partial(_up_to, N, ours(e_RVD, 0)), "tiled": partial(_up_to, 0, ours(e_RVD, 0))}
        taken = seconds(steps, repeats, device)
        found[str(N)] = rounded({name: 1e3 * value for name, value in taken.items()}, 2)
    return found


def _up_to(limit: int, step: ValueAndGradient) -> None:
    with mock.patch.object(similarities, "DENSE_UP_TO", limit):
        step()


def peak_step(name: str, device: torch.device) -> Callable[[], object]:
    """The step of "variant@N"; a small one has run before, so that libraries hold their buffers."""
    variant, N = name.split("@")
    variants(vectors(64, device))[variant]()
    return variants(vectors(int(N), device))[variant]


def peaks(sizes: list[int], installed: bool) -> dict[str, float]:
    names = [f"{variant}@{N}" for N in sizes for variant in ("recompute", "cached")]
    names += [f"dense@{N}" for N in sizes if LARGEST["dense"] >= N]
    names += [f"pml@{N}" for N in sizes if installed and LARGEST["pml"] >= N]
    return peak_megabytes(__file__, dict.fromkeys(names))


def main() -> None:
    parser = arguments("NT-Xent forward + backward against its peers")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 1024, 2048, 4096, 8192, 16384])
    parser.add_argument("--memory-sizes", type=int, nargs="+", default=[4096, 8192, 16384])
    options = parser.parse_args()
    device = start(options)
    if options.peak_of:
        print_peak(lambda: peak_step(options.peak_of, device), device)
        return
    result: dict[str, object] = {
        "V": V,
        "D": D,
        "small_ms": small(10 * options.repeats, device),
        "sizes": {str(N): measure(N, options.repeats, device) for N in options.sizes},
    }
    if not options.no_memory:
        installed = importlib.util.find_spec("pytorch_metric_learning") is not None
        result["peak_mb"] = peaks(options.memory_sizes, installed)
    finish(result, options)


if __name__ == "__main__":
    main()
