"""Where the time of a step goes, by what its operations belong to.

The profiler gives the time of every operation by itself. An operation belongs to the first of these that it stands
in: attention, an adapted layer, a loss, loading, the optimizer. The backward pass of an operation has its number,
and belongs where the operation does. Products of an adapted layer with its rank among their sizes are the
adapter's, as is dropout; the others are the frozen layer's. What a function written in Python takes by itself, and
the profiled step beyond all operations, is Python and the profiler's own work.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.profiler import ProfilerActivity, profile, record_function

from benchmarks._step_cases import RANK, Product

LOSSES = "losses"
MARKS = {
    "_SliceAttention": "attention",
    "_AdaptedProducts": "adapters",
    "enumerate(DataLoader)": "views and collate",
    "Optimizer.step": "optimizer",
    LOSSES: LOSSES,
}
PRODUCTS = {"aten::mm", "aten::addmm", "aten::addmm_"}
OTHER = "norms, rotations, gates, other"


def parts(case: Product, steps: int = 3) -> dict[str, float]:
    """Seconds of a step by part; "forward" and "backward" apart where a part has both."""
    with _marked(case.model.losses), profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
        begin = time.process_time()
        for _ in range(steps):
            case.step()
        taken = (time.process_time() - begin) / steps
    found: dict[str, float] = defaultdict(float)
    for name, seconds in _by_part(profiled.events()):
        found[name] += seconds / steps
    found["Python"] += max(0.0, taken - sum(found.values()))
    return dict(found)


@contextmanager
def _marked(losses: nn.ModuleList) -> Iterator[None]:
    """Losses as named stretches of the profile."""
    open_marks: list[Any] = []

    def begin(*_: object) -> None:
        open_marks.append(record_function(LOSSES))
        open_marks[-1].__enter__()

    def end(*_: object) -> None:
        open_marks.pop().__exit__(None, None, None)

    handles = [h for m in losses for h in (m.register_forward_pre_hook(begin), m.register_forward_hook(end))]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _by_part(events: Any) -> Iterator[tuple[str, float]]:
    """The part and the own seconds of every event."""
    forward = {e.sequence_nr: _part(e) for e in events if e.sequence_nr >= 0 and not _is_backward(e)}
    for event in events:
        backward = _is_backward(event)
        part = _part(event)
        if backward and part == OTHER:
            part = forward.get(_root(event).sequence_nr, OTHER)
        if "::" not in event.name and part not in ("views and collate", "optimizer"):
            yield "Python", event.self_cpu_time_total / 1e6
            continue
        if part == "adapters" and event.name in PRODUCTS and not _is_thin(event):
            part = "frozen products"
        direction = ", backward" if backward else ""
        yield (
            part + (direction if part not in ("views and collate", "optimizer") else ""),
            event.self_cpu_time_total / 1e6,
        )


def _part(event: Any) -> str:
    while event is not None:
        for mark, part in MARKS.items():
            if event.name.startswith(mark):
                return part
        event = event.cpu_parent
    return OTHER


def _root(event: Any) -> Any:
    while event.cpu_parent is not None:
        event = event.cpu_parent
    return event


def _is_backward(event: Any) -> bool:
    return _root(event).name.startswith("autograd::engine")


def _is_thin(event: Any) -> bool:
    return any(
        size % RANK == 0 and size <= 3 * RANK for shape in event.input_shapes if len(shape) == 2 for size in shape
    )
