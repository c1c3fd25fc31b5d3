"""Checks of backbones in training: the adapter alone learns, and comes back from disk as it was."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

from e1bind.contracts import Adjustable
from e1bind.testing.backbones import LONG, PLACES, SAME, SHORT, WIDTH, Loaded, expect_same, loaded
from e1bind.testing.check import Broken, Checks, DoesNotApply
from e1bind.testing.subject import Subject

CHECKS = Checks(always=("builds", WIDTH))
TARGETS, GRADIENTS = "adapter-targets-are-there", "only-the-adapter-gets-gradients"
THRIFTY = {"view_execution": "separate", "activation_checkpointing": True}
"""Options of ways to compute that keep less."""


@contextmanager
def quiet_peft() -> Iterator[None]:
    """peft reads an attribute that transformers has renamed; nothing for an author to do about it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        yield


def with_adapter(it: Loaded) -> nn.Module:
    """The model with LoRA on its declared targets, as the host puts it there."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=2, lora_alpha=4, target_modules=list(it.backbone.lora_targets))
    with quiet_peft():
        wrapped: nn.Module = get_peft_model(it.model, config)
    torch.manual_seed(4)
    with torch.no_grad():
        for name, parameter in wrapped.named_parameters():
            if "lora_B" in name:  # zero at the start, so that nothing would depend on the rest
                parameter.normal_(std=0.1)
    return wrapped


@CHECKS.check("name linear modules of the model in lora_targets, by the last parts of their names")
def adapter_targets_are_there(subject: Subject) -> None:
    """Every name in lora_targets is that of a linear module of the model."""
    it = loaded(subject)
    linear = [name for name, module in it.model.named_modules() if isinstance(module, nn.Linear)]
    targets = list(it.backbone.lora_targets)
    absent = [t for t in targets if not any(name == t or name.endswith(f".{t}") for name in linear)]
    if absent or not targets:
        raise Broken(
            f"has lora_targets = {targets}; its model has no linear module named {', '.join(absent) or 'so'}"
        )


@CHECKS.check(
    "run the model that hidden is given with gradients on; no torch.no_grad(), no detach()", after=(TARGETS,)
)
def only_the_adapter_gets_gradients(subject: Subject) -> None:
    """With LoRA on the model every tensor of the adapter gets a finite gradient, and no other tensor any."""
    it = loaded(subject)
    model = with_adapter(it).train()
    batch = it.encoder.encode(it.unmasked(LONG, SHORT))
    hidden = it.backbone.hidden(model, batch)
    if not hidden.requires_grad:
        raise Broken("gives hidden states without a graph: no adapter could learn from them")
    hidden[batch.token_RV].square().sum().backward()
    for name, parameter in model.named_parameters():
        is_adapter = "lora_" in name
        if is_adapter and (parameter.grad is None or not bool(torch.isfinite(parameter.grad).all())):
            raise Broken(f"gives {name} no finite gradient, though it is one of its lora_targets")
        if not is_adapter and parameter.grad is not None:
            raise Broken(f"gives {name} a gradient, which is not part of the adapter")


def _states_and_gradients(it: Loaded, model: nn.Module) -> list[torch.Tensor]:
    """States of two views of two chains, and the adapter's gradients of a weighted sum of them."""
    batch = it.backbone.encoder().encode([views * 2 for views in it.unmasked(LONG, SHORT)])
    torch.manual_seed(5)
    states = it.backbone.hidden(model, batch)[batch.token_RV]
    model.zero_grad()
    (states * torch.linspace(-1, 1, states.numel()).view_as(states)).sum().backward()
    return [states.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]


@CHECKS.check(
    "let adjusted return the backbone with those options, and set the model up for them: what is kept changes, "
    "not what is computed",
    after=(GRADIENTS,),
)
def every_way_has_the_same_numbers(subject: Subject) -> None:
    """An Adjustable backbone has the states and gradients of its own way in every other that its options know."""
    it = loaded(subject)
    own = it.backbone
    if not isinstance(own, Adjustable):
        raise DoesNotApply("the backbone computes in one way")
    known = {name: value for name, value in THRIFTY.items() if hasattr(own.options, name)}
    if not known:
        raise Broken(f"is Adjustable, and its options have none of {', '.join(THRIFTY)}")
    model = with_adapter(it).train()
    expected = _states_and_gradients(it, model)
    for names in sorted({(*known,), (*known,)[:1], (*known,)[1:]}):
        way = {name: known[name] for name in names}
        it.backbone = own.adjusted(model, own.options.model_copy(update=way))
        for first, second in zip(expected, _states_and_gradients(it, model), strict=True):
            expect_same(first, second, f"or gradients with {way}")


@CHECKS.check("seed random weights from the options; load the rest from files")
def weights_are_the_same_each_time(subject: Subject) -> None:
    """load_model gives the same weights each time: an adapter belongs to one set of them."""
    backbone = subject.build()
    torch.manual_seed(1)
    first = backbone.load_model().state_dict()
    torch.manual_seed(2)
    second = backbone.load_model().state_dict()
    differ = [name for name, value in first.items() if not torch.equal(value, second[name])]
    if differ:
        raise Broken(f"loads other weights when it is asked again, for example {differ[0]}")


@CHECKS.check("use the model that hidden is given, not one kept aside", after=(SAME, PLACES, TARGETS))
def adapter_comes_back_from_disk(subject: Subject) -> None:
    """A saved adapter on a newly loaded model gives the hidden states it gave before."""
    from peft import PeftModel

    it = loaded(subject)
    weights = {name: value.clone() for name, value in it.model.state_dict().items()}
    it.model = with_adapter(it).eval()
    before = it.tokens_RVD(it.unmasked(LONG, SHORT))
    folder = subject.another_folder() / "adapter"
    it.model.save_pretrained(str(folder))  # type: ignore[operator]
    again = _restored(it, weights, folder, PeftModel)
    expect_same(before, again.tokens_RVD(again.unmasked(LONG, SHORT)), "once its adapter was saved and loaded")


def _restored(it: Loaded, weights: dict[str, torch.Tensor], folder: Path, peft_model: type[nn.Module]) -> Loaded:
    """The same backbone object with another model, that has the same weights, and the saved adapter."""
    plain = it.backbone.load_model()
    plain.load_state_dict(weights)
    with quiet_peft():
        it.model = peft_model.from_pretrained(plain, str(folder)).eval()  # type: ignore[attr-defined]
    it.backbone.load_model()  # a model that is not asked for must not be the one that answers
    return it
