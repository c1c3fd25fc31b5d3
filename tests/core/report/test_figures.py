"""Figures: each is a readable PNG of the promised size, whatever the data, and touches nothing but its file."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.image import imread
from sklearn.metrics import precision_recall_curve

from e1bind.report.curves import MAX_POINTS, plot_precision_recall, plot_roc, recall_precision
from e1bind.report.probabilities import plot_reliability, plot_score_histogram, plot_threshold_curve
from e1bind.report.style import also_as, drawing, line_style
from e1bind.report.track import plot_residue_track
from e1bind.report.training import curves_of, mean_curve, plot_losses, plot_metric, plot_metrics, plot_prototypes

SCORED: dict[str, Callable[..., None]] = {
    "pr": plot_precision_recall,
    "roc": plot_roc,
    "threshold": plot_threshold_curve,
    "histogram": plot_score_histogram,
    "reliability": lambda p, y, path: plot_reliability({"as predicted": (p, y)}, path),
    "track": lambda p, y, path: plot_residue_track(p, y, path, 0.5, "M" * len(p)),
}
TRAINING: dict[str, Callable[..., None]] = {
    "losses": plot_losses,
    "metric": lambda rows, path: plot_metric(rows, "hra", path, {1: 3}),
    "prototypes": plot_prototypes,
}


def ink(path: Path) -> float:
    """Share of the picture that is not white."""
    picture = imread(path)[..., :3]
    assert picture.shape[1] in (919, 920)  # matplotlib below 3.10 rounds 4.6 inches of 200 dots down
    return float((picture.min(axis=2) < 0.95).mean())


@pytest.fixture(autouse=True)
def warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("name", SCORED)
@pytest.mark.parametrize("case", ["usual", "empty", "one-class", "one-residue", "constant", "zero-and-one"])
def test_scored_residues_can_be_drawn_whatever_they_are(name, case, residues, tmp_path):
    probabilities, labels, _ = residues
    if case == "empty":
        probabilities, labels = probabilities[:0], labels[:0]
    elif case == "one-class":
        probabilities, labels = probabilities[:50], np.zeros(50, np.int8)
    elif case == "one-residue":
        probabilities, labels = probabilities[:1], labels[:1]
    elif case == "constant":
        probabilities = np.full_like(probabilities, 0.3)
    elif case == "zero-and-one":
        probabilities = np.where(labels == 1, 1.0, 0.0)
    path = tmp_path / "plots" / "figure.png"
    SCORED[name](probabilities, labels, path)
    assert ink(path) > 0.001
    assert [p.name for p in path.parent.iterdir()] == ["figure.png"]


@pytest.mark.parametrize("name", TRAINING)
@pytest.mark.parametrize("case", ["usual", "one-fold", "one-epoch", "nothing-logged", "no-rows", "none-and-nan"])
def test_training_can_be_drawn_whatever_was_logged(name, case, rows, tmp_path):
    if case == "one-fold":
        rows = [row for row in rows if row["fold"] == 1 and row["ion"] == "ZN"]
    elif case == "one-epoch":
        rows = [row for row in rows if row["epoch"] == 1]
    elif case == "nothing-logged":
        rows = [{key: row[key] for key in ("fold", "epoch", "ion", "split")} for row in rows]
    elif case == "no-rows":
        rows = []
    elif case == "none-and-nan":
        rows = [{**row, "loss": None, "hra": float("nan"), "sim_pos": float("inf")} for row in rows]
    path = tmp_path / "figure.png"
    TRAINING[name](rows, path)
    assert ink(path) > 0.001


def test_fold_curves_of_one_class_are_left_out(residues, tmp_path):
    probabilities, labels, fold = residues
    labels = np.where(fold == 2, 0, labels)
    plot_precision_recall(probabilities, labels, tmp_path / "pr.png", fold)
    plot_roc(probabilities, labels, tmp_path / "roc.png", fold)
    assert (tmp_path / "roc.png").exists()


def test_the_same_data_give_the_same_bytes(residues, tmp_path):
    probabilities, labels, fold = residues
    for name in ("a.png", "b.png"):
        plot_precision_recall(probabilities, labels, tmp_path / name, fold)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_users_matplotlib_settings_have_no_effect_and_are_left_as_they_were(residues, tmp_path):
    probabilities, labels, _ = residues
    plot_roc(probabilities, labels, tmp_path / "a.png")
    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "savefig.dpi": 37}):
        before = dict(matplotlib.rcParams)
        plot_roc(probabilities, labels, tmp_path / "b.png")
        assert dict(matplotlib.rcParams) == before
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_names_with_a_dollar_or_underscores_are_text_not_mathematics(rows, tmp_path):
    odd = [{**row, "ion": r"$\frac{ZN_"} for row in rows]
    plot_metric(odd, "hra", tmp_path / "metric.png")


@pytest.mark.parametrize("sequence", [True, False])
@pytest.mark.parametrize("length", [1, 2, 60, 61, 199, 200, 201, 720, 721, 3000])
def test_tracks_of_short_and_long_chains(length, sequence, tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.integers(-1, 2, length)
    letters = "".join(rng.choice(list("ACDX"), length)) if sequence else ""
    plot_residue_track(rng.random(length), labels, tmp_path / "track.png", 0.5, letters)
    assert 150 < imread(tmp_path / "track.png").shape[0] < 3200


def test_letters_stand_under_the_bars_of_chains_that_have_room_for_them(tmp_path):
    """The same chain with another sequence looks different, and only where it is short enough."""

    def picture(length: int, letter: str) -> bytes:
        file = tmp_path / f"{letter}.png"
        plot_residue_track([0.2] * length, [0] * length, file, 0.5, letter * length)
        return file.read_bytes()

    assert picture(720, "A") != picture(720, "W")
    assert picture(721, "A") == picture(721, "W")


@pytest.mark.parametrize(("low", "high"), [(4, 14), (-14, -4), (-0.2, 0.3), (-20, 20), (2, 2)])
def test_curves_over_thresholds_fill_the_axis_wherever_probabilities_crowd(low, high, tmp_path, figures):
    rng = np.random.default_rng(0)
    scores = rng.uniform(low, high, 4000)
    labels = (rng.random(4000) < 1 / (1 + np.exp((low + high) / 2 + 1 - scores))).astype(int)
    plot_threshold_curve((1 / (1 + np.exp(-scores))).astype(np.float32), labels, tmp_path / "t.png", 0.5)
    (axes,) = figures[0].axes
    recall = next(line for line in axes.lines if line.get_label() == "recall")
    x, y = recall.get_xdata(), recall.get_ydata()
    begin, end = axes.get_xlim()
    falls = x[np.flatnonzero(y < 0.95)[0]], x[np.flatnonzero(y > 0.05)[-1]]
    if low < high:
        assert (falls[1] - falls[0]) / (end - begin) > 0.25
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert len(ticks) == len(set(ticks)) >= 2
    assert all(0 < float(tick) < 1 for tick in ticks)


def test_equal_data_give_equal_bytes_in_every_format(tmp_path):
    for folder in (tmp_path / "a", tmp_path / "b"):
        with also_as(["svg", "pdf"]):
            plot_roc([0.1, 0.4, 0.8], [0, 1, 1], folder / "roc.png")
    for ending in ("png", "svg", "pdf"):
        assert (tmp_path / "a" / f"roc.{ending}").read_bytes() == (tmp_path / "b" / f"roc.{ending}").read_bytes()


def test_a_failed_drawing_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), drawing(tmp_path / "figure.png", height=2):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_thinned_curve_stays_within_a_pixel_of_the_whole_one():
    rng = np.random.default_rng(4)
    labels = (rng.random(200_000) < 0.05).astype(np.int8)
    probabilities = 1 / (1 + np.exp(-(rng.normal(size=200_000) + 1.5 * labels)))
    recall, precision = recall_precision(probabilities, labels)
    assert recall.size <= MAX_POINTS
    assert (recall[0], recall[-1], precision[0]) == (0.0, 1.0, 1.0)
    whole_precision, whole_recall, _ = precision_recall_curve(labels, probabilities)
    inside = whole_recall > 0.05  # before, the curve jumps up and down within one pixel
    drawn = np.interp(whole_recall[inside], recall, precision)
    assert np.abs(drawn - whole_precision[inside]).max() < 0.01


def test_a_validation_loss_that_is_zero_throughout_is_not_drawn(rows, tmp_path):
    silent = [{**row, "loss": 0.0} if row["split"] == "valid" else row for row in rows]
    absent = [{k: v for k, v in row.items() if k != "loss" or row["split"] == "train"} for row in rows]
    plot_losses(silent, tmp_path / "silent.png")
    plot_losses(absent, tmp_path / "absent.png")
    assert (tmp_path / "silent.png").read_bytes() == (tmp_path / "absent.png").read_bytes()


def test_curves_are_grouped_by_fold_and_ion_and_leave_out_what_is_no_number(rows):
    rows = [{**row, "hra": None} if row["epoch"] == 2 else row for row in rows]
    curves = curves_of(rows, "hra", "valid")
    assert set(curves) == {(fold, ion) for fold in (1, 2, 3) for ion in ("ZN", "CA")}
    assert set(curves[1, "ZN"]) == {1, 3, 4, 5, 6, 7, 8}


def test_a_curve_that_stopped_stays_in_the_mean_with_its_last_value():
    """The worst fold stopped first: a mean of those that go on would jump to 3."""
    assert mean_curve([{1: 1.0, 2: 3.0}, {1: 2.0}]) == {1: 1.5, 2: 2.5}
    assert mean_curve([{1: 1.0, 2: 1.0, 3: 1.0, 4: 1.0}, {1: 0.0, 4: 1.0}]) == {1: 0.5, 2: 0.5, 3: 0.5, 4: 1.0}


def test_the_mean_begins_where_every_curve_has_a_value():
    assert mean_curve([{1: 1.0, 2: 3.0}, {2: 5.0}]) == {2: 4.0}
    assert mean_curve([]) == {}


def test_metrics_of_calls_name_the_probability_from_which_residues_are_called(rows, tmp_path, figures):
    measured = [{**row, "f1": 0.5} if row["split"] == "valid" else row for row in rows]
    plot_metrics(measured, tmp_path / "m.png", {"f1": 0.5})
    assert "f1 at 0.5" in [axes.get_title() for axes in figures[0].axes] + [
        axes.get_title(loc="left") for axes in figures[0].axes
    ]


def test_thirty_two_series_look_different():
    assert len({tuple(line_style(index).values()) for index in range(32)}) == 32


def test_pyplot_is_never_imported():
    modules = ", ".join(f"e1bind.report.{name}" for name in ("curves", "probabilities", "track", "training"))
    code = f"import sys, {modules}; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
