#!/usr/bin/env python3
"""Holds docs/plugins.yaml to the packages themselves: `python scripts/check_known_plugins.py [NAME ...]`.

Each entry's package must be installed where this runs. Its components must be those that the entry names, no more
and no fewer, and `e1bind check-plugin` must pass. Exit code 0: all entries are true; 1: one is not; 2: a name has
none.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "docs"))

from pages.known_plugins import KnownPlugin, entries

from e1bind.plugins import discover


def faults(plugin: KnownPlugin) -> list[str]:
    """What is not as the entry says."""
    try:
        version = metadata.version(plugin.name)
    except metadata.PackageNotFoundError:
        return [f"is not installed; pip install {plugin.source}"]
    found: dict[str, list[str]] = {}
    for component in discover().components():
        if component.source.distribution == plugin.name:
            found.setdefault(component.kind, []).append(component.name)
    listed = {kind: sorted(names) for kind, names in plugin.components.items()}
    wrong = [] if found == listed else [f"has the components {found}, the entry says {listed}"]
    return wrong + ([] if not found else _broken(plugin.name, version))


def _broken(name: str, version: str) -> list[str]:
    """The checks that fail, by `e1bind check-plugin`."""
    command = [sys.executable, "-m", "e1bind_cli", "check-plugin", name, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode == 0:
        return []
    if done.returncode != 1:
        return [f"{version} cannot be checked: {done.stderr.strip()}"]
    components = json.loads(done.stdout)["components"]
    failed = [(c["name"], check) for c in components for check in c["checks"] if check["status"] == "fail"]
    return [f"{version}: {component} {check['why']} ({check['check']})" for component, check in failed]


def main(names: list[str]) -> int:
    """Check the entries of these names, or all of them."""
    known = {plugin.name: plugin for plugin in entries()}
    if strangers := sorted(set(names) - set(known)):
        print(f"no entry of {', '.join(strangers)} in docs/plugins.yaml", file=sys.stderr)
        return 2
    wrong = False
    for name in names or known:
        told = faults(known[name])
        wrong = wrong or bool(told)
        print(f"{name}: {'as its entry says' if not told else '; '.join(told)}")
    return int(wrong)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
