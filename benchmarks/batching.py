"""Padding and time per residue: batches of a fixed number of chains against token-budget batches of like length.

    python -m benchmarks batching --fasta ZN_train.fasta [--share 0.1]

Padding shares come from the lengths of all chains. Time is forward and backward of an ESM-2-shaped model
(4 layers of width 128, random weights), which computes padding as it computes residues, over a share of the batches
of one epoch, in CPU seconds per 1,000 residues. E1 is timed beside it: it drops padding before its layers. Hidden
states of a batch are those of its chains alone, or nothing is timed.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers import EsmConfig, EsmModel

from benchmarks._benchmark import HERE, Benchmark, Figures, Step, Table
from benchmarks._harness import rounded, seconds
from e1bind.data.batching import Batch, budget_batches, fixed_batches, padding_share
from e1bind.readers.fasta3 import Fasta3Reader
from e1bind.readers.options import Fasta3Options
from e1bind_backbones.e1 import encode_rows
from e1bind_backbones.e1.random_init import random_config, random_model

BATCH_SIZE, BUDGET, POOL = 4, 4096, 512


def plans(lengths: list[int]) -> dict[str, list[Batch]]:
    """An epoch's batches either way."""
    return {
        "fixed": fixed_batches(lengths, BATCH_SIZE, np.random.default_rng(1)),
        "budget": budget_batches(lengths, BUDGET, np.random.default_rng(1), POOL),
    }


def share_of(batches: list[Batch], share: float) -> list[Batch]:
    """The first batches, about this share of all chains."""
    wanted = share * sum(len(batch) for batch in batches)
    chosen: list[Batch] = []
    for batch in batches:
        if sum(len(one) for one in chosen) >= wanted:
            break
        chosen.append(batch)
    return chosen


class Esm:
    """Computes padding as it computes residues."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        shape = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512}
        config = EsmConfig(
            vocab_size=33, pad_token_id=1, mask_token_id=32, position_embedding_type="rotary", **shape
        )
        self.model = EsmModel(config, add_pooling_layer=False)

    def hidden(self, lengths: list[int]) -> Tensor:
        """Hidden states of all residues of a batch, one chain after the other."""
        mask = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
        ids = torch.full(mask.shape, 5).masked_fill(~mask, 1)
        return self.model(input_ids=ids, attention_mask=mask.long()).last_hidden_state[mask]


class E1:
    """Drops padding before its layers."""

    def __init__(self) -> None:
        self.model = random_model(random_config("tiny"), 0)

    def hidden(self, lengths: list[int]) -> Tensor:
        """Hidden states of all tokens of a batch, markers included, one chain after the other."""
        inputs = encode_rows(["A" * length for length in lengths])
        return self.model(**inputs, compute_logits=False).last_hidden_state[inputs["sequence_ids"] >= 0]


def assert_parity(model: Esm | E1, lengths: list[int]) -> None:
    """Chains of a batch have the hidden states that each has alone."""
    model.model.eval()
    with torch.no_grad():
        alone = torch.cat([model.hidden([length]) for length in lengths])
        gap = float((model.hidden(lengths) - alone).abs().max())
    if gap > 1e-4:
        raise SystemExit(f"hidden states of a batch and of its chains differ by {gap:.1e}; not timed")


def epoch(model: Esm | E1, batches: list[list[int]]) -> Step:
    """Forward and backward of all batches, given as lengths."""
    model.model.train()

    def step() -> None:
        for batch in batches:
            model.hidden(batch).square().mean().backward()

    return step


def run(options: Namespace) -> Figures:
    """Padding of an epoch, and the time of a share of it."""
    records = Fasta3Reader(Fasta3Options(train=options.fasta.resolve())).read("ZN", "train")
    lengths = [min(len(record), options.seen) for record in records]
    planned = plans(lengths)
    timed = {
        name: [[lengths[i] for i in batch] for batch in share_of(batches, options.share)]
        for name, batches in planned.items()
    }
    taken: dict[str, dict[str, float]] = {}
    for model in (Esm(), E1()):
        assert_parity(model, timed["fixed"][0])
        spent = seconds({name: epoch(model, batches) for name, batches in timed.items()}, options.repeats)
        per_1000 = {name: 1e3 * spent[name] / sum(map(sum, timed[name])) for name in spent}
        taken[type(model).__name__] = rounded(per_1000, 4)
    return {
        "chains": len(lengths),
        "padding_share": rounded({name: padding_share(lengths, batches) for name, batches in planned.items()}),
        "cpu_s_per_1000_residues": taken,
        "fixed_over_budget": rounded({m: t["fixed"] / t["budget"] for m, t in taken.items()}, 2),
    }


def tables(found: Figures) -> list[Table]:
    """One: padding, and each model's time."""
    padding = [f"{100 * share:.1f} %" for share in found["padding_share"].values()]
    rows = [
        ["padding share", *padding, None],
        *(
            [f"{model}, CPU s per 1,000 residues", *times.values(), found["fixed_over_budget"][model]]
            for model, times in found["cpu_s_per_1000_residues"].items()
        ),
    ]
    columns = ["", f"{BATCH_SIZE} chains", f"{BUDGET:,} residues", "ratio"]
    return [Table(f"Batches of {found['chains']:,} chains", columns, rows)]


def options(parser: ArgumentParser) -> None:
    """Its own."""
    example = HERE.parent / "examples" / "data" / "ZN_train.fasta"
    parser.add_argument(
        "--fasta", type=Path, default=example, help="three-line FASTA (default: the example's chains)"
    )
    parser.add_argument("--seen", type=int, default=1022, help="residues of a chain at most")
    parser.add_argument("--share", type=float, default=0.1, help="share of an epoch that is timed")


BENCHMARK = Benchmark(run, tables, options, quick=["--seen", "40", "--repeats", "1"])
