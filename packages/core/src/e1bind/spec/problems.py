"""pydantic's errors in the words of a spec's author."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from e1bind.errors import MAX_SHOWN, Problem
from e1bind.plugins.foreign import told
from e1bind.spec.options import Options

_TYPES = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "path_type": "must be a path",
}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """ "; did you mean 'x'?" or nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def validate_options(
    model: type[Options], table: object, path: str, context: Mapping[str, Any], host_keys: Iterable[str] = ()
) -> tuple[Options | None, list[Problem]]:
    """The options, or what is wrong with `table`, each problem with its full dotted path."""
    try:
        return model.model_validate(table, context=dict(context)), []
    except ValidationError as error:
        # Suggestions take time, and no more problems than these are shown in full.
        problems = [
            _problem(detail, model, path, host_keys, suggest=number < MAX_SHOWN)
            for number, detail in enumerate(error.errors(include_url=False))
        ]
        return None, _merged(problems)
    except Exception as error:  # noqa: BLE001 - a plugin's own validator may raise anything
        return None, [Problem(path, f"the options cannot be checked: {told(error)}; this is a fault of the plugin")]


def _problem(
    detail: Any, model: type[BaseModel], path: str, host_keys: Iterable[str], suggest: bool = True
) -> Problem:
    # Union members and constrained types appear in `loc` as pseudo-keys; only real keys and list indices are kept.
    keys, owner = _real_keys(detail["loc"], model)
    where = ".".join([path, *keys])
    kind = detail["type"]
    if kind == "extra_forbidden":
        name = str(detail["loc"][-1])
        known = [*(owner.model_fields if owner else ()), *host_keys]
        return Problem(f"{where}.{name}", f"unknown option{did_you_mean(name, known) if suggest else ''}")
    if kind == "missing":
        return Problem(where, "is required")
    if kind in _TYPES:
        return Problem(where, f"{_TYPES[kind]}, not {_shown(detail['input'])}")
    message = str(detail["msg"]).removeprefix("Value error, ")
    if kind == "too_long":
        return Problem(where, f"must have at most {detail['ctx']['max_length']} items")
    if kind == "value_error":
        return Problem(where, message)
    message = message.replace("Input should be", "must be").replace("List should have", "must have")
    return Problem(where, f"{message[0].lower()}{message[1:]}, not {_shown(detail['input'])}")


def _real_keys(loc: Iterable[int | str], model: type[BaseModel]) -> tuple[list[str], type[BaseModel] | None]:
    """Keys of `loc` that a spec's author wrote, and the model that owns the last level."""
    keys: list[str] = []
    owner: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, int):
            keys[-1] = f"{keys[-1]}[{part}]" if keys else f"[{part}]"
        elif owner is not None and part in owner.model_fields:
            keys.append(part)
            inner = owner.model_fields[part].annotation
            is_model = isinstance(inner, type) and issubclass(inner, BaseModel)
            if is_model:
                owner = inner  # type: ignore[assignment]
    return keys, owner


def _merged(problems: list[Problem]) -> list[Problem]:
    """One line for each key: the members of a union each report the same value."""
    by_path: dict[str, str] = {}
    for problem in problems:
        if problem.path in by_path and problem.message not in by_path[problem.path]:
            first, shown = by_path[problem.path].rsplit(", not ", 1)[0], problem.message
            by_path[problem.path] = f"{first}, or {shown.removeprefix('must be ')}"
        else:
            by_path.setdefault(problem.path, problem.message)
    return [Problem(path, message) for path, message in by_path.items()]


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    text = repr(str(value)) if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
