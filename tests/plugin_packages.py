"""Small plugin packages for tests, installed for real into a folder that goes on a subprocess's path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PYPROJECT = """\
[project]
name = "{name}"
version = "{version}"
requires-python = ">=3.11"

[project.entry-points.e1bind]
{entry} = "{module}.plugin"

[tool.setuptools.packages.find]
where = ["src"]

[build-system]
requires = ["setuptools>=70"]
build-backend = "setuptools.build_meta"
"""

LOSS_PLUGIN = """\
from e1bind.plugins import LossPlugin, hookimpl
E1BIND_API = {api}
@hookimpl
def {hook}():
    return [LossPlugin(name="{component}", target="{module}.loss:Loss", options="{module}.options:Options_",
                       summary="A loss for tests.", needs={{"prototypes"}})]
"""

OPTIONS = """\
from e1bind.spec import Options
class Options_(Options):
    margin: float = 0.4
"""


def write_package(
    folder: Path,
    name: str,
    component: str = "prototype-hinge",
    version: str = "1.0.0",
    api: object = 1,
    hook: str = "e1bind_losses",
    plugin: str | None = None,
) -> Path:
    """Source tree of a package that registers one loss; `plugin` replaces the text of its plugin module."""
    module = name.replace("-", "_")
    source = folder / name / "src" / module
    source.mkdir(parents=True)
    pyproject = PYPROJECT.format(name=name, version=version, entry=module, module=module)
    (folder / name / "pyproject.toml").write_text(pyproject)
    (source / "__init__.py").write_text("")
    text = LOSS_PLUGIN.format(api=api, hook=hook, component=component, module=module)
    (source / "plugin.py").write_text(text if plugin is None else plugin)
    (source / "options.py").write_text(OPTIONS)
    return folder / name


def install(target: Path, *packages: Path) -> None:
    """Build and install packages into `target` from their own pyproject, with this environment's setuptools.

    From copies: setuptools leaves metadata beside the sources, with which whoever imports them sees a plugin.
    """
    command = [os.environ.get("UV", "uv"), "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    with tempfile.TemporaryDirectory() as folder:
        copies = [shutil.copytree(package, Path(folder) / package.name, ignore=_MADE) for package in packages]
        command += ["--python", sys.executable, "--target", str(target), *map(str, copies)]
        subprocess.run(command, check=True, capture_output=True, text=True)


_MADE = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")


def run_python(code: str, *paths: Path, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh process that sees the packages installed into `paths`."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(*paths, env=env)
    )


def run_cli(
    *arguments: str, paths: tuple[Path, ...] = (), cwd: Path | None = None, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `e1bind` in a fresh process."""
    command = [sys.executable, "-m", "e1bind_cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment(*paths, env=env), cwd=cwd, timeout=300
    )


def environment(*paths: Path, env: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment without any e1bind settings, with `paths` importable."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("E1BIND_") and k != "PYTHONPATH"}
    clean["COLUMNS"] = "200"
    return {**clean, "PYTHONPATH": os.pathsep.join(map(str, paths)), **(env or {})}
