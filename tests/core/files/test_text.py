"""Text from files, made safe for terminals, logs, tables and file names."""

from __future__ import annotations

import logging

import pytest

from e1bind.files.text import cell, file_part, one_line, visible
from e1bind.log import LineFormatter

EVIL = "a\x1b]0;owned\x07b\x1b[2Jc\x9b31m\u202ed\x00e\x7f"


def test_control_characters_are_shown_as_escapes_and_lines_stay_lines():
    shown = visible(f"one\ntwo\t{EVIL}")
    assert shown.startswith("one\ntwo\t")
    assert not [c for c in shown if c not in "\n\t" and not c.isprintable()]
    assert r"\x1b]0;owned\x07" in shown
    assert visible("plain Ängström ζ") == "plain Ängström ζ"


def test_one_line_is_one_line_for_every_program():
    assert len(one_line(f"a\nb\rc\u2028d\x85e{EVIL}").splitlines()) == 1


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1+2", "@SUM(A1)", "\t=1", "|x"])
def test_formulas_begin_with_an_apostrophe(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["1abc_A", "ZN", "a=b", ""])
def test_other_cells_are_as_they_were(text):
    assert cell(text) == text


def test_no_name_leads_out_of_a_folder():
    for name in ("../x", "a/b", "", ".", "..", "x" * 500, EVIL, "\ud800"):
        assert "/" not in file_part(name)
        assert not file_part(name).startswith(".")
        assert len(file_part(name)) < 80


def test_a_log_line_sends_nothing_to_the_terminal_that_shows_it():
    record = logging.LogRecord("e1bind", logging.INFO, "", 0, "chain %s", (EVIL,), None)
    assert "\x1b" not in LineFormatter("%(message)s").format(record)
