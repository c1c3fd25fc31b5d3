"""The tutorial, followed to the letter in an empty folder: its files, its commands, and what they print."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_packages import environment, install

PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial.md"
_NAMED = re.compile(r"# (\S+\.(?:py|toml))\n")


def blocks() -> Iterator[tuple[str, str]]:
    """Language and text of each block, in order."""
    yield from re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.site = folder, folder / "site"
        self.printed = ""

    def python(self, text: str) -> None:
        """A file that names itself is written; anything else is run."""
        if named := _NAMED.match(text):
            (self.folder / named[1]).write_text(text)
        else:
            self._run([sys.executable, "-c", text], 0)

    def toml(self, text: str) -> None:
        if named := _NAMED.match(text):
            (self.folder / named[1]).write_text(text)

    def bash(self, text: str) -> None:
        self.printed = ""
        for line in text.splitlines():
            command, _, comment = line.partition("  # ")
            code = re.fullmatch(r"exit code (\d+)", comment)
            self._command(shlex.split(command), int(code[1]) if code else 0)

    def text(self, text: str) -> None:
        """What the commands above print, in this order, whatever stands between."""
        lines = iter([" ".join(line.split()) for line in self.printed.splitlines()])
        for wanted in text.splitlines():
            assert " ".join(wanted.split()) in lines, f"{wanted!r} is not in\n{self.printed}"

    def _command(self, words: list[str], code: int) -> None:
        match words:
            case ["e1bind", *arguments]:
                self._run([sys.executable, "-m", "e1bind_cli", *arguments], code)
            case ["pip", "install", *_, package]:
                install(self.site, self.folder / package)
            case ["pytest", *arguments]:
                self._run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments], code)
            case ["uv", "build", package]:
                self._run(["uv", "build", "--no-build-isolation", "--python", sys.executable, package], code)
            case _:
                raise AssertionError(f"nobody knows how to follow {shlex.join(words)}")

    def _run(self, command: list[str], code: int) -> None:
        env = environment(self.site, env={"COLUMNS": "120", "OMP_NUM_THREADS": "1"})
        done = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, timeout=280)
        assert done.returncode == code, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
        self.printed += done.stdout + done.stderr


@pytest.mark.slow
def test_it_can_be_followed_to_the_published_package(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for language, text in blocks():
        getattr(reader, language)(text)
    assert (tmp_path / "results" / "second" / "report.html").is_file()
    assert (tmp_path / "rank-losses" / "results" / "packaged" / "summary.json").is_file()
    assert {file.suffix for file in (tmp_path / "rank-losses" / "dist").iterdir()} >= {".whl", ".gz"}
