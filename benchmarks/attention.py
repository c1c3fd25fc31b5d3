"""Attention of one row of 8 proteins (2,042 tokens, 12 heads of 64), forward + backward, by each path.

    python -m benchmarks attention [--device cuda --dtype bfloat16]

    dense          SDPA with a boolean T x T mask: what a plain implementation does
    slices         ours on a CPU: the flash kernel on views of the packed row, no mask
    public slices  the same by torch's public SDPA, as on other devices
    varlen, flex   on a GPU only (FlexAttention has no backward pass on a CPU, varlen no CPU kernel)

The bound of slices over dense is the ratio of scored pairs. Values and gradients are compared first. "block_tables"
times FlexAttention's tables in closed form against torch's `create_block_mask`.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask

from benchmarks._benchmark import Benchmark, Cell, Figures, Step, Table
from benchmarks._harness import device_option, peak_megabytes, rounded, seconds
from e1bind_backbones.packed.attention import Attend, Attention, AttentionChoice, attend_slices
from e1bind_backbones.packed.blocks import BLOCK, BlockTables
from e1bind_backbones.packed.flex import block_mask
from e1bind_backbones.packed.layout import RowLayout, scored_pairs

LENGTHS = (180, 240, 300, 220, 350, 270, 190, 292)
HEADS, WIDTH = 12, 64
KINDS = ("within", "over_all")


def sequence_ids(lengths: Sequence[int]) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))[None]


class Case:
    """One row's q, k, v and a gradient for the result, and each path's attention of one kind of layer."""

    def __init__(self, device: torch.device, dtype: torch.dtype, lengths: Sequence[int] = LENGTHS) -> None:
        torch.manual_seed(0)
        ids = sequence_ids(lengths)
        self.ids, self.layout = ids.to(device), RowLayout.build(ids).to(device)
        shape = (4, self.layout.tokens, HEADS, WIDTH)
        *self.qkv, self.gradient = torch.randn(shape, device=device, dtype=dtype).unbind(0)
        for x in self.qkv:
            x.requires_grad_()

    def _prepared(self, choice: AttentionChoice) -> Attention:
        return Attention.prepare(choice, self.layout, self.ids, None)

    def paths(self, kind: str) -> dict[str, Attend]:
        jobs = self.layout.within_jobs if kind == "within" else self.layout.global_jobs
        found = {name: getattr(self._prepared(AttentionChoice(name)), kind) for name in ("dense", "slices")}
        found["public slices"] = lambda q, k, v: attend_slices(q, k, v, jobs)
        if self.ids.device.type == "cuda":
            found["flex"] = getattr(self._prepared(AttentionChoice("flex", compile_flex=True)), kind)
            if kind == "within":
                found["varlen"] = self._prepared(AttentionChoice("auto")).within
        return found

    def steps(self, kind: str) -> dict[str, Callable[[], list[Tensor]]]:
        return {name: partial(self._step, attend) for name, attend in self.paths(kind).items()}

    def _step(self, attend: Attend) -> list[Tensor]:
        out = attend(*self.qkv)
        return [out.detach(), *torch.autograd.grad(out, self.qkv, self.gradient)]

    def pairs(self, kind: str) -> int:
        """Scored (query, key) pairs."""
        jobs = self.layout.within_jobs if kind == "within" else self.layout.global_jobs
        return scored_pairs(jobs)


def assert_parity(steps: dict[str, Callable[[], list[Tensor]]], tolerance: float) -> float:
    """Largest difference of values and gradients to the dense mask's."""
    exact = steps["dense"]()
    worst = max(float((a - b).abs().max()) for step in steps.values() for a, b in zip(step(), exact, strict=True))
    if not worst < tolerance:
        raise SystemExit(f"paths differ by {worst:.1e}; not timed")
    return worst


def measure(case: Case, kind: str, repeats: int, tolerance: float) -> Figures:
    """Times of one kind of layer, and how many times as long the dense mask takes."""
    steps = case.steps(kind)
    differ = assert_parity(steps, tolerance)
    taken = seconds(steps, repeats, case.ids.device)
    return {
        "differ_by": differ,
        "ms": rounded({name: 1e3 * t for name, t in taken.items()}, 1),
        "bound": round(case.layout.tokens**2 / case.pairs(kind), 2),
        "dense_over": rounded({name: taken["dense"] / t for name, t in taken.items() if name != "dense"}, 2),
    }


def block_tables(repeats: int, tokens: int) -> dict[str, float]:
    """Milliseconds to make the mask of a global layer in advance, on the CPU."""
    length = 250
    layout = RowLayout.build(sequence_ids((length,) * (tokens // length) + (tokens % length,)))
    mine = block_mask(BlockTables.build(layout, True))
    variants: dict[str, Step] = {
        "closed form": lambda: block_mask(BlockTables.build(layout, True)),
        "create_block_mask": lambda: create_block_mask(
            mine.mask_mod, 1, 1, tokens, tokens, device="cpu", BLOCK_SIZE=BLOCK
        ),
    }
    taken = seconds(variants, repeats)
    times = taken["create_block_mask"] / taken["closed form"]
    return {**rounded({name: 1e3 * t for name, t in taken.items()}, 2), "times_faster": round(times, 1)}


def peak(options: Namespace) -> Step:
    """The step of "kind/path"; a small one has run before, so that libraries hold their buffers."""
    kind, name = options.peak_of.split("/")
    device, dtype = torch.device(options.device), getattr(torch, options.dtype)
    Case(device, dtype, (8, 8)).steps(kind)[name]()
    return Case(device, dtype, options.lengths).steps(kind)[name]


def run(options: Namespace) -> Figures:
    """Both kinds of layers, block tables, and the peak memory of a call."""
    dtype = getattr(torch, options.dtype)
    case = Case(torch.device(options.device), dtype, options.lengths)
    tolerance = 1e-4 if dtype == torch.float32 else 0.1
    result: Figures = {"tokens": case.layout.tokens, "dtype": options.dtype}
    result |= {kind: measure(case, kind, options.repeats, tolerance) for kind in KINDS}
    result["block_tables"] = {str(tokens): block_tables(options.repeats, tokens) for tokens in options.tables}
    if not options.no_memory:
        names = [f"{kind}/{name}" for kind in KINDS for name in ("dense", "slices")]
        result["peak_megabytes"] = peak_megabytes(options, names)
    return result


def tables(found: Figures) -> list[Table]:
    """By kind of layer, and FlexAttention's tables."""
    within, over_all = (found[kind] for kind in KINDS)
    rows: list[list[Cell]] = [["bound of slices", *(kind["bound"] for kind in (within, over_all))]]
    for name in within["dense_over"]:
        rows.append([f"dense / {name}", within["dense_over"][name], over_all["dense_over"].get(name)])
    for name in within["ms"]:
        rows.append([f"{name}, ms", within["ms"][name], over_all["ms"].get(name)])
    peaks = found.get("peak_megabytes", {})
    for name in ("dense", "slices") if peaks else ():
        rows.append([f"{name}, peak MB of a call", *(peaks[f"{kind}/{name}"] for kind in KINDS)])
    blocks = [[f"{int(tokens):,}", *figures.values()] for tokens, figures in found["block_tables"].items()]
    columns = ["tokens", "closed form, ms", "create_block_mask, ms", "times faster"]
    layers = Table(
        f"A row of {found['tokens']:,} tokens, {found['dtype']}", ["", "within sequences", "global"], rows
    )
    return [layers, Table("Block tables of FlexAttention", columns, blocks)]


def options(parser: ArgumentParser) -> None:
    """Its own."""
    device_option(parser)
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--lengths", type=int, nargs="+", default=LENGTHS, help="of the proteins in the row")
    parser.add_argument("--tables", type=int, nargs="+", default=[4096, 8192], help="tokens of the block tables")
    parser.set_defaults(repeats=9)


QUICK = ["--lengths", "20", "13", "--tables", "256", "--repeats", "1", "--no-memory"]
BENCHMARK = Benchmark(run, tables, options, QUICK, peak)
