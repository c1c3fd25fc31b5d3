"""Shared fixtures: where the reference material stands, and how many threads a test may use."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Test files import `plugin_packages` and its like from here, and `pages`, which writes the site's reference.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.append(str(Path(__file__).parents[1] / "docs"))

from plugin_packages import install, write_package

os.environ.setdefault("OMP_NUM_THREADS", "1")  # test files run in parallel already

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository root."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Reference data beside the checkout; tests that need it are skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("reference data (../shared) is not beside this checkout")
    return SHARED


@pytest.fixture(scope="session")
def third_parties(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with really installed plugin packages: one good, one broken in each way a package can be."""
    source, target = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("site")
    acme = source / "acme-losses"
    shutil.copytree(ROOT / "examples" / "acme-losses", acme, ignore=shutil.ignore_patterns("*.egg-info", "build"))
    install(
        target,
        acme,
        write_package(source, "rival-losses"),
        write_package(source, "shadow-losses", component="nt-xent"),
        write_package(source, "broken-losses", plugin="raise RuntimeError('no licence file')"),
        write_package(source, "future-losses", component="from-the-future", api=2),
        write_package(source, "old-losses", component="from-the-past", api=0),
        write_package(source, "silent-losses", component="no-api", plugin="from e1bind.plugins import hookimpl\n"),
        write_package(source, "typo-losses", hook="e1bind_loses"),
        write_package(source, "heavy-losses", plugin="import sys\nsys.exit(3)"),
    )
    return target


@pytest.fixture(autouse=True)
def quiet_log() -> Iterator[None]:
    """The commands send the log to the terminal of their process; this one goes on after them.

    pytest listens to the root logger, and to this one as well where it does not propagate: a test that found it so
    would see every line twice.
    """
    yield
    log = logging.getLogger("e1bind")
    log.handlers.clear()
    log.propagate = True
    log.setLevel(logging.NOTSET)


@pytest.fixture(scope="module", autouse=True)
def quick_figures(request: pytest.FixtureRequest) -> Iterator[None]:
    """Figures without a layout and with few pixels, in half the time, where tests are about something else."""
    if "report" in request.path.parts:
        yield
        return
    from e1bind.report import style

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(style._STYLE, "figure.constrained_layout.use", False)
        patch.setitem(style._STYLE, "savefig.dpi", 40)
        yield
