"""`python -m e1bind`: the command line, where the package that has it is installed.

That package stands above this one, so it is found by the command it installs and never imported by name.
"""

from __future__ import annotations

import runpy
import sys
from importlib.metadata import entry_points


def main() -> None:
    """Run the command line as `python -m` would run its own package; exit code 2 where it is not installed."""
    found = entry_points(group="console_scripts", name="e1bind")
    if not found:
        sys.exit(_missing())
    package = next(iter(found)).module.partition(".")[0]
    runpy.run_module(package, run_name="__main__", alter_sys=True)


def _missing() -> int:
    print(
        "error: there is no command line here: e1bind-core is installed, and the package e1bind, which has it, "
        "is not; install it with: pip install e1bind",
        file=sys.stderr,
    )
    return 2


if __name__ == "__main__":
    main()
