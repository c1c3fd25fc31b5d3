"""Timings of the GPU report: whole training steps, NT-Xent, attention, views with a shared context, precision."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from benchmarks import attention, precision, views
from benchmarks._gpu_bench import Bench, relative
from benchmarks._gpu_report import Failed, Figures, Part
from benchmarks._gpu_shapes import Loaded, StepCase, e1, esm2
from benchmarks._nt_xent import Case, Products, ours, replay
from e1bind_backbones.e1.random_init import random_config

TOKENS = (32768, 16384, 8192, 4096)
"""Tokens of a step at most; the next number where memory does not suffice."""
DROPOUTS = (0.0, 0.2)
NT_XENT = ((32768, 1280), (8192, 768))
AIMS = {
    "step:e1-600m": ("mfu", ">=", 0.40),
    "step:e1-150m": ("mfu", ">=", 0.30),
    "step:esm2-650m": ("tokens_per_second", ">=", 40_000),
    "losses:32768x1280": ("ms", "<=", 11.0),
}
"""What is wanted on an H100, of a part's figures: those without adapter dropout, and of the fused kernel."""


def products(bench: Bench) -> Figures:
    """What MFU is a share of."""
    return {"bfloat16_tflops": round(bench.product_rate / 1e12, 1)}


def step(bench: Bench, load: Callable[[], Loaded]) -> Figures:
    """A LoRA step without and with adapter dropout; the first one's figures stand on top."""
    found = {f"dropout {dropout}": _largest_step(bench, load, dropout) for dropout in DROPOUTS}
    first = found[f"dropout {DROPOUTS[0]}"]
    return {"mfu": first["mfu"], "tokens_per_second": first["tokens_per_second"], **found}


def _largest_step(bench: Bench, load: Callable[[], Loaded], dropout: float) -> Figures:
    """The step of as many tokens as fit in memory."""
    for tokens in (600,) if bench.toy else TOKENS:
        try:
            return _step(bench, load, tokens, dropout)
        except torch.OutOfMemoryError:
            pass
        bench.release()  # outside: the error holds on to what it happened in
    raise Failed(f"{TOKENS[-1]} tokens do not fit in memory", {})


def _step(bench: Bench, load: Callable[[], Loaded], tokens: int, dropout: float) -> Figures:
    case = StepCase(bench, load(), tokens, dropout)
    bench.release()
    before = torch.cuda.memory_allocated() / 2**30 if bench.on_gpu else None
    taken = bench.seconds(case.step, 2 if bench.toy else 5)
    peak, phases = bench.peak_gib(case.step), case.phases()
    batch = case.batch.tokens
    return {
        "ms": round(1e3 * taken, 2),
        "tokens_per_second": round(batch.tokens / taken),
        "mfu": round(case.operations() / taken / bench.product_rate, 4),
        "tflop": round(case.operations() / 1e12, 3),
        "tokens": batch.tokens,
        "padding": batch.padding,
        "phases_ms": phases,
        "gib": {"of_weights": before, "a_step_adds": peak},
        "fused_nt_xent": bench.fused,
    }


def loaders(bench: Bench, folder: Path) -> dict[str, Callable[[], Loaded]]:
    """What to step, by name, the most wanted first."""
    esm = partial(esm2, folder, *((2, 32, 2) if bench.toy else (33, 1280, 20)), bench.device)
    sizes = ("tiny",) if bench.toy else ("600m", "300m", "150m")
    e1s = {f"e1-{size}": partial(e1, size, bench.device) for size in sizes}
    return {"esm2-tiny" if bench.toy else "esm2-650m": esm, **e1s}


def nt_xent(bench: Bench, N: int, D: int) -> Figures:
    """NT-Xent forward and backward, nothing kept: in one kernel, in plain torch, and its bare products."""
    ways: dict[str, tuple[Products, bool]] = {
        "fused": ("bfloat16", True),
        "bfloat16": ("bfloat16", False),
        "float32": ("float32", False),
    }
    found: Figures = {}
    for name, (how, fused) in ways.items():
        if fused and not bench.fused:
            continue
        case = Case(N, D, bench.device, how, fused)
        run = ours(case, case.vectors(), 0)
        found[name] = {"ms": round(1e3 * bench.seconds(run), 3), "peak_gib": bench.peak_gib(run)}
    z_RVD = Case(N, D, bench.device).vectors()
    found["bare bfloat16 products"] = {"ms": round(1e3 * bench.seconds(replay(z_RVD, True, "bfloat16")), 3)}
    return {"ms": found["fused" if "fused" in found else "bfloat16"]["ms"], **found}


def attention_paths(bench: Bench, kind: str) -> Figures:
    """One row of 32 proteins (8,168 tokens, 12 heads of 64) in bfloat16 by each path of a kind of layer."""
    case = attention.Case(bench.device, torch.bfloat16, (40, 30) if bench.toy else attention.LENGTHS * 4)
    steps = case.steps(kind)
    exact = steps["dense"]()
    found = {}
    for name, run in steps.items():
        worst = max(relative(a, b) for a, b in zip(run(), exact, strict=True))
        taken = {"ms": round(1e3 * bench.seconds(run), 3), "peak_gib": bench.peak_gib(run)}
        rate = 12 * case.pairs(kind) * attention.HEADS * attention.WIDTH / (taken["ms"] or 1) / 1e9
        found[name] = {**taken, "tflops": round(rate, 2), "differs_from_dense": float(f"{worst:.2g}")}
        if not worst < 0.05:
            raise Failed(f"{name} differs from a dense mask by {worst:.2g}", found)
    return {"tokens": case.layout.tokens, **found}


def shared_views(bench: Bench) -> Figures:
    """Four views of a protein of 300 residues after 8 homologues of 252, in one row and in a forward each."""
    how = argparse.Namespace(device=str(bench.device), dtype="bfloat16", compile_flex=False)
    drawn = views.draw_views(20, 2, 30) if bench.toy else views.draw_views(views.QUERY, 8, 252)
    case = views.Case(random_config("tiny" if bench.toy else "150m"), drawn, how)
    exact = torch.cat(case.step("separate dense"), dim=1)
    found: Figures = {}
    for name in views.VARIANTS:
        run = partial(case.step, name)
        off = relative(torch.cat(run(), dim=1), exact)
        figures = {
            "ms": round(1e3 * bench.seconds(run), 2),
            "peak_gib": bench.peak_gib(run),
            "tokens": case.tokens(name),
        }
        found[name] = {**figures, "differs_from_dense": float(f"{off:.2g}")}
        if not off < 0.1:
            raise Failed(f"{name} differs from separate views under a dense mask by {off:.2g}", found)
    ratio = case.tokens("separate") / case.tokens("shared")
    speedup = found["separate"]["ms"] / max(found["shared"]["ms"], 1e-9)
    return {"separate_over_shared": round(speedup, 3), "token_ratio": round(ratio, 3), **found}


def exactness(bench: Bench) -> Figures:
    """Gradient errors of NT-Xent against float64, as `precision.py` measures them."""
    table = {}
    for draw in (precision.separated, precision.anisotropic):
        for temperature in precision.TEMPERATURES:
            torch.manual_seed(0)
            drawn = draw((64 if bench.toy else 4096) // precision.V).to(bench.device)
            table[f"{draw.__name__} at {temperature}"] = precision.worst([precision.errors(drawn, temperature)])
    if missed := precision.missed(table):
        raise Failed("; ".join(missed), table)
    return table


def timings(bench: Bench, folder: Path) -> list[Part]:
    """All of them, the most wanted first."""
    nt_xents = ((256, 64),) if bench.toy else NT_XENT
    return [
        Part("products", 3, partial(products, bench)),
        *(Part(f"step:{name}", 10, partial(step, bench, load)) for name, load in loaders(bench, folder).items()),
        *(Part(f"losses:{N}x{D}", 8, partial(nt_xent, bench, N, D)) for N, D in nt_xents),
        *(Part(f"attention:{kind}", 25, partial(attention_paths, bench, kind)) for kind in attention.KINDS),
        Part("views", 15, partial(shared_views, bench)),
        Part("precision", 8, partial(exactness, bench)),
    ]


def against_aims(parts: dict[str, Figures]) -> dict[str, str]:
    """What was wanted and what was measured, a line for each part that has an aim and figures."""
    lines = {}
    for name, (figure, relation, wanted) in AIMS.items():
        value = parts.get(name, {}).get("figures", {}).get(figure)
        if value is None:
            continue
        reached = value >= wanted if relation == ">=" else value <= wanted
        lines[name] = f"{figure} {value} (aim {relation} {wanted}: {'reached' if reached else 'missed'})"
    return lines
