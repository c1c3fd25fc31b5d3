"""The type of an option and what limits it, in words: "number, greater than 0" for `float` and `Gt(gt=0)`."""

from __future__ import annotations

import types
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

_PLAIN: dict[Any, str] = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true or false",
    Path: "path",
    type(None): "absent",
}
_BOUNDS = {
    "gt": "greater than {}",
    "ge": "at least {}",
    "lt": "less than {}",
    "le": "at most {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
    "pattern": "of the form {}",
}


def in_words(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    """An annotation with its constraints, as a person would say it."""
    limits = [text for one in metadata for text in _limits(one)]
    return ", ".join([_type(annotation), *limits])


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return in_words(arguments[0], arguments[1:])
    if origin is Literal:
        return "one of " + ", ".join(map(repr, arguments))
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(argument) for argument in arguments))
    if origin in (list, tuple, set, frozenset):
        return f"list of ({_type(arguments[0])})" if arguments else "list"
    if origin is dict:
        return "table"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return _PLAIN.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _limits(constraint: Any) -> list[str]:
    found = [(words, getattr(constraint, name, None)) for name, words in _BOUNDS.items()]
    return [words.format(value) for words, value in found if value is not None]
