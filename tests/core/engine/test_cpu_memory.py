"""Freed memory on a CPU: kept for the next step, unless the environment says otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
import torch
from plugin_packages import environment

from e1bind.engine import cpu_memory

STEPS = """
import resource, torch
from e1bind.engine.cpu_memory import keep_freed_memory

def step():
    kept = [torch.ones(7 * 2**20) for _ in range(3)]
    while kept:
        kept.pop()

def faults(after):
    for _ in range(after):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

default = faults(after=2)
keep_freed_memory(torch.device("cpu"))
print(default, faults(after=8))  # by then the heap has grown to where blocks fit beside what else lies in it
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_a_step_uses_the_memory_of_the_one_before() -> None:
    """Pages that a step asks the system for."""
    told = {name: value for name, value in environment().items() if not name.startswith("MALLOC_")}
    done = subprocess.run([sys.executable, "-c", STEPS], env=told, capture_output=True, text=True, check=True)
    default, kept = map(int, done.stdout.split())
    assert default > 10_000
    assert kept < 100


def test_nothing_is_changed_on_a_gpu_or_where_a_variable_says_how_it_is_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(cpu_memory, "_tell_glibc", lambda: asked.append("glibc"))
    for name in [name for name in os.environ if name.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    cpu_memory.keep_freed_memory(torch.device("cuda"))
    assert asked == []
    cpu_memory.keep_freed_memory(torch.device("cpu"))
    assert asked == ["glibc"]
    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    cpu_memory.keep_freed_memory(torch.device("cpu"))
    assert asked == ["glibc"]
