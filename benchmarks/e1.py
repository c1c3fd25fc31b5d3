"""E1-150m shape, random weights, forward + backward: tokens per second beside a plain SDPA restatement.

    uv run python benchmarks/e1.py [--layers 20] [--repeats 3]

The peer is E1 written down plainly for single sequences of one length: SDPA without a mask on [batch, heads,
tokens, width], RoPE tables made once per forward pass, logits of all tokens. It shares the weights. Parity of loss
and gradients is asserted first. One residue in seven has a label; there is no optimiser step.
"ours" computes logits at labelled positions only, "all_logits" everywhere, as the peer does.
"""

from __future__ import annotations

from _harness import arguments, finish, peak_megabytes, print_peak, rounded, seconds, start

# isort: split
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from e1bind_backbones.e1 import E1ForMaskedLM, encode_rows
from e1bind_backbones.e1.layout import RowLayout
from e1bind_backbones.e1.model import E1RMSNorm
from e1bind_backbones.e1.random_init import random_config, random_model

BATCHES = {"1x512": 1, "4x512": 4}
RESIDUES = 508  # and four markers


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

    def __init__(self, layers: int, rows: int) -> None:
        config = random_config("150m")
        config.num_hidden_layers = layers
        self.model = random_model(config, 0).train()
        generator = torch.Generator().manual_seed(0)
        letters = torch.randint(20, (rows, RESIDUES), generator=generator)
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
        assert max(losses) - min(losses) < 1e-5, losses
        worst = max(
            float((a - b).abs().max() / a.abs().max().clamp_min(1e-12))
            for other in gradients[1:]
            for a, b in zip(gradients[0], other, strict=True)
        )
        assert worst < 1e-3, worst
        return worst


VARIANTS = ("peer", "ours", "all_logits")


def peak_step(variant: str, layers: int) -> Callable[[], None]:
    """The step of "batch/name"; a small one has run before, so that libraries hold their buffers."""
    batch, name = variant.split("/")
    Case(1, 1).step(name)
    case = Case(layers, BATCHES[batch])
    return lambda: case.step(name)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=20)
    parser.add_argument("--batches", nargs="+", choices=BATCHES, default=list(BATCHES))
    options = parser.parse_args()
    device = start(options)
    if options.peak_of:
        return print_peak(lambda: peak_step(options.peak_of, options.layers), device)
    results = {}
    for batch in options.batches:
        case = Case(options.layers, BATCHES[batch])
        parity = case.assert_parity()
        taken = seconds({n: lambda n=n, c=case: c.step(n) for n in VARIANTS}, options.repeats, device)
        tokens = case.layout.tokens
        results[batch] = {
            "gradients_differ_by": parity,
            "seconds": rounded(taken),
            "tokens_per_second": rounded({n: tokens / t for n, t in taken.items()}, 1),
            "peer_over_ours": round(taken["peer"] / taken["ours"], 3),
            "peer_over_all_logits": round(taken["peer"] / taken["all_logits"], 3),
        }
        del case
    if not options.no_memory:
        names = {f"{batch}/{name}": None for batch in options.batches for name in ("peer", "ours")}
        results["peak_megabytes"] = peak_megabytes(__file__, names, ["--layers", str(options.layers)])
    finish({"benchmark": "e1", "layers": options.layers, **results}, options)


if __name__ == "__main__":
    main()
