"""ESM-2 with LoRA: our way through its layers on packed tokens beside transformers' forward pass.

    python -m benchmarks esm [--shapes 8M 35M] [--tokens 4096]

Forward and backward to the adapters (r = 16), random weights, fp32, two views of chains of 250 to 400 residues: as
transformers has it with peft's own LoRA layers, with ours, and on packed tokens with ours. States and gradients
agree, or nothing is timed. Peak memory of each way, beyond weights and inputs, in a process of its own.
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import NamedTuple

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from benchmarks._benchmark import Benchmark, Figures, Step, Table
from benchmarks._gpu_shapes import RANK, esm2, protein_batch
from benchmarks._harness import CPU, medians, peak_megabytes, ratio, rounds
from e1bind.contracts import TokenBatch
from e1bind.engine.lora_linear import use_one_operation
from e1bind_backbones.hf_mlm import HfMlmBackbone

SHAPES = {"tiny": (2, 32, 2), "8M": (6, 320, 20), "35M": (12, 480, 20), "150M": (30, 640, 20)}
"""Layers, width and heads, by the number of parameters."""
WAYS = {"transformers, peft": (False, False), "transformers, our LoRA": (False, True), "packed": (True, True)}
"""Whether layers run on packed tokens, and whether adapters are one operation with what they adapt."""


class Case(NamedTuple):
    """One model with adapters, and what it reads."""

    backbone: HfMlmBackbone
    network: nn.Module
    batch: TokenBatch

    @classmethod
    def of(cls, shape: str, tokens: int, ours: bool) -> Case:
        """The same weights and adapters every time."""
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            backbone, model = esm2(Path(folder), *SHAPES[shape], CPU, "float32")
        assert isinstance(backbone, HfMlmBackbone)
        config = LoraConfig(
            r=RANK, lora_alpha=2 * RANK, target_modules=list(backbone.lora_targets), init_lora_weights=False
        )
        network = get_peft_model(model, config).train()
        if ours:
            use_one_operation(network)
        return cls(backbone, network, protein_batch(backbone, tokens).tokens)

    def step(self) -> list[Tensor]:
        """States of the residues [R, V, D], and the gradients of adapters."""
        states_RVD = self.backbone.hidden(self.network, self.batch)[self.batch.token_RV]
        trained = [p for p in self.network.parameters() if p.requires_grad]
        # Not of their squares: states come out of a norm, and their length does not change.
        upstream_RVD = torch.randn(states_RVD.shape, generator=torch.Generator().manual_seed(1))
        return [states_RVD.detach(), *torch.autograd.grad(states_RVD, trained, upstream_RVD)]


def cases(shape: str, tokens: int) -> dict[str, Case]:
    """The same model each way."""
    found = {}
    for way, (packs, ours) in WAYS.items():
        found[way] = Case.of(shape, tokens, ours)
        found[way].backbone.packs = packs
    return found


def run(options: Namespace) -> Figures:
    """Seconds and ratios of each shape."""
    rows: list[Figures] = []
    first, *others = WAYS
    for shape in options.shapes:
        found = cases(shape, options.tokens)
        batch = found[first].batch
        check(shape, found)
        taken = rounds({way: case.step for way, case in found.items()}, options.repeats)
        row: Figures = {
            "model": shape,
            "seconds": {way: round(value, 3) for way, value in medians(taken).items()},
            "times as fast": {way: round(ratio(taken, first, way), 2) for way in others},
        }
        if not options.no_memory:
            options.command = ["esm", "--shapes", shape, "--tokens", str(options.tokens)]
            row["megabytes"] = peak_megabytes(options, WAYS)
        rows.append(row)
    return {"tokens": batch.tokens, "padding": batch.padding, "models": rows}


def check(shape: str, found: dict[str, Case]) -> None:
    """`SystemExit` where states or gradients differ."""
    first, *others = found
    exact = found[first].step()
    for way in others:
        for a, b in zip(found[way].step(), exact, strict=True):
            off = float((a - b).norm() / b.norm())
            if not off < 1e-4:
                raise SystemExit(f"{shape}: {way} differs from {first} by {off:.1e}; not timed")


def tables(found: Figures) -> list[Table]:
    """One, a row for each model."""
    others = list(WAYS)[1:]
    rows = []
    for row in found["models"]:
        memory = [row["megabytes"][way] for way in WAYS] if "megabytes" in row else []
        rows.append(
            [row["model"], *row["seconds"].values(), *(row["times as fast"][way] for way in others), *memory]
        )
    columns = ["ESM-2", *(f"{way}, s" for way in WAYS), *(f"{way}, times as fast" for way in others)]
    if "megabytes" in found["models"][0]:
        columns += [f"{way}, MB" for way in WAYS]
    return [
        Table(f"LoRA r = {RANK}, {found['tokens']:,} tokens beside {found['padding']:,} of padding", columns, rows)
    ]


def options(parser: ArgumentParser) -> None:
    """Its own."""
    parser.add_argument("--shapes", nargs="+", default=["8M", "35M"], choices=list(SHAPES))
    parser.add_argument("--tokens", type=int, default=4096)
    parser.set_defaults(repeats=9)


def peak(options: Namespace) -> Step:
    """One way of one shape."""
    return cases(options.shapes[0], options.tokens)[options.peak_of].step


BENCHMARK = Benchmark(
    run,
    tables,
    options,
    quick=["--shapes", "tiny", "--tokens", "600", "--repeats", "1", "--no-memory"],
    peak=peak,
)
