"""Foreign code cannot end the process, nor write to the standard output of a command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from damaged_packages import GOOD, NOISE, lay_out
from plugin_packages import environment, run_python

from e1bind.plugins.foreign import ForeignError, foreign_code, stdout_to_stderr

COMPONENT = """
import os
from pathlib import Path
from e1bind.plugins import PluginPolicy, discover
from e1bind.errors import PluginError
def attempt(action):
    try:
        return action()
    except PluginError as error:
        return f"error: {error}"
    except Exception as error:
        return f"passed on: {error!r}"
"""


@pytest.mark.parametrize(
    "text", ["raise SystemExit(0)", "raise GeneratorExit", "raise type('Stop', (BaseException,), {})"]
)
def test_options_targets_and_local_files_that_stop_the_interpreter_are_plugin_errors(
    tmp_path: Path, text: str
) -> None:
    lay_out(tmp_path, "acme", GOOD.format(name="acme").replace("acme:", "acme_parts:"))
    (tmp_path / "acme_parts.py").write_text(text)
    code = COMPONENT + (
        "component = discover().get('loss', 'acme')\n"
        "print(attempt(component.load_options))\nprint(attempt(component.load_target))\n"
        f"print(attempt(lambda: discover(PluginPolicy(local=[Path({str(tmp_path / 'acme_parts.py')!r})]))))"
    )
    result = run_python(code, tmp_path)
    options, target, local = result.stdout.splitlines()
    assert options.startswith(
        "error: loss acme/acme (acme 1.0): its options 'acme_parts:Choices' cannot be imported"
    )
    assert target.startswith("error: loss acme/acme (acme 1.0): its target 'acme_parts:Loss' cannot be imported")
    assert local.startswith(f"error: plugins.local: {tmp_path / 'acme_parts.py'}: import failed: ")


def test_components_are_imported_and_built_with_stdout_on_stderr(tmp_path: Path) -> None:
    lay_out(tmp_path, "acme", GOOD.format(name="acme").replace("acme:", "acme_parts:"))
    (tmp_path / "acme_parts.py").write_text(
        "import os\nprint('imported')\n"
        "class Loss:\n    def __init__(self, options):\n        os.write(1, b'built\\n')\n        options()\n"
    )
    code = COMPONENT + (
        "component = discover().get('loss', 'acme')\n"
        "component.build(lambda: print('optioned'))\n"
        "print(attempt(lambda: component.build(lambda: 1 / 0)))\n"
        "print(attempt(lambda: component.build(lambda: exit(3))))\n"
        "os.write(1, b'mine\\n')"
    )
    result = run_python(code, tmp_path)
    lines = result.stdout.splitlines()
    assert result.stderr.split() == ["imported", "built", "optioned", "built", "built"]
    assert sorted(lines)[1:] == ["mine", "passed on: ZeroDivisionError('division by zero')"]
    assert "building it failed: SystemExit: 3" in sorted(lines)[0]


def test_ctrl_c_while_a_plugin_is_imported_ends_the_command(tmp_path: Path) -> None:
    lay_out(tmp_path, "slow", "import sys, time\nsys.stderr.write('waiting\\n')\ntime.sleep(60)")
    command = [sys.executable, "-m", "e1bind_cli", "list-plugins"]
    process = subprocess.Popen(command, env=environment(tmp_path), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert process.stderr.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) in (130, -signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams_do_no_harm(tmp_path: Path, closed: str) -> None:
    lay_out(tmp_path, "noisy", NOISE.replace("sys.__stdout__.write", "str"))
    code = (
        "from e1bind.plugins import discover\n"
        "status = [p.status for p in discover().plugins if p.source.distribution == 'noisy']\n"
        f"open({str(tmp_path / 'result')!r}, 'w').write(repr(status))\n"
    )
    (tmp_path / "script.py").write_text(code)
    command = f"{sys.executable} {tmp_path / 'script.py'} {closed}"
    subprocess.run(["bash", "-c", command], env=environment(tmp_path), timeout=60, capture_output=True)
    assert (tmp_path / "result").read_text() in ("['ok']", "['broken']")


def test_streams_without_a_descriptor_are_diverted_too(capsys: pytest.CaptureFixture[str]) -> None:
    print("before")
    with stdout_to_stderr(), stdout_to_stderr():
        print("inside")
    print("after")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("before\nafter\n", "inside\n")


def test_descriptors_are_put_back_and_none_is_left_open(capfd: pytest.CaptureFixture[str]) -> None:
    before = sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else []

    def guarded() -> None:
        with foreign_code():
            os.write(1, b"inside\n")
            raise SystemExit

    for _ in range(3):
        with pytest.raises(ForeignError, match="SystemExit"):
            guarded()
    os.write(1, b"after\n")
    assert sorted(os.listdir("/proc/self/fd") if before else []) == before
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("after\n", "inside\n" * 3)
