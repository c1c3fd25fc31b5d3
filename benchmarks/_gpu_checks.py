"""Checks of whole models, of the losses and of memory, each against the CPU in fp32 or wider.

Shape legend: R residues, V views, D embedding width.
"""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks._backbones import e1_backbone, esm_backbone
from benchmarks._gpu_attention import chain, views_of
from benchmarks._gpu_bench import Bench, hold, relative
from benchmarks._gpu_report import Figures
from e1bind.contracts import Backbone, LossInputs, MaskedTokens, View
from e1bind.engine.lora_linear import use_one_operation
from e1bind_backbones.tiny_checkpoint import write_tiny_esm
from e1bind_losses import options as loss_options
from e1bind_losses.asymmetric import Asymmetric
from e1bind_losses.bce import BCE
from e1bind_losses.focal import Focal
from e1bind_losses.mlm import MaskedLM
from e1bind_losses.nt_xent import NTXent
from e1bind_losses.prototype_alignment import PrototypeAlignment
from e1bind_losses.prototype_bce import PrototypeBCE
from e1bind_losses.supcon import SupCon

MODEL_LIMITS = {"float32": 1e-3, "bfloat16": 0.15, "float16": 2e-2}
"""Largest relative error of embeddings and adapter gradients; adapters are drawn, larger than trained ones."""
Options = dict[str, object]
LOSSES: dict[str, nn.Module] = {
    "nt-xent": NTXent(loss_options.NTXentOptions()),
    "supcon": SupCon(loss_options.SupConOptions()),
    "prototype-alignment": PrototypeAlignment(loss_options.PrototypeAlignmentOptions()),
    "prototype-bce": PrototypeBCE(loss_options.PrototypeBCEOptions()),
    "bce": BCE(loss_options.BCEOptions()),
    "focal": Focal(loss_options.FocalOptions()),
    "asymmetric": Asymmetric(loss_options.AsymmetricOptions()),
    "mlm": MaskedLM(loss_options.MaskedLMOptions()),
}


def proteins(with_contexts: bool) -> list[list[View]]:
    """Two views each of four chains, two of which have a context where the backbone reads one."""
    rng = np.random.default_rng(0)
    contexts = [tuple(chain(n, rng) for n in lengths) for lengths in ((31, 17), (), (40,), ())]
    lengths = (33, 21, 50, 12)
    return [
        views_of(chain(n, rng), 2, context if with_contexts else (), rng)
        for n, context in zip(lengths, contexts, strict=True)
    ]


class AdaptedModel:
    """A backbone with LoRA on a device; embeddings of the proteins, and gradients of a weighted sum of them."""

    def __init__(self, backbone: Backbone, device: torch.device) -> None:
        self.backbone, self.device = backbone, device
        torch.manual_seed(0)
        lora = LoraConfig(r=4, target_modules=list(backbone.lora_targets), init_lora_weights=False)
        self.model = get_peft_model(backbone.load_model(), lora).train()
        if device.type == "cuda":  # on the CPU peft's own layers are the oracle
            use_one_operation(self.model)

    @property
    def adapters(self) -> dict[str, Tensor]:
        """The trained tensors by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def run(self, adapters: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Embeddings [R, V, D] and all gradients in a row, with these adapters."""
        with torch.no_grad():
            for name, parameter in self.adapters.items():
                parameter.copy_(adapters[name])
        self.model.to(self.device)
        batch = self.backbone.encoder().encode(proteins(self.backbone.supports_context)).to(self.device)
        z_RVD = self.backbone.hidden(self.model, batch)[batch.token_RV]
        weight_RVD = torch.randn(z_RVD.shape, generator=torch.Generator().manual_seed(1)).to(self.device)
        gradients = torch.autograd.grad((z_RVD * weight_RVD).sum(), list(self.adapters.values()))
        return z_RVD, torch.cat([g.flatten().float() for g in gradients])


def model(bench: Bench) -> Figures:
    """E1 and an ESM-2, tiny, in three dtypes and every way to run views, against fp32 with a row for each view."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        checkpoint: Options = {"checkpoint": str(write_tiny_esm(Path(folder) / "esm"))}
        e1_exact: Options = {"random_weights": "tiny", "attention": "dense", "view_execution": "batched"}
        e1_ways: dict[str, Options] = {way: {"view_execution": way} for way in ("shared", "separate")}
        e1_ways |= {"checkpointed": {"activation_checkpointing": True}}
        esm_ways: dict[str, Options] = {"batched": {}, "separate": {"view_execution": "separate"}}
        for name, exact, ways in (
            ("e1", e1_exact, e1_ways),
            ("esm-2", checkpoint | {"view_execution": "batched"}, esm_ways),
        ):
            cpu = AdaptedModel(_backbone(name, exact), torch.device("cpu"))
            adapters = {key: tensor.detach().clone() for key, tensor in cpu.adapters.items()}
            expected = cpu.run(adapters)
            plain = {key: value for key, value in exact.items() if key in ("random_weights", "checkpoint")}
            for way, dtype in [*((way, "float32") for way in ways), *((next(iter(ways)), d) for d in HALVES)]:
                got = AdaptedModel(_backbone(name, plain | ways[way] | {"dtype": dtype}), bench.device).run(
                    adapters
                )
                for what, a, b in zip(("embeddings", "gradients"), got, expected, strict=True):
                    figures[f"{dtype}, {name}, {way}, {what}"] = relative(a, b)
    return hold(figures, MODEL_LIMITS)


HALVES = ("bfloat16", "float16")


def _backbone(name: str, options: Options) -> Backbone:
    return e1_backbone(**options) if name == "e1" else esm_backbone(**options)


def residues(R: int, V: int, D: int) -> LossInputs:
    """Labelled residues of a few proteins, each view hiding some; all embeddings share a direction."""
    generator = torch.Generator().manual_seed(R)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    raw_RVD = normal(R, 1, D) + 0.5 * normal(R, V, D) + 0.7 * normal(D)
    view_mask = torch.rand(R, V, generator=generator) >= 0.15
    where = (~view_mask).nonzero()
    logits, targets = normal(len(where), 34), torch.randint(34, (len(where),), generator=generator)
    return LossInputs(
        embeddings=F.normalize(raw_RVD, dim=-1),
        view_mask=view_mask,
        labels=(torch.rand(R, generator=generator) < 0.05).long(),
        protein=torch.arange(R) // max(R // 5, 1),
        prototype=F.normalize(normal(D), dim=0),
        mlm=MaskedTokens(logits, targets, where[:, 1], V),
        scores=3 * normal(R),
    )


def on(
    inputs: LossInputs, device: torch.device, dtype: torch.dtype = torch.float32
) -> tuple[LossInputs, list[Tensor]]:
    """The inputs on a device, and the leaves among them that gradients are wanted of."""
    assert inputs.mlm is not None
    assert inputs.scores is not None
    leaves = [
        x.to(device, dtype, copy=True).requires_grad_()
        for x in (inputs.embeddings, inputs.scores, inputs.mlm.logits)
    ]
    rest = {name: getattr(inputs, name).to(device) for name in ("view_mask", "labels", "protein")}
    targets, view = inputs.mlm.targets.to(device), inputs.mlm.view.to(device)
    mlm = MaskedTokens(leaves[2], targets, view, inputs.mlm.num_views)
    prototype = inputs.prototype.to(device, dtype)
    return LossInputs(embeddings=leaves[0], prototype=prototype, mlm=mlm, scores=leaves[1], **rest), leaves


def value_and_gradients(
    loss: nn.Module, inputs: LossInputs, device: torch.device, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """The loss, and its gradients with respect to embeddings, scores and logits in a row."""
    moved, leaves = on(inputs, device, dtype)
    value = loss(moved).value
    gradients = torch.autograd.grad(value, leaves, materialize_grads=True, allow_unused=True)
    return value, torch.cat([g.flatten() for g in gradients])


def losses(bench: Bench) -> Figures:
    """Every loss, value and gradient, against float64 on the CPU."""
    inputs = residues(60 if bench.toy else 400, 3, 64)
    figures: dict[str, float] = {}
    for name, loss in LOSSES.items():
        exact = value_and_gradients(loss, inputs, torch.device("cpu"), torch.float64)
        got = value_and_gradients(loss, inputs, bench.device)
        figures |= {
            f"{name}, {w}": relative(a, b) for w, a, b in zip(("value", "gradient"), got, exact, strict=True)
        }
    return hold(figures, dict.fromkeys(LOSSES, 1e-4))


def _nt_xent(bench: Bench, ways: dict[str, Options], temperature: float) -> dict[str, float]:
    """Errors of NT-Xent computed in several ways, for both kinds of negatives, against the CPU."""
    inputs = residues(50, 4, 32) if bench.toy else residues(1500, 4, 1280)  # several tiles of 4096, not whole ones
    wide = torch.float64 if bench.toy else torch.float32  # doubles of all pairs would take a CPU too long
    figures = {}
    for negatives in ("batch", "other-proteins"):
        plain: Options = {"negatives": negatives, "temperature": temperature}
        exact = value_and_gradients(_built(plain), inputs, torch.device("cpu"), wide)
        for name, how in ways.items():
            got = value_and_gradients(_built(plain | how), inputs, bench.device)
            for what, a, b in zip(("value", "gradient"), got, exact, strict=True):
                figures[f"{name}, {negatives}, {what}"] = relative(a, b)
    return figures


def _built(options: Options) -> NTXent:
    return NTXent(loss_options.NTXentOptions.model_validate(options))


def nt_xent(bench: Bench) -> Figures:
    """NT-Xent by tiles in plain torch: rounded products or not, tiles kept or not, plain sums or those of logs."""
    ways: dict[str, Options] = {
        "float32": {"cache_mb": 0},
        "float32, kept": {"cache_mb": 1000},
        "bfloat16": {"products": "bfloat16", "cache_mb": 0},
    }
    found = _nt_xent(bench, ways, 0.07) | _nt_xent(bench, {"of logs, float32": {"cache_mb": 0}}, 0.01)
    return hold(found, {"float32": 1e-4, "bfloat16": 2e-3, "of logs": 1e-3})


def fused(bench: Bench) -> Figures:
    """The kernel: with and without masks, sums and weights, whole blocks and parts of them."""
    bench.needs_gpu()
    how: Options = {"products": "bfloat16", "fused": True}
    figures = hold(_nt_xent(bench, {"bfloat16": how}, 0.07), {"bfloat16": 2e-3})
    bench.fused = True
    return figures


def memory(bench: Bench) -> Figures:
    """What is to be linear is: NT-Xent against its matrix, and the gradient cache against all views at once."""
    bench.needs_gpu()
    vectors = 16384
    ways: dict[str, Options] = {"nt-xent": {}, "nt-xent, bfloat16": {"products": "bfloat16"}}
    peaks = {}
    for name, how in ways.items():
        moved, leaves = on(residues(vectors // 4, 4, 256), bench.device)
        peaks[name] = bench.gib_held(partial(_gradient, _built({"cache_mb": 0, **how}), moved, leaves[0]))
    shares = {name: 2**30 * value / (4 * vectors**2) for name, value in peaks.items()}
    of_views = {way: bench.gib_held(partial(_eight_views, way, bench.device)) for way in ("batched", "separate")}
    shares["separate over batched views"] = of_views["separate"] / of_views["batched"]
    # A tile is a sixteenth of the matrix; a few of them are alive at a time.
    return {**hold(shares, {"nt-xent": 0.6, "separate": 0.6}), "gib": {**peaks, **of_views}}


def _gradient(loss: nn.Module, inputs: LossInputs, of: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(loss(inputs).value, of)
    return gradient


def _eight_views(execution: str, device: torch.device) -> None:
    """Forward and backward of eight views of four chains, with and without the gradient cache."""
    backbone = e1_backbone(random_weights="tiny", view_execution=execution)
    rng = np.random.default_rng(0)
    batch = backbone.encoder().encode([views_of(chain(500, rng), 8, (), rng) for _ in range(4)]).to(device)
    adapted = AdaptedModel(backbone, device)
    adapted.model.to(device)
    backbone.hidden(adapted.model, batch).square().mean().backward()
