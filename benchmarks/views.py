"""Views of one protein that share a context: one row for all of them, beside one forward per view.

    uv run python benchmarks/views.py [--layers 6] [--repeats 3]

A toy E1 (width 256, LoRA on frozen weights), V = 4 masked views of a 300-residue query after 12 homologues of 250.

    shared          one row: the context once, and every view's query after it
    separate        one forward per view, [context | query], with the same attention over slices
    separate dense  the same with SDPA under a dense T x T mask in every layer

Embeddings and LoRA gradients of the three are compared first. The bound of shared over separate is the token ratio
V (C + Q) / (C + V Q). There is one backward pass after all views, as a loss that compares views needs it.
"""

from __future__ import annotations

from _harness import arguments, finish, peak_megabytes, print_peak, rounded, seconds, start

# isort: split
from collections.abc import Callable

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor

from e1bind.contracts import STANDARD_RESIDUES, TokenBatch, View
from e1bind_backbones.e1 import E1Config
from e1bind_backbones.e1.attention import AttentionChoice
from e1bind_backbones.e1.encoder import E1ViewEncoder
from e1bind_backbones.e1.random_init import random_model

V, QUERY, HOMOLOGUES, HOMOLOGUE, WIDTH, HEADS = 4, 300, 12, 250, 256, 4
LORA_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "w1", "w2", "w3")
VARIANTS = ("shared", "separate", "separate dense")


def draw_views(query: int = QUERY, homologue: int = HOMOLOGUE) -> list[View]:
    """V views of one chain, a tenth of its residues hidden in each, with one context."""
    rng = np.random.default_rng(0)

    def chain(n: int) -> str:
        return "".join(rng.choice(list(STANDARD_RESIDUES), n))

    truth, context = chain(query), tuple(chain(homologue) for _ in range(HOMOLOGUES))
    selected_VL = rng.random((V, query)) < 0.1
    hidden = ("".join("?" if s else c for s, c in zip(row, truth, strict=True)) for row in selected_VL)
    return [View(truth, text, row, context) for text, row in zip(hidden, selected_VL, strict=True)]


class Case:
    """The model, and the batches of each variant: one with all views, or one for each view."""

    def __init__(self, layers: int, device: torch.device, views: list[View]) -> None:
        config = E1Config(
            hidden_size=WIDTH, intermediate_size=3 * WIDTH, num_hidden_layers=layers, num_attention_heads=HEADS,
            num_key_value_heads=HEADS, gated_mlp=True, clip_qkv=8, global_attention_every_n_layers=3,
            rope_theta_global=500000.0,
        )  # fmt: skip
        torch.manual_seed(0)
        self.plain = random_model(config, 0)
        lora = LoraConfig(r=8, target_modules=list(LORA_TARGETS), init_lora_weights=False)
        self.model = get_peft_model(self.plain, lora).train().to(device)
        encoder = E1ViewEncoder.of(config, "auto")
        self.shared = [encoder.encode([views]).to(device)]
        self.separate = [encoder.encode([[view]]).to(device) for view in views]
        residues = len(views[0].truth)
        self.weight_RVD = torch.randn(residues, V, WIDTH, device=device) / (residues * V)

    def batches(self, name: str) -> list[TokenBatch]:
        return self.shared if name == "shared" else self.separate

    def tokens(self, name: str) -> int:
        return sum(batch.tokens for batch in self.batches(name))

    def step(self, name: str) -> list[Tensor]:
        """Forward of all views and one backward. Returns embeddings, [R, V, D] or V times [R, 1, D]."""
        self.plain.attention = AttentionChoice("dense" if name.endswith("dense") else "auto")
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
            found[name] = z_RVD, [p.grad for p in self.model.parameters() if p.requires_grad]
        z_exact, exact = found.pop("separate dense")
        embeddings = max(float((z - z_exact).abs().max()) for z, _ in found.values())
        pairs = [pair for _, gradients in found.values() for pair in zip(gradients, exact, strict=True)]
        gradients = max(float((a - b).abs().max()) for a, b in pairs)
        largest = max(float(b.abs().max()) for b in exact)
        if embeddings > 1e-5 or gradients > 1e-6:
            raise SystemExit(f"embeddings differ by {embeddings:.1e}, gradients by {gradients:.1e}; not timed")
        return {"embeddings": embeddings, "gradients": gradients, "largest_gradient": largest}


def peak_step(name: str, layers: int, device: torch.device) -> Callable[[], object]:
    """The step of a variant; a small one has run before, so that libraries hold their buffers."""
    Case(1, device, draw_views(8, 8)).step(name)
    case = Case(layers, device, draw_views())
    return lambda: case.step(name)


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=6)
    options = parser.parse_args()
    device = start(options)
    if options.peak_of:
        return print_peak(lambda: peak_step(options.peak_of, options.layers, device), device)
    case = Case(options.layers, device, draw_views())
    differ = case.assert_parity()
    taken = seconds({name: lambda n=name: case.step(n) for name in VARIANTS}, options.repeats, device)
    ratio, speedup = case.tokens("separate") / case.tokens("shared"), taken["separate"] / taken["shared"]
    result = {
        "differ_by": differ,
        "tokens": {name: case.tokens(name) for name in VARIANTS},
        "token_ratio": round(ratio, 3),
        "seconds": rounded(taken),
        "separate_over_shared": round(speedup, 3),
        "share_of_token_ratio": round(speedup / ratio, 3),
        "separate_dense_over_shared": round(taken["separate dense"] / taken["shared"], 2),
    }
    if not options.no_memory:
        layers = ["--layers", str(options.layers), "--device", options.device]
        result["peak_megabytes"] = peak_megabytes(__file__, dict.fromkeys(VARIANTS), layers)
    finish({"benchmark": "views", "layers": options.layers, **result}, options)


if __name__ == "__main__":
    main()
