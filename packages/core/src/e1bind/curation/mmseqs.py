"""MMseqs2, an outside program, run with care: words and no shell, its errors told, nothing of it left behind.

Chains are numbered for it, since it changes names ("sp|P1|X" becomes "P1") and cuts them at white space.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from e1bind.errors import UserError

PROGRAM = "mmseqs"
LAST_LINES = 8
"""Lines of what the program said that are shown when it fails."""
WITHOUT = "install it (apt-get install mmseqs2; conda install -c bioconda mmseqs2) so that `mmseqs` is on the PATH"


class Mmseqs:
    """The program as it stands on the PATH; `commands` are those that were given to it, word for word."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.commands: list[list[str]] = []
        self.version = self._output(["version"]).strip()

    @classmethod
    def find(cls) -> Mmseqs | None:
        """The program, or None where it is not on the PATH."""
        path = shutil.which(PROGRAM)
        return None if path is None else cls(path)

    @classmethod
    def needed(cls, for_what: str) -> Mmseqs:
        """The program. Raises `UserError` where it is not on the PATH."""
        if (found := cls.find()) is None:
            raise UserError(f"{for_what} needs the program MMseqs2, which is not there: {WITHOUT}")
        return found

    def run(self, words: Sequence[str], folder: Path) -> None:
        """Run one command in `folder`. Raises `UserError` with its last lines where it fails."""
        self.commands.append([PROGRAM, *words])
        self._output(words, folder)

    def _output(self, words: Sequence[str], folder: Path | None = None) -> str:
        # In a session of its own: Ctrl-C reaches Python alone, which then ends the program and all it has started.
        process = subprocess.Popen(
            [self.path, *words],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            said, _ = process.communicate()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        if process.returncode:
            last = "\n".join(f"  {line}" for line in said.split("\n") if line.strip())
            last = "\n".join(last.splitlines()[-LAST_LINES:])
            raise UserError(
                f"{PROGRAM} {words[0]} failed with exit code {process.returncode}; is there room in the folder for "
                f"temporary files (TMPDIR)? It said last:\n{last}"
            )
        return said


def write_numbered(sequences: Iterable[str], path: Path) -> None:
    """FASTA in which the sequences are called 0, 1, 2, ..."""
    with path.open("w", encoding="ascii") as file:
        file.writelines(f">{number}\n{sequence}\n" for number, sequence in enumerate(sequences))
