"""Checks of losses: numbers, gradients, and what must make no difference.

Shape legend: R labelled residues, V views.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from e1bind.contracts import LossInputs, LossOutput
from e1bind.engine.contract_faults import loss_output_fault
from e1bind.testing.check import Broken, Checks
from e1bind.testing.loss_inputs import (
    loss_inputs,
    masked_as,
    residues_in_order,
    tensors_of,
    views_in_order,
    with_embeddings,
    with_masked_tokens,
)
from e1bind.testing.subject import Subject

CHECKS = Checks(always=("builds",))
SCALAR, GRAPH, SAME = "returns-a-scalar", "value-has-a-graph", "same-inputs-give-the-same-value"


def output_of(subject: Subject, inputs: LossInputs, training: bool = True) -> LossOutput:
    """What a fresh instance returns, with the same random numbers every time."""
    loss = subject.build().train(training)
    torch.manual_seed(0)
    output: LossOutput = loss(inputs)
    return output


def value_of(subject: Subject, inputs: LossInputs, training: bool = False) -> float:
    """The value as a number, in evaluation mode unless said otherwise."""
    return float(output_of(subject, inputs, training).value.detach())


def gradients(output: LossOutput, inputs: LossInputs) -> dict[str, Tensor]:
    """Gradients of the embeddings and of the masked-LM scores; of those the value depends on."""
    assert inputs.mlm is not None
    leaves = {"embeddings": inputs.embeddings, "mlm.logits": inputs.mlm.logits}
    # Scores share the graph of the embeddings, which another call on the same inputs needs.
    found = torch.autograd.grad(output.value, list(leaves.values()), allow_unused=True, retain_graph=True)
    return {name: grad for name, grad in zip(leaves, found, strict=True) if grad is not None}


def finite_everywhere(subject: Subject, inputs: LossInputs, case: str) -> None:
    """Raise `Broken` unless value and gradients are finite, in training and in evaluation."""
    for training in (True, False):
        output = output_of(subject, inputs, training)
        if not bool(torch.isfinite(output.value)):
            raise Broken(f"returns {float(output.value.detach())} for {case}")
        for name, grad in gradients(output, inputs).items() if output.value.requires_grad else ():
            if not bool(torch.isfinite(grad).all()):
                raise Broken(f"has gradients of {name} that are not finite for {case}")


@CHECKS.check("return LossOutput(value), value a tensor of shape [] and of the inputs' floating type or wider")
def returns_a_scalar(subject: Subject) -> None:
    """A loss returns a LossOutput with one floating-point number on the device of its inputs."""
    inputs = loss_inputs()
    for training in (True, False):
        if fault := loss_output_fault(output_of(subject, inputs, training), torch.device("cpu"), graph=False):
            raise Broken(fault)


CHECKS.always = ("builds", SCALAR)


@CHECKS.check("compute the value from the embeddings or mlm.logits with torch alone; no detach(), item(), numpy")
def value_has_a_graph(subject: Subject) -> None:
    """The value has a graph, through which the embeddings or the masked-LM scores get a gradient."""
    inputs = loss_inputs()
    output = output_of(subject, inputs)
    if not output.value.requires_grad:
        raise Broken("returns a value without a graph: nothing can be learned from it")
    if not any(bool((grad != 0).any()) for grad in gradients(output, inputs).values()):
        raise Broken("gives neither the embeddings nor the masked-LM scores a gradient")


@CHECKS.check("keep no state between calls, and draw random numbers from torch, in training alone")
def same_inputs_give_the_same_value(subject: Subject) -> None:
    """The value depends on inputs, options and, in training, torch's random numbers alone, not on earlier calls."""
    for training in (False, True):
        loss = subject.build().train(training)
        values = []
        for seed in (0, 1, 0):
            if training:
                torch.manual_seed(5)
            values.append(float(loss(loss_inputs(seed=seed)).value.detach()))
        if abs(values[0] - values[2]) > 1e-6 * abs(values[0]):  # false for NaN, which has a check of its own
            mode = "training" if training else "evaluation"
            raise Broken(f"returns {values[0]:.6g} and then, for the same inputs in {mode}, {values[2]:.6g}")


@CHECKS.check("look for divisions, logarithms and roots of what may be 0")
def value_is_finite(subject: Subject) -> None:
    """Value and gradients are finite for ordinary inputs."""
    finite_everywhere(subject, loss_inputs(), "ordinary inputs")


@CHECKS.check("cast to float32 inside (embeddings.float()), and do not mix types", after=(SAME, "value-is-finite"))
def takes_bfloat16(subject: Subject) -> None:
    """bfloat16 inputs are taken, and give the value of the same numbers in float32 to within a few percent."""
    rounded = loss_inputs(dtype=torch.bfloat16)
    finite_everywhere(subject, rounded, "bfloat16 inputs")
    assert rounded.mlm is not None
    wide = replace(
        with_embeddings(rounded, rounded.embeddings.float()),
        prototype=rounded.prototype.float(),
        mlm=replace(rounded.mlm, logits=rounded.mlm.logits.detach().float().requires_grad_()),
    )
    here, there = value_of(subject, rounded), value_of(subject, wide)
    if abs(here - there) > 0.05 * abs(there) + 0.05:
        raise Broken(f"returns {here:.4g} for bfloat16 inputs and {there:.4g} for the same numbers in float32")


@CHECKS.check("add a small number under roots, use clamp_min, F.normalize, logsumexp", after=("value-is-finite",))
def gradients_are_finite_at_the_edges(subject: Subject) -> None:
    """Value and gradients stay finite where embeddings coincide with each other, the prototype or its opposite."""
    plain = loss_inputs(D=8)
    e_RVD, p_D = plain.embeddings.detach(), plain.prototype
    cases = {
        "residues with one embedding": e_RVD[:1, :1].expand_as(e_RVD),
        "residues at the prototype": p_D.expand_as(e_RVD),
        "residues opposite the prototype": (-p_D).expand_as(e_RVD),
    }
    for case, embeddings in cases.items():
        finite_everywhere(subject, with_embeddings(plain, embeddings), case)
    nothing_visible = torch.zeros_like(plain.view_mask)
    finite_everywhere(subject, masked_as(plain, nothing_visible), "residues masked in all views")
    finite_everywhere(subject, masked_as(plain, ~nothing_visible), "residues masked in no view")


@CHECKS.check("divide by the count clamped to at least 1, or return embeddings.sum() * 0", after=(GRAPH,))
def no_residues_give_a_zero_with_a_graph(subject: Subject) -> None:
    """Without residues and masked tokens the value is a zero that still has a graph."""
    inputs = loss_inputs(R=0)
    for training in (True, False):
        output = output_of(subject, inputs, training)
        if not float(output.value.detach()) == 0:
            raise Broken(f"returns {float(output.value.detach())} without residues")
        if not output.value.requires_grad:
            raise Broken("returns a value without a graph where there are no residues")


@CHECKS.check("means over one class divide by a count that may be 0: clamp it", after=("value-is-finite",))
def one_class_is_finite(subject: Subject) -> None:
    """Residues that all bind, or of which none does, give a finite value and finite gradients."""
    for label, case in ((1, "residues that all bind"), (0, "residues of which none binds")):
        inputs = loss_inputs()
        finite_everywhere(subject, replace(inputs, labels=torch.full_like(inputs.labels, label)), case)


@CHECKS.check(
    "validation has one view: return a zero with a graph where views are compared", (GRAPH, "value-is-finite")
)
def one_view_is_finite(subject: Subject) -> None:
    """With one view of each residue value and gradients are finite."""
    finite_everywhere(subject, loss_inputs(V=1, masked=0), "one view of each residue")


@CHECKS.check("do not use a residue's place in the batch", after=(SAME,))
def order_of_residues_does_not_matter(subject: Subject) -> None:
    """The value is the same whatever the order of the residues."""
    inputs = loss_inputs()
    order_R = torch.randperm(len(inputs.labels), generator=torch.Generator().manual_seed(2))
    _equal(subject, inputs, residues_in_order(inputs, order_R), "with its residues in another order")


@CHECKS.check("treat all views alike", after=(SAME,))
def order_of_views_does_not_matter(subject: Subject) -> None:
    """The value is the same whatever the order of the views."""
    inputs = loss_inputs()
    order_V = torch.arange(inputs.view_mask.shape[1]).roll(1)
    _equal(subject, inputs, views_in_order(inputs, order_V), "with its views in another order")


@CHECKS.check("weigh pairs with view_mask; e1bind.scoring.scored_views says which views count", after=(SAME,))
def masked_positions_have_no_effect(subject: Subject) -> None:
    """Embeddings of masked (residue, view) pairs do not change the value where the residue has a visible view."""
    inputs = loss_inputs()
    other = loss_inputs(seed=3).embeddings.detach()
    changed = torch.where(inputs.view_mask[:, :, None], inputs.embeddings.detach(), other)
    _equal(subject, inputs, with_embeddings(inputs, changed), "with other embeddings at its masked positions")


def _equal(subject: Subject, inputs: LossInputs, changed: LossInputs, how: str) -> None:
    first, second = value_of(subject, inputs), value_of(subject, changed)
    if abs(first - second) > 1e-4 * max(abs(first), abs(second), 0.01):
        raise Broken(f"returns {first:.6g} for a batch and {second:.6g} for it {how}")


@CHECKS.check("work on copies: no in-place methods (those that end in _) on what the batch holds")
def inputs_are_not_modified(subject: Subject) -> None:
    """The tensors of the batch are as they were: other losses are given the same ones."""
    inputs = loss_inputs()
    before = {name: value.detach().clone() for name, value in tensors_of(inputs).items()}
    for training in (True, False):
        output_of(subject, inputs, training)
    changed = [name for name, value in tensors_of(inputs).items() if not torch.equal(value.detach(), before[name])]
    if changed:
        raise Broken(f"modifies {', '.join(changed)} of the batch it is given")


@CHECKS.check("log x.detach(), a tensor of shape []; NaN says that there was nothing to measure")
def logs_are_detached_scalars(subject: Subject) -> None:
    """What is logged is one number each, without a graph that would keep the whole batch in memory."""
    for name, logged in output_of(subject, loss_inputs()).logs.items():
        if isinstance(logged, Tensor) and logged.requires_grad:
            raise Broken(f"logs {name!r} with its graph")


@CHECKS.check("do nothing in forward that needs gradients, training mode or several views", ("one-view-is-finite",))
def works_in_validation(subject: Subject) -> None:
    """It gives a finite value in inference mode, for one view with nothing masked."""
    inputs = with_masked_tokens(loss_inputs(V=1, masked=0))
    with torch.inference_mode():
        output = subject.build().eval()(replace(inputs, embeddings=inputs.embeddings.detach()))
    if fault := loss_output_fault(output, torch.device("cpu"), graph=False):
        raise Broken(fault)
    if not bool(torch.isfinite(output.value)):
        raise Broken(f"returns {float(output.value)} in validation")
