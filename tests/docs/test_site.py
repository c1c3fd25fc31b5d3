"""The site is built from a copy of the checkout, without a network, and without a single warning."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_packages import environment

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages. A proxy that is not there stands for the network."""
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "docs", checkout / "docs", ignore=shutil.ignore_patterns("reference", "__pycache__"))
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, checkout / name)
    (checkout / "examples").symlink_to(ROOT / "examples")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "docs", "site"]
    done = subprocess.run(build, cwd=checkout, env=environment(env=nowhere), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return checkout / "site"


@pytest.mark.slow
@pytest.mark.sample
def test_it_builds_without_a_network_and_loads_nothing_from_one(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 25
    for page in pages:
        text = page.read_text(encoding="utf-8")
        fetched = re.findall(r'<(?:script|img|link|iframe)\b[^>]*(?:src|href)="(https?:[^"]+)"', text)
        assert not fetched, f"{page.name}: {fetched}"


@pytest.mark.slow
@pytest.mark.sample
def test_every_link_within_it_leads_to_a_page_and_a_place_in_it(site: Path) -> None:
    for page in site.rglob("*.html"):
        for link in re.findall(r'<a\b[^>]*href="([^"]+)"', page.read_text(encoding="utf-8")):
            path, _, anchor = link.partition("#")
            if ":" in path:
                continue
            target = Path(os.path.normpath(page.parent / path)) if path else page
            assert target.is_file(), f"{page.name}: {link}"
            if anchor and target.suffix == ".html" and page.stem not in ("genindex", "search"):
                assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), f"{page.name}: {link}"


@pytest.mark.slow
@pytest.mark.sample
def test_contracts_are_shown_with_what_their_methods_say(site: Path) -> None:
    text = re.sub(r"<[^>]+>", "", (site / "reference" / "contracts.html").read_text(encoding="utf-8"))
    assert "Final hidden states of all tokens, [M*T, D] fp32" in text
    assert "class e1bind.contracts.Backbone¶" in text.replace("\n", "")
