"""A value as a spec would write it."""

from __future__ import annotations

import datetime
import enum
import json
import re
from collections.abc import Mapping
from typing import Any

ABSENT = "(absent)"
"""In place of a value: TOML has none for what is not there."""
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_of(value: Any) -> str:
    """`value` in TOML, on one line; what TOML has no form for as a string."""
    if value is None:
        return ABSENT
    if isinstance(value, enum.Enum):
        return toml_of(value.value)
    if hasattr(value, "model_dump"):  # a pydantic model, told without loading pydantic
        return toml_of(value.model_dump(exclude_none=True))
    if isinstance(value, Mapping):
        pairs = [f"{_key(key)} = {toml_of(inner)}" for key, inner in value.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"[{', '.join(map(toml_of, value))}]"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    # For strings, numbers and booleans JSON is TOML.
    return json.dumps(value if isinstance(value, bool | int | float | str) else str(value))


def _key(key: object) -> str:
    text = str(key.value if isinstance(key, enum.Enum) else key)
    return text if _BARE_KEY.fullmatch(text) else json.dumps(text)
