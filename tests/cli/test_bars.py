"""Progress bars on terminals of any width, and tables where there is no terminal."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from plugin_packages import run_cli
from rich.console import Console
from small_specs import SMALLEST

from e1bind_cli.bars import bars
from e1bind_cli.progress import Bars

FIGURES = {"loss": 1.2345, "nt-xent": 3.2101, "prototype-bce": 0.5512, "residues/s": 12345.0}


def drawn(width: int, act) -> list[str]:
    """The last lines that a terminal of so many columns shows while `act` is told of progress."""
    console = Console(width=width, height=25, force_terminal=True, file=io.StringIO(), color_system=None)
    progress = bars(console)
    act(Bars(progress))
    with console.capture() as captured:
        console.print(progress.get_renderable())
    return captured.get().splitlines()


def training(listener: Bars) -> None:
    listener.stage("fold 10 epoch 100/100", 1200)
    listener.advance(345, FIGURES)


@pytest.mark.parametrize("width", [60, 80, 140])
def test_the_time_left_can_be_read(width: int) -> None:
    (line,) = drawn(width, training)
    assert len(line.rstrip()) <= width
    assert re.match(r"fold 10 epoch 100/100 +345/1200 +-:--:-- ", line)
    assert ("residues/s 1.234e+04" in line) == (width > 120)


def test_validation_and_figures_have_a_bar_of_their_own() -> None:
    def act(listener: Bars) -> None:
        training(listener)
        listener.stage_done()
        listener.validate(3, 9)

    (line,) = drawn(60, act)
    assert re.match(r"fold 10 epoch 100/100, validation +3/9 ", line)

    def draw(listener: Bars) -> None:
        act(listener)
        listener.validate(9, 9)
        listener.draw(1, 3)

    (line,) = drawn(60, draw)
    assert re.match(r"drawing figures +1/3 ", line)
    assert drawn(60, lambda listener: (draw(listener), listener.draw(3, 3))) == []


def test_a_pipe_breaks_no_key(tmp_path: Path) -> None:
    """Where no terminal is, a table is as wide as what it holds."""
    folder = tmp_path / ("a-long-name-of-a-folder-" * 6)
    folder.mkdir()
    spec = folder / "spec.toml"
    spec.write_text(SMALLEST)
    pipe = {"COLUMNS": ""}
    shown = run_cli("show", str(spec), "--origins", env=pipe).stdout
    assert f'"{folder}/results"' in shown
    assert all(row["path"] in shown for row in json.loads(run_cli("show", str(spec), "--json").stdout))
    described = run_cli("describe", "backbone.e1", env=pipe).stdout
    for option in json.loads(run_cli("describe", "backbone.e1", "--json").stdout)["options"]:
        assert option["description"] in described
    narrow = run_cli("describe", "backbone.e1", env={"COLUMNS": "60"}).stdout
    assert max(map(len, narrow[narrow.index("┏") : narrow.index("└")].splitlines())) <= 60
    assert "compile_flex_attention" in narrow
