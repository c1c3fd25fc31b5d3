"""Attention of one row of 8 proteins (2,042 tokens, 12 heads of 64), forward + backward, by each path.

    uv run python benchmarks/attention.py [--repeats 3] [--device cuda --dtype bfloat16]

    dense          SDPA with a boolean T x T mask: what a plain implementation does
    slices         ours on a CPU: the flash kernel on views of the packed row, no mask
    public slices  the same by torch's public SDPA, as on other devices
    varlen, flex   on a GPU only (FlexAttention has no backward pass on a CPU, varlen no CPU kernel)

The bound of slices over dense is the ratio of scored pairs. Values and gradients are compared first. "block_tables"
times FlexAttention's tables in closed form against torch's `create_block_mask`.
"""

from __future__ import annotations

from _harness import arguments, finish, peak_megabytes, print_peak, rounded, seconds, start

# isort: split
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask

from e1bind_backbones.e1.attention import Attend, Attention, AttentionChoice, attend_slices
from e1bind_backbones.e1.blocks import BLOCK, BlockTables
from e1bind_backbones.e1.flex import block_mask
from e1bind_backbones.e1.layout import RowLayout

LENGTHS = (180, 240, 300, 220, 350, 270, 190, 292)
HEADS, WIDTH = 12, 64
KINDS = ("within", "over_all")


def sequence_ids(lengths: tuple[int, ...]) -> Tensor:
    return torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))[None]


class Case:
    """One row's q, k, v and a gradient for the result, and each path's attention of one kind of layer."""

    def __init__(self, device: torch.device, dtype: torch.dtype, lengths: tuple[int, ...] = LENGTHS) -> None:
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
        def step(attend: Attend) -> list[Tensor]:
            out = attend(*self.qkv)
            return [out.detach(), *torch.autograd.grad(out, self.qkv, self.gradient)]

        return {name: lambda a=attend: step(a) for name, attend in self.paths(kind).items()}

    def pairs(self, kind: str) -> int:
        """Scored (query, key) pairs."""
        jobs = self.layout.within_jobs if kind == "within" else self.layout.global_jobs
        return sum(job.count * job.length * (job.length + job.prefix) for job in jobs)


def assert_parity(steps: dict[str, Callable[[], list[Tensor]]], tolerance: float) -> float:
    """Largest difference of values and gradients to the dense mask's."""
    exact = steps["dense"]()
    worst = max(float((a - b).abs().max()) for step in steps.values() for a, b in zip(step(), exact, strict=True))
    if not worst < tolerance:
        raise SystemExit(f"paths differ by {worst:.1e}; not timed")
    return worst


def measure(case: Case, kind: str, repeats: int, tolerance: float) -> dict[str, object]:
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
    variants = {
        "closed form": lambda: block_mask(BlockTables.build(layout, True)),
        "create_block_mask": lambda: create_block_mask(
            mine.mask_mod, 1, 1, tokens, tokens, device="cpu", BLOCK_SIZE=BLOCK
        ),
    }
    taken = seconds(variants, repeats, torch.device("cpu"))
    times = taken["create_block_mask"] / taken["closed form"]
    return {**rounded({name: 1e3 * t for name, t in taken.items()}, 2), "times_faster": round(times, 1)}


def peak_step(variant: str, device: torch.device, dtype: torch.dtype) -> Callable[[], object]:
    """The step of "kind/path"; a small one has run before, so that libraries hold their buffers."""
    kind, name = variant.split("/")
    Case(device, dtype, (8, 8)).steps(kind)[name]()
    return Case(device, dtype).steps(kind)[name]


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    options = parser.parse_args()
    device, dtype = start(options), getattr(torch, options.dtype)
    if options.peak_of:
        return print_peak(lambda: peak_step(options.peak_of, device, dtype), device)
    case = Case(device, dtype)
    tolerance = 1e-4 if dtype == torch.float32 else 0.1
    result: dict[str, object] = {kind: measure(case, kind, options.repeats, tolerance) for kind in KINDS}
    result["block_tables"] = {str(tokens): block_tables(options.repeats, tokens) for tokens in (4096, 8192)}
    if not options.no_memory:
        names = [f"{kind}/{name}" for kind in KINDS for name in ("dense", "slices")]
        extra = ["--device", options.device, "--dtype", options.dtype]
        result["peak_megabytes"] = peak_megabytes(__file__, dict.fromkeys(names), extra)
    finish({"benchmark": "attention", "tokens": case.layout.tokens, "dtype": options.dtype, **result}, options)


if __name__ == "__main__":
    main()
