"""What is wrong with what a component gave, in words that go on after its name; None where nothing is.

The host asks these at run time, and the conformance kit (`e1bind.testing`) when an author tries a component: both
hold a component to the same sentences. Every question here is cheap beside the work it is asked about.

Shape legend: R residues, V views, D embedding width, M rows, T tokens of a row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from e1bind.contracts import MASK, LossOutput, MetricOutput, ResidueRecord, TokenBatch, View
from e1bind.spec.named import methods_fault

Fault = str | None


def built_fault(kind: str, component: Any) -> Fault:
    """Whether what was built has the attributes and methods of its kind."""
    return _BUILT[kind](component)


def _reader(reader: Any) -> Fault:
    return methods_fault(reader, ["read"])


def _loss(loss: Any) -> Fault:
    if isinstance(loss, nn.Module):
        return None
    return f"is a {type(loss).__name__}; a loss is a torch.nn.Module, so derive its class from that"


def _metric(metric: Any) -> Fault:
    if not callable(metric):
        return "cannot be called; a metric is called with MetricInputs"
    better = getattr(metric, "higher_is_better", None)
    return None if isinstance(better, bool) else f"has higher_is_better = {better!r}; it must be True or False"


def _views(views: Any) -> Fault:
    if fault := methods_fault(views, ["generate"]):
        return fault
    count = getattr(views, "num_views", None)
    return None if _natural(count) else f"has num_views = {count!r}; it must be a whole number of at least 1"


def _natural(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _words(value: Any) -> bool:
    return not isinstance(value, str) and isinstance(value, Sequence) and all(isinstance(v, str) for v in value)


_BACKBONE_ATTRIBUTES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "hidden_size": (_natural, "a whole number of at least 1"),
    "max_residues": (lambda value: value is None or _natural(value), "None or a whole number of at least 1"),
    "supports_context": (lambda value: isinstance(value, bool), "True or False"),
    "has_mlm_head": (lambda value: isinstance(value, bool), "True or False"),
    "lora_targets": (_words, "a sequence of module names"),
    "mlm_head_modules": (_words, "a sequence of module names"),
    "description": (lambda value: isinstance(value, str), "one line of text"),
}


def _backbone(backbone: Any) -> Fault:
    for name, (right, wanted) in _BACKBONE_ATTRIBUTES.items():
        if not hasattr(backbone, name):
            return f"has no attribute {name!r}; it must be {wanted}"
        value = getattr(backbone, name)
        if not right(value):
            return f"has {name} = {value!r}; it must be {wanted}"
    return methods_fault(backbone, ["encoder", "load_model", "hidden", "mlm_logits"])


def _head(head: Any) -> Fault:
    return methods_fault(head, ["module"])


def _baseline(baseline: Any) -> Fault:
    return methods_fault(baseline, ["fit", "score"])


def _calibration(calibration: Any) -> Fault:
    return methods_fault(calibration, ["fit", "apply"])


def _tracker(tracker: Any) -> Fault:
    return methods_fault(tracker, ["begin", "fold", "step", "epoch", "figure", "summary", "end"])


_BUILT: dict[str, Callable[[Any], Fault]] = {
    "reader": _reader,
    "head": _head,
    "baseline": _baseline,
    "loss": _loss,
    "metric": _metric,
    "view_generator": _views,
    "backbone": _backbone,
    "calibration": _calibration,
    "tracker": _tracker,
}


# ------------------------------------------------------------------------------------------ values


def loss_output_fault(output: Any, device: torch.device, graph: bool) -> Fault:
    """Whether a loss gave a scalar on `device`, with a graph where one is wanted, and logs that are numbers."""
    if not isinstance(output, LossOutput):
        return f"returned {_a(output)}; a loss returns a LossOutput"
    value = output.value
    if not isinstance(value, Tensor):
        return f"returned the value {value!r}, {_a(value)}; it must be a scalar tensor"
    if value.shape != () or not value.is_floating_point():
        return (
            f"returned a value of shape {list(value.shape)} and {value.dtype}; it must be a floating-point scalar"
        )
    if value.device != device:
        return f"returned a value on {value.device}, its inputs are on {device}; it must stay with them"
    if graph and not value.requires_grad:
        return (
            "returned a value without a graph, from which nothing can be learned; keep detach(), item() out of it"
        )
    for name, logged in output.logs.items():
        if not isinstance(logged, int | float) and not (isinstance(logged, Tensor) and logged.numel() == 1):
            return f"logs {name!r} as {_a(logged)}; a log is a scalar"
    return None


def views_fault(record: ResidueRecord, views: Any, num_views: int) -> Fault:
    """Whether a view generator gave `num_views` views of the residues of `record`, in their order."""
    if not isinstance(views, list | tuple) or not all(isinstance(view, View) for view in views):
        return f"returned {_a(views)} for {record.id}; a view generator returns a list of View objects"
    if len(views) != num_views:
        return f"made {len(views)} views of {record.id}; it promises num_views = {num_views}"
    length = len(record)
    for number, view in enumerate(views, start=1):
        if view.truth != record.sequence:
            return (
                f"made a view {number} of {record.id} whose truth is not the chain; labels would lose their place"
            )
        if len(view.visible) != length or np.shape(view.selected) != (length,):
            shown = f"{len(view.visible)} visible and {np.size(view.selected)} selected"
            return f"made a view {number} of {record.id} with {shown} for {length} residues; all must agree"
    return None


def selection_fault(view: View) -> Fault:
    """Whether a view hides or replaces selected residues alone."""
    if np.asarray(view.selected).dtype != np.bool_:
        return f"has selected of {np.asarray(view.selected).dtype}; it must be bool"
    pairs = zip(view.truth, view.visible, view.selected, strict=True)
    wrong = [r for r, (true, seen, selected) in enumerate(pairs) if seen != true and not selected]
    if not wrong:
        return None
    seen = view.visible[wrong[0]]
    did = "hides" if seen == MASK else f"shows {seen!r} in place of"
    return f"{did} residue {wrong[0] + 1}, which is not selected; only selected residues may look different"


def token_batch_fault(batch: Any, views: Sequence[Sequence[View]]) -> Fault:
    """Whether an encoder's batch has a place among its tokens for every residue of every view."""
    if not isinstance(batch, TokenBatch):
        return f"encoded views as {_a(batch)}; an encoder returns a TokenBatch"
    residues, num_views = sum(len(protein[0].truth) for protein in views), len(views[0])
    wanted = {
        "token_RV": ((residues, num_views), torch.int64),
        "visible_RV": ((residues, num_views), torch.bool),
        "target_R": ((residues,), torch.int64),
    }
    for name, (shape, dtype) in wanted.items():
        value = getattr(batch, name)
        if not isinstance(value, Tensor) or tuple(value.shape) != shape or value.dtype != dtype:
            found = f"{value.dtype} {list(value.shape)}" if isinstance(value, Tensor) else _a(value)
            return f"encoded views with {name} as {found}; it must be {dtype} {list(shape)}"
    places = batch.tokens + batch.padding
    if residues and not (int(batch.token_RV.min()) >= 0 and int(batch.token_RV.max()) < places):
        low, high = int(batch.token_RV.min()), int(batch.token_RV.max())
        return f"encoded views with token indices from {low} to {high}, out of range of its {places} tokens"
    return None


def hidden_fault(hidden: Any, batch: TokenBatch, width: int) -> Fault:
    """Whether a backbone gave one fp32 vector of its declared width for every token."""
    if not isinstance(hidden, Tensor):
        return f"returned {_a(hidden)} as hidden states; they must be a tensor"
    wanted = [batch.tokens + batch.padding, width]
    if list(hidden.shape) != wanted or hidden.dtype != torch.float32:
        return (
            f"returned hidden states of shape {list(hidden.shape)} and {hidden.dtype}; with hidden_size = {width} "
            f"and {wanted[0]} tokens they must be {wanted} and torch.float32"
        )
    return None


def logits_fault(logits: Any, pairs: int) -> Fault:
    """Whether a head gave one fp32 row of scores for each masked pair."""
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != pairs or logits.dtype != torch.float32:
        found = f"{logits.dtype} {list(logits.shape)}" if isinstance(logits, Tensor) else _a(logits)
        return f"returned masked-LM scores as {found}; they must be torch.float32 [{pairs}, C]"
    return None


def head_module_fault(module: Any) -> Fault:
    """Whether a head made a module that can be started."""
    if not isinstance(module, nn.Module):
        return f"made {_a(module)}; a head's module() returns a torch.nn.Module"
    return methods_fault(module, ["start"])


def head_scores_fault(scores: Any, residues: int) -> Fault:
    """Whether a head gave one finite score for each residue."""
    if not isinstance(scores, Tensor) or list(scores.shape) != [residues] or not scores.is_floating_point():
        found = f"{scores.dtype} {list(scores.shape)}" if isinstance(scores, Tensor) else _a(scores)
        return f"gave {residues} residues scores as {found}; they must be floating-point [{residues}]"
    return None


def fitted_fault(fitted: Any) -> Fault:
    """Whether a baseline learned named arrays of finite numbers, which are all that is kept of it."""
    if not isinstance(fitted, Mapping) or not all(isinstance(name, str) and name for name in fitted):
        return f"learned {_a(fitted)}; fit returns a mapping of names to arrays of numbers"
    for name, value in fitted.items():
        array = np.asarray(value)
        if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
            return f"learned {name!r}, which is no array of finite numbers"
    return None


def metric_output_fault(output: Any) -> Fault:
    """Whether a metric gave a number."""
    if not isinstance(output, MetricOutput):
        return f"returned {_a(output)}; a metric returns a MetricOutput"
    if isinstance(output.value, bool) or not isinstance(output.value, int | float | np.floating | np.integer):
        return f"returned the value {output.value!r}, {_a(output.value)}; it must be a number"
    return None


def _a(value: object) -> str:
    name = type(value).__name__
    if isinstance(value, np.ndarray | Tensor):
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name} of {value.dtype}"
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
