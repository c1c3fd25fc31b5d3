"""Characters that no name may hold: they steer terminals, break lines, or cannot be written at all."""

from __future__ import annotations

import re

# Controls (category Cc), line and paragraph separators, marks that turn the direction of text, lone surrogates.
_CONTROL = "[\x00-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_FORBIDDEN = re.compile(_CONTROL)


def control_character(text: str) -> str | None:
    """The first control character of `text` as a person can read it, e.g. "'\\\\x00' (character 5)"; or None."""
    found = _FORBIDDEN.search(text)
    return f"{found[0]!a} (character {found.start() + 1})" if found else None


def printable(text: str) -> str:
    """`text` with control characters written as escapes; line feeds stay."""
    return _FORBIDDEN.sub(lambda found: found[0] if found[0] == "\n" else ascii(found[0])[1:-1], text)
