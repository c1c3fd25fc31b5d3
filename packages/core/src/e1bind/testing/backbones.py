"""Checks of backbones: tokens, hidden states, and what must change none of them.

Shape legend: R residues, V views, M rows, T tokens of a row, D embedding width, C vocabulary.
"""

from __future__ import annotations

import contextlib
import pickle
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from e1bind.contracts import MASK, TokenBatch, View
from e1bind.engine.contract_faults import hidden_fault, logits_fault, token_batch_fault
from e1bind.engine.residue_probe import residue_places_fault
from e1bind.testing.check import Broken, Checks, DoesNotApply
from e1bind.testing.subject import Subject

CHECKS = Checks(always=("builds",))
TINY = 5_000_000
"""Parameters that a configuration for tests has at most."""
TOLERANCE = 1e-4
"""Largest change of a hidden state, in parts of their root mean square, that rounding may cause."""
ENCODES, PLACES, WIDTH, SAME = (
    "batches-have-the-right-shape",
    "token-indices-point-at-their-residues",
    "hidden-states-have-the-declared-width",
    "same-batch-gives-the-same-states",
)
LONG, SHORT = "MKTAYIAKQRHCDEWGHLVS", "GSHMELVPW"

Views = Sequence[Sequence[View]]


@contextlib.contextmanager
def no_network() -> Iterator[None]:
    """Whoever opens a connection inside raises `Broken`."""

    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise Broken("reaches for the network with the options it is tried with; its example must do without")

    saved = socket.getaddrinfo, socket.socket.connect
    socket.getaddrinfo, socket.socket.connect = refuse, refuse  # type: ignore[method-assign]
    try:
        yield
    finally:
        socket.getaddrinfo, socket.socket.connect = saved  # type: ignore[method-assign]


class Loaded:
    """A backbone with its encoder and its model in evaluation mode."""

    def __init__(self, subject: Subject) -> None:
        self.backbone = subject.build()
        self.encoder = self.backbone.encoder()
        self.model: nn.Module = self.backbone.load_model().eval()

    def chain(self, sequence: str) -> str:
        """As much of a chain as the backbone takes."""
        return sequence[: self.backbone.max_residues]

    def tokens_RVD(self, views: Views) -> Tensor:
        """Hidden states of the residues of views, [R, V, D]."""
        batch = self.encoder.encode(views)
        with torch.no_grad():
            hidden = self.backbone.hidden(self.model, batch)
        states: Tensor = hidden[batch.token_RV]
        return states

    def unmasked(self, *chains: str) -> list[list[View]]:
        """One view of each chain, as it is."""
        return [[View.unmasked(self.chain(sequence))] for sequence in chains]


def loaded(subject: Subject) -> Loaded:
    """The backbone of a subject; loaded anew, since a check may change it."""
    return Loaded(subject)


def expect_same(first: Tensor, second: Tensor, what: str) -> None:
    """Raise `Broken` unless two sets of states differ by rounding alone."""
    worst = float((first - second).abs().max()) / max(float(first.square().mean().sqrt()), 1e-12)
    if not worst <= TOLERANCE:
        raise Broken(f"gives residues other hidden states {what} (by {worst:.2g} of their size)")


def masked(chain: str, *residues: int, context: tuple[str, ...] = ()) -> View:
    """A view with some residues hidden."""
    selected = np.zeros(len(chain), dtype=bool)
    selected[list(residues)] = True
    visible = "".join(MASK if hide else letter for letter, hide in zip(chain, selected, strict=True))
    return View(chain, visible, selected, context)


@CHECKS.check("override Options.example(folder) with the smallest random weights, or write a tiny checkpoint there")
def has_a_tiny_offline_configuration(subject: Subject) -> None:
    """The options' example builds a model of at most 5 million parameters without a network."""
    with no_network():
        count = sum(parameter.numel() for parameter in subject.build().load_model().parameters())
    if count > TINY:
        raise Broken(f"has {count:,} parameters with the options it is tried with; a test wants at most {TINY:,}")


@CHECKS.check("see e1bind.contracts.TokenBatch for names, shapes and types")
def batches_have_the_right_shape(subject: Subject) -> None:
    """encode gives a TokenBatch with a place in range for every residue of every view."""
    it = subject.build()
    chain = LONG[: it.max_residues]
    views = [[View.unmasked(chain), masked(chain, 0, 2)], [View.unmasked(SHORT), masked(SHORT, 1)]]
    if fault := token_batch_fault(it.encoder().encode(views), views):
        raise Broken(fault)


@CHECKS.check("count the tokens before a view's first residue: row * T + column", after=(ENCODES,))
def token_indices_point_at_their_residues(subject: Subject) -> None:
    """Replacing a residue changes the token that token_RV names for it; target_R and visible_RV tell the truth."""
    it = subject.build()
    if fault := residue_places_fault(it.encoder(), it.supports_context, it.max_residues):
        raise Broken(fault)


@CHECKS.check("keep settings in the encoder, and weights, models and open files out of it")
def encoder_can_be_pickled(subject: Subject) -> None:
    """The encoder can be pickled and is free of weights: data-loader workers get a copy of it."""
    encoder = subject.build().encoder()
    try:
        text = pickle.dumps(encoder)
        copy = pickle.loads(text)  # noqa: S301 - pickled in the line before
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise Broken(f"has an encoder that cannot be pickled for a data-loader worker: {error}") from error
    parts = list(vars(encoder).values()) if hasattr(encoder, "__dict__") else []
    if any(isinstance(part, nn.Module | nn.Parameter) for part in [encoder, *parts]):
        raise Broken("has an encoder that holds weights of the model")
    views = [[View.unmasked(SHORT)]]
    if not torch.equal(copy.encode(views).token_RV, encoder.encode(views).token_RV):
        raise Broken("has an encoder that encodes otherwise once it was pickled")


@CHECKS.check("return model(...).flatten(0, 1).float() of width hidden_size", after=(ENCODES,))
def hidden_states_have_the_declared_width(subject: Subject) -> None:
    """hidden gives finite fp32 [M*T, hidden_size]: one vector for every token."""
    it = loaded(subject)
    batch = it.encoder.encode(it.unmasked(LONG, SHORT))
    hidden = it.backbone.hidden(it.model, batch)
    if fault := hidden_fault(hidden, batch, it.backbone.hidden_size):
        raise Broken(fault)
    if not bool(torch.isfinite(hidden[batch.token_RV]).all()):
        raise Broken("gives hidden states of residues that are not finite")


CHECKS.always = ("builds", ENCODES, WIDTH)


@CHECKS.check("keep no state between calls, and switch dropout off unless model.training")
def same_batch_gives_the_same_states(subject: Subject) -> None:
    """In evaluation mode one batch has the same hidden states again, whatever came between."""
    it = loaded(subject)
    views = it.unmasked(LONG, SHORT)
    first = it.tokens_RVD(views)
    it.tokens_RVD(it.unmasked(SHORT))
    expect_same(first, it.tokens_RVD(views), "when it is asked again")


@CHECKS.check("hide padding from every layer that mixes tokens, and from means", after=(SAME, PLACES))
def padding_changes_nothing(subject: Subject) -> None:
    """A chain has the same hidden states alone and beside a longer one."""
    it = loaded(subject)
    alone, beside = it.tokens_RVD(it.unmasked(SHORT)), it.tokens_RVD(it.unmasked(SHORT, LONG))
    expect_same(alone, beside[: len(alone)], "beside a longer chain")


@CHECKS.check("let no layer mix rows of a batch", after=(SAME, PLACES))
def other_chains_change_nothing(subject: Subject) -> None:
    """A chain has the same hidden states whatever chains of its length stand beside it, and in whatever order."""
    it = loaded(subject)
    chain = it.chain(LONG)
    other, third = chain[::-1], chain[3:] + chain[:3]
    first = it.tokens_RVD(it.unmasked(chain, other))[: len(chain)]
    expect_same(first, it.tokens_RVD(it.unmasked(other, chain))[len(chain) :], "in another place of the batch")
    expect_same(first, it.tokens_RVD(it.unmasked(chain, third))[: len(chain)], "beside another chain")


@CHECKS.check("let views see themselves and their context alone", after=(SAME, PLACES))
def views_do_not_see_each_other(subject: Subject) -> None:
    """A view has the same hidden states alone and together with other views of its chain."""
    it = loaded(subject)
    chain = it.chain(LONG)
    context = (it.chain(SHORT),) if it.backbone.supports_context else ()
    views = [
        View.unmasked(chain, context),
        masked(chain, 1, 3, 5, context=context),
        masked(chain, 0, context=context),
    ]
    together = it.tokens_RVD([views])
    for v, view in enumerate(views):
        expect_same(it.tokens_RVD([[view]])[:, 0], together[:, v], "in a batch with other views of its chain")


@CHECKS.check("feed the model from view.visible; view.truth is for target_R alone", after=(SAME, PLACES))
def hidden_residues_stay_hidden(subject: Subject) -> None:
    """What stands under a mask has no effect on hidden states: the model must not see what it is to predict."""
    it = loaded(subject)
    view = masked(it.chain(LONG), 1, 4)
    other = replace(
        view, truth="".join("W" if hide else t for t, hide in zip(view.truth, view.selected, strict=True))
    )
    expect_same(it.tokens_RVD([[view]]), it.tokens_RVD([[other]]), "where other residues stand under its masks")


@CHECKS.check("give MASK a token of its own", after=("hidden-residues-stay-hidden",))
def masks_are_seen(subject: Subject) -> None:
    """A hidden residue looks different from a visible one, and X is taken as a residue."""
    it = loaded(subject)
    chain = it.chain(LONG)
    plain, view = it.tokens_RVD([[View.unmasked(chain)]]), it.tokens_RVD([[masked(chain, 1)]])
    if torch.allclose(plain[1], view[1], atol=1e-6):
        raise Broken("gives a hidden residue the hidden state of the visible one")
    it.tokens_RVD([[View.unmasked(chain[:2] + "X" + chain[3:])]])


@CHECKS.check("lower max_residues to what the model takes, or take as many", after=(PLACES,))
def longest_chain_is_taken(subject: Subject) -> None:
    """A chain of max_residues is encoded whole, each residue at a place of its own; windows are cut by the host."""
    it = subject.build()
    longest = it.max_residues if it.max_residues is not None else 1500
    if longest > 20_000:
        raise DoesNotApply(f"max_residues is {longest}: longer than a check can wait for")
    views = [[View.unmasked((LONG * (longest // len(LONG) + 1))[:longest])]]
    batch: TokenBatch = it.encoder().encode(views)
    if fault := token_batch_fault(batch, views):
        raise Broken(f"{fault}, for a chain of {longest} residues")
    if len(batch.token_RV.unique()) != longest:
        raise Broken(f"has places for {len(batch.token_RV.unique())} residues of a chain of {longest}")


@CHECKS.check("correct supports_context and `provides` of the descriptor", after=(SAME, PLACES))
def contexts_are_read_where_declared(subject: Subject) -> None:
    """A backbone provides "contexts" exactly where supports_context is true, and a context then changes states."""
    it = loaded(subject)
    supports, declared = it.backbone.supports_context, "contexts" in subject.declared
    if supports != declared:
        raise Broken(
            f'has supports_context = {supports}, and {"provides" if declared else "does not provide"} "contexts"'
        )
    if not supports:
        raise DoesNotApply("it reads no contexts")
    chain = it.chain(SHORT)
    plain = it.tokens_RVD([[View.unmasked(chain)]])
    read = it.tokens_RVD([[View.unmasked(chain, (it.chain(LONG), chain[::-1]))]])
    if plain.shape != read.shape:
        raise Broken("gives states of context residues where those of the chain are wanted")
    if torch.allclose(plain, read, atol=1e-6):
        raise Broken('provides "contexts", and gives the same hidden states with and without one')


@CHECKS.check("correct has_mlm_head, mlm_head_modules and `provides`, or the head", after=(SAME, PLACES))
def masked_lm_head_is_as_declared(subject: Subject) -> None:
    """It provides "mlm-logits" exactly where has_mlm_head is true, and then scores every target."""
    it = loaded(subject)
    backbone, declared = it.backbone, "mlm-logits" in subject.declared
    if backbone.has_mlm_head != declared:
        said = "provides" if declared else "does not provide"
        raise Broken(f'has has_mlm_head = {backbone.has_mlm_head}, and {said} "mlm-logits"')
    if not declared:
        raise DoesNotApply("it has no masked-LM head")
    names = {name for name, _ in it.model.named_modules()}
    if absent := [m for m in backbone.mlm_head_modules if not any(n == m or n.endswith(f".{m}") for n in names)]:
        raise Broken(f"names the head's module {absent[0]!r}, which the model does not have")
    batch = it.encoder.encode(it.unmasked(LONG))
    with torch.no_grad():
        logits = backbone.mlm_logits(it.model, backbone.hidden(it.model, batch)[batch.token_RV[:, 0]])
    if fault := logits_fault(logits, len(batch.target_R)):
        raise Broken(fault)
    if not bool(torch.isfinite(logits).all()) or int(batch.target_R.max()) >= logits.shape[1]:
        raise Broken(
            f"has scores of {logits.shape[1]} tokens, not finite or too few for target {int(batch.target_R.max())}"
        )
