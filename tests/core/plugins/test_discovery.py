"""Discovery with really installed packages, in fresh processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from plugin_packages import run_cli, run_python

DUMP = """
import json
from e1bind.plugins import discover
index = discover()
status = {p.source.distribution: [p.status, p.error, [c.full_name for c in p.components]] for p in index.plugins}
print(json.dumps(status))
"""


@pytest.fixture(scope="module")
def found(third_parties: Path) -> dict[str, Any]:
    result = run_python(DUMP, third_parties)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_built_in_components_come_through_entry_points(found: dict[str, Any]) -> None:
    for name in ("e1bind-core", "e1bind-losses", "e1bind-backbones"):
        status, error, components = found[name]
        assert (status, error) == ("ok", None)
        assert components


def test_a_good_third_party_is_found(found: dict[str, Any]) -> None:
    assert found["acme-losses"] == ["ok", None, ["acme-losses/prototype-hinge"]]


def test_a_module_that_raises_is_broken_and_breaks_nothing(found: dict[str, Any]) -> None:
    status, error, components = found["broken-losses"]
    assert (status, components) == ("broken", [])
    assert "RuntimeError: no licence file" in error


def test_a_module_that_exits_is_broken_and_breaks_nothing(found: dict[str, Any]) -> None:
    assert found["heavy-losses"][0] == "broken"


def test_another_api_version_is_refused_with_what_to_install(found: dict[str, Any]) -> None:
    status, error, components = found["future-losses"]
    assert (status, components) == ("incompatible", [])
    assert "plugin API 2" in error
    assert "speaks API 1" in error
    assert "pip install -U e1bind-core" in error
    assert "pip install -U old-losses" in found["old-losses"][1]
    assert "E1BIND_API = 1" in found["silent-losses"][1]


def test_a_misspelled_hook_is_an_error(found: dict[str, Any]) -> None:
    status, error, _ = found["typo-losses"]
    assert status == "broken"
    assert "e1bind_loses" in error


RESOLVE = """
from e1bind.plugins import discover
from e1bind.errors import PluginError
index = discover()
for name in {names!r}:
    try:
        print(index.get("loss", name).full_name)
    except PluginError as error:
        print("error:", error)
"""


def test_two_third_parties_with_one_name_are_an_error_only_when_the_bare_name_is_used(third_parties: Path) -> None:
    names = ["prototype-hinge", "acme-losses/prototype-hinge", "rival-losses/prototype-hinge"]
    lines = run_python(RESOLVE.format(names=names), third_parties).stdout.splitlines()
    assert lines[0].startswith("error: 2 plugins have a loss named 'prototype-hinge'")
    assert "acme-losses/prototype-hinge, rival-losses/prototype-hinge" in lines[0]
    assert lines[1:] == ["acme-losses/prototype-hinge", "rival-losses/prototype-hinge"]


def test_first_party_components_own_their_bare_names_and_the_listing_says_so(third_parties: Path) -> None:
    names = ["nt-xent", "shadow-losses/nt-xent"]
    lines = run_python(RESOLVE.format(names=names), third_parties).stdout.splitlines()
    assert lines == ["e1bind-losses/nt-xent", "shadow-losses/nt-xent"]
    listed = json.loads(run_cli("list-plugins", "--json", paths=(third_parties,)).stdout)
    full = {c["full_name"]: c["use_full_name"] for c in listed["components"] if c["name"] == "nt-xent"}
    assert full == {"e1bind-losses/nt-xent": False, "shadow-losses/nt-xent": True}


def test_an_unknown_name_is_answered_with_a_suggestion(third_parties: Path) -> None:
    (line,) = run_python(RESOLVE.format(names=["nt-xnet"]), third_parties).stdout.splitlines()
    assert "no loss named 'nt-xnet'; did you mean 'nt-xent'?" in line


def test_the_environment_can_allow_only_some_plugins(third_parties: Path) -> None:
    result = json.loads(run_python(DUMP, third_parties, env={"E1BIND_PLUGINS": "acme-losses"}).stdout)
    assert result["acme-losses"][0] == "ok"
    assert result["rival-losses"][0] == "not allowed"
    assert result["e1bind-losses"][0] == "ok"


def test_strict_plugins_make_a_broken_one_an_error(third_parties: Path) -> None:
    result = run_cli("list-plugins", paths=(third_parties,), env={"E1BIND_STRICT_PLUGINS": "1"})
    assert result.returncode == 2
    assert "no licence file" in result.stderr
    assert "Traceback" not in result.stderr


def test_blocked_and_required_plugins(third_parties: Path) -> None:
    code = """
from e1bind.plugins import PluginPolicy, discover
from e1bind.errors import PluginError
index = discover(PluginPolicy(require=["acme-losses>=0.2"], block=["rival-losses"]))
print(index.get("loss", "prototype-hinge").full_name)
for wanted in ("acme-losses>=9", "nowhere-losses", "broken-losses", "not a requirement!"):
    try:
        discover(PluginPolicy(require=[wanted]))
    except PluginError as error:
        print(error)
"""
    lines = run_python(code, third_parties).stdout.splitlines()
    assert lines[0] == "acme-losses/prototype-hinge"
    assert "acme-losses 0.2.0 is installed" in lines[1]
    assert "pip install 'acme-losses>=9'" in lines[1]
    assert "no e1bind plugin 'nowhere-losses' is installed" in lines[2]
    assert "broken-losses 1.0.0 is broken" in lines[3]
    assert "is not a version requirement" in lines[4]


def test_provenance_says_where_a_plugin_comes_from(third_parties: Path) -> None:
    listed = json.loads(run_cli("list-plugins", "--json", paths=(third_parties,)).stdout)
    by_name = {p["distribution"]: p for p in listed["plugins"]}
    assert by_name["e1bind-core"]["editable"] is True
    assert Path(by_name["acme-losses"]["file"]).is_relative_to(third_parties)
    assert by_name["acme-losses"]["version"] == "0.2.0"
    assert by_name["broken-losses"]["status"] == "broken"
