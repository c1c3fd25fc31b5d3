"""Figures of the training: losses, the monitored metric, and where residues stand to their prototype.

All take the rows that folds log: `{"fold", "epoch", "ion", "split": "train" | "valid", <scalars>}`. Where rows
of several folds or ions share an axis, each is a thin line and their mean is a bold one; a fold that stopped early
is in it with its last value.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from e1bind.report.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    VERMILION,
    Margins,
    drawing,
    instead_of_data,
    legend_below,
    line_style,
    panel_grid,
    shared_legend,
)

Row = Mapping[str, Any]
Curve = dict[int, float]
"""Epoch -> value."""

_Style = Mapping[str, Any]
_SPLITS: dict[str, _Style] = {
    "train": {"color": BLUE, "linestyle": "-"},
    "valid": {"color": VERMILION, "linestyle": "--"},
}


def curves_of(rows: Iterable[Row], key: str, split: str) -> dict[tuple[int, str], Curve]:
    """The finite values of `key` by (fold, ion), then by epoch."""
    curves: dict[tuple[int, str], Curve] = defaultdict(dict)
    for row in rows:
        value = row.get(key)
        if row["split"] == split and value is not None and math.isfinite(value):
            curves[row["fold"], row["ion"]][row["epoch"]] = value
    return dict(curves)


def mean_curve(curves: Iterable[Curve]) -> Curve:
    """Mean over all curves, from the first epoch at which each has a value.

    A curve that ends (its fold stopped early), or is undefined in an epoch, counts with its last value: a mean of
    those that go on would jump where a bad one stops.
    """
    known = list(curves)
    epochs = sorted({epoch for curve in known for epoch in curve})
    last: dict[int, float] = {}
    mean: Curve = {}
    for epoch in epochs:
        last.update({index: curve[epoch] for index, curve in enumerate(known) if epoch in curve})
        if len(last) == len(known):
            mean[epoch] = math.fsum(last.values()) / len(last)
    return mean


def _draw(axes: Axes, curves: Sequence[Curve], label: str, style: _Style) -> bool:
    """Thin lines for the curves and a bold one for their mean; a single epoch gets a dot. False without curves.

    A thin line that ends before others has a bar at its end: the mean goes on with its last value.
    """
    if len(curves) > 1:
        end = max(max(curve) for curve in curves)
        for curve in curves:
            axes.plot(list(curve), list(curve.values()), **{**style, "linestyle": "-"}, linewidth=0.7, alpha=0.35)
            if (stopped := max(curve)) < end:
                axes.plot([stopped], [curve[stopped]], "|", color=style["color"], markersize=7, alpha=0.6)
    mean = mean_curve(curves)
    if mean:
        marker: _Style = {"marker": "o", "markersize": 3.5} if len(mean) == 1 else {}
        axes.plot(list(mean), list(mean.values()), label=label, **style, **marker)
    return bool(mean)


def _whole_epochs() -> MaxNLocator:
    return MaxNLocator(nbins=6, integer=True, min_n_ticks=1)


def _epoch_axis(axes: Axes) -> None:
    axes.xaxis.set_major_locator(_whole_epochs())
    axes.set_xlabel("epoch")


def loss_keys(rows: Iterable[Row]) -> list[str]:
    """The total loss first, then the components in the order they were logged."""
    found = dict.fromkeys(key for row in rows for key in row if key == "loss" or key.startswith("loss/"))
    return sorted(found, key=lambda key: key != "loss")


def metric_keys(rows: Iterable[Row]) -> list[str]:
    """What is measured on validation chains only, in the order it was logged: the metrics."""
    keys: dict[str, dict[str, None]] = {"train": {}, "valid": {}}
    for row in rows:
        keys[row["split"]].update(dict.fromkeys(row))
    return [key for key in keys["valid"] if key not in keys["train"] and not key.startswith("loss")]


def _panels(figure: Figure, keys: Sequence[str]) -> tuple[dict[str, Axes], Axes | None]:
    """Axes by key, two in a row, with the epochs on the lowest of each column; and the place left for a legend."""
    grid, place = panel_grid(figure, len(keys))
    for axes in grid:
        axes.xaxis.set_major_locator(_whole_epochs())
    for axes in grid[-2:]:
        axes.set_xlabel("epoch")
    return dict(zip(keys, grid, strict=True)), place


def _panels_height(keys: Sequence[str]) -> float:
    return 0.6 + 1.65 * max(1, math.ceil(len(keys) / 2))


def _title(axes: Axes, text: str) -> None:
    """A title as large as half of the figure's width has room for."""
    axes.set_title(text, fontsize=min(10.5, 10.5 * 21 / len(text)))


def _measured(curves: Iterable[Curve]) -> bool:
    """False for a loss that is 0 throughout: a single view, or no masked residue, leaves it nothing to measure."""
    return any(value != 0 for curve in curves for value in curve.values())


def plot_losses(rows: Sequence[Row], path: Path) -> None:
    """A panel for the weighted sum and one for each loss; training against validation."""
    keys = loss_keys(rows)
    with drawing(path, _panels_height(keys), margins=Margins()) as figure:
        if not keys:
            return instead_of_data(figure.subplots(), "no losses were logged")
        panels, place = _panels(figure, keys)
        for key, axes in panels.items():
            for split, style in _SPLITS.items():
                curves = list(curves_of(rows, key, split).values())
                if _measured(curves):
                    _draw(axes, curves, split, style)
            _title(axes, "weighted sum" if key == "loss" else key.removeprefix("loss/"))
        shared_legend(figure, panels.values(), place, columns=2)


def plot_metrics(rows: Sequence[Row], path: Path, calls_from: Mapping[str, float] | None = None) -> None:
    """A panel for each metric of the validation chains, a colour for each ion.

    `calls_from`: for metrics of calls the threshold during training; the run's own is chosen after it.
    """
    keys = metric_keys(rows)
    with drawing(path, _panels_height(keys), margins=Margins()) as figure:
        if not keys:
            return instead_of_data(figure.subplots(), "no metrics were logged")
        panels, place = _panels(figure, keys)
        for key, axes in panels.items():
            _by_ion(axes, curves_of(rows, key, "valid"))
            _title(axes, _measured_how(key, calls_from))
        shared_legend(figure, panels.values(), place, columns=4)


def _measured_how(metric: str, calls_from: Mapping[str, float] | None) -> str:
    """A metric, and from which probability on residues are called for it."""
    return f"{metric} at {calls_from[metric]:g}" if calls_from and metric in calls_from else metric


def _by_ion(axes: Axes, curves: Mapping[tuple[int, str], Curve]) -> None:
    for index, ion in enumerate(dict.fromkeys(ion for _, ion in curves)):
        _draw(axes, [curve for (_, name), curve in curves.items() if name == ion], ion, line_style(index))


def plot_metric(
    rows: Sequence[Row],
    metric: str,
    path: Path,
    best_epochs: Mapping[int, int] | None = None,
    calls_from: Mapping[str, float] | None = None,
) -> None:
    """`metric` on the validation chains, a colour for each ion; a dot marks the best epoch of each fold."""
    curves = curves_of(rows, metric, "valid")
    with drawing(path, height=3.1, margins=Margins()) as figure:
        axes = figure.subplots()
        if not curves:
            return instead_of_data(axes, f"{metric} was never a number")
        _by_ion(axes, curves)
        colors = {ion: line_style(index)["color"] for index, ion in enumerate(dict.fromkeys(i for _, i in curves))}
        for (fold, ion), curve in curves.items():
            best = (best_epochs or {}).get(fold)
            if best in curve:
                axes.plot([best], [curve[best]], "o", color=colors[ion], markersize=5)
        axes.set_ylabel(_measured_how(metric, calls_from))
        _epoch_axis(axes)
        legend_below(figure, axes, columns=4)


def plot_prototypes(rows: Sequence[Row], path: Path) -> None:
    """Share of residues that violate their margin, and similarity to the prototypes, on the training chains."""
    everyone, binding, others = (
        {"color": c, "linestyle": s} for c, s in ((BLACK, "-"), (GREEN, "-"), (ORANGE, "--"))
    )
    negative = {"color": GREY, "linestyle": ":"}
    panels = {
        "residues that violate their margin": [
            ("pull_mask_ratio", "all residues", everyone),
            ("pull_mask_ratio|pos", "binding", binding),
            ("pull_mask_ratio|neg", "not binding", others),
        ],
        "similarity to the prototype of binding residues": [
            ("sim_pos", "all residues", everyone),
            ("sim_pos|pos", "binding", binding),
            ("sim_pos|neg", "not binding", others),
            ("sim_neg", "all, to the other prototype", negative),
        ],
    }
    with drawing(path, height=4.9, margins=Margins(rows=0.12)) as figure:
        grid = figure.subplots(2, 1, sharex=True)
        drawn = False
        for axes, (title, lines) in zip(grid, panels.items(), strict=True):
            for key, label, style in lines:
                drawn |= _draw(axes, list(curves_of(rows, key, "train").values()), label, style)
            axes.set_title(title)
        if not drawn:
            for axes in grid:
                instead_of_data(axes, "the losses of this run log no prototype diagnostics")
            return
        grid[0].set_ylim(-0.03, 1.03)
        grid[1].axhline(0, color=GREY, linewidth=0.8)
        _epoch_axis(grid[1])
        legend_below(figure, grid[1], columns=2)
