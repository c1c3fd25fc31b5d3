"""Padding and time per residue: batches of a fixed number of chains against token-budget batches of like length.

    uv run python benchmarks/batching.py ZN_train.fasta [--share 0.1]

Padding shares come from the lengths of all chains. Time is forward and backward of an ESM-2-shaped model
(4 layers of width 128, random weights), which computes padding as it computes residues, over a share of the batches
of one epoch, in CPU seconds per 1,000 residues. E1 is timed beside it: it drops padding before its layers.
"""

from __future__ import annotations

from _harness import arguments, finish, rounded, seconds, start

# isort: split
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from transformers import EsmConfig, EsmModel

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
    wanted, chosen = share * sum(map(len, batches)), []
    for batch in batches:
        if sum(map(len, chosen)) >= wanted:
            break
        chosen.append(batch)
    return chosen


def esm_step(batches: list[Batch], lengths: list[int]) -> Callable[[], None]:
    torch.manual_seed(0)
    shape = {"hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 512}
    config = EsmConfig(vocab_size=33, pad_token_id=1, mask_token_id=32, position_embedding_type="rotary", **shape)
    model = EsmModel(config, add_pooling_layer=False).train()

    def step() -> None:
        for batch in batches:
            longest = max(lengths[i] for i in batch)
            mask = torch.arange(longest) < torch.tensor([lengths[i] for i in batch])[:, None]
            ids = torch.full(mask.shape, 5).masked_fill(~mask, 1)
            hidden = model(input_ids=ids, attention_mask=mask.long()).last_hidden_state
            hidden[mask].square().mean().backward()

    return step


def e1_step(batches: list[Batch], lengths: list[int]) -> Callable[[], None]:
    model = random_model(random_config("tiny"), 0).train()
    rows = [encode_rows(["A" * lengths[i] for i in batch]) for batch in batches]

    def step() -> None:
        for inputs in rows:
            model(**inputs, compute_logits=False).last_hidden_state.square().mean().backward()

    return step


def main() -> None:
    parser = arguments("Batches of like length against batches of a fixed size")
    parser.add_argument("fasta", type=Path, help="a file that the reader fasta3 takes")
    parser.add_argument("--share", type=float, default=0.1, help="share of an epoch that is timed")
    options = parser.parse_args()
    device = start(options)
    records = Fasta3Reader(Fasta3Options(train=str(options.fasta.resolve()))).read("ZN", "train")
    lengths = [min(len(record), 1022) for record in records]
    epoch = plans(lengths)
    timed = {name: share_of(batches, options.share) for name, batches in epoch.items()}
    residues = {name: sum(lengths[i] for batch in batches for i in batch) for name, batches in timed.items()}
    taken: dict[str, dict[str, float]] = {}
    for model, make in (("esm", esm_step), ("e1", e1_step)):
        steps = {name: make(batches, lengths) for name, batches in timed.items()}
        spent = seconds(steps, options.repeats, device)
        taken[model] = rounded({name: 1e3 * spent[name] / residues[name] for name in spent}, 4)
    result = {
        "chains": len(lengths),
        "padding_share": rounded({name: padding_share(lengths, batches) for name, batches in epoch.items()}),
        "cpu_s_per_1000_residues": taken,
        "fixed_over_budget": rounded({m: t["fixed"] / t["budget"] for m, t in taken.items()}, 2),
    }
    finish(result, options)


if __name__ == "__main__":
    main()
