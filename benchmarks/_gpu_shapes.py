"""Models of the published shapes with random weights, a training step of each, and how many operations it takes.

What counts as an operation (FLOP, two for a multiplication and an addition), for MFU:

    frozen products   4 for each weight and token: 2 forward, 2 for the gradient of the input. There is no gradient
                      of a frozen weight, so this is not the 6 of full training.
    adapters          6 for each adapter weight and token
    attention         12 H for each scored (query, key) pair and layer of width H: 4 H forward, 8 H backward. Pairs
                      that a mask hides are not counted, nor is what the backward pass computes a second time.
    masked-LM head    4 for each weight and masked residue

Padding is not counted, nor are norms, activations, rotations, dropout, losses and the optimizer, nor anything that
is recomputed. The first layer's q, k and v are counted like the others, though nobody wants the gradient of the
frozen embeddings (below 1 % of the whole).

Shape legend: R residues, V views, P prototype width.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from torch.nn import functional as F
from transformers import AutoModelForMaskedLM, EsmConfig, EsmTokenizer

from benchmarks._backbones import e1_backbone, esm_backbone
from benchmarks._gpu_attention import chain, views_of
from benchmarks._gpu_bench import Bench
from e1bind.contracts import Backbone, ResidueRecord, View
from e1bind.data.collate import ProteinBatch, collate
from e1bind.engine.averages import scalars_of
from e1bind.engine.guards import check_finite, check_gradients
from e1bind.engine.lora_linear import use_one_operation
from e1bind.engine.model import ContrastiveModel
from e1bind.engine.optimization import build_optimizer
from e1bind.heads.options import PrototypeHeadOptions
from e1bind.heads.prototype import PrototypeHead
from e1bind.scoring import Prototype
from e1bind.spec.training import TrainingSection
from e1bind_backbones.hf_mlm import HfMlmBackbone
from e1bind_backbones.packed.layout import scored_pairs
from e1bind_backbones.tiny_checkpoint import VOCABULARY
from e1bind_losses.mlm import MaskedLM
from e1bind_losses.nt_xent import NTXent
from e1bind_losses.options import (
    MaskedLMOptions,
    NTXentOptions,
    PrototypeAlignmentOptions,
    PrototypeBCEOptions,
)
from e1bind_losses.prototype_alignment import PrototypeAlignment
from e1bind_losses.prototype_bce import PrototypeBCE

ION, V, RANK = "ZN", 2, 16
RESIDUES = (250, 400)
"""Shortest and longest chain."""
WEIGHTS = {"nt-xent": 0.2, "prototype-alignment": 1.0, "prototype-bce": 1.0, "mlm": 0.1}

Loaded = tuple[Backbone, nn.Module]


def e1(size: str, device: torch.device) -> Loaded:
    """E1 in bfloat16, its random weights drawn on the device."""
    backbone = e1_backbone(random_weights=size, dtype="bfloat16")
    with device:
        return backbone, backbone.load_model()


def esm2(
    folder: Path, layers: int, hidden: int, heads: int, device: torch.device, dtype: str = "bfloat16"
) -> Loaded:
    """ESM-2's architecture, from a folder that has all of a checkpoint but its weights."""
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    EsmTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = EsmConfig(
        vocab_size=len(VOCABULARY),
        mask_token_id=VOCABULARY.index("<mask>"), pad_token_id=VOCABULARY.index("<pad>"),
        hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=4 * hidden,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, max_position_embeddings=1026,
        position_embedding_type="rotary", emb_layer_norm_before=False, token_dropout=True,
        architectures=["EsmForMaskedLM"],
    )  # fmt: skip
    config.save_pretrained(folder)
    backbone = esm_backbone(checkpoint=str(folder), dtype=dtype)
    assert isinstance(backbone, HfMlmBackbone)
    with device:
        return backbone, AutoModelForMaskedLM.from_config(backbone.config, dtype=getattr(torch, dtype))


def protein_batch(backbone: Backbone, tokens: int, residues: tuple[int, int] = RESIDUES) -> ProteinBatch:
    """Chains with V views each, until the next one would make more than so many tokens; one residue in 30 binds."""
    rng = np.random.default_rng(0)
    records: list[ResidueRecord] = []
    views: list[list[View]] = []
    used = 0
    while True:
        length = int(rng.integers(residues[0], residues[1] + 1))
        used += V * (length + 4)
        if used > tokens and records:
            break
        truth = chain(length, rng)
        labels = (rng.random(length) < 1 / 30).astype(np.int8)
        records.append(ResidueRecord(f"chain{len(records)}", truth, {ION: labels}))
        views.append(views_of(truth, V, (), rng))
    return collate(ION, records, views, backbone.encoder())


class StepCase:
    """A whole training step as the engine takes it: forward, losses, checks, backward, clipping and AdamW."""

    def __init__(self, bench: Bench, loaded: Loaded, tokens: int, dropout: float) -> None:
        backbone, network = loaded
        self.bench, self.batch = bench, protein_batch(backbone, tokens)
        torch.manual_seed(0)
        targets = list(backbone.lora_targets)
        lora = LoraConfig(r=RANK, lora_alpha=2 * RANK, lora_dropout=dropout, target_modules=targets)
        adapted = get_peft_model(network, lora)
        use_one_operation(adapted)
        self.model = ContrastiveModel(
            backbone=backbone,
            network=adapted,
            projector=nn.Identity(),
            head=PrototypeHead(PrototypeHeadOptions()).module([ION], backbone.hidden_size),
            losses={
                "nt-xent": NTXent(NTXentOptions(products="bfloat16", fused=bench.fused)),
                "prototype-alignment": PrototypeAlignment(PrototypeAlignmentOptions()),
                "prototype-bce": PrototypeBCE(PrototypeBCEOptions()),
                "mlm": MaskedLM(MaskedLMOptions()),
            },
            weights=WEIGHTS,
            scoring_temperature=0.1,
            needs_mlm=True,
            fingerprint="",
        )
        self.model.to(bench.device).train()
        self.trainable = {n: p for n, p in self.model.named_parameters() if p.requires_grad}
        self.optimizer = build_optimizer(self.model, TrainingSection(ions=[ION]))
        vector_P = F.normalize(torch.randn(backbone.hidden_size, device=bench.device), dim=0)
        self.prototype = Prototype(vector_P, torch.zeros_like(vector_P), 1, 1, 1, 0.0, 0.0)

    def step(self, mark: Callable[[str], None] = lambda phase: None) -> None:
        """One optimizer step on the batch; `mark` is told at the end of each phase."""
        output = self.model(self.batch.to(self.bench.device), self.prototype)
        check_finite(output, self.batch)
        mark("forward")
        output.total.backward()
        mark("backward")
        scalars_of(output)
        norm = check_gradients(self.trainable, [self.batch])
        torch.nn.utils.clip_grads_with_norm_(self.trainable.values(), 1.0, norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        mark("optimizer")

    def phases(self) -> dict[str, float]:
        """Milliseconds of each phase of one step, by CUDA events; nothing on a CPU."""
        if not self.bench.on_gpu:
            return {}
        events = [("", torch.cuda.Event(enable_timing=True))]
        events[0][1].record()

        def mark(phase: str) -> None:
            events.append((phase, torch.cuda.Event(enable_timing=True)))
            events[-1][1].record()

        self.step(mark)
        torch.cuda.synchronize()
        pairs = itertools.pairwise(events)
        return {phase: round(before.elapsed_time(after), 2) for (_, before), (phase, after) in pairs}

    def operations(self) -> float:
        """FLOP of a step, see above."""
        layers = [m.base_layer for m in self.model.network.modules() if hasattr(m, "lora_A")]
        sizes = [(layer.in_features, layer.out_features) for layer in layers if isinstance(layer, nn.Linear)]
        frozen, adapters = sum(i * o for i, o in sizes), sum(RANK * (i + o) for i, o in sizes)
        tokens, width = self.batch.tokens.tokens, self.model.backbone.hidden_size
        hidden = int((~self.batch.tokens.visible_RV).sum())
        head = width * width + width * len(VOCABULARY)
        return (4 * frozen + 6 * adapters) * tokens + 12 * width * self._pairs() + 4 * head * hidden

    def _pairs(self) -> int:
        """Scored (query, key) pairs of all layers."""
        config, layout = self.model.backbone.config, self.batch.tokens.inputs["layout"]  # type: ignore[attr-defined]
        own, all_before = scored_pairs(layout.within_jobs), scored_pairs(layout.global_jobs)
        is_global = getattr(config, "is_global", lambda layer: False)
        return sum(all_before if is_global(i) else own for i in range(config.num_hidden_layers))
