"""Peak memory of a training step against the number of views, with and without the gradient cache.

    uv run python benchmarks/memory.py

`view_execution = "separate"` is the gradient cache: embeddings of one view after the other without keeping
activations, the losses' gradient with respect to the embeddings, then one view at a time with a graph, dropout
replayed. "batched" runs all views as rows of one batch. A step is forward and backward of NT-Xent and BCE on four
chains of 500 residues, through an E1 of 8 layers of width 256 with LoRA and dropout. Gradients of the two ways are
compared without dropout first, since they draw it in another order.
"""

from __future__ import annotations

from _harness import arguments, finish, peak_megabytes, print_peak, rounded, seconds, start

# isort: split
import os
import tempfile
from collections.abc import Callable

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional as F

from e1bind.contracts import STANDARD_RESIDUES, LossInputs, View
from e1bind_backbones.e1 import E1Config
from e1bind_backbones.e1.backbone import E1Backbone
from e1bind_backbones.e1.random_init import random_model
from e1bind_backbones.options import E1Options
from e1bind_losses.nt_xent import NTXent
from e1bind_losses.options import NTXentOptions, PrototypeBCEOptions
from e1bind_losses.prototype_bce import PrototypeBCE

CHAINS, RESIDUES, WIDTH, LAYERS = 4, 500, 256, 8
VIEWS = (1, 2, 8)
EXECUTIONS = ("separate", "batched")


def views_of(num_views: int) -> list[list[View]]:
    """`num_views` views of each chain, a tenth of its residues hidden in each."""
    rng = np.random.default_rng(0)
    proteins = []
    for _ in range(CHAINS):
        truth = "".join(rng.choice(list(STANDARD_RESIDUES), RESIDUES))
        selected_VL = rng.random((num_views, RESIDUES)) < 0.1
        hidden = ("".join("?" if s else c for s, c in zip(row, truth, strict=True)) for row in selected_VL)
        proteins.append([View(truth, text, row) for text, row in zip(hidden, selected_VL, strict=True)])
    return proteins


class Case:
    """The model and one way to run its views."""

    def __init__(self, execution: str, num_views: int, device: torch.device, dropout: float) -> None:
        config = E1Config(
            hidden_size=WIDTH, intermediate_size=3 * WIDTH, num_hidden_layers=LAYERS, num_attention_heads=4,
            num_key_value_heads=4, gated_mlp=True, clip_qkv=8, global_attention_every_n_layers=3,
            rope_theta_global=500000.0,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            random_model(config, 0).save_pretrained(folder)
            self.backbone = E1Backbone(E1Options(checkpoint=folder, view_execution=execution))
            plain = self.backbone.load_model()
        torch.manual_seed(0)
        lora = LoraConfig(
            r=8, lora_dropout=dropout, target_modules=list(self.backbone.lora_targets), init_lora_weights=False
        )
        self.model = get_peft_model(plain, lora).train().to(device)
        self.batch = self.backbone.encoder().encode(views_of(num_views)).to(device)
        self.losses = [NTXent(NTXentOptions(cache_mb=0)), PrototypeBCE(PrototypeBCEOptions())]
        R = CHAINS * RESIDUES
        self.labels_R = (torch.arange(R, device=device) % 40 == 0).long()
        self.protein_R = torch.arange(R, device=device) // RESIDUES
        self.prototype_P = F.normalize(torch.ones(WIDTH, device=device), dim=0)

    def step(self) -> dict[str, torch.Tensor]:
        """Forward and backward; the gradient of every adapter tensor."""
        self.model.zero_grad(set_to_none=True)
        torch.manual_seed(1)
        hidden = self.backbone.hidden(self.model, self.batch)
        z_RVD = F.normalize(hidden[self.batch.token_RV], dim=-1)
        inputs = LossInputs(z_RVD, self.batch.visible_RV, self.labels_R, self.protein_R, self.prototype_P)
        sum(loss(inputs).value for loss in self.losses).backward()
        return {n: p.grad for n, p in self.model.named_parameters() if p.requires_grad}


def assert_parity(device: torch.device) -> float:
    """Largest difference of the two ways' gradients, as a share of the largest gradient."""
    one, other = (Case(execution, 4, device, 0.0).step() for execution in EXECUTIONS)
    largest = max(float(g.abs().max()) for g in one.values())
    gap = max(float((one[n] - other[n]).abs().max()) for n in one) / largest
    if gap > 1e-5:
        raise SystemExit(f"gradients differ by {gap:.1e} of the largest; not measured")
    return gap


def peak_step(name: str, device: torch.device) -> Callable[[], object]:
    """The step of "execution@V"; a small one has run before, so that libraries hold their buffers."""
    execution, num_views = name.split("@")
    return Case(execution, int(num_views), device, 0.1).step


def main() -> None:
    options = arguments("Peak memory against the number of views").parse_args()
    device = start(options)
    if options.peak_of:
        print_peak(lambda: peak_step(options.peak_of, device), device)
        return
    names = [f"{execution}@{num_views}" for execution in EXECUTIONS for num_views in VIEWS]
    result: dict[str, object] = {"gradient_gap": assert_parity(device)}
    if not options.no_memory:
        # glibc otherwise keeps freed blocks for later, and the resident set says more than what is alive.
        os.environ["MALLOC_MMAP_THRESHOLD_"] = str(256 * 1024)
        peaks = peak_megabytes(__file__, dict.fromkeys(names))
        result["peak_mb"] = peaks
        result["V=8 over V=1"] = rounded({e: peaks[f"{e}@8"] / peaks[f"{e}@1"] for e in EXECUTIONS})
    steps = {e: Case(e, 4, device, 0.1).step for e in EXECUTIONS}
    taken = seconds(steps, options.repeats, device)
    result["seconds at V=4"] = rounded(taken)
    result["time of the cache"] = round(taken["separate"] / taken["batched"], 2)
    finish(result, options)


if __name__ == "__main__":
    main()
