"""A long stage says where it is every half minute, and no sooner."""

from __future__ import annotations

import logging

import pytest

from e1bind.engine.events import Listener, Spoken


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spoken(clock, caplog):
    caplog.set_level(logging.INFO, logger="e1bind")
    return Spoken(Listener(), clock)


def test_a_line_every_half_minute_with_step_loss_rate_and_time_left(spoken, clock, caplog):
    spoken.stage("fold 1 epoch 2/30", 100)
    for done in range(1, 21):
        clock.now += 5
        spoken.advance(done, {"step": done / 2, "loss": 1.25, "residues/s": 800.0})
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    assert lines[0] == ("fold 1 epoch 2/30: micro-batch 6 of 100  step 3  loss 1.25  residues/s 800  0:07:50 left")


def test_what_was_done_before_a_resume_does_not_count_for_the_rate(spoken, clock, caplog):
    spoken.stage("fold 1 epoch 2/30", 100)
    clock.now += 40
    spoken.advance(81, {"loss": 1.0})
    assert "0:12:40 left" in caplog.records[0].getMessage()  # 19 to go, 40 s each


def test_validation_speaks_too(spoken, clock, caplog):
    spoken.stage("fold 1 epoch 2/30", 100)
    for done in range(1, 5):
        spoken.validate(done, 10)
        clock.now += 20
    (record,) = caplog.records
    assert record.getMessage() == "fold 1 epoch 2/30, validation: batch 3 of 10  0:01:33 left"
    assert record.progress is True


def test_a_short_stage_says_nothing(spoken, clock, caplog):
    spoken.stage("fold 1 epoch 1/2", 3)
    for done in (1, 2, 3):
        clock.now += 1
        spoken.advance(done, {})
    assert not caplog.records
