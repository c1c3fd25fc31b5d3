"""Checks of view generators: residues keep their place, and views are a function of the draw key alone."""

from __future__ import annotations

import pickle
import random
from typing import Any

import numpy as np

from e1bind.contracts import ResidueRecord, View
from e1bind.engine.contract_faults import selection_fault, views_fault
from e1bind.testing.chains import tiny_chains
from e1bind.testing.check import Broken, Checks, DoesNotApply
from e1bind.testing.drawn_views import Homologues, key_of, text_of, views_as_text
from e1bind.testing.processes import in_fresh_processes
from e1bind.testing.subject import Subject

CHECKS = Checks(always=("builds",))
MOST_MASKED = 0.5
"""Share of residues that no view generator selects on average: there must be something left to learn from."""


def _made(subject: Subject, epochs: int = 1) -> list[tuple[ResidueRecord, list[View]]]:
    generator = subject.build()
    keys = [(record, epoch) for record in tiny_chains() for epoch in range(1, epochs + 1)]
    return [(record, generator.generate(record, key_of(record, epoch), None)) for record, epoch in keys]


@CHECKS.check("make num_views views, and give that number as capability views=N of the options")
def makes_the_promised_number_of_views(subject: Subject) -> None:
    """There are num_views views of every chain, as many as the options' capability "views=N" says."""
    generator = subject.build()
    for _, views in _made(subject):
        if len(views) != generator.num_views:
            raise Broken(f"made {len(views)} views of a chain; its num_views is {generator.num_views}")
    if f"views={generator.num_views}" not in subject.declared:
        raise Broken(f"makes {generator.num_views} views, which neither `provides` nor its options say as views=N")


@CHECKS.check(
    "build each View from record.sequence, residue by residue", after=("makes-the-promised-number-of-views",)
)
def residues_stay_aligned(subject: Subject) -> None:
    """Truth is the chain, and visible and selected have one place for each of its residues, in their order."""
    for record, views in _made(subject):
        if fault := views_fault(record, views, len(views)):
            raise Broken(fault)
        for view in views:
            if strange := sorted(set(view.visible) - set("ACDEFGHIKLMNPQRSTVWYX?")):
                raise Broken(f"shows {strange[0]!r}, which is no residue and not MASK")


@CHECKS.check("mark in `selected` what is hidden or replaced, and nothing else", after=("residues-stay-aligned",))
def only_selected_residues_look_different(subject: Subject) -> None:
    """A residue that is not selected is visible as it is; `selected` is bool."""
    for _, views in _made(subject, epochs=3):
        for view in views:
            if fault := selection_fault(view):
                raise Broken(f"makes a view that {fault}")


@CHECKS.check("select fewer residues", after=("residues-stay-aligned",))
def mask_share_is_in_range(subject: Subject) -> None:
    """At most half of the residues are selected on average, and as many as mask_prob_min and _max, if any, say."""
    selected = np.concatenate([view.selected for _, views in _made(subject, epochs=40) for view in views])
    share, error = float(selected.mean()), 4 * float(selected.std()) / len(selected) ** 0.5
    low = float(getattr(subject.options, "mask_prob_min", 0))
    high = min(float(getattr(subject.options, "mask_prob_max", MOST_MASKED)), MOST_MASKED)
    # The share of a view is drawn within the range, so of many views the mean is too, but for chance and rounding.
    if not low - error - 0.02 <= share <= high + error + 0.02:
        raise Broken(f"selects {share:.1%} of the residues on average; it must be from {low:.1%} to {high:.1%}")


@CHECKS.check(
    "say provides={'masked-tokens'} or add it in the options' capabilities", after=("residues-stay-aligned",)
)
def masked_tokens_are_as_declared(subject: Subject) -> None:
    """It provides "masked-tokens" exactly where its views select residues to be predicted."""
    some = any(view.selected.any() for _, views in _made(subject, epochs=10) for view in views)
    declared = "masked-tokens" in subject.declared
    if some != declared:
        said = "provides" if declared else "does not provide"
        raise Broken(f'{said} "masked-tokens", and selects {"some residues" if some else "no residue"}')


@CHECKS.check("draw each view with key.rng(purpose, view)", after=("makes-the-promised-number-of-views",))
def views_of_a_chain_differ(subject: Subject) -> None:
    """The views of a chain differ from each other: views that are one and the same teach nothing."""
    generator = subject.build()
    if generator.num_views == 1:
        raise DoesNotApply("it makes one view")
    source = Homologues()
    for record in tiny_chains():
        views = generator.generate(record, key_of(record), source)
        if len({text_of(view) for view in views}) > 1:
            return
    raise Broken(f"makes {generator.num_views} views that are the same, of each of {len(tiny_chains())} chains")


@CHECKS.check("keep no open files, lambdas or local classes in the generator")
def can_be_pickled(subject: Subject) -> None:
    """It can be pickled, since data-loader workers make the views."""
    try:
        pickle.loads(pickle.dumps(subject.build()))  # noqa: S301 - pickled in the line itself
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise Broken(f"cannot be pickled for a data-loader worker: {error}") from error


@CHECKS.check("draw from key.rng(...) alone; keep no state", after=("makes-the-promised-number-of-views",))
def same_key_gives_the_same_views(subject: Subject) -> None:
    """The same key gives the same views, in any order, whatever was drawn before and elsewhere."""
    generator, records = subject.build(), tiny_chains()
    first = views_as_text(generator, records)
    random.seed(3)
    np.random.seed(3)
    again = views_as_text(generator, records[::-1])[::-1]
    fresh = views_as_text(subject.build(), records[2:])
    if again != first or fresh != first[2:]:
        raise Broken("makes other views for the same key when chains come in another order")


@CHECKS.check(
    "do not use hash(), which differs from process to process, the time or the process id; draw from key.rng(...)",
    after=("can-be-pickled", "same-key-gives-the-same-views"),
)
def any_worker_makes_the_same_views(subject: Subject) -> None:
    """Another process makes the same views for the same key."""
    theirs = in_fresh_processes(subject, "views", [{"options": subject.options.model_dump(mode="json")}])[0]
    if theirs != views_as_text(subject.build()):
        raise Broken("makes other views for the same key in another process")


@CHECKS.check("draw from key.rng(...), which knows seed, epoch and chain", after=("same-key-gives-the-same-views",))
def another_key_gives_other_views(subject: Subject) -> None:
    """Another epoch and another seed give other views: or the model would see the same ones for ever."""
    generator, source = subject.build(), Homologues()

    def all_views(epoch: int, seed: int) -> list[str]:
        made = [v for r in tiny_chains() for v in generator.generate(r, key_of(r, epoch, seed), source)]
        return [text_of(view) for view in made]

    for what, other in (("epoch", all_views(2, 1)), ("run seed", all_views(1, 2))):
        if other == all_views(1, 1):
            raise Broken(f"makes the same views for another {what}: it ignores its key")


@CHECKS.check("take contexts from contexts.draw(record, rng) alone", after=("makes-the-promised-number-of-views",))
def contexts_come_from_the_source(subject: Subject) -> None:
    """A view's context is one that the source of contexts gave, or none."""
    generator, source = subject.build(), Homologues()
    for record, views in _made(subject):
        if any(view.context for view in views):
            raise Broken(f"gives a view of {record.id} a context where there is no source of contexts")
    for record in tiny_chains():
        for view in generator.generate(record, key_of(record), source):
            if view.context and view.context not in source.drawn:
                raise Broken(f"gives a view the context {view.context!r}, which the source did not give")


@CHECKS.check("build new arrays and strings", after=("makes-the-promised-number-of-views",))
def record_is_not_modified(subject: Subject) -> None:
    """The record and its labels are as they were."""
    generator = subject.build()
    for record in tiny_chains():
        before = {ion: labels.copy() for ion, labels in record.labels.items()}
        generator.generate(record, key_of(record), None)
        if any(not np.array_equal(record.labels[ion], labels) for ion, labels in before.items()):
            raise Broken("modifies the labels of the chain it is given")


@CHECKS.check("try chains of one residue, of X alone, and of thousands", after=("residues-stay-aligned",))
def takes_any_chain(subject: Subject) -> None:
    """Chains of one residue, with X, of X alone and of 3,000 residues have views too."""
    generator = subject.build()
    for sequence in ("M", "MX", "XXXX", "MKTAYIAKQR" * 300):
        record = _record(sequence)
        views: Any = generator.generate(record, key_of(record), None)
        if fault := views_fault(record, views, generator.num_views):
            raise Broken(fault)


def _record(sequence: str) -> ResidueRecord:
    return ResidueRecord("any", sequence, {"ZN": np.zeros(len(sequence), dtype=np.int8)})
