"""NT-Xent, forward + backward, beside its peers, and beside the matrix products it cannot do without.

    uv run python benchmarks/losses.py [--sizes 256 1024 2048 4096 8192 16384] [--repeats 3]
    uv pip install pytorch-metric-learning --no-deps   # for the columns of that name; left out where absent
    ... --device cuda --products bfloat16 --width 1280 --sizes 4096 16384 32768 65536 --memory-sizes 32768 65536
    ... the same with --fused

Columns, CPU ms of one thread, or ms on a GPU:
    recompute   ours, no tile kept for the backward pass (cache_mb = 0): 2 units of 2 N^2 D FLOP
    cached      ours, all tiles kept: 1.5 units
    replay      only the products of the same tiles, for each of the two
    one-product two plain N x N x D products in one call each (2 units), where the N x N matrix fits
    dense       the whole matrix in plain autograd
    pml         pytorch-metric-learning's SupConLoss, whose value is the same when a residue's views are its class
    pml NTXentLoss   its loss of that name, another one: each positive alone with the negatives. Only at 256: it
                builds positives x negatives, 13 GB at 1,024
Values and gradients of all are compared first. Ratios are medians over rounds, of which small sizes get more. The
table goes to standard error, JSON to standard output.
"""

from __future__ import annotations

from _harness import (
    arguments,
    finish,
    medians,
    peak_megabytes,
    print_peak,
    print_table,
    ratio,
    rounded,
    rounds,
    seconds,
    start,
)

# isort: split
import argparse
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from unittest import mock

import torch
from torch import Tensor
from torch.nn import functional as F

from e1bind.contracts import LossInputs
from e1bind_losses.contrast import similarities
from e1bind_losses.contrast.products import FullProducts, FullTile, RoundedProducts, RoundedTile, wide_product
from e1bind_losses.contrast.tiles import Blocks, plan
from e1bind_losses.nt_xent import NTXent
from e1bind_losses.options import NTXentOptions

V, TEMPERATURE = 4, 0.07
KEEP_ALL_MB = 100_000
SMALL = [8, 16, 32, 64, 128, 256, 512]
BYTES = {"dense": 20, "pml": 45, "one-product": 4, "cached": 2}
"""Memory of a variant at N vectors, in N^2 bytes; it is left out where that is more than 0.7 of what there is."""
LARGEST_NTXENT = 256
MOST_ROUNDS = 20

ValueAndGradient = Callable[[], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Case:
    """N vectors of width D, on a device; how we compute their products."""

    N: int
    D: int
    device: torch.device
    products: str = "float32"
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


def replay(e_RVD: Tensor, recompute: bool, products: str) -> Callable[[], Tensor]:
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


def measure(case: Case, repeats: int) -> dict[str, object]:
    """Milliseconds of all variants at one size, and ours against each peer (> 1: ours is faster)."""
    e_RVD = case.vectors()
    steps = losses_of(case, e_RVD)
    check_parity(case, steps)
    # In this order, so that a replay runs beside what it is the limit of.
    order: dict[str, Callable[[], object]] = {"recompute": steps["recompute"]}
    order["replay 2u"] = replay(e_RVD, True, case.products)
    if "cached" in steps:
        order |= {"cached": steps["cached"], "replay 1.5u": replay(e_RVD, False, case.products)}
    if case.fits("one-product"):
        order["one-product"] = one_product(e_RVD)
    peers = {name: step for name, step in steps.items() if name not in order}
    taken = rounds({**order, **peers}, min(MOST_ROUNDS, repeats * max(1, 16384 // case.N)), case.device)
    own = [name for name in ("recompute", "cached") if name in steps]
    limit = {"recompute": "replay 2u", "cached": "replay 1.5u"}
    return {
        "ms": rounded({name: 1e3 * value for name, value in medians(taken).items()}, 1),
        "rounds": len(taken["recompute"]),
        "over_replay": rounded({name: ratio(taken, name, limit[name]) for name in own}),
        "times_faster": {peer: rounded({name: ratio(taken, peer, name) for name in own}, 2) for peer in peers},
    }


def small(D: int, repeats: int, device: torch.device) -> dict[str, dict[str, float]]:
    """Milliseconds of our two ways at small sizes: what `DENSE_UP_TO` stands on."""
    found = {}
    for N in SMALL:
        case = Case(N, D, device)
        step = ours(case, case.vectors(), 0)
        steps = {"dense": partial(_up_to, N, step), "tiled": partial(_up_to, 0, step)}
        taken = seconds(steps, repeats, device)
        found[str(N)] = rounded({name: 1e3 * value for name, value in taken.items()}, 2)
    return found


def _up_to(limit: int, step: ValueAndGradient) -> None:
    with mock.patch.object(similarities, "DENSE_UP_TO", limit):
        step()


def case_of(options: argparse.Namespace, N: int, device: torch.device) -> Case:
    return Case(N, options.width, device, options.products, options.fused)


def peak_step(name: str, options: argparse.Namespace, device: torch.device) -> Callable[[], object]:
    """The step of "variant@N"; a small one has run before, so that libraries hold their buffers."""
    variant, N = name.split("@")
    cases = [case_of(options, size, device) for size in (64, int(N))]
    tiny, large = (losses_of(case, case.vectors()) for case in cases)
    tiny[variant]()
    return large[variant]


def peaks(options: argparse.Namespace, device: torch.device) -> dict[str, float]:
    names = []
    for N in options.memory_sizes:
        variants = losses_of(case_of(options, N, device), torch.empty(1, V, options.width))
        names += [f"{variant}@{N}" for variant in variants]
    extra = ["--device", options.device, "--products", options.products, "--width", str(options.width)]
    extra += ["--fused"] if options.fused else []
    return peak_megabytes(__file__, dict.fromkeys(names), extra)


def show(sizes: dict[str, dict], peak_mb: dict[str, float]) -> None:
    """One table of all sizes."""
    rows: list[list[object]] = []
    for name in dict.fromkeys(name for found in sizes.values() for name in found["ms"]):
        rows.append([f"{name}, ms", *(found["ms"].get(name) for found in sizes.values())])
    for name in ("recompute", "cached"):
        rows.append([f"{name} / its products", *(found["over_replay"].get(name) for found in sizes.values())])
    for peer in dict.fromkeys(peer for found in sizes.values() for peer in found["times_faster"]):
        for name in ("recompute", "cached"):
            cells = [found["times_faster"].get(peer, {}).get(name) for found in sizes.values()]
            rows.append([f"{peer} / {name}", *cells])
    for variant in dict.fromkeys(name.split("@")[0] for name in peak_mb):
        rows.append([f"{variant}, peak MB", *(peak_mb.get(f"{variant}@{N}") for N in sizes)])
    print_table("NT-Xent, forward + backward", ["vectors", *(f"{int(N):,}" for N in sizes)], rows)


def main() -> None:
    parser = arguments("NT-Xent forward + backward against its peers")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 1024, 2048, 4096, 8192, 16384])
    parser.add_argument("--memory-sizes", type=int, nargs="+", default=[4096, 8192, 16384])
    parser.add_argument("--width", type=int, default=768, help="of the embeddings")
    parser.add_argument("--products", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--fused", action="store_true", help="one kernel for a tile, on a GPU, for bfloat16")
    options = parser.parse_args()
    if options.fused and options.products != "bfloat16":
        parser.error("--fused needs --products bfloat16")
    device = start(options)
    if options.peak_of:
        print_peak(lambda: peak_step(options.peak_of, options, device), device)
        return
    sizes = {str(N): measure(case_of(options, N, device), options.repeats) for N in options.sizes}
    peak_mb = {} if options.no_memory else peaks(options, device)
    show(sizes, peak_mb)
    facts = {"V": V, "D": options.width, "products": options.products, "fused": options.fused}
    small_ms = small(options.width, 10 * options.repeats, device)
    finish({**facts, "small_ms": small_ms, "sizes": sizes, "peak_mb": peak_mb}, options)


if __name__ == "__main__":
    main()
