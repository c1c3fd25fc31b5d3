"""`list-plugins` and `describe`: what they fit, what their JSON holds, and tables that can be pasted."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NewType

import annotated_types
import pytest
from damaged_packages import lay_out
from plugin_packages import run_cli
from pydantic import Field
from small_specs import SMALLEST

from e1bind.plugins import discover
from e1bind.spec import Options, load_spec
from e1bind_cli.app import run as e1bind
from e1bind_cli.component_details import options_of
from e1bind_cli.constraints import in_words


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    site = tmp_path_factory.mktemp("a-long-name-of-a-folder-" * 5)
    lay_out(site, "finelosses")
    lay_out(site, "brokenlosses", "import os\n\nraise RuntimeError('no licence ' * 20)\n")
    lay_out(site, "futurelosses", "E1BIND_API = 99\n")
    return site


def test_the_listing_fits_80_columns_and_breaks_no_path(site) -> None:
    listed = run_cli("list-plugins", paths=(site,), env={"COLUMNS": "80"})
    assert listed.returncode == 0, listed.stderr
    lines = listed.stdout.splitlines()
    paths = [line for line in lines if str(site) in line or ".py" in line]
    assert all(len(line) <= 80 for line in lines if line not in paths)
    assert f"      {site / 'brokenlosses.py'}, line 3" in lines
    assert '      to leave it out: [plugins] block = ["brokenlosses"]' in lines
    assert '      to leave it out: [plugins] block = ["futurelosses"]' in lines
    assert "  finelosses  finelosses 1.0" in lines
    assert lines.index("reader (6)") < lines.index("loss (9)") < lines.index("metric (15)")


def test_the_json_says_where_it_failed_and_may_be_of_one_kind(site) -> None:
    told = json.loads(run_cli("list-plugins", "--json", "--kind", "losses", paths=(site,)).stdout)
    assert {component["kind"] for component in told["components"]} == {"loss"}
    broken = next(p for p in told["plugins"] if p["distribution"] == "brokenlosses")
    assert broken["failed_at"] == {"file": str(site / "brokenlosses.py"), "line": 3}
    component = next(c for c in told["components"] if c["name"] == "finelosses")
    assert set(component) == {
        "kind", "name", "full_name", "use_full_name", "distribution", "version", "summary", "target", "options",
        "needs", "provides",
    }  # fmt: skip


class Colour(Enum):
    RED = "red"


class Inner(Options):
    depth: int = 3


class Odd(Options):
    """Defaults of every kind."""

    made: list[str] = Field(default_factory=lambda: ["a"])
    colour: Colour = Colour.RED
    place: Path = Path("here")
    inner: Inner = Inner()
    table: dict[str, float] = Field({"a b": 1.5})
    nothing: int | None = None
    needed: complex


def test_nothing_of_python_is_shown() -> None:
    shown = {row["name"]: row["default"] for row in options_of(Odd)}
    assert shown == {
        "made": '["a"]', "colour": '"red"', "place": '"here"', "inner": "{ depth = 3 }", "table": '{ "a b" = 1.5 }',
        "nothing": "(absent)", "needed": "(required)",
    }  # fmt: skip
    internals = re.compile(
        "NoneType|Annotated|<class|Undefined|Optional|Union|Literal|typing|None|True|False|Posix|'"
    )
    for component in discover().components():
        for row in options_of(component.load_options()):
            assert not internals.search(row["type"] + row["default"]), (component.full_name, row)
            if not row["default"].startswith("("):
                tomllib.loads(f"value = {row['default']}")


def test_one_kind_alone(capsys) -> None:
    assert e1bind(["list-plugins", "--kind", "view-generator"]) == 0
    said = capsys.readouterr().out
    assert "view generator (1)" in said
    assert "loss" not in said
    assert e1bind(["list-plugins", "--kind", "colour"]) == 2
    assert "there is no such kind; there are reader, backbone" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (Annotated[float, annotated_types.Gt(0), annotated_types.Lt(2)], "number, greater than 0, less than 2"),
        (Annotated[int, annotated_types.Ge(1)] | None, "whole number, at least 1 or absent"),
        (Literal["a", "b", 1], 'one of "a", "b", 1'),
        (list[str], "list of text"),
        (tuple[float, ...], "list of number"),
        (Sequence[str | None], "list of (text or absent)"),
        (dict[str, list[int]], "table of list of whole number"),
        (Annotated[float, Field(gt=0)] | None, "number, greater than 0 or absent"),
        (Colour, '"red"'),
        (Literal["auto"] | bool, '"auto" or true or false'),
        (NewType("Name", str), "text"),
        (date, "date"),
        (complex, "value"),
        (Any, "value"),
        (Path | None, "path or absent"),
        (bool, "true or false"),
    ],
)
def test_constraints_are_told_in_words(annotation, words) -> None:
    assert in_words(annotation) == words


TABLES = {"reader": "data.fasta3", "backbone": "backbone.e1", "view_generator": "views.masked"}


@pytest.mark.parametrize("component", discover().components(), ids=lambda c: f"{c.kind}.{c.name}")
def test_the_example_table_is_a_valid_part_of_a_spec(component, tmp_path, capsys) -> None:
    assert e1bind(["describe", f"{component.kind}.{component.name}", "--json"]) == 0
    details = json.loads(capsys.readouterr().out)
    example = details["example"].replace('checkpoint = "..."', 'checkpoint = "some/model"')
    example = example.replace("# random_weights =", 'random_weights = "tiny"')
    base = SMALLEST.replace(
        "[losses.prototype-bce]",
        "[losses.supcon]" if component.name == "prototype-bce" else "[losses.prototype-bce]",
    )
    if component.kind in TABLES:
        lines = base.splitlines(keepends=True)
        start = next(i for i, line in enumerate(lines) if line.startswith(f"[{TABLES[component.kind]}]"))
        stop = next(i for i, line in enumerate(lines) if i > start and line.startswith("["))
        base = "".join(lines[:start] + lines[stop:])
    if component.full_name == "e1bind-core/linear":
        base = base.replace("[losses.prototype-bce]", "[losses.bce]")
    if component.name == "supcon":
        base = base.replace("[losses.supcon]", "")
    file = tmp_path / "spec.toml"
    file.write_text(f"{base}\n{example}\n")
    load_spec(file)  # whether the files are there is another matter


def test_describe_says_what_options_add_to_needs_and_provides(capsys) -> None:
    assert e1bind(["describe", "views.masked"]) == 0
    said = capsys.readouterr().out
    assert "provides: masked-tokens, views=4" in said
    assert "Ge(" not in said
    assert "[views.masked]\nnum_variants = 4" in said
