"""The directory of known plugins: entries are checked as entries, and held to what the packages really hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pages.known_plugins import entries
from plugin_packages import environment, install
from pydantic import ValidationError
from site_pages import page, rows

ROOT = Path(__file__).resolve().parents[2]
ENTRY = """\
- name: {name}
  source: somewhere
  licence: MIT
  summary: One sentence.
  components: {{{components}}}
"""


def check(*names: str, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "check_known_plugins.py"), *names]
    return subprocess.run(command, env=environment(site), capture_output=True, text=True, timeout=280)


def test_every_entry_is_on_the_page_with_its_components() -> None:
    shown = rows(page("known-plugins"))
    for plugin in entries():
        for name in (name for names in plugin.components.values() for name in names):
            assert f"`{name}`" in shown[plugin.name][1]


def test_sources_in_this_repository_are_there_and_all_examples_have_an_entry() -> None:
    folders = {plugin.source for plugin in entries() if plugin.source.startswith("examples/")}
    packages = {file.parent.relative_to(ROOT).as_posix() for file in ROOT.glob("examples/**/pyproject.toml")}
    assert folders == packages


@pytest.mark.parametrize(
    ("name", "components", "message"),
    [
        ("acme", "losses: [mine]", "a kind is one of"),
        ("acme", "", "at least 1 item"),
        ("Acme_Losses", "loss: [mine]", "should match pattern"),
    ],
)
def test_an_entry_that_cannot_be_is_refused(tmp_path: Path, name: str, components: str, message: str) -> None:
    (tmp_path / "plugins.yaml").write_text(ENTRY.format(name=name, components=components))
    with pytest.raises(ValidationError, match=message):
        entries(tmp_path / "plugins.yaml")


def test_an_entry_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plugins.yaml").write_text(2 * ENTRY.format(name="acme", components="loss: [mine]"))
    with pytest.raises(ValueError, match="more than one entry of acme"):
        entries(tmp_path / "plugins.yaml")


@pytest.mark.slow
def test_entries_are_held_to_the_packages(tmp_path: Path) -> None:
    """One that is as its entry says, one that was changed behind its entry's back, one that is not installed."""
    site = tmp_path / "site"
    install(site, *(ROOT / "examples" / "plugins" / name for name in ("angular-losses", "site-tables")))
    checked = check("angular-losses", site=site)
    assert (checked.returncode, checked.stdout) == (0, "angular-losses: as its entry says\n"), checked.stderr
    plugin = site / "site_tables" / "plugin.py"
    plugin.write_text(plugin.read_text().replace('name="site-table"', 'name="other-table"'))
    changed = check("site-tables", "onehot-cnn", site=site)
    assert changed.returncode == 1
    assert "site-tables: has the components {'reader': ['other-table']}, the entry says" in changed.stdout
    assert "onehot-cnn: is not installed; pip install examples/plugins/onehot-cnn" in changed.stdout
    assert check("nobody", site=site).returncode == 2
