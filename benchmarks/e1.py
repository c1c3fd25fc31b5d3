"""E1-150m shape, random weights, forward + backward: tokens per second beside a plain SDPA restatement.

    python -m benchmarks e1 [--layers 20] [--batches 1x512 4x512]

The peer is E1 written down plainly for single sequences of one length: SDPA without a mask on [batch, heads,
tokens, width], RoPE tables made once per forward pass, logits of all tokens. It shares the weights. Parity of loss
and gradients is asserted first. One residue in seven has a label; there is no optimiser step.
"ours" computes logits at labelled positions only, "all_logits" everywhere, as the peer does.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks._benchmark import Benchmark, Figures, Step, Table
from benchmarks._harness import peak_megabytes, rounded, seconds
from e1bind_backbones.e1 import E1ForMaskedLM, encode_rows
from e1bind_backbones.e1.model import E1Layer, E1RMSNorm
from e1bind_backbones.e1.random_init import random_config, random_model
from e1bind_backbones.packed.layout import RowLayout

MARKERS = 4
VARIANTS = ("peer", "ours", "all_logits")


def rope(positions_T: Tensor, width: int, theta: float) -> tuple[Tensor, Tensor]:
    angle = positions_T[:, None] * theta ** -(torch.arange(0, width, 2) / width)
    return torch.cat([angle.cos()] * 2, -1), torch.cat([angle.sin()] * 2, -1)


def turn(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    a, b = x.chunk(2, -1)
    return x * table[0] + torch.cat([-b, a], -1) * table[1]


def norm(x: Tensor, module: E1RMSNorm) -> Tensor:
    return F.rms_norm(x, module.weight.shape, module.weight, module.eps)


def restatement(model: E1ForMaskedLM, ids_BT: Tensor, labels_BT: Tensor) -> Tensor:
    """Loss of single sequences of one length, by plain operations on the model's weights."""
    c, core = model.config, model.model
    batch, tokens = ids_BT.shape
    shape = (batch, tokens, c.num_attention_heads, c.head_dim)
    positions = torch.arange(tokens).float()
    tables = [rope(positions, c.head_dim, t) for t in (c.rope_theta_within_seq, c.rope_theta_global)]
    x = F.embedding(ids_BT, core.embed_tokens.weight) + core.embed_seq_id.weight[0]
    for i, layer in enumerate(core.layers):
        assert isinstance(layer, E1Layer)
        part, mlp = layer.norm_attn_norm, layer.ffn.mlp
        attention, table = part.self_attn, tables[c.is_global(i)]
        z = norm(x, part.input_layernorm)
        q, k, v = (
            p(z).clamp(-c.clip_qkv, c.clip_qkv).view(shape).transpose(1, 2)
            for p in (attention.q_proj, attention.k_proj, attention.v_proj)
        )
        o = F.scaled_dot_product_attention(turn(q, table), turn(k, table), v)
        x = x + attention.o_proj(o.transpose(1, 2).reshape(batch, tokens, -1))
        z = norm(x, part.post_attention_layernorm)
        x = x + mlp.w2(F.silu(mlp.w1(z)) * mlp.w3(z))
    logits = model.mlm_head(norm(x, core.norm))
    return F.cross_entropy(logits.flatten(0, 1), labels_BT.flatten(), ignore_index=0)


class Case:
    """A batch, its layout as an encoder would make it, and one step of either implementation."""

    def __init__(self, size: str, layers: int, batch: str) -> None:
        rows, tokens = map(int, batch.split("x"))
        config = random_config(size)
        config.num_hidden_layers = layers
        self.model = random_model(config, 0).train()
        generator = torch.Generator().manual_seed(0)
        letters = torch.randint(20, (rows, tokens - MARKERS), generator=generator)
        self.batch = encode_rows(["".join("ACDEFGHIKLMNPQRSTVWY"[i] for i in row) for row in letters.tolist()])
        self.layout = RowLayout.build(self.batch["sequence_ids"])
        labels = torch.zeros_like(self.batch["input_ids"])
        labels[:, 2::7] = self.batch["input_ids"][:, 2::7]
        self.batch["labels"] = labels

    def ours(self, compute_logits: bool = False) -> Tensor:
        return self.model(**self.batch, layout=self.layout, compute_logits=compute_logits).loss

    def all_logits(self) -> Tensor:
        return self.ours(compute_logits=True)

    def peer(self) -> Tensor:
        return restatement(self.model, self.batch["input_ids"], self.batch["labels"])

    def step(self, name: str) -> None:
        self.model.zero_grad(set_to_none=True)
        getattr(self, name)().backward()

    def assert_parity(self) -> float:
        gradients, losses = [], []
        for name in VARIANTS:
            self.step(name)
            losses.append(getattr(self, name)().item())
            gradients.append([p.grad.clone() for p in self.model.parameters() if p.grad is not None])
        worst = max(
            float((a - b).abs().max() / a.abs().max().clamp_min(1e-12))
            for other in gradients[1:]
            for a, b in zip(gradients[0], other, strict=True)
        )
        if max(losses) - min(losses) > 1e-5 or worst > 1e-3:
            raise SystemExit(f"losses {losses}, gradients differ by {worst:.1e}; not timed")
        return float(f"{worst:.1e}")


def peak(options: Namespace) -> Step:
    """The step of "batch/name"; a small one has run before, so that libraries hold their buffers."""
    batch, name = options.peak_of.split("/")
    Case(options.size, 1, "1x512").step(name)
    return partial(Case(options.size, options.layers, batch).step, name)


def measured(case: Case, repeats: int) -> Figures:
    """Tokens per second of one batch."""
    differ, tokens = case.assert_parity(), case.layout.tokens
    taken = seconds({name: partial(case.step, name) for name in VARIANTS}, repeats)
    return {
        "gradients_differ_by": differ,
        "seconds": rounded(taken),
        "tokens_per_second": rounded({name: tokens / t for name, t in taken.items()}, 1),
        "peer_over": {name: round(taken["peer"] / taken[name], 3) for name in VARIANTS[1:]},
    }


def run(options: Namespace) -> Figures:
    """Figures of each batch."""
    batches = {
        batch: measured(Case(options.size, options.layers, batch), options.repeats) for batch in options.batches
    }
    if not options.no_memory:
        names = {batch: [f"{batch}/{name}" for name in VARIANTS[:2]] for batch in batches}
        for batch, variants in names.items():
            peaks = peak_megabytes(options, variants)
            batches[batch]["peak_mb"] = {name.partition("/")[2]: value for name, value in peaks.items()}
    return {"size": options.size, "layers": options.layers, "batches": batches}


def tables(found: Figures) -> list[Table]:
    """One, a row for each batch."""
    rows = []
    for batch, figures in found["batches"].items():
        peaks = figures.get("peak_mb", {})
        rows.append(
            [batch, *figures["tokens_per_second"].values(), *figures["peer_over"].values(), *peaks.values()]
        )
    columns = ["batch", *(f"{name}, tokens/s" for name in ("peer", "ours", "ours, all logits"))]
    columns += ["peer / ours", "peer / ours, all logits"]
    columns += ["peer, peak MB", "ours, peak MB"] if "peak_mb" in next(iter(found["batches"].values())) else []
    return [Table(f"E1-{found['size']} of {found['layers']} layers, forward + backward", columns, rows)]


def options(parser: ArgumentParser) -> None:
    """Its own."""
    parser.add_argument("--size", default="150m", choices=["tiny", "150m", "300m", "600m"])
    parser.add_argument("--layers", type=int, default=20)
    parser.add_argument("--batches", nargs="+", default=["1x512", "4x512"], help="chains x tokens of each")


QUICK = ["--size", "tiny", "--layers", "2", "--batches", "2x32", "--repeats", "1", "--no-memory"]
BENCHMARK = Benchmark(run, tables, options, QUICK, peak)
