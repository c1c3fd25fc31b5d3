"""A checkpoint of ESM-2's shape with random weights, for trying things out without a network."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import EsmConfig, EsmForMaskedLM, EsmTokenizer

VOCABULARY = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPYKNFQHMWCXBUZO.-", "<null_1>", "<mask>"]


def write_tiny_esm(folder: Path) -> Path:
    """Write tokeniser and model into `folder`, which is made; the same ones every time."""
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY), encoding="utf-8")
    EsmTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = EsmConfig(
        vocab_size=len(VOCABULARY),
        mask_token_id=VOCABULARY.index("<mask>"),
        pad_token_id=VOCABULARY.index("<pad>"),
        hidden_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=66,
        position_embedding_type="rotary",
        emb_layer_norm_before=False,
        token_dropout=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        EsmForMaskedLM(config).save_pretrained(folder)
    return folder
