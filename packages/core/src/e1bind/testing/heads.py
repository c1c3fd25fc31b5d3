"""Checks of heads: a score for every residue, what they learn, and what must make no difference.

Shape legend: R residues, V views, P width of the embeddings.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from e1bind.contracts import HeadInputs, HeadStart
from e1bind.engine.contract_faults import head_module_fault, head_scores_fault
from e1bind.testing.check import Broken, Checks
from e1bind.testing.subject import Subject

CHECKS = Checks(always=("builds",))
IONS, WIDTH = ("CA", "ZN"), 8
MODULE, SCORES = "makes-a-module", "scores-every-residue"


def head_inputs(R: int = 12, V: int = 3, seed: int = 0, ion: str = "ZN") -> HeadInputs:
    """Embeddings around a common mean; no residue is masked in all views. `raw` is a leaf that wants a gradient."""
    rng = torch.Generator().manual_seed(seed)
    raw = 3 + 2 * torch.randn(R, V, WIDTH, generator=rng)
    mask = torch.rand(R, V, generator=rng) >= 0.3
    mask[torch.arange(R), torch.arange(R) % V] = True
    return _of(HeadInputs(ion, raw, raw, mask, F.normalize(torch.randn(WIDTH, generator=rng), dim=0), 0.2))


def _of(inputs: HeadInputs) -> HeadInputs:
    """The inputs with `unit` made of `raw`, which is a leaf."""
    raw = inputs.raw.detach().clone().requires_grad_()
    return replace(inputs, raw=raw, unit=F.normalize(raw, dim=-1))


def started(subject: Subject) -> nn.Module:
    """A fresh module that has begun with both ions, and whose parameters were moved a little, in eval mode."""
    module = subject.build().module(list(IONS), WIDTH)
    if fault := head_module_fault(module):
        raise Broken(fault)
    found: nn.Module = module
    for ion in IONS:
        module.start(ion, HeadStart(torch.full((WIDTH,), 3.0), torch.full((WIDTH,), 2.0), 400, 20))
    rng = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for parameter in found.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=rng))
    return found.eval()


def scores_of(module: nn.Module, inputs: HeadInputs) -> Tensor:
    """The scores [R]. Raises `Broken` where they are none."""
    scores = module(inputs)
    if fault := head_scores_fault(scores, len(inputs.raw)):
        raise Broken(fault)
    found: Tensor = scores
    return found


@CHECKS.check("return a torch.nn.Module with a method start(ion, start) from module(ions, width)")
def makes_a_module(subject: Subject) -> None:
    """module(ions, width) gives a torch.nn.Module that can be started for each ion."""
    started(subject)


CHECKS.always = ("builds", MODULE)


@CHECKS.check("average over the views that e1bind.scoring.scored_views names, so that no residue is left out")
def scores_every_residue(subject: Subject) -> None:
    """Each residue gets one finite score, also one that is masked in all views, and none gives none."""
    module = started(subject)
    for ion in IONS:
        scores_of(module, head_inputs(ion=ion))
    hidden = head_inputs()
    scores_of(module, replace(hidden, view_mask=torch.zeros_like(hidden.view_mask)))
    scores_of(module, head_inputs(R=0))


CHECKS.always = ("builds", MODULE, SCORES)


@CHECKS.check(
    "say provides={'scores', 'prototypes'} in the descriptor of a head that uses inputs.prototype",
    ("evaluation-repeats-itself",),
)
def prototypes_are_used_where_declared(subject: Subject) -> None:
    """Scores depend on the prototype exactly where "prototypes" are provided; otherwise there is none."""
    module, inputs = started(subject), head_inputs()
    other = replace(inputs, prototype=head_inputs(seed=4).prototype)
    uses = not torch.equal(scores_of(module, inputs), scores_of(module, other))
    if uses != ("prototypes" in subject.declared):
        raise Broken("uses the prototype unsaid" if uses else "provides prototypes, and does not score by them")
    if not uses:
        scores_of(module, replace(inputs, prototype=None))


@CHECKS.check("say provides={'scores'}, and needs={'loss-on-scores'} where the head has parameters")
def what_it_learns_is_declared(subject: Subject) -> None:
    """A head provides "scores"; one with parameters, and only such a one, needs "loss-on-scores" to train them."""
    if "scores" not in subject.declared:
        raise Broken('does not provide "scores"')
    learns = any(parameter.requires_grad for parameter in started(subject).parameters())
    if learns != ("loss-on-scores" in subject.needed):
        raise Broken("has parameters, and does not need loss-on-scores" if learns else "has nothing to learn")


@CHECKS.check("compute scores with torch alone: no detach(), item(), numpy")
def scores_have_a_graph(subject: Subject) -> None:
    """Embeddings get a gradient through the scores, and so does every parameter over all ions."""
    module = started(subject)
    inputs = [head_inputs(ion=ion) for ion in IONS]
    total = torch.stack([scores_of(module, each).square().sum() for each in inputs]).sum()
    leaves: list[Any] = [each.raw for each in inputs]
    names = ["embeddings"] * len(leaves)
    for name, parameter in module.named_parameters():
        names.append(f"the parameter {name}")
        leaves.append(parameter)
    for name, grad in zip(names, torch.autograd.grad(total, leaves, allow_unused=True), strict=True):
        if grad is None or not bool((grad != 0).any()):
            raise Broken(f"gives {name} no gradient")
        if not bool(torch.isfinite(grad).all()):
            raise Broken(f"has gradients of {name} that are not finite")


@CHECKS.check("keep what start sets in parameters and buffers (register_buffer)")
def state_dict_holds_everything(subject: Subject) -> None:
    """Another module that takes its state_dict gives the same scores: nothing else is saved with a fold."""
    module, inputs = started(subject), head_inputs()
    other = subject.build().module(list(IONS), WIDTH).eval()
    other.load_state_dict(module.state_dict())
    if not torch.allclose(scores_of(module, inputs), scores_of(other, inputs), atol=1e-6):
        raise Broken("gives other scores after its state_dict was loaded into a fresh module")


@CHECKS.check("draw initial weights from a generator with a seed of its own, or begin at zero")
def module_is_the_same_every_time(subject: Subject) -> None:
    """module() gives the same weights every time, so that ranks and runs begin alike."""
    states = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        states.append(subject.build().module(list(IONS), WIDTH).state_dict())
    differing = [name for name, value in states[0].items() if not torch.equal(value, states[1][name])]
    if differing:
        raise Broken(f"begins with another {differing[0]} after another seed of torch")


@CHECKS.check("treat residues and views alike, and weigh views with view_mask")
def order_and_masked_positions_do_not_matter(subject: Subject) -> None:
    """A residue's score depends on its own visible views alone, whatever their order."""
    module, inputs = started(subject), head_inputs()
    plain = scores_of(module, inputs)
    order_R = torch.randperm(len(plain), generator=torch.Generator().manual_seed(2))
    moved = _of(replace(inputs, raw=inputs.raw[order_R], view_mask=inputs.view_mask[order_R]))
    turned = _of(replace(inputs, raw=inputs.raw.flip(1), view_mask=inputs.view_mask.flip(1)))
    other = head_inputs(seed=3).raw
    hidden = _of(replace(inputs, raw=torch.where(inputs.view_mask[:, :, None], inputs.raw, other)))
    cases = {
        "with its residues in another order": (scores_of(module, moved), plain[order_R]),
        "with its views in another order": (scores_of(module, turned), plain),
        "with other embeddings at its masked positions": (scores_of(module, hidden), plain),
    }
    for how, (found, wanted) in cases.items():
        if not torch.allclose(found, wanted, atol=1e-4, rtol=1e-4):
            raise Broken(f"gives other scores for a batch {how}")


@CHECKS.check("random numbers belong to training mode alone")
def evaluation_repeats_itself(subject: Subject) -> None:
    """In evaluation mode the same inputs give the same scores, and the inputs stay as they were."""
    module, inputs = started(subject), head_inputs()
    before = inputs.raw.detach().clone(), inputs.view_mask.clone()
    first, second = scores_of(module, inputs), scores_of(module, inputs)
    if not torch.equal(first, second):
        raise Broken("gives other scores for the same inputs")
    if not (torch.equal(inputs.raw.detach(), before[0]) and torch.equal(inputs.view_mask, before[1])):
        raise Broken("modifies the batch it is given")
