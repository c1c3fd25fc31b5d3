"""Freed memory on a CPU: kept for the next step, unless the environment says otherwise."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
from plugin_packages import environment

STEPS = """
import os, resource, torch
from e1bind.engine.cpu_memory import keep_freed_memory

def step():
    kept = [torch.ones(7 * 2**20) for _ in range(3)]
    while kept:
        kept.pop()

def faults():
    step(), step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

found = [faults()]
os.environ["MALLOC_ARENA_MAX"] = "2"
keep_freed_memory(torch.device("cpu"))
found.append(faults())
del os.environ["MALLOC_ARENA_MAX"]
keep_freed_memory(torch.device("cpu"))
print(*found, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_step_uses_the_memory_of_the_one_before() -> None:
    """Pages that a step asks the system for: by default, with a variable of the user's, and kept."""
    told = {name: value for name, value in environment().items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", STEPS], env=told, capture_output=True, text=True, check=True)
    default, with_variable, kept = map(int, done.stdout.split())
    assert default > 10_000
    assert with_variable > default / 2
    assert kept < default / 100
