"""Which token stands for which residue, learned from a checkpoint's tokeniser by asking it.

A tokeniser is usable where every residue is one token, the same wherever it stands, with a fixed run of special
tokens before and after. Some read residues as they are ("MKV"), some want them apart ("M K V").

Shape legend: M rows (views), T padded tokens of a row, R residues of all proteins, V views.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from e1bind.contracts import MASK, STANDARD_RESIDUES, TokenBatch, View
from e1bind.errors import DataError, UserError
from e1bind_backbones.packed.layout import LayoutParts, RowLayout
from e1bind_backbones.view_batch import count_views, token_batch

PROBE = STANDARD_RESIDUES + STANDARD_RESIDUES[::-1]
"""Every standard residue at two places and beside two neighbours: a tokeniser that merges or marks pieces shows."""


@dataclass(frozen=True)
class ResidueTokens:
    """Token ids of residues, and of what stands around them.

    `residues` maps a letter to its token. A letter the tokeniser does not know has the token of `X`, or its unknown
    token. `before` and `after` are the special tokens of every row.
    """

    residues: Mapping[str, int]
    before: tuple[int, ...]
    after: tuple[int, ...]
    mask: int
    pad: int

    @property
    def special(self) -> int:
        """Tokens of a row that are no residues."""
        return len(self.before) + len(self.after)

    def ids(self, residues: str) -> list[int]:
        """Token ids of residues and masks, without special tokens. Raises `DataError` on any other character."""
        try:
            return [self.mask if c == MASK else self.residues[c] for c in residues]
        except KeyError as err:
            at = residues.index(err.args[0])
            raise DataError(f"residue {at + 1} is {residues[at]!r}; residues are the capital letters A-Z") from None


def learn_residue_tokens(tokenizer: Any, checkpoint: str) -> ResidueTokens:
    """Ask a Hugging Face tokeniser how it writes residues. Raises `UserError` where it is of no use."""
    where = f"backbone.hf-mlm.checkpoint: the tokeniser of {checkpoint}"
    if tokenizer.mask_token_id is None:
        raise UserError(f"{where} has no mask token; a masked language model is needed")
    spaced = _all_unknown(tokenizer, PROBE)
    ids = _encode(tokenizer, PROBE, spaced)
    letters = [_letter(tokenizer, i) for i in ids]
    start = next((i for i, letter in enumerate(letters) if letter == PROBE[0]), None)
    if start is None or letters[start : start + len(PROBE)] != list(PROBE):
        shown = " ".join(tokenizer.convert_ids_to_tokens(ids)[:8])
        raise UserError(
            f"{where} does not give every residue a token of its own: it reads {PROBE[:6]}... as {shown} ...; "
            "choose a protein model with one token per residue"
        )
    stop = start + len(PROBE)
    residues = dict(zip(PROBE, ids[start:stop], strict=True))
    if [residues[c] for c in PROBE] != ids[start:stop]:
        raise UserError(f"{where} writes a residue differently by where it stands; choose another protein model")
    before, after = tuple(ids[:start]), tuple(ids[stop:])
    residues |= _rare_letters(tokenizer, spaced, (before, after), residues)
    pad = 0 if tokenizer.pad_token_id is None else tokenizer.pad_token_id  # hidden by the attention mask
    return ResidueTokens(residues, before, after, tokenizer.mask_token_id, pad)


def _encode(tokenizer: Any, residues: str, spaced: bool) -> list[int]:
    return list(tokenizer(" ".join(residues) if spaced else residues)["input_ids"])


def _letter(tokenizer: Any, token: int) -> str:
    """A token as text, without the marks byte-pair and sentence-piece vocabularies put before a word."""
    return str(tokenizer.convert_ids_to_tokens(token)).lstrip("Ġ▁")


def _all_unknown(tokenizer: Any, residues: str) -> bool:
    """Whether a tokeniser cannot read residues that stand side by side at all."""
    body = tokenizer(residues, add_special_tokens=False)["input_ids"]
    return tokenizer.unk_token_id is not None and all(i == tokenizer.unk_token_id for i in body)


def _rare_letters(
    tokenizer: Any, spaced: bool, around: tuple[tuple[int, ...], tuple[int, ...]], known: Mapping[str, int]
) -> dict[str, int]:
    """Tokens of the letters that are no standard residue, each tried between two alanines."""
    before, after = around
    found: dict[str, int] = {}
    for letter in sorted(set(string.ascii_uppercase) - set(known)):
        ids = _encode(tokenizer, f"A{letter}A", spaced)
        body = ids[len(before) : len(ids) - len(after)]
        if len(body) == 3 and body[0] == body[2] == known["A"] and _letter(tokenizer, body[1]) == letter:
            found[letter] = body[1]
    fallback = found.get("X", tokenizer.unk_token_id)
    if fallback is None:
        return found
    return {letter: found.get(letter, fallback) for letter in sorted(set(string.ascii_uppercase) - set(known))}


@dataclass(frozen=True)
class HfViewEncoder:
    """Encodes views as rows of `[special tokens] residues [special tokens]`, one row for each view.

    With `by_view` the rows stand view by view instead of protein by protein, and `inputs["layout"]` has a part for
    each view.
    """

    tokens: ResidueTokens
    max_residues: int | None
    by_view: bool

    def encode(self, views: Sequence[Sequence[View]]) -> TokenBatch:
        """Rows of B proteins with V views each. Raises `DataError` on letters, lengths and contexts."""
        num_views, num_proteins = count_views(views), len(views)
        cells = [(b, v) for b in range(num_proteins) for v in range(num_views)]
        if self.by_view:
            cells.sort(key=lambda cell: cell[::-1])
        rows = [self._ids(views[b][v]) for b, v in cells]
        width = max(map(len, rows))
        input_ids = torch.full((len(rows), width), self.tokens.pad)
        attention_mask = torch.zeros_like(input_ids)
        for m, ids in enumerate(rows):
            input_ids[m, : len(ids)] = torch.tensor(ids)
            attention_mask[m, : len(ids)] = 1
        parts = [RowLayout.build(mask - 1) for mask in attention_mask.split(num_proteins)] if self.by_view else None
        inputs: dict[str, Any] = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "layout": RowLayout.build(attention_mask - 1) if parts is None else LayoutParts(tuple(parts)),
        }
        first = {cell: m * width + len(self.tokens.before) for m, cell in enumerate(cells)}
        return token_batch(views, inputs, first, self.tokens.ids, sum(map(len, rows)))

    def _ids(self, view: View) -> list[int]:
        if view.context:
            raise DataError(
                "backbone.hf-mlm reads single chains, not contexts: leave the alignments out, or use e1"
            )
        longest = self.max_residues
        if not view.visible or (longest is not None and len(view.visible) > longest):
            raise DataError(f"the chain has {len(view.visible)} residues; the model takes 1 to {longest or 'any'}")
        return [*self.tokens.before, *self.tokens.ids(view.visible), *self.tokens.after]
