"""Reading text files that people made, and saying all that is wrong with one at once."""

from __future__ import annotations

import gzip
import logging
import zlib
from pathlib import Path

from e1bind.errors import DataError

log = logging.getLogger(__name__)

MAX_SHOWN = 20
"""Problems of one file that are printed in full; the rest is counted, so that a report fits on a screen."""


def read_bytes(path: Path) -> bytes:
    """A file's content, unpacked where it is gzip (told by its first bytes, not by its name)."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip file ({error}); copy or pack it again") from error


def warn_of_a_cut(path: Path, content: bytes) -> None:
    """Say so where the last line has no end: a cut file may be cut within a number, and still read well."""
    if content and not content.endswith((b"\n", b"\r")):
        log.warning("%s: its last line has no line break at its end; was the file cut?", path)


def to_lines(content: bytes) -> list[str]:
    """The lines of a text with any line ends (LF, CRLF, CR); a byte that is not UTF-8 becomes U+FFFD."""
    text = content.decode("utf-8-sig", errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


class FileProblems:
    """Collects what is wrong with a file, line by line, or by another `unit` that is counted from 1."""

    def __init__(self, path: Path, unit: str = "line") -> None:
        self.path, self.unit = path, unit
        self._found: list[tuple[int, str]] = []

    def add(self, line: int, message: str) -> None:
        """Note a problem of one line (counted from 1)."""
        self._found.append((line, message))

    def raise_any(self) -> None:
        """Raise one `DataError` that lists the problems in the order of their lines; no problems, no error."""
        if not self._found:
            return
        count = len(self._found)
        text = [f"{self.path} has {count} problem{'' if count == 1 else 's'}:"]
        text += [f"  {self.unit} {line}: {message}" for line, message in sorted(self._found)[:MAX_SHOWN]]
        if count > MAX_SHOWN:
            text.append(f"  and {count - MAX_SHOWN} more")
        raise DataError("\n".join(text))
