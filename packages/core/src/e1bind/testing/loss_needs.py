"""Checks of losses: is what the descriptor says they need what they use? And do two ranks equal one?"""

from __future__ import annotations

from dataclasses import replace

import torch

from e1bind.contracts import LossInputs
from e1bind.testing.check import Broken, Checks, DoesNotApply
from e1bind.testing.loss_inputs import loss_inputs, masked_as
from e1bind.testing.losses import GRAPH, SAME, SCALAR, gradients, output_of, value_of
from e1bind.testing.processes import in_fresh_processes
from e1bind.testing.ranks import EPSILON, whole_batch
from e1bind.testing.subject import Subject

CHECKS = Checks(always=("builds", SCALAR, SAME, "value-is-finite"))


@CHECKS.check("say needs={'mlm-logits', 'masked-tokens'} in the descriptor, or leave batch.mlm alone")
def masked_tokens_are_used_where_declared(subject: Subject) -> None:
    """A loss uses batch.mlm exactly where it says that it needs "mlm-logits"; otherwise there may be none."""
    inputs = loss_inputs()
    assert inputs.mlm is not None
    changed = replace(inputs, mlm=replace(inputs.mlm, logits=(inputs.mlm.logits * 2).detach().requires_grad_()))
    uses = value_of(subject, inputs) != value_of(subject, changed)
    if "mlm-logits" in subject.needed:
        if not uses:
            raise Broken("says that it needs mlm-logits, which are costly, and does not use them")
    elif uses or value_of(subject, replace(inputs, mlm=None)) != value_of(subject, inputs):
        raise Broken("uses batch.mlm, and does not say that it needs mlm-logits")


@CHECKS.check("correct `needs` of the descriptor: it holds 'prototypes' where batch.prototype is used")
def prototype_is_used_where_declared(subject: Subject) -> None:
    """A loss depends on the prototype exactly where it says that it needs "prototypes"."""
    inputs = loss_inputs()
    other = replace(inputs, prototype=loss_inputs(seed=4).prototype)
    uses = value_of(subject, inputs) != value_of(subject, other)
    if uses != ("prototypes" in subject.needed):
        said = "says that it needs prototypes, and does not use them" if not uses else "uses the prototype unsaid"
        raise Broken(said)


@CHECKS.check("correct `needs` of the descriptor: it holds 'scores' where batch.scores is used")
def scores_are_used_where_declared(subject: Subject) -> None:
    """A loss depends on the head's scores exactly where it says that it needs "scores"."""
    inputs = loss_inputs()
    assert inputs.scores is not None
    uses = value_of(subject, inputs) != value_of(subject, replace(inputs, scores=inputs.scores * 2 + 1))
    if uses != ("scores" in subject.needed):
        raise Broken("says that it needs scores, and does not use them" if not uses else "uses the scores unsaid")


@CHECKS.check(
    "say needs={'views>=2'} in the descriptor of a loss that compares views", (GRAPH, "one-view-is-finite")
)
def views_are_needed_where_declared(subject: Subject) -> None:
    """A loss that learns nothing from one view says how many it needs."""
    if any(need.startswith("views>=") for need in subject.needed):
        return
    # Masked in part, so that there are masked tokens to learn from.
    inputs = _one_view_partly_masked(subject)
    output = output_of(subject, inputs)
    moves = output.value.requires_grad and any(bool((g != 0).any()) for g in gradients(output, inputs).values())
    if not moves:
        raise Broken("has no gradient where there is one view of each residue, and does not say needs={'views>=2'}")


def _one_view_partly_masked(subject: Subject) -> LossInputs:
    if "mlm-logits" not in subject.needed:
        return loss_inputs(V=1, masked=0)
    plain = loss_inputs(V=1, masked=0)
    return masked_as(plain, (torch.arange(len(plain.labels)) % 2 == 0)[:, None])


@CHECKS.check("gather what is missing from the other ranks, as docs/plugin-kit.md shows, or claim nothing")
def two_ranks_equal_one(subject: Subject) -> None:
    """A loss that provides "all-ranks" gives two ranks, averaged, value and gradients of one with all residues."""
    if "all-ranks" not in subject.declared:
        raise DoesNotApply('it does not provide "all-ranks": each rank sees its own residues')
    store = subject.another_folder() / "store"
    options = subject.options.model_dump(mode="json")
    jobs = [{"rank": rank, "store": str(store), "options": options} for rank in (0, 1)]
    found = in_fresh_processes(subject, "rank", jobs)
    value, gradient = whole_batch(subject.build())
    mean = sum(each["value"] for each in found) / 2
    if abs(mean - value) > EPSILON * max(1, abs(value)):
        raise Broken(f"gives two ranks {mean:.6g} on average, and one with all residues {value:.6g}")
    together = torch.cat([torch.tensor(each["gradient"]) for each in found]) / 2
    worst = float((together - gradient).abs().max())
    if worst > EPSILON * float(gradient.abs().max().clamp_min(EPSILON)):
        raise Broken(
            f"gives two ranks gradients that differ by up to {worst:.3g} from those of one with all residues"
        )
