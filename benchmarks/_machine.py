"""What figures belong to: the machine, and the versions of what ran on it. Imports nothing heavy."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("e1bind", "torch", "numpy")


def machine(gpu: str | None) -> dict[str, str | int | None]:
    """CPU model, cores, architecture, and the name of the GPU that was used."""
    return {"cpu": _cpu(), "cores": os.cpu_count(), "arch": platform.machine(), "gpu": gpu}


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str | None]:
    """Of Python and of packages; None where one is not installed but found by its sources, as on a bare machine."""
    return {"python": platform.python_version(), **{name: _version(name) for name in packages}}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu() -> str | None:
    """As Linux calls it; elsewhere what the platform says."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())
