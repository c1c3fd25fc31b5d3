"""What a shell is offered after Tab, by the program itself as bash asks it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from plugin_packages import environment

from e1bind.runs.layout import RunDir


def offered(folder: Path, line: str) -> list[str]:
    """The words bash is offered for the last word of a line."""
    place = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1), "_E1BIND_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [Path(sys.executable).with_name("e1bind")],
        cwd=folder,
        env=environment() | place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("e1bind describe backb", ["backbone.e1", "backbone.hf-mlm"]),
        ("e1bind describe loss.prototype-b", ["loss.prototype-bce"]),
        ("e1bind describe views.", ["views.masked"]),
        ("e1bind predict results/z", ["results/zinc", "results/zinc-2"]),
        ("e1bind predict res", ["results/zinc", "results/zinc-2"]),
        ("e1bind train --resume other", ["other/"]),
        ("e1bind compare results/zinc results/zinc-", ["results/zinc-2"]),
        ("e1bind collect nothing", []),
    ],
)
def test_tab_offers_components_and_runs(tmp_path: Path, line: str, words: list[str]) -> None:
    for name in ("zinc", "zinc-2"):
        run = RunDir(tmp_path / "results" / name)
        run.path.mkdir(parents=True)
        run.resolved_spec.write_text("{}")
    (tmp_path / "results" / "notes").mkdir()
    (tmp_path / "other").mkdir()
    assert offered(tmp_path, line) == words
