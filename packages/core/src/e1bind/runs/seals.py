"""How the records of a run are sealed, and how any of its JSON and YAML is read as a model.

A record is sealed: `sha256` is the digest of all else it says, `files` the digests of the files it vouches for. One
without `format`, or with format 1, was written before there were seals; it is read, but vouches for nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from e1bind.errors import RunError
from e1bind.files.reading import json_value, parsing, plain, read_bytes, yaml_value

FORMAT = 2
LARGEST = 2**53
"""Whole numbers in a run's files are counts; none is beyond what every reader of JSON keeps exactly."""

Count = Annotated[int, Field(ge=0, le=LARGEST)]
Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""A figure; null is NaN."""
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Digests = dict[str, Hex]
"""SHA-256 by path, relative to the folder of the file that holds the table."""


class Stored(BaseModel):
    """Base of the models: frozen, strictly typed, no key but the known ones."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Sealed(Stored):
    """Base of the files that vouch for others, or for themselves."""

    format: Literal[1, 2] = 1
    files: Digests = {}
    sha256: Hex | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.format == FORMAT) != (self.sha256 is not None) or (self.files and self.sha256 is None):
            raise ValueError("its seal is broken")
        return self

    @property
    def sealed(self) -> bool:
        """Whether the file vouches for anything."""
        return self.sha256 is not None


def sealed(table: Mapping[str, Any]) -> dict[str, Any]:
    """`table` with its format and seal, NaN as null, ready to be written."""
    value: dict[str, Any] = plain({"format": FORMAT, **table})
    return {**value, "sha256": seal_of(value)}


def seal_of(table: Mapping[str, Any]) -> str:
    """SHA-256 over everything a table says."""
    return sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()


M = TypeVar("M", bound=BaseModel)
S = TypeVar("S", bound=Sealed)


def read_sealed(path: Path, model: type[S]) -> S:
    """A sealed JSON file. Raises FileNotFoundError, or `RunError` where it is damaged or was changed."""
    table = json_value(read_bytes(path), path)
    stored = validated(model, table, path)
    with parsing(path):
        if stored.sealed and seal_of({k: v for k, v in table.items() if k != "sha256"}) != stored.sha256:
            raise RunError(f"{path} is damaged: it was changed after it was written (its SHA-256 is another one)")
    return stored


def validated(model: type[M], value: Any, path: Path) -> M:
    """`value` of `path` as its model. Raises `RunError` naming the first thing that does not fit."""
    with parsing(path):
        try:
            return model.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part)[:60] for part in first["loc"]) or "the whole of it"
            raise RunError(f"{path} is damaged: {place}: {first['msg']}") from error
    raise AssertionError("unreachable")


def validated_table(model: type[M], value: Any, path: Path) -> dict[str, M]:
    """A table of models by name. Raises `RunError`."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise RunError(f"{path} is damaged: a table is expected")
    return {key: validated(model, inner, path) for key, inner in value.items()}


def read_table(path: Path, model: type[M]) -> dict[str, M]:
    """A JSON or YAML file that is a table of models. Raises FileNotFoundError or `RunError`."""
    content = read_bytes(path)
    value = json_value(content, path) if path.suffix == ".json" else yaml_value(content, path)
    return validated_table(model, value, path)
