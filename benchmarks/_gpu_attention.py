"""Checks of the attention paths: each of them, forward and backward, against a dense mask in fp32 on the CPU.

Shape legend: N packed tokens, M rows, T padded tokens of a row, h heads, d head width.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from benchmarks._gpu_bench import Bench, hold, relative
from benchmarks._gpu_report import Failed, Figures
from e1bind.contracts import STANDARD_RESIDUES, TokenBatch, View
from e1bind_backbones.e1.encoder import E1ViewEncoder
from e1bind_backbones.e1.random_init import random_config
from e1bind_backbones.packed.attention import Attend, Attention, AttentionChoice
from e1bind_backbones.packed.varlen import takes_varlen

KINDS = ("within", "over_all")
LIMITS = {"float32": 2e-5, "bfloat16": 2e-2, "float16": 3e-3}
"""Largest relative error, by the dtype a figure's name begins with: of rounding, a wrong mask gives about 1."""


def chain(length: int, rng: np.random.Generator) -> str:
    """A random protein."""
    return "".join(rng.choice(list(STANDARD_RESIDUES), length))


def views_of(truth: str, count: int, context: tuple[str, ...], rng: np.random.Generator) -> list[View]:
    """Views of a chain, each with 15 % of its residues hidden."""
    selected_VL = rng.random((count, len(truth))) < 0.15
    hidden = ("".join("?" if s else c for s, c in zip(row, truth, strict=True)) for row in selected_VL)
    return [View(truth, text, row, context) for text, row in zip(hidden, selected_VL, strict=True)]


def rows_with_contexts(scale: int, seed: int = 0) -> TokenBatch:
    """Three proteins of unlike length, two views each, two of them with a context that the views share."""
    rng = np.random.default_rng(seed)
    proteins = []
    for length, homologues in ((30, 2), (22, 0), (9, 3)):
        context = tuple(chain(scale * 13 + i, rng) for i in range(homologues))
        proteins.append(views_of(chain(scale * length + seed, rng), 2, context, rng))
    return E1ViewEncoder.of(random_config("tiny"), "auto", True).encode(proteins)


class Case:
    """q, k, v and a gradient for the result on the CPU, and the layout they are laid out by."""

    def __init__(self, bench: Bench, seed: int = 0) -> None:
        self.bench = bench
        scale, heads, width = (1, 2, 16) if bench.toy else (9, 12, 64)
        self.inputs = rows_with_contexts(scale, seed).inputs
        generator = torch.Generator().manual_seed(seed)
        self.four = torch.randn(4, self.inputs["layout"].tokens, heads, width, generator=generator).unbind(0)

    def run(self, choice: AttentionChoice, kind: str, dtype: torch.dtype, backward: bool = True) -> list[Tensor]:
        """Result, and the gradients of q, k and v, on the device in `dtype`."""
        return self._run(choice, kind, self.bench.device, dtype, dtype, backward)

    def exact(self, kind: str, dtype: torch.dtype, backward: bool = True) -> list[Tensor]:
        """The same of q, k and v rounded to `dtype`, in fp32 under a dense mask."""
        cpu = torch.device("cpu")
        return self._run(AttentionChoice("dense"), kind, cpu, dtype, torch.float32, backward)

    def _run(
        self,
        choice: AttentionChoice,
        kind: str,
        device: torch.device,
        rounded: torch.dtype,
        dtype: torch.dtype,
        backward: bool,
    ) -> list[Tensor]:
        *qkv, gradient = (x.to(rounded).to(device, dtype).detach() for x in self.four)
        for x in qkv:
            x.requires_grad_(backward)
        out = self.attend(choice, kind, device)(*qkv)
        return [out, *torch.autograd.grad(out, qkv, gradient)] if backward else [out]

    def attend(self, choice: AttentionChoice, kind: str, device: torch.device) -> Attend:
        """One path of one kind of layer."""
        layout, ids, views = (self.inputs[n].to(device) for n in ("layout", "sequence_ids", "view_ids"))
        return getattr(Attention.prepare(choice, layout, ids, views), kind)

    def errors(
        self, choice: AttentionChoice, dtypes: Iterable[torch.dtype], kinds: Iterable[str], backward: bool = True
    ) -> dict[str, float]:
        """The largest of the relative errors of result and gradients, by "dtype, kind of layer"."""
        found = {}
        for dtype in dtypes:
            for kind in kinds:
                got, exact = self.run(choice, kind, dtype, backward), self.exact(kind, dtype, backward)
                # A NaN has to win, which `max` does not promise.
                worst = torch.tensor([relative(a, b) for a, b in zip(got, exact, strict=True)]).max()
                found[f"{str(dtype).removeprefix('torch.')}, {kind}"] = float(worst)
        return found


def slices(bench: Bench) -> Figures:
    """Unmasked SDPA on slices: what runs everywhere."""
    dtypes = (torch.float32, torch.bfloat16, torch.float16)
    return hold(Case(bench).errors(AttentionChoice("slices"), dtypes, KINDS), LIMITS)


def varlen(bench: Bench) -> Figures:
    """The flash kernel for packed segments, in layers of both kinds."""
    bench.needs_gpu()
    case = Case(bench)
    if not takes_varlen(case.four[0].to(bench.device, torch.bfloat16)):
        raise Failed("this torch, or this card, has no varlen kernel", {})
    return hold(case.errors(AttentionChoice("auto"), (torch.bfloat16, torch.float16), KINDS), LIMITS)


def flex(bench: Bench) -> Figures:
    """FlexAttention, not compiled; on a CPU it has no backward pass."""
    case = Case(Bench(bench.device, toy=True))  # it makes the whole matrix of scores
    return hold(case.errors(AttentionChoice("flex"), (torch.float32,), KINDS, backward=bench.on_gpu), LIMITS)


def flex_compiled(bench: Bench) -> Figures:
    """Compiled FlexAttention on three batches of unlike length, as in training, and how long each takes."""
    bench.needs_gpu()
    choice = AttentionChoice("auto", compile_flex=True)
    errors: dict[str, float] = {}
    taken = []
    for seed in range(3):
        begun = time.monotonic()
        found = Case(bench, seed).errors(choice, (torch.bfloat16,), ("over_all",))
        taken.append(round(time.monotonic() - begun, 2))
        errors |= {f"{name}, batch {seed + 1}": value for name, value in found.items()}
    return {**hold(errors, LIMITS), "seconds_of_each_batch": taken}
