"""The lowest versions that the packages' metadata allow, as requirements: `NAME==VERSION`, one a line.

    python scripts/lower_bounds.py [--light]

`--light` leaves out torch, and what is built against its or numpy's binary interface and takes minutes to fetch.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "transformers", "numpy", "scipy", "scikit-learn", "matplotlib", "peft"}


def lower_bounds() -> dict[str, str]:
    """Version by name; the packages of the workspace themselves are left out."""
    found: dict[str, str] = {}
    for file in sorted(ROOT.glob("packages/*/pyproject.toml")):
        for requirement in tomllib.loads(file.read_text(encoding="utf-8"))["project"]["dependencies"]:
            name, bound = re.fullmatch(r"([\w-]+)>=([\w.]+)(?:,.*)?", requirement).groups()
            if not name.startswith("e1bind"):
                found[name] = bound
    return found


if __name__ == "__main__":
    for name, version in lower_bounds().items():
        if "--light" not in sys.argv[1:] or name not in HEAVY:
            print(f"{name}=={version}")
