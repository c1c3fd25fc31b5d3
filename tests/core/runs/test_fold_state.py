"""Resumable state: whole generations only, the newest first, the one before it where that is damaged."""

from __future__ import annotations

import logging
import re
from dataclasses import replace

import pytest
import torch

from e1bind.runs.fold_state import FoldState, StateFiles


def state_at(epoch, step=0):
    return FoldState(
        epoch=epoch,
        step=step,
        micros=2 * step,
        trainable={"a": torch.full((3,), float(epoch))},
        optimizer={"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        prototypes={"ZN": {"vector_P": torch.ones(2), "positives": 3}},
        sums={"ZN": {"loss": (1.5, 3.0)}},
        best={},
        best_epoch=0,
        best_value=float("nan"),
        scores={"ZN": {"1abc_A": torch.zeros(4)}},
        rows=[{"fold": 1, "epoch": 1, "ion": "ZN", "split": "train", "loss": 0.5}],
    )


@pytest.fixture
def files(tmp_path, caplog):
    caplog.set_level(logging.WARNING, "e1bind")
    return StateFiles(tmp_path / "last")


def test_nothing_there_is_no_state(files):
    assert files.load() is None


def test_the_newest_state_comes_back_and_two_generations_are_kept(files):
    for epoch, step in ((1, 5), (2, 0), (2, 7), (10, 0)):
        files.save(state_at(epoch, step))
    loaded = files.load()
    assert (loaded.epoch, loaded.step) == (10, 0)
    assert torch.equal(loaded.trainable["a"], torch.full((3,), 10.0))
    assert loaded.sums == {"ZN": {"loss": (1.5, 3.0)}}
    assert loaded.rows == state_at(1).rows
    assert len(list(files.folder.iterdir())) == 2


@pytest.mark.parametrize("damage", ["truncated", "bit flipped", "emptied"])
def test_a_damaged_newest_state_falls_back_to_the_one_before_and_says_so(files, damage, caplog):
    files.save(state_at(1))
    files.save(state_at(2))
    newest = max(files.folder.iterdir())
    content = newest.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 1
    newest.write_bytes({"truncated": content[:-7], "bit flipped": bytes(flipped), "emptied": b""}[damage])
    assert files.load().epoch == 1
    assert "is damaged: the state before it is used" in caplog.text
    assert newest.name in caplog.text
    # The damaged one does not take the place of a good generation.
    files.save(state_at(2))
    assert [s.epoch for s in (files.load(),)] == [2]
    assert len(list(files.folder.glob("*.pt"))) == 2


def test_with_all_generations_damaged_the_fold_starts_over(files, caplog):
    files.save(state_at(1))
    files.save(state_at(2))
    for path in files.folder.iterdir():
        path.write_bytes(b"no state")
    assert files.load() is None
    assert caplog.text.count("is damaged") == 2


def test_a_write_that_fails_leaves_the_generations_before_it(files, monkeypatch):
    files.save(state_at(1))
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        files.save(state_at(2))
    monkeypatch.undo()
    assert files.load().epoch == 1
    assert not list(files.folder.glob(".*.tmp"))


def test_other_files_in_the_folder_are_left_alone(files):
    files.save(state_at(1))
    (files.folder / "notes.txt").write_text("mine")
    for epoch in (2, 3, 4):
        files.save(state_at(epoch))
    assert (files.folder / "notes.txt").read_text() == "mine"


def test_a_pickled_object_is_never_loaded(files, capsys, caplog):
    class Anything:
        def __reduce__(self):
            return (print, ("executed",))

    files.save(replace(state_at(1), rows=[{"x": Anything()}]))
    assert files.load() is None
    assert "executed" not in capsys.readouterr().out
    assert re.search(r"[Ww]eights.only", caplog.text)
