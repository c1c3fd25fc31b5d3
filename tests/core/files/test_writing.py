"""Files of one command: all of them, or each place as it was."""

from __future__ import annotations

import pytest

from e1bind.errors import UserError
from e1bind.files.writing import atomic_write_text, output, output_text, together


def test_files_appear_together_at_the_end(tmp_path):
    with together():
        output_text(tmp_path / "sub" / "one", "1")
        atomic_write_text(tmp_path / "two", "2")
        assert not (tmp_path / "sub" / "one").exists()
        assert not (tmp_path / "two").exists()
    assert (tmp_path / "sub" / "one").read_text() + (tmp_path / "two").read_text() == "12"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["one", "sub", "two"]


def test_after_an_error_every_place_is_as_it_was(tmp_path):
    (tmp_path / "one").write_text("old")
    with pytest.raises(ZeroDivisionError), together():  # noqa: PT012
        output_text(tmp_path / "one", "new")
        output_text(tmp_path / "two", "new")
        raise ZeroDivisionError
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"one": "old"}


def test_where_the_last_file_cannot_take_its_place_the_first_ones_go_back(tmp_path):
    (tmp_path / "one").write_text("old")
    with pytest.raises(UserError, match="three cannot be written"), together():  # noqa: PT012
        for name in ("one", "two", "three"):
            output_text(tmp_path / name, "new")
        (tmp_path / "three").mkdir()
    (tmp_path / "three").rmdir()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"one": "old"}


def test_a_place_that_would_be_written_twice_is_refused(tmp_path):
    with pytest.raises(UserError, match="written twice"), together():  # noqa: PT012
        output_text(tmp_path / "one", "1")
        with output(tmp_path / "one"):
            raise AssertionError
    assert list(tmp_path.iterdir()) == []
