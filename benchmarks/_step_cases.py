"""What `step.py` times: a whole step of the product, the same by a plain loop, and prediction.

Both begin with chains and end with new weights: views, tokens, forward, four losses, backward, clipping, AdamW.
The plain loop is what one writes in an afternoon: a forward for each view over padded rows under dense masks,
peft's own LoRA layers, NT-Xent over the whole matrix by autograd.

Shape legend: R residues, V views, P embedding width, N = R V pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from transformers.utils.logging import disable_progress_bar

from benchmarks._nt_xent import dense_value
from e1bind.contracts import (
    STANDARD_RESIDUES,
    ContextSource,
    DrawKey,
    LossInputs,
    LossOutput,
    MaskedTokens,
    ResidueRecord,
)
from e1bind.data.collate import ProteinBatch, collate
from e1bind.engine.distributed import World
from e1bind.engine.epoch import EpochTrainer
from e1bind.engine.events import Listener
from e1bind.engine.loader import EvaluationBatches, Micro, TrainingBatches
from e1bind.engine.model import ContrastiveModel, unit
from e1bind.engine.optimization import build_optimizer
from e1bind.engine.pipeline import Pipeline, build_model, build_pipeline
from e1bind.engine.seeds import seed_torch
from e1bind.engine.stopping import StopRequest
from e1bind.scoring import Prototype
from e1bind.spec import load_spec
from e1bind_backbones.e1 import E1Config
from e1bind_backbones.e1.backbone import plain_model
from e1bind_backbones.e1.random_init import random_model
from e1bind_backbones.packed.attention import AttentionChoice

ION, RANK, HEAD = "ZN", 16, 64
HOMOLOGUES = 12
"""Sequences of a context, each as long as its chain."""
SPEC = """\
schema_version = 1
[run]
output_dir = "runs"
[data.fasta3]
train = "chains.fasta"
msa_dir = "msa"
[backbone.e1]
checkpoint = "checkpoint"
[lora]
r = 16
alpha = 32
dropout = {dropout}
fused = {fused}
[views.masked]
num_variants = {views}
resample_msa_per_variant = false
[losses.nt-xent]
weight = 0.2
[losses.prototype-alignment]
[losses.prototype-bce]
[losses.mlm]
weight = 0.1
[msa.train]
max_num_samples = {homologues}
max_query_similarity = 1.0
neighbor_similarity_lower_bound = 1.0
[training]
ions = ["ZN"]
batch_size = {chains}
accum_steps = 1
"""


@dataclass(frozen=True)
class Shape:
    """A model of `layers` layers of a width, whether chains have contexts, how many views, and dropout of LoRA."""

    width: int
    context: bool = False
    views: int = 4
    dropout: float = 0.2
    layers: int = 4

    @property
    def config(self) -> E1Config:
        """Of E1's kind, with heads of 64."""
        heads = max(2, self.width // HEAD)
        return E1Config(
            hidden_size=self.width, intermediate_size=3 * self.width, num_hidden_layers=self.layers,
            num_attention_heads=heads, num_key_value_heads=heads, gated_mlp=True, clip_qkv=8,
            global_attention_every_n_layers=3, rope_theta_global=500000.0,
        )  # fmt: skip


class Case:
    """The pipeline that a spec of this shape gives, its model with adapters that are not zero, and a trainer."""

    def __init__(self, shape: Shape, records: Sequence[ResidueRecord], folder: Path, fused: bool = True) -> None:
        self.shape = shape
        self.pipeline = _pipeline(shape, len(records), folder, fused)
        self.records = _aligned(records, folder / "msa") if shape.context else tuple(records)
        self.model: ContrastiveModel = build_model(self.pipeline, fold=1)
        _wake(self.model)
        self.optimizer = build_optimizer(self.model, self.pipeline.spec.training)
        vector_P = F.normalize(torch.randn(shape.width, generator=torch.Generator().manual_seed(0)), dim=0)
        self.prototype = Prototype(vector_P, torch.zeros_like(vector_P), 1, 1, 1, 0.0, 0.0)
        self.micro = Micro(ION, self.records)

    def gradients(self) -> dict[str, Tensor]:
        """Of every trained tensor."""
        return {n: p.grad.clone() for n, p in self.model.named_parameters() if p.grad is not None}

    def loss(self) -> Tensor:
        """Views, tokens, forward and losses, as the trainer has them."""
        batch = TrainingBatches(self.pipeline, [self.micro], epoch=1)[0]
        return self.model(batch, self.prototype).total


class Product(Case):
    """A step by the engine's own trainer."""

    def __init__(self, shape: Shape, records: Sequence[ResidueRecord], folder: Path) -> None:
        super().__init__(shape, records, folder)
        here = World(0, 1, torch.device("cpu"))
        self.trainer = EpochTrainer(
            self.pipeline, self.model, self.model, self.optimizer, {ION: self.prototype}, here, Listener(),
            StopRequest(""),
        )  # fmt: skip

    def step(self) -> None:
        """One optimizer step on the chains."""
        self.trainer.run([self.micro], 1, 1, 0, {}, lambda micros, stopping: None)

    @torch.inference_mode()
    def predict(self) -> Tensor:
        """Scores [R] of the chains, one unmasked view each, as a fold's model is asked for them."""
        self.model.eval()
        batch = EvaluationBatches(self.pipeline, [self.micro])[0]
        _, raw_RVP = self.model.embed(batch)
        z_RVP = unit(raw_RVP, self.prototype)
        return self.model.scored(ION, batch.tokens.visible_RV, raw_RVP, z_RVP, self.prototype)


class Plain(Case):
    """The same step by a plain loop; `attention`: "dense" masks, or "slices" as the product has them."""

    def __init__(self, shape: Shape, records: Sequence[ResidueRecord], folder: Path, attention: str) -> None:
        super().__init__(shape, records, folder, fused=False)
        plain_model(self.model.network).attention = AttentionChoice(attention)  # type: ignore[arg-type]

    def loss(self) -> Tensor:
        """A forward for each view, then the losses of all of them."""
        batch, one_by_one = self._views()
        hidden_VRD = torch.stack([self._hidden(view) for view in one_by_one])
        z_RVP = unit(hidden_VRD.transpose(0, 1), self.prototype)
        inputs = self._loss_inputs(batch, hidden_VRD.transpose(0, 1), z_RVP)
        values = {"nt-xent": dense_value(inputs.embeddings, 0.07, inputs.view_mask)}
        for label, loss in zip(self.model.labels, self.model.losses, strict=True):
            if label not in values:
                output: LossOutput = loss(inputs)
                values[label] = output.value
        total: Tensor = sum((self.model.weights[label] * value for label, value in values.items()), torch.zeros(()))
        return total

    def step(self) -> None:
        """One optimizer step on the chains."""
        self.model.train()
        seed_torch(1)
        self.loss().backward()
        torch.nn.utils.clip_grad_norm_([p for p in self.model.parameters() if p.requires_grad], 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def _views(self) -> tuple[ProteinBatch, list[ProteinBatch]]:
        """All views as the product draws them, and a padded batch for each."""
        drawn = [self.pipeline.views.generate(*one) for one in self._keys()]
        batch = collate(ION, self.records, drawn, self.pipeline.encoder)
        encoder = self.pipeline.encoder
        apart = ([[protein[v]] for protein in drawn] for v in range(self.shape.views))
        return batch, [collate(ION, self.records, views, encoder) for views in apart]

    def _keys(self) -> list[tuple[ResidueRecord, DrawKey, ContextSource | None]]:
        contexts = self.pipeline.train_contexts
        return [(r, DrawKey(self.pipeline.spec.run.seed, 1, r.id), contexts) for r in self.records]

    def _hidden(self, batch: ProteinBatch) -> Tensor:
        hidden = self.model.backbone.hidden(self.model.network, batch.tokens)
        return hidden[batch.tokens.token_RV[:, 0]]

    def _loss_inputs(self, batch: ProteinBatch, hidden_RVD: Tensor, z_RVP: Tensor) -> LossInputs:
        visible_RV = batch.tokens.visible_RV
        scores_R = self.model.scored(ION, visible_RV, hidden_RVD, z_RVP, self.prototype)
        residue_K, view_K = (~visible_RV).nonzero(as_tuple=True)
        logits = self.model.backbone.mlm_logits(self.model.network, hidden_RVD[residue_K, view_K])
        masked = MaskedTokens(logits, batch.tokens.target_R[residue_K], view_K, self.shape.views)
        vector_P = self.prototype.vector_P
        return LossInputs(z_RVP, visible_RV, batch.labels_R, batch.protein_R, vector_P, masked, scores_R)


def chains(count: int, file: Path | None) -> list[ResidueRecord]:
    """The first chains of 200 to 300 residues of a three-line FASTA file, or as many made-up ones."""
    if file is None or not file.exists():
        return [_made_up(i) for i in range(count)]
    lines = file.read_text().splitlines()
    blocks = [lines[i : i + 3] for i in range(0, len(lines), 3)]
    fitting = [block for block in blocks if 200 <= len(block[1]) <= 300][:count]
    return [ResidueRecord(n[1:], s, {ION: np.array([*map(int, labels)], np.int8)}) for n, s, labels in fitting]


def _made_up(number: int) -> ResidueRecord:
    rng = np.random.default_rng(number)
    length = int(rng.integers(200, 301))
    labels = (rng.random(length) < 1 / 30).astype(np.int8)
    return ResidueRecord(f"chain{number}", "".join(rng.choice(list(STANDARD_RESIDUES), length)), {ION: labels})


def _pipeline(shape: Shape, count: int, folder: Path, fused: bool) -> Pipeline:
    """Of a spec, a checkpoint of random weights and (empty) data files that are written here."""
    disable_progress_bar()
    (folder / "msa").mkdir(parents=True, exist_ok=True)
    (folder / "chains.fasta").touch()
    if not (folder / "checkpoint").exists():
        random_model(shape.config, 0).save_pretrained(folder / "checkpoint")
    written = SPEC.format(
        dropout=shape.dropout, fused=str(fused).lower(), views=shape.views, homologues=HOMOLOGUES, chains=count
    )
    (folder / "spec.toml").write_text(written if shape.context else written.replace('msa_dir = "msa"\n', ""))
    return build_pipeline(load_spec(folder / "spec.toml"))


def _aligned(records: Sequence[ResidueRecord], folder: Path) -> tuple[ResidueRecord, ...]:
    """The chains with alignments of homologues that differ from them in half of their residues."""
    rng, found = np.random.default_rng(0), []
    for record in records:
        rows, query = [record.sequence], np.array(list(record.sequence))
        for _ in range(HOMOLOGUES):
            other = rng.choice(list(STANDARD_RESIDUES), len(query))
            rows.append("".join(np.where(rng.random(len(query)) < 0.5, other, query)))
        path = folder / f"{record.id}.a3m"
        path.write_text("".join(f">{i}\n{row}\n" for i, row in enumerate(rows)))
        found.append(replace(record, msa=path))
    return tuple(found)


@torch.no_grad()
def _wake(model: ContrastiveModel) -> None:
    """Give the adapters' second halves values: at 0, where they begin, no gradient reaches the first ones."""
    draw = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            parameter.normal_(0.0, 0.02, generator=draw)
