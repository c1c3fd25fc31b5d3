"""Text that came out of a file, made safe for where it goes: a terminal, a log, a table, a file name.

Names of chains, ions, metrics and files are other people's. On a terminal a control character is a command; in a
spreadsheet a cell that begins with "=" is a formula; in a path a "/" leads elsewhere.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

_KEPT = {ord("\n"), ord("\t")}
_PICTURES = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Unicode categories that show nothing and may do something: controls, marks of direction, lone surrogates, ends of
lines and paragraphs."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|")


def visible(text: str) -> str:
    """`text` for a terminal or a log: control characters become pictures of themselves; lines stay lines."""
    if text.isascii() and (text.isprintable() or text.replace("\n", "").replace("\t", "").isprintable()):
        return text
    return "".join(character if ord(character) in _KEPT else _shown(character) for character in text)


def one_line(text: str) -> str:
    """`text` on one line, as a comment of a script and a title need it."""
    return "".join(" " if character in "\n\r\t\u2028\u2029\x85" else _shown(character) for character in text)


def _shown(character: str) -> str:
    if ord(character) in _PICTURES:
        return chr(_PICTURES[ord(character)])
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in _HIDDEN else character


def cell(text: str) -> str:
    """`text` for a cell of a CSV or TSV: what a spreadsheet would take for a formula begins with an apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def file_part(name: str) -> str:
    """`name` as a part of a file name: odd characters become "-", and a digest keeps changed names apart."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:60]
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"
