"""The process of a command ends as any other, only sooner."""

from __future__ import annotations

import subprocess
import sys

import pytest

ENDS = """
import atexit, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from e1bind_cli.leaving import leave

class Kept:
    def __del__(self):
        print("taken apart")

kept = Kept()
atexit.register(print, "first registered")
atexit.register(print, "then registered")
threading.Thread(target=lambda: (time.sleep(0.2), print("a thread ends"))).start()
ThreadPoolExecutor(1).submit(print, "a pool works")
print("no line end", end=" ")
leave(7)
"""


def ended(code: str, **streams: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], text=True, timeout=60, check=False, **streams)  # type: ignore[call-overload]


def test_threads_end_and_registered_functions_are_called_before_it_leaves_with_its_code() -> None:
    result = ended(ENDS, capture_output=True)
    assert result.returncode == 7
    said = result.stdout.replace("no line end ", "")
    assert sorted(said.splitlines()[:2]) == ["a pool works", "a thread ends"]
    assert said.splitlines()[2:] == ["then registered", "first registered"]
    assert result.stderr == ""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_stream_that_is_closed_is_no_matter(stream: str) -> None:
    code = f"import sys\nfrom e1bind_cli.leaving import leave\nsys.{stream} = None\nleave(3)"
    assert ended(code, capture_output=True).returncode == 3


def test_a_reader_that_has_gone_is_told_as_python_tells_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    code = "from e1bind_cli.leaving import leave\nprint('x')\nimport time; time.sleep(0.5)\nleave(0)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()  # type: ignore[union-attr]
        assert b"BrokenPipeError" in process.stderr.read()  # type: ignore[union-attr]
        assert process.wait(60) == 120
