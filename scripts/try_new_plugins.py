#!/usr/bin/env python3
"""What somebody with a plugin to write goes through, for each kind: `python scripts/try_new_plugins.py [KIND ...]`.

Builds the wheels of this checkout, installs them into a fresh environment in an empty folder, and there, for each
kind, writes a plugin with `new-plugin`, installs it, checks it and trains with it, all as generated. Prints each
command with its wall-clock seconds and its last line. Exit code 0: everything went well; 1: something did not.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
KINDS = ("loss", "view-generator", "backbone", "head", "metric", "reader", "baseline", "calibration", "tracker")


class Newcomer:
    """An empty folder and an environment of its own; nothing of the checkout but its wheels."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.failed = folder, 0
        environment = folder / ".venv"
        path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("E1BIND_", "PYTHON"))}
        self.env = {**kept, "PATH": path, "VIRTUAL_ENV": str(environment)}

    def run(self, command: str) -> bool:
        """Run a command line, and print how it went. Whether it went well."""
        begun = time.monotonic()
        done = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=self.env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()] or [""]
        print(f"{time.monotonic() - begun:6.1f} s  {command}\n{'':10}{lines[-1][:100]}", flush=True)
        if done.returncode:
            self.failed += 1
            print(done.stdout)
        return done.returncode == 0


def main(kinds: list[str]) -> int:
    """Try the kinds that are named, or all of them."""
    with tempfile.TemporaryDirectory() as folder:
        newcomer = Newcomer(Path(folder))
        wheels = Path(folder, "wheels")
        build = ["uv", "build", "--quiet", "--all-packages", "--wheel", "--out-dir", str(wheels)]
        subprocess.run(build, cwd=ROOT, check=True)
        newcomer.run(f"uv venv --quiet --python {sys.executable}")
        newcomer.run(f"uv pip install --quiet {shlex.join(map(str, sorted(wheels.glob('e1bind*.whl'))))}")
        for kind in kinds or KINDS:
            name = f"my-{kind}"
            steps = (
                f"e1bind new-plugin {name} --kind {kind}",
                f"uv pip install --quiet -e {name}",
                f"e1bind check-plugin {name}",
                f"e1bind train {name}/spec.toml --run-id first",
            )
            all(newcomer.run(step) for step in steps)
        return int(newcomer.failed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
