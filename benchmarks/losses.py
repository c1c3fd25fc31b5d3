"""NT-Xent, forward + backward, beside its peers, and beside the matrix products it cannot do without.

    python -m benchmarks losses [--sizes 256 1024 2048 4096] [--memory-sizes 4096 8192 16384]
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
Values and gradients of all are compared first. Ratios are medians over rounds, of which small sizes get more.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial
from unittest import mock

import torch

from benchmarks._benchmark import Benchmark, Cell, Figures, Step, Table
from benchmarks._harness import device_option, medians, peak_megabytes, ratio, rounded, rounds, seconds
from benchmarks._nt_xent import (
    Case,
    V,
    ValueAndGradient,
    check_parity,
    losses_of,
    one_product,
    ours,
    replay,
)
from e1bind_losses.contrast import similarities

SMALL = [8, 16, 32, 64, 128, 256, 512]
MOST_ROUNDS = 20


def measure(case: Case, repeats: int) -> Figures:
    """Milliseconds of all variants at one size, and ours against each peer (> 1: ours is faster)."""
    e_RVD = case.vectors()
    steps = losses_of(case, e_RVD)
    check_parity(case, steps)
    # In this order, so that a replay runs beside what it is the limit of.
    order: dict[str, Step] = {"recompute": steps["recompute"]}
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


def small(sizes: list[int], D: int, repeats: int, device: torch.device) -> dict[str, dict[str, float]]:
    """Milliseconds of our two ways at small sizes: what `DENSE_UP_TO` stands on."""
    found = {}
    for N in sizes:
        case = Case(N, D, device)
        step = ours(case, case.vectors(), 0)
        steps: dict[str, Step] = {"dense": partial(_up_to, N, step), "tiled": partial(_up_to, 0, step)}
        taken = seconds(steps, repeats, device)
        found[str(N)] = rounded({name: 1e3 * value for name, value in taken.items()}, 2)
    return found


def _up_to(limit: int, step: ValueAndGradient) -> None:
    with mock.patch.object(similarities, "DENSE_UP_TO", limit):
        step()


def case_of(options: Namespace, N: int) -> Case:
    return Case(N, options.width, torch.device(options.device), options.products, options.fused)


def peak(options: Namespace) -> Step:
    """The step of "variant@N"; a small one has run before, so that libraries hold their buffers."""
    variant, N = options.peak_of.split("@")
    cases = [case_of(options, size) for size in (64, int(N))]
    tiny, large = (losses_of(case, case.vectors()) for case in cases)
    tiny[variant]()
    return large[variant]


def peaks(options: Namespace) -> dict[str, float]:
    """By "variant@N"."""
    names = []
    for N in options.memory_sizes:
        names += [f"{variant}@{N}" for variant in losses_of(case_of(options, N), torch.empty(1, V, options.width))]
    return peak_megabytes(options, names)


def run(options: Namespace) -> Figures:
    """Figures by size."""
    if options.fused and options.products != "bfloat16":
        raise SystemExit("--fused needs --products bfloat16")
    sizes = {str(N): measure(case_of(options, N), options.repeats) for N in options.sizes}
    peak_mb = {} if options.no_memory else peaks(options)
    small_ms = small(options.small, options.width, 10 * options.repeats, torch.device(options.device))
    facts = {"V": V, "D": options.width, "products": options.products, "fused": options.fused}
    return {**facts, "small_ms": small_ms, "sizes": sizes, "peak_mb": peak_mb}


def tables(found: Figures) -> list[Table]:
    """All sizes, peak memory, and small sizes."""
    sizes = found["sizes"]
    rows: list[list[Cell]] = []
    for name in dict.fromkeys(name for one in sizes.values() for name in one["ms"]):
        rows.append([f"{name}, ms", *(one["ms"].get(name) for one in sizes.values())])
    for name in ("recompute", "cached"):
        rows.append([f"{name} / its products", *(one["over_replay"].get(name) for one in sizes.values())])
    for peer in dict.fromkeys(peer for one in sizes.values() for peer in one["times_faster"]):
        for name in ("recompute", "cached"):
            rows.append(
                [f"{peer} / {name}", *(one["times_faster"].get(peer, {}).get(name) for one in sizes.values())]
            )
    drawn = [Table("NT-Xent, forward + backward", ["vectors", *(f"{int(N):,}" for N in sizes)], rows)]
    if found["peak_mb"]:
        drawn.append(_peak_table(found["peak_mb"]))
    columns = ["vectors", *found["small_ms"]]
    ways = [[f"{way}, ms", *(one[way] for one in found["small_ms"].values())] for way in ("dense", "tiled")]
    return [*drawn, Table("Our dense twin and our tiles", columns, ways)]


def _peak_table(peak_mb: dict[str, float]) -> Table:
    names, sizes = (list(dict.fromkeys(part)) for part in zip(*(name.split("@") for name in peak_mb), strict=True))
    rows = [[name, *(peak_mb.get(f"{name}@{N}") for N in sizes)] for name in names]
    return Table("Peak MB", ["vectors", *(f"{int(N):,}" for N in sizes)], rows)


def options(parser: ArgumentParser) -> None:
    """Its own."""
    device_option(parser)
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 1024, 2048, 4096])
    parser.add_argument("--memory-sizes", type=int, nargs="+", default=[4096, 8192, 16384])
    parser.add_argument("--small", type=int, nargs="+", default=SMALL, help="sizes of our dense twin and our tiles")
    parser.add_argument("--width", type=int, default=768, help="of the embeddings")
    parser.add_argument("--products", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--fused", action="store_true", help="one kernel for a tile, on a GPU, for bfloat16")


QUICK = ["--sizes", "64", "--small", "8", "--width", "16", "--repeats", "1", "--no-memory"]
BENCHMARK = Benchmark(run, tables, options, QUICK, peak)
