"""The type of an option and what limits it, in words: "number, greater than 0" for `float` and `Gt(gt=0)`."""

from __future__ import annotations

import datetime
import enum
import types
from collections import abc
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from e1bind_cli.toml_text import toml_of

_PLAIN: dict[type, str] = {
    type(None): "absent",
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    Path: "path",
    datetime.datetime: "date and time",
    datetime.date: "date",
    datetime.time: "time",
    BaseModel: "table",
    dict: "table",
    list: "list",
    tuple: "list",
    set: "list",
    frozenset: "list",
}
"""What a spec holds, in the order in which a type is looked for among its bases."""
_ANYTHING = "value"
_LISTS = (list, tuple, set, frozenset, abc.Sequence, abc.Iterable, abc.Collection, abc.Set)
_TABLES = (dict, abc.Mapping, abc.MutableMapping)
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
    """An annotation with its constraints, as a person would say it; nothing in it is Python's."""
    limits = [text for one in metadata for text in _limits(one)]
    return ", ".join([_type(annotation), *limits])


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return in_words(arguments[0], arguments[1:])
    if origin is Literal:
        return _one_of(arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(argument) for argument in arguments))
    if origin in _LISTS:
        return f"list of {' and '.join(dict.fromkeys(_inner(one) for one in arguments if one is not ...))}"
    if origin in _TABLES:
        return f"table of {_inner(arguments[-1])}"
    # A name for another type: NewType, or an alias.
    named = getattr(annotation, "__supertype__", None) or getattr(annotation, "__value__", None)
    return _of_class(annotation) if named is None else _type(named)


def _of_class(annotation: Any) -> str:
    if not isinstance(annotation, type):
        return _ANYTHING
    if issubclass(annotation, enum.Enum):
        return _one_of(member.value for member in annotation)
    return next((words for known, words in _PLAIN.items() if issubclass(annotation, known)), _ANYTHING)


def _one_of(values: Iterable[Any]) -> str:
    told = [toml_of(value) for value in values]
    return "one of " * (len(told) > 1) + ", ".join(told)


def _inner(annotation: Any) -> str:
    """A type within a list or table, in brackets where it is more than a word or two."""
    words = _type(annotation)
    return f"({words})" if "," in words or " or " in words else words


def _limits(constraint: Any) -> list[str]:
    # `Field(gt=0)` within a type holds its constraints as a list.
    within = [text for one in getattr(constraint, "metadata", ()) for text in _limits(one)]
    found = [(words, getattr(constraint, name, None)) for name, words in _BOUNDS.items()]
    return within + [words.format(value) for words, value in found if value is not None]
