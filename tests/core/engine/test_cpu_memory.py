"""Freed memory on a CPU: kept for the next step, unless the environment says otherwise."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest
from plugin_packages import environment

STEPS = """
import resource, sys, torch
from e1bind.engine.cpu_memory import keep_freed_memory

def step():
    kept = [torch.ones(7 * 2**20) for _ in range(10)]
    while kept:
        kept.pop()

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

step(), step()
before = faults()
keep_freed_memory(torch.device(sys.argv[1]))
step(), step()
print(before, faults())
"""


def counted(device: str, **variables: str) -> tuple[int, int]:
    """Pages that three steps ask the system for, before and after."""
    told = {name: value for name, value in environment().items() if not name.startswith("MALLOC_")}
    run = [sys.executable, "-c", STEPS, device]
    done = subprocess.run(run, env={**told, **variables}, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    return before, after


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_step_uses_the_memory_of_the_one_before() -> None:
    before, after = counted("cpu")
    assert before > 10_000
    assert after < before / 100
    before, after = counted("cpu", MALLOC_ARENA_MAX="2")
    assert after > before / 2
