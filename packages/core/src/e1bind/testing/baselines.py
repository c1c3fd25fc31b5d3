"""Checks of baselines: plain values, probabilities, and labels that are not looked at.

Shape legend: L residues of a chain, D width of the embeddings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import UNKNOWN, BaselineChain
from e1bind.engine.contract_faults import fitted_fault
from e1bind.metrics.base import probabilities_fault
from e1bind.testing.chains import tiny_chains
from e1bind.testing.check import Broken, Checks
from e1bind.testing.subject import ION, Subject

CHECKS = Checks(always=("builds",))
WIDTH = 6
LEARNS, SCORES = "learns-plain-arrays", "gives-probabilities"


def training_chains(embedded: bool) -> list[BaselineChain]:
    """The kit's chains, with embeddings that tell a little of their labels, and some residues unknown."""
    rng = np.random.default_rng(3)
    found = []
    for number, record in enumerate(tiny_chains()):
        labels = record.labels[ION].copy()
        told = (labels == 1)[:, None] * (np.arange(WIDTH) < 2)
        rows = (rng.normal(size=(len(record), WIDTH)) + told).astype(np.float32)
        labels[::7] = UNKNOWN
        found.append(BaselineChain(record.id, record.sequence, labels, number, rows if embedded else None))
    return found


def bare(chain: BaselineChain) -> BaselineChain:
    """The chain without its labels, as it is given to be scored."""
    return replace(chain, labels=np.full(len(chain.sequence), UNKNOWN, np.int8))


def _chains(subject: Subject) -> list[BaselineChain]:
    return training_chains("embeddings" in subject.needed)


def fitted_by(subject: Subject, chains: Sequence[BaselineChain], seed: int = 0) -> Mapping[str, NDArray[Any]]:
    """What a fresh instance learns. Raises `Broken` where that is nothing that can be kept."""
    found = subject.build().fit(chains, np.random.default_rng(seed))
    if fault := fitted_fault(found):
        raise Broken(fault)
    return {name: np.asarray(value) for name, value in found.items()}


def scores_by(subject: Subject, fitted: Mapping[str, NDArray[Any]], chain: BaselineChain) -> NDArray[np.float64]:
    """Probabilities [L] that a fresh instance gives. Raises `Broken` where they are none."""
    found = subject.build().score(fitted, chain)
    if fault := probabilities_fault(found, len(chain.sequence)):
        raise Broken(fault)
    return np.asarray(found, np.float64)


@CHECKS.check("return a dict of numpy arrays of numbers from fit; nothing else is kept")
def learns_plain_arrays(subject: Subject) -> None:
    """fit gives named arrays of finite numbers."""
    fitted_by(subject, _chains(subject))


CHECKS.always = ("builds", LEARNS)


@CHECKS.check("return one probability of 0 to 1 for each residue from score; keep all it needs in what fit returns")
def gives_probabilities(subject: Subject) -> None:
    """Another instance scores every residue of a chain from what fit returned: from 0 to 1, and none is NaN."""
    chains = _chains(subject)
    fitted = fitted_by(subject, chains)
    for chain in chains:
        scores_by(subject, fitted, bare(chain))


CHECKS.always = ("builds", LEARNS, SCORES)


@CHECKS.check("draw random numbers from the generator that fit is given, and from nothing else")
def same_chains_teach_the_same(subject: Subject) -> None:
    """The same chains and the same generator give the same values; scoring changes nothing in them."""
    chains = _chains(subject)
    first = fitted_by(subject, chains)
    before = {name: value.copy() for name, value in first.items()}
    values = scores_by(subject, first, bare(chains[0]))
    second = fitted_by(subject, chains)
    for name, value in before.items():
        if not np.array_equal(value, first[name]):
            raise Broken(f"changes {name!r} of what it learned while it scores")
        if name not in second or not np.array_equal(value, second[name]):
            raise Broken(f"learns another {name!r} from the same chains")
    if not np.array_equal(values, scores_by(subject, first, bare(chains[0]))):
        raise Broken("gives other probabilities for the same chain")


@CHECKS.check("look at sequence and embeddings alone in score")
def labels_are_not_looked_at(subject: Subject) -> None:
    """A chain's labels make no difference to its probabilities."""
    chains = _chains(subject)
    fitted = fitted_by(subject, chains)
    told, untold = scores_by(subject, fitted, chains[0]), scores_by(subject, fitted, bare(chains[0]))
    if not np.array_equal(told, untold):
        raise Broken("gives a chain other probabilities with its labels than without")


@CHECKS.check("leave out residues with label -1: chain.labels >= 0")
def unknown_residues_teach_nothing(subject: Subject) -> None:
    """A chain of which nothing is known, beside the others, changes no probability."""
    chains = _chains(subject)
    without, beside = fitted_by(subject, chains[1:]), fitted_by(subject, [*chains[1:], bare(chains[0])])
    here, there = (scores_by(subject, fitted, bare(chains[0])) for fitted in (without, beside))
    if not np.allclose(here, there, atol=1e-6):
        raise Broken("gives other probabilities once it was shown a chain of which nothing is known")


@CHECKS.check("say needs={'embeddings'} in the descriptor where chain.embeddings is used, and only there")
def embeddings_are_used_where_declared(subject: Subject) -> None:
    """A baseline depends on embeddings exactly where it says that it needs them; otherwise there are none."""
    chains = training_chains(True)
    changed = [replace(chain, embeddings=_reversed(chain)) for chain in chains]
    if "embeddings" not in subject.needed:
        scores_by(subject, fitted_by(subject, training_chains(False)), bare(training_chains(False)[0]))
    fitted = fitted_by(subject, chains)
    here, there = scores_by(subject, fitted, bare(chains[0])), scores_by(subject, fitted, bare(changed[0]))
    uses = not np.array_equal(here, there)
    if uses != ("embeddings" in subject.needed):
        raise Broken("uses embeddings unsaid" if uses else "needs embeddings, which are costly, and uses none")


def _reversed(chain: BaselineChain) -> NDArray[np.float32]:
    assert chain.embeddings is not None
    return chain.embeddings[::-1] + 1


@CHECKS.check("divisions and logarithms of counts that may be 0: clamp them")
def one_class_is_no_error(subject: Subject) -> None:
    """Chains all of whose residues bind, or none, give probabilities as well."""
    for label in (0, 1):
        chains = [replace(c, labels=np.full(len(c.sequence), label, np.int8)) for c in _chains(subject)]
        fitted = fitted_by(subject, chains)
        for chain in chains:
            scores_by(subject, fitted, bare(chain))
