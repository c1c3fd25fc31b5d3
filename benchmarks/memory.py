"""Peak memory of a training step against the number of views, in each way that a run may take.

    python -m benchmarks memory

`view_execution = "separate"` is the gradient cache: embeddings of one view after the other without keeping
activations, the losses' gradient with respect to the embeddings, then one view at a time with a graph, dropout
replayed. "batched" runs all views as rows of one batch. "inputs" beside it: layers keep their inputs alone
(`activation_checkpointing`). A step is forward and backward of NT-Xent and BCE on four chains of 500 residues,
through an E1 of 8 layers of width 256 with LoRA and dropout. Gradients of all ways are compared without dropout
first, since they draw it in another order.
"""

from __future__ import annotations

import tempfile
from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional as F

from benchmarks._backbones import e1_backbone
from benchmarks._benchmark import Benchmark, Figures, Step, Table
from benchmarks._harness import medians, peak_megabytes, ratio, rounded, rounds
from e1bind.contracts import STANDARD_RESIDUES, LossInputs, View
from e1bind_backbones.e1 import E1Config
from e1bind_backbones.e1.random_init import random_model
from e1bind_losses.nt_xent import NTXent
from e1bind_losses.options import NTXentOptions, PrototypeBCEOptions
from e1bind_losses.prototype_bce import PrototypeBCE

CHAINS = 4
VIEWS = (1, 2, 8)
WAYS: dict[str, dict[str, Any]] = {
    "batched": {"view_execution": "batched"},
    "separate": {"view_execution": "separate"},
    "batched+inputs": {"view_execution": "batched", "activation_checkpointing": True},
    "separate+inputs": {"view_execution": "separate", "activation_checkpointing": True},
}


def views_of(num_views: int, residues: int) -> list[list[View]]:
    """`num_views` views of each chain, a tenth of its residues hidden in each."""
    rng = np.random.default_rng(0)
    proteins = []
    for _ in range(CHAINS):
        truth = "".join(rng.choice(list(STANDARD_RESIDUES), residues))
        selected_VL = rng.random((num_views, residues)) < 0.1
        hidden = ("".join("?" if s else c for s, c in zip(row, truth, strict=True)) for row in selected_VL)
        proteins.append([View(truth, text, row) for text, row in zip(hidden, selected_VL, strict=True)])
    return proteins


class Case:
    """The model and one way to compute."""

    def __init__(self, way: str, num_views: int, options: Namespace, dropout: float) -> None:
        config = E1Config(
            hidden_size=options.width, intermediate_size=3 * options.width, num_hidden_layers=options.layers,
            num_attention_heads=4, num_key_value_heads=4, gated_mlp=True, clip_qkv=8,
            global_attention_every_n_layers=3, rope_theta_global=500000.0,
        )  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            random_model(config, 0).save_pretrained(folder)
            self.backbone = e1_backbone(checkpoint=folder, **WAYS[way])
            plain = self.backbone.load_model()
        torch.manual_seed(0)
        lora = LoraConfig(
            r=8, lora_dropout=dropout, target_modules=list(self.backbone.lora_targets), init_lora_weights=False
        )
        self.model = get_peft_model(plain, lora).train()
        self.batch = self.backbone.encoder().encode(views_of(num_views, options.residues))
        self.losses = [NTXent(NTXentOptions(cache_mb=0)), PrototypeBCE(PrototypeBCEOptions())]
        R = CHAINS * options.residues
        self.labels_R = (torch.arange(R) % 40 == 0).long()
        self.protein_R = torch.arange(R) // options.residues
        self.prototype_P = F.normalize(torch.ones(options.width), dim=0)

    def step(self) -> dict[str, torch.Tensor]:
        """Forward and backward; the gradient of every adapter tensor."""
        self.model.zero_grad(set_to_none=True)
        torch.manual_seed(1)
        hidden = self.backbone.hidden(self.model, self.batch)
        z_RVD = F.normalize(hidden[self.batch.token_RV], dim=-1)
        inputs = LossInputs(z_RVD, self.batch.visible_RV, self.labels_R, self.protein_R, self.prototype_P)
        torch.stack([loss(inputs).value for loss in self.losses]).sum().backward()
        return {n: p.grad for n, p in self.model.named_parameters() if p.grad is not None}


def assert_parity(options: Namespace) -> float:
    """Largest difference of the ways' gradients from those of the first, as a share of the largest gradient."""
    one, *others = (Case(way, 4, options, 0.0).step() for way in WAYS)
    largest = max(float(g.abs().max()) for g in one.values())
    gap = max(float((one[n] - other[n]).abs().max()) for other in others for n in one) / largest
    if gap > 1e-5:
        raise SystemExit(f"gradients differ by {gap:.1e} of the largest; not measured")
    return float(f"{gap:.1e}")


def peak(options: Namespace) -> Step:
    """The step of "way@V"."""
    way, num_views = options.peak_of.split("@")
    return Case(way, int(num_views), options, 0.1).step


def run(options: Namespace) -> Figures:
    """Peak memory by number of views, and the time of all ways at V = 4."""
    found: Figures = {"gradient_gap": assert_parity(options)}
    if not options.no_memory:
        found["peak_mb"] = peak_megabytes(options, [f"{way}@{num_views}" for way in WAYS for num_views in VIEWS])
    taken = rounds({way: Case(way, 4, options, 0.1).step for way in WAYS}, options.repeats)
    over = {way: round(ratio(taken, way, "batched"), 2) for way in WAYS}
    return {**found, "seconds at V=4": rounded(medians(taken)), "time over batched": over}


def tables(found: Figures) -> list[Table]:
    """One, a row for each way."""
    columns, rows = ["way", "CPU s at V = 4", "over batched"], []
    if "peak_mb" in found:
        columns += [*(f"V = {num_views}, peak MB" for num_views in VIEWS), f"V = {VIEWS[-1]} / V = {VIEWS[0]}"]
    for way, taken in found["seconds at V=4"].items():
        peaks = [value for name, value in found.get("peak_mb", {}).items() if name.partition("@")[0] == way]
        share = [round(peaks[-1] / peaks[0], 2)] if peaks else []
        rows.append([f"`{way}`", taken, found["time over batched"][way], *peaks, *share])
    return [Table("A training step by the number of views", columns, rows)]


def options(parser: ArgumentParser) -> None:
    """Its own."""
    parser.add_argument("--residues", type=int, default=500, help="of each of four chains")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=8)


QUICK = ["--residues", "12", "--width", "32", "--layers", "3", "--repeats", "1", "--no-memory"]
BENCHMARK = Benchmark(run, tables, options, QUICK, peak)
