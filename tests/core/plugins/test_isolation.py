"""A damaged or hostile plugin is a line in the listing; the commands and every other plugin go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from damaged_packages import NOISE, lay_out
from plugin_packages import run_cli, run_python

HOOK = "from e1bind.plugins import LossPlugin, hookimpl\nE1BIND_API = 1\n@hookimpl\ndef e1bind_losses():\n    "
DESCRIPTOR = HOOK + "return [LossPlugin(**dict(name='x', target='a:b', options='a:b', summary='s') | dict({}))]"


BROKEN_FOLDERS: dict[str, tuple[dict[str, Any], str]] = {
    "nometa": ({"metadata": None}, "nometa-1.0.dist-info has no METADATA"),
    "blankmeta": ({"metadata": b"\n"}, "has no METADATA, or an empty one"),
    "noname": ({"metadata": b"Version: 1.0\n"}, "states no valid Name"),
    "oddname": ({"metadata": b"Name: a\x1b[31m b\nVersion: 1.0\n"}, "states no valid Name"),
    "noversion": ({"metadata": b"Name: noversion\n"}, "states no valid Version"),
    "oddversion": ({"metadata": b"Name: oddversion\nVersion: newest\n"}, "states no valid Version"),
    "latinmeta": ({"metadata": b"Name: latinmeta\nVersion: 1.0\nAuthor: J\xe9\n"}, "is not UTF-8"),
    "noequals": ({"entries": b"[e1bind]\nnoequals.plugin\n"}, "line 2 of its entry_points.txt, 'noequals.plugin'"),
    "novalue": ({"entries": b"[e1bind]\nmain =\n"}, "'main =', is not of the form name = module"),
    "nomodule": ({"entries": b"[e1bind]\nmain = :attribute\n"}, "is not of the form"),
    "noentry": ({"entries": b"[e1bind]\n= noentry\n"}, "is not of the form"),
    "oddmodule": ({"entries": b"[e1bind]\nmain = odd module!\n"}, "is not of the form"),
    "escapes": ({"entries": b"[e1bind]\n\x1b[2J = escapes\n"}, "is not of the form"),
    "latinentry": ({"entries": b"[e1bind]\nmain = j\xe9an\n"}, "is not of the form"),
    "nobracket": ({"entries": b"[e1bind\nmain = nobracket\n"}, "line 1 of its entry_points.txt, '[e1bind'"),
}

HARMLESS_FOLDERS: dict[str, dict[str, Any]] = {
    "othergroup": {"entries": b"[pytest11]\nnothing here\n= x\nj\xe9 = y\n[e1bind]\nmain = othergroup\n[x]\n[x]\n"},
    "comments": {"entries": b"# first\nstray line\n[e1bind]\n# a comment\n\nmain = comments\n"},
    "directlist": {"direct_url": b"[1, 2]"},
    "directtypes": {"direct_url": b'{"vcs_info": "git", "dir_info": 3, "url": []}'},
    "directlatin": {"direct_url": b"\xe9\xff"},
    "directdeep": {"direct_url": b"[" * 100_000},
    "directvcs": {"direct_url": b'{"vcs_info": {}, "dir_info": {"editable": "yes"}}'},
}

BROKEN_CODE: dict[str, tuple[str, str]] = {
    "ownbase": ("class Stop(BaseException): pass\nraise Stop('now')", "Stop: now"),
    "generatorexit": ("raise GeneratorExit", "GeneratorExit"),
    "stopiteration": ("raise StopIteration", "StopIteration"),
    "exits": ("import sys; sys.exit(0)", "SystemExit: 0"),
    "cancelled": ("import asyncio; raise asyncio.CancelledError", "CancelledError"),
    "unspeakable": ("class E(Exception):\n    def __str__(self): raise ValueError\nraise E", "cannot be shown"),
    "colourful": ("raise RuntimeError('\\x1b[2J\\ud800')", "RuntimeError: \\x1b[2J\\ud800"),
    "endless": ("def f(): f()\nf()", "RecursionError"),
    "nosyntax": ("def", "SyntaxError"),
    "elsewhere": ("import nowhere_at_all", "No module named 'nowhere_at_all'"),
    "getattribute": ("def __getattr__(name): raise RuntimeError(name)", "E1BIND_API cannot be read: RuntimeError"),
    "apiproperty": (
        "import sys, types\nclass M(types.ModuleType):\n    @property\n"
        "    def E1BIND_API(self): raise KeyError('api')\nsys.modules[__name__].__class__ = M",
        "E1BIND_API cannot be read: KeyError: 'api'",
    ),
    "hookexits": (HOOK + "raise SystemExit(0)", "SystemExit"),
    "hookbase": (HOOK + "raise type('Stop', (BaseException,), {})('in hook')", "Stop: in hook"),
    "hooknone": (HOOK + "return None", "e1bind_losses returned None; it must return a list of LossPlugin objects"),
    "hooknumber": (HOOK + "return 3", "e1bind_losses returned 3; it must return a list"),
    "hooktext": (HOOK + "return 'loss'", "it must return LossPlugin objects"),
    "hookiterator": (HOOK + "return (1 / 0 for _ in range(2))", "ZeroDivisionError"),
    "unmarked": (
        HOOK.replace("@hookimpl\n", "") + "return []",
        "e1bind_losses is not marked as a hook: put @hookimpl",
    ),
    "nearlyhook": (
        HOOK.replace("@hookimpl\ndef e1bind_losses", "def e1bind_loss") + "return []",
        "e1bind_loss looks like the hook e1bind_losses, but is not marked as one",
    ),
    "numbername": (DESCRIPTOR.format("name=3"), "LossPlugin: name is 3; it must be a string"),
    "notarget": (DESCRIPTOR.format("target=None"), "target is None; it must be a string"),
    "stringneeds": (DESCRIPTOR.format("needs='x'"), "needs is 'x'; it must be a set of words"),
    "numberneeds": (DESCRIPTOR.format("provides={3}"), "provides is {3}; it must be a set of words"),
    "twolines": (DESCRIPTOR.format("summary='a\\nb'"), "it must be one line of text"),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every damaged package at once, among good ones."""
    site = tmp_path_factory.mktemp("damaged")
    lay_out(site, "fine")
    lay_out(site, "noisy", NOISE)
    for name, (folder, _) in BROKEN_FOLDERS.items():
        lay_out(site, name, **folder)
    for name, folder in HARMLESS_FOLDERS.items():
        lay_out(site, name, **folder)
    for name, (code, _) in BROKEN_CODE.items():
        lay_out(site, name, code)
    (site / "interrupted-2.0.dist-info").mkdir()
    return site


@pytest.fixture(scope="module")
def listed(site: Path) -> dict[str, dict[str, Any]]:
    result = run_cli("list-plugins", "--json", paths=(site,))
    assert result.returncode == 0, result.stderr
    return {p["distribution"]: p for p in json.loads(result.stdout)["plugins"]}


@pytest.mark.parametrize("name", BROKEN_FOLDERS)
def test_a_damaged_installation_is_one_broken_plugin_with_its_place_and_a_remedy(
    listed: dict[str, dict[str, Any]], name: str
) -> None:
    plugin = listed[name]
    assert plugin["status"] == "broken"
    assert BROKEN_FOLDERS[name][1] in plugin["error"]
    assert f"pip install --force-reinstall {name}" in plugin["error"]
    assert "\x1b" not in plugin["error"] + plugin["entry_point"]


@pytest.mark.parametrize("name", [*HARMLESS_FOLDERS, "fine", "noisy"])
def test_what_is_none_of_the_plugins_business_leaves_it_usable(
    listed: dict[str, dict[str, Any]], name: str
) -> None:
    plugin = listed[name]
    assert (plugin["status"], plugin["error"], plugin["components"]) == ("ok", None, [f"loss.{name}"])
    assert (plugin["editable"], plugin["vcs"]) == (False, "None+None@None" if name == "directvcs" else None)


@pytest.mark.parametrize("name", BROKEN_CODE)
def test_code_that_fails_in_any_way_is_one_broken_plugin(listed: dict[str, dict[str, Any]], name: str) -> None:
    plugin = listed[name]
    assert plugin["status"] == "broken"
    assert BROKEN_CODE[name][1] in plugin["error"]
    assert f"pip uninstall {name}" in plugin["error"]
    assert not plugin["components"]


def test_a_failure_names_the_line_of_the_plugin_it_comes_from(
    site: Path, listed: dict[str, dict[str, Any]]
) -> None:
    assert f"({site / 'ownbase.py'}, line 2)" in listed["ownbase"]["error"]
    assert f"({site / 'elsewhere.py'}, line 1)" in listed["elsewhere"]["error"]
    assert f"({site / 'numbername.py'}, line 5)" in listed["numbername"]["error"]


def test_every_plugin_is_listed_once_and_a_folder_without_entry_points_not_at_all(
    listed: dict[str, dict[str, Any]],
) -> None:
    own = {"e1bind-core", "e1bind-losses", "e1bind-backbones"}
    assert own <= {name for name, plugin in listed.items() if plugin["status"] == "ok"}
    assert set(listed) - own == {*BROKEN_FOLDERS, *HARMLESS_FOLDERS, *BROKEN_CODE, "fine", "noisy"}


def test_a_damaged_copy_beside_a_good_one_is_told_and_the_good_one_used(tmp_path: Path) -> None:
    lay_out(tmp_path / "new", "acme", metadata=None)
    lay_out(tmp_path / "old", "acme")
    result = run_cli("list-plugins", "--json", paths=(tmp_path / "new", tmp_path / "old"))
    found = [p["status"] for p in json.loads(result.stdout)["plugins"] if p["distribution"] == "acme"]
    assert sorted(found) == ["broken", "ok"]
    code = "from e1bind.plugins import PluginPolicy, discover\ndiscover(PluginPolicy(require=['acme>=1']))"
    assert run_python(code, tmp_path / "new", tmp_path / "old").returncode == 0
    assert "acme 1.0 is broken" in run_python(code, tmp_path / "new").stderr


def test_a_damaged_plugin_can_be_blocked(tmp_path: Path) -> None:
    lay_out(tmp_path, "acme", metadata=None)
    code = (
        "from e1bind.plugins import PluginPolicy, discover\n"
        "print({p.source.distribution: p.status for p in discover(PluginPolicy(block=['acme'])).plugins}['acme'])"
    )
    assert run_python(code, tmp_path).stdout == "blocked\n"


def test_what_a_plugin_prints_goes_to_stderr_and_stdout_stays_json(site: Path) -> None:
    result = run_cli("list-plugins", "--json", paths=(site,))
    json.loads(result.stdout)
    for word in ("print import", "print hook", "write", "underneath", "descriptor", "child"):
        assert word in result.stderr
        assert word not in result.stdout.replace("stopiteration", "")


@pytest.mark.parametrize("room", ["e1bind.plugins", "e1bind.spec"])
def test_pydantic_can_be_imported_beside_damaged_packages_whatever_room_comes_first(site: Path, room: str) -> None:
    result = run_python(f"import {room}, pydantic", site)
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_the_libraries_of_a_run_can_be_imported_beside_damaged_packages(site: Path) -> None:
    """pydantic, torch, triton and transformers look through every package that is installed."""
    code = (
        "import e1bind.plugins, pydantic, torch, transformers.utils.import_utils, peft\n"
        "from importlib.util import find_spec\nif find_spec('triton'): import triton.backends"
    )
    result = run_python(code, site)
    assert result.returncode == 0, result.stderr
