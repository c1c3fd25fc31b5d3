"""What TensorBoard itself reads from the event files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from matplotlib.image import imsave
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from e1bind.testing.trackers import EPOCHS, STEPS, Told
from e1bind.trackers.options import TensorBoardOptions
from e1bind.trackers.tensorboard import TensorBoard


@pytest.fixture
def picture(tmp_path):
    file = tmp_path / "training.png"
    imsave(file, np.zeros((8, 8, 3)))
    return file


def read(folder) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    events.Reload()
    return events


def told(folder, **options) -> Told:
    folder.mkdir(exist_ok=True)
    return Told(TensorBoard(TensorBoardOptions(**options)), folder)


def steps_of(events, name) -> list[int]:
    return [scalar.step for scalar in events.Scalars(name)]


def test_curves_of_steps_and_epochs_a_run_for_each_fold(tmp_path, picture):
    run = told(tmp_path / "board", every_steps=2)
    run.begin()
    for fold in (1, 2):
        run.fold(fold, value=fold)
    run.conclude(picture)
    for fold in (1, 2):
        events = read(tmp_path / "board" / f"fold_{fold}")
        assert steps_of(events, "step/loss") == [2, 4, 6, 8]
        assert [s.value for s in events.Scalars("step/loss")] == pytest.approx([fold / n for n in (2, 4, 6, 8)])
        assert steps_of(events, "epoch/ZN/valid/auprc") == [STEPS * n for n in range(1, EPOCHS + 1)]
        assert [s.value for s in events.Scalars("epoch/epoch")] == [1, 2]


def test_spec_summary_status_and_figures_are_of_the_run(tmp_path, picture):
    run = told(tmp_path / "board")
    run.begin()
    run.conclude(picture, "stopped")
    events = read(tmp_path / "board" / "run")
    texts = {
        name: events.Tensors(f"{name}/text_summary")[0].tensor_proto.string_val[0].decode()
        for name in ("spec", "summary", "status")
    }
    assert json.loads(texts["spec"]) == run.spec
    assert json.loads(texts["summary"])["ions"] == ["ZN"]
    assert texts["status"] == "stopped"
    (image,) = events.Images("fold_1/training")
    assert (image.height, image.width) == (8, 8)


def test_figures_can_be_left_out(tmp_path, picture):
    run = told(tmp_path / "board", figures=False)
    run.begin()
    run.conclude(picture)
    assert read(tmp_path / "board" / "run").Tags()["images"] == []


def test_what_a_killed_process_told_beyond_its_state_is_replaced(tmp_path, picture):
    killed = told(tmp_path / "board")
    killed.begin()
    killed.fold(1, last=7, value=9.0)
    for writer in killed.tracker.folds.values():
        writer.close()
    again = told(tmp_path / "board")
    again.begin(resumed=True)
    again.fold(1, first=6, value=1.0)
    again.conclude(picture)
    events = read(tmp_path / "board" / "fold_1")
    assert steps_of(events, "step/loss") == list(range(1, 9))
    values = [scalar.value for scalar in events.Scalars("step/loss")]
    assert values == pytest.approx([*(9 / n for n in range(1, 6)), *(1 / n for n in range(6, 9))])


def test_a_value_that_is_no_number_leaves_a_gap(tmp_path, picture):
    run = told(tmp_path / "board")
    run.begin()
    run.fold(1, value=float("nan"))
    run.conclude(picture)
    tags = read(tmp_path / "board" / "fold_1").Tags()["scalars"]
    assert "step/learning_rate" in tags
    assert "step/loss" not in tags
