"""Tiny Hugging Face checkpoints with real tokeniser files, made on the spot."""

from __future__ import annotations

import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizer, EsmConfig, EsmForMaskedLM, EsmTokenizer

ESM_VOCABULARY = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPYKNFQHMWCXBUZO.-", "<null_1>", "<mask>"]
BERT_VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"LAGVESIKRDTPNQFYMHCWXUBZO"]


def write_esm(folder, model_class=EsmForMaskedLM, keep=None, **changes):
    """An ESM-2-shaped checkpoint: rotary positions, token dropout, one token per residue, no J."""
    folder.mkdir(exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(ESM_VOCABULARY))
    EsmTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = EsmConfig(
        vocab_size=len(ESM_VOCABULARY), mask_token_id=32, pad_token_id=1, hidden_size=24, num_hidden_layers=2,
        num_attention_heads=2, intermediate_size=32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        max_position_embeddings=66, position_embedding_type="rotary", emb_layer_norm_before=False,
        token_dropout=True, **changes,
    )  # fmt: skip
    torch.manual_seed(0)
    return _save(model_class(config), folder, keep)


def write_bert(folder, model_class=BertForMaskedLM, lower=False, vocabulary=None, keep=None, **changes):
    """A ProtBERT-shaped checkpoint: absolute positions, residues apart."""
    folder.mkdir(exist_ok=True)
    vocabulary = vocabulary or BERT_VOCABULARY
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    BertTokenizer(vocab={t: i for i, t in enumerate(vocabulary)}, do_lower_case=lower).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=24, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, max_position_embeddings=64,
        **changes,
    )  # fmt: skip
    torch.manual_seed(0)
    return _save(model_class(config), folder, keep)


def _save(model, folder, keep):
    """Save the model; `keep` is given it as it was before."""
    model.save_pretrained(folder)
    if keep is not None:
        keep(model)
    return folder
