"""Views of one protein that share a context: one row for all of them, beside one forward per view.

    python -m benchmarks views [--layers 6]
    python -m benchmarks views --device cuda --dtype bfloat16 --size 150m --context 8x252 --compile-flex

A toy E1 (width 256, LoRA on frozen weights), V = 4 masked views of a 300-residue query after 12 homologues of 250;
or a published shape and another context, for a GPU.

    shared          one row: the context once, and every view's query after it
    separate        one forward per view, [context | query], with the same attention over slices
    separate dense  the same with SDPA under a dense T x T mask in every layer

Embeddings and LoRA gradients of the three are compared first. The bound of shared over separate is the token ratio
V (C + Q) / (C + V Q). There is one backward pass after all views, as a loss that compares views needs it.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor

from benchmarks._benchmark import Benchmark, Cell, Figures, Step, Table
from benchmarks._harness import device_option, peak_megabytes, rounded, seconds
from e1bind.contracts import STANDARD_RESIDUES, TokenBatch, View
from e1bind_backbones.e1 import E1Config
from e1bind_backbones.e1.encoder import E1ViewEncoder
from e1bind_backbones.e1.random_init import random_config, random_model
from e1bind_backbones.packed.attention import AttentionChoice

V, QUERY, WIDTH, HEADS = 4, 300, 256, 4
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "w1", "w2", "w3")
VARIANTS = ("shared", "separate", "separate dense")


def draw_views(query: int, homologues: int, homologue: int) -> list[View]:
    """V views of one chain, a tenth of its residues hidden in each, with one context."""
    rng = np.random.default_rng(0)

    def chain(n: int) -> str:
        return "".join(rng.choice(list(STANDARD_RESIDUES), n))

    truth, context = chain(query), tuple(chain(homologue) for _ in range(homologues))
    selected_VL = rng.random((V, query)) < 0.1
    hidden = ("".join("?" if s else c for s, c in zip(row, truth, strict=True)) for row in selected_VL)
    return [View(truth, text, row, context) for text, row in zip(hidden, selected_VL, strict=True)]


def shape(options: Namespace) -> E1Config:
    """The toy model with `--layers` layers, or a published shape."""
    if options.size != "toy":
        return random_config(options.size)
    return E1Config(
        hidden_size=WIDTH, intermediate_size=3 * WIDTH, num_hidden_layers=options.layers, num_attention_heads=HEADS,
        num_key_value_heads=HEADS, gated_mlp=True, clip_qkv=8, global_attention_every_n_layers=3,
        rope_theta_global=500000.0,
    )  # fmt: skip


class Case:
    """The model, and the batches of each variant: one with all views, or one for each view."""

    def __init__(self, config: E1Config, views: list[View], options: Namespace) -> None:
        device, self.dtype = torch.device(options.device), getattr(torch, options.dtype)
        torch.manual_seed(0)
        self.ours = AttentionChoice("auto", options.compile_flex)
        self.plain = random_model(config, 0).to(self.dtype)
        lora = LoraConfig(r=8, target_modules=list(LORA_TARGETS), init_lora_weights=False)
        self.model = get_peft_model(self.plain, lora).train().to(device)
        encoder = E1ViewEncoder.of(config, "auto", self.ours.may_use_flex)
        self.shared = [encoder.encode([views]).to(device)]
        self.separate = [encoder.encode([[view]]).to(device) for view in views]
        residues = len(views[0].truth)
        self.weight_RVD = torch.randn(residues, V, config.hidden_size, device=device) / (residues * V)

    def batches(self, name: str) -> list[TokenBatch]:
        return self.shared if name == "shared" else self.separate

    def tokens(self, name: str) -> int:
        return sum(batch.tokens for batch in self.batches(name))

    def step(self, name: str) -> list[Tensor]:
        """Forward of all views and one backward. Returns embeddings, [R, V, D] or V times [R, 1, D]."""
        self.plain.attention = AttentionChoice("dense") if name.endswith("dense") else self.ours
        self.model.zero_grad(set_to_none=True)
        weights = [self.weight_RVD] if name == "shared" else self.weight_RVD.split(1, dim=1)
        embeddings = []
        for batch in self.batches(name):
            hidden = self.model(**batch.inputs, compute_logits=False).last_hidden_state.flatten(0, 1)
            embeddings.append(hidden[batch.token_RV])
        torch.stack([(z * w).sum() for z, w in zip(embeddings, weights, strict=True)]).sum().backward()
        return [z.detach() for z in embeddings]

    def assert_parity(self) -> dict[str, float]:
        """Largest differences to separate views under the dense mask."""
        found = {}
        for name in VARIANTS:
            z_RVD = torch.cat(self.step(name), dim=1)
            found[name] = z_RVD, [p.grad for p in self.model.parameters() if p.grad is not None]
        z_exact, exact = found.pop("separate dense")
        embeddings = max(float((z - z_exact).abs().max()) for z, _ in found.values())
        pairs = [pair for _, gradients in found.values() for pair in zip(gradients, exact, strict=True)]
        gradients = max(float((a - b).abs().max()) for a, b in pairs)
        largest = max(float(b.abs().max()) for b in exact)
        exact_limits, rounded_limits = (1e-5, 1e-6), (0.2, 0.1 * largest)  # fp32, and half precision
        limits = exact_limits if self.dtype == torch.float32 else rounded_limits
        if embeddings > limits[0] or gradients > limits[1]:
            raise SystemExit(f"embeddings differ by {embeddings:.1e}, gradients by {gradients:.1e}; not timed")
        differ = {"embeddings": embeddings, "gradients": gradients, "largest_gradient": largest}
        return {name: float(f"{value:.1e}") for name, value in differ.items()}


def context_of(options: Namespace) -> tuple[int, int]:
    """Homologues, and residues of each."""
    homologues, residues = map(int, options.context.split("x"))
    return homologues, residues


def peak(options: Namespace) -> Step:
    """The step of a variant; a small one has run before, so that libraries hold their buffers."""
    Case(random_config("tiny"), draw_views(8, 2, 8), options).step(options.peak_of)
    case = Case(shape(options), draw_views(options.query, *context_of(options)), options)
    return partial(case.step, options.peak_of)


def run(options: Namespace) -> Figures:
    """Differences, times and ratios of the variants."""
    case = Case(shape(options), draw_views(options.query, *context_of(options)), options)
    differ = case.assert_parity()
    variants = {name: partial(case.step, name) for name in VARIANTS}
    taken = seconds(variants, options.repeats, torch.device(options.device))
    ratio, speedup = case.tokens("separate") / case.tokens("shared"), taken["separate"] / taken["shared"]
    found: Figures = {
        **{name: getattr(options, name) for name in ("size", "query", "context", "dtype", "compile_flex")},
        "layers": shape(options).num_hidden_layers,
        "differ_by": differ,
        "tokens": {name: case.tokens(name) for name in VARIANTS},
        "token_ratio": round(ratio, 3),
        "seconds": rounded(taken),
        # What a user waits for is tokens seen by the views, however often they were computed.
        "view_tokens_per_second": rounded({name: case.tokens("separate") / t for name, t in taken.items()}, 1),
        "over_shared": rounded({name: t / taken["shared"] for name, t in taken.items()}, 2),
        "share_of_token_ratio": round(speedup / ratio, 3),
    }
    if not options.no_memory:
        found["peak_megabytes"] = peak_megabytes(options, VARIANTS)
    return found


def tables(found: Figures) -> list[Table]:
    """One, a column for each variant."""
    rows: list[list[Cell]] = [
        ["tokens", *found["tokens"].values()],
        ["s", *found["seconds"].values()],
        ["tokens of views per s", *found["view_tokens_per_second"].values()],
        ["times shared", *found["over_shared"].values()],
    ]
    if "peak_megabytes" in found:
        rows.append(["peak MB", *found["peak_megabytes"].values()])
    rows.append([f"share of the token ratio, {found['token_ratio']}", found["share_of_token_ratio"], None, None])
    title = (
        f"{V} views of {found['query']} residues after a context of {found['context']}, {found['layers']} layers"
    )
    columns = ["", "shared context", "a forward per view", "a forward per view, dense mask"]
    return [Table(title, columns, rows)]


def options(parser: ArgumentParser) -> None:
    """Its own."""
    device_option(parser)
    parser.add_argument("--layers", type=int, default=6, help="layers of the toy model")
    parser.add_argument("--size", choices=["toy", "tiny", "150m", "300m", "600m"], default="toy")
    parser.add_argument("--query", type=int, default=QUERY, help="residues of the chain")
    parser.add_argument("--context", default="12x250", help="homologues x residues of each")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--compile-flex", action="store_true", help="compiled FlexAttention in global layers (GPU)")


QUICK = ["--size", "tiny", "--query", "12", "--context", "2x10", "--repeats", "1", "--no-memory"]
BENCHMARK = Benchmark(run, tables, options, QUICK, peak)
