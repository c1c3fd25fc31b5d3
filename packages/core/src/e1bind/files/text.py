"""Text that came out of a file, made safe for where it goes: a terminal, a shell, a log, a table, a file name.

Names of chains, ions, metrics and files are other people's. On a terminal a control character is a command; in a
spreadsheet a cell that begins with "=" is a formula; in a path a "/" leads elsewhere.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import unicodedata

_KEPT = {ord("\n"), ord("\t")}
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that show nothing and may do something: controls, marks of direction, lone surrogates, ends of
lines and paragraphs."""
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_FOLDERS = re.compile(r"(?<![\w./:-])(?:~|/)(?:[^\s\"'<>|,;:]+/)+(?=[^\s\"'<>|,;:/])")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|")


def visible(text: str) -> str:
    """`text` for a terminal or a log: control characters are written as escapes; lines stay lines."""
    if text.isascii() and (text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable()):
        return text
    return "".join(character if ord(character) in _KEPT else _shown(character) for character in text)


def one_line(text: str) -> str:
    """`text` on one line, as a comment of a script and a title need it."""
    return "".join(" " if character in "\n\r\t\u2028\u2029\x85" else _shown(character) for character in text)


def control_character(text: str) -> str | None:
    """The first character that no name may hold, as a person can read it, e.g. "'\\x00' (character 5)"; or None.

    Controls, ends of lines and paragraphs, marks that turn the direction of text, lone surrogates.
    """
    found = _FORBIDDEN.search(text)
    return f"{found[0]!a} (character {found.start() + 1})" if found else None


def _shown(character: str) -> str:
    hidden = unicodedata.category(character) in _HIDDEN
    return ascii(character)[1:-1] if hidden else character


def cell(text: str) -> str:
    """`text` for a cell of a CSV or TSV: what a spreadsheet would take for a formula begins with an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def command(*words: object) -> str:
    """A command line of e1bind that a shell takes as it stands: `command("train", "--resume", path)`."""
    return shlex.join(["e1bind", *map(str, words)])


def file_part(name: str) -> str:
    """`name` as a part of a file name: odd characters become "-", and a digest keeps changed names apart."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:60]
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"


def without_folders(text: str) -> str:
    """`text` without the folders of absolute paths: a page is passed on, and they name people and machines."""
    return _FOLDERS.sub("…/", text)
