"""Starting a check's work in fresh processes, which know of the plugin what a user's process would know."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from e1bind.testing.check import Broken
from e1bind.testing.subject import Subject

SECONDS = 300
"""After which a process is taken to hang."""
_CHILD = Path(__file__).with_name("child.py")


def in_fresh_processes(subject: Subject, do: str, jobs: Sequence[dict[str, Any]] = ({},)) -> list[Any]:
    """Do a job of `e1bind.testing.child` for each of `jobs`, side by side; their answers. Raises `Broken`."""
    folder = subject.another_folder()
    component = subject.component
    local = component.source.file if component.source.distribution == "local" else None
    common = {
        "do": do,
        "kind": component.kind,
        "full_name": component.full_name,
        "distribution": component.source.distribution,
        "local": local,
    }
    started = []
    for number, own in enumerate(jobs):
        answer = folder / f"answer-{number}.json"
        started.append((_start({**common, **own, "answer": str(answer)}), answer))
    return [_finished(process, answer) for process, answer in started]


def _start(job: dict[str, Any]) -> subprocess.Popen[str]:
    # Another seed of string hashes than this process has, and its own path: what is importable here is there.
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.setdefault("OMP_NUM_THREADS", "1")
    process = subprocess.Popen(
        [sys.executable, "-P", str(_CHILD)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(job))
    process.stdin.close()
    process.stdin = None  # or communicate would flush what is closed
    return process


def _finished(process: subprocess.Popen[str], answer: Path) -> Any:
    try:
        _, said = process.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Broken(f"did not end within {SECONDS} s in a process of its own") from None
    if process.returncode or not answer.is_file():
        last = (said.strip().splitlines() or ["it said nothing"])[-1]
        raise Broken(f"ended a fresh process with exit code {process.returncode}: {last}")
    found = json.loads(answer.read_text(encoding="utf-8"))
    if "broken" in found:
        raise Broken(found["broken"])
    return found["value"]
