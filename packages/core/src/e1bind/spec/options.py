"""The base of every options model, and the field types that options share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo


class Options(BaseModel):
    """Options of one component: frozen, strictly typed, unknown keys refused.

    A key that another component may rely on is announced by `capabilities`, and one this component relies on by
    `requirements`; both are added to what the descriptor states.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    def capabilities(self) -> frozenset[str]:
        """What these options provide beyond the descriptor's `provides`, e.g. {"views=4"}."""
        return frozenset()

    def requirements(self) -> frozenset[str]:
        """What these options need beyond the descriptor's `needs`."""
        return frozenset()


class SpecString(str):
    """A string of a spec that remembers the folder of the file it was written in."""

    base_dir: Path

    def __new__(cls, value: str, base_dir: Path) -> SpecString:
        string = super().__new__(cls, value)
        string.base_dir = base_dir
        return string


def _base_dir(value: object, info: ValidationInfo) -> Path:
    if isinstance(value, SpecString):
        return value.base_dir
    context = info.context or {}
    return Path(context.get("base_dir", "."))


def _resolve_path(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    return (_base_dir(value, info) / Path(str(value)).expanduser()).resolve()


def _resolve_checkpoint(value: object, info: ValidationInfo) -> object:
    """A local folder becomes an absolute path; anything else stays a hub name."""
    if not isinstance(value, str):
        return value
    local = _base_dir(value, info) / Path(str(value)).expanduser()
    if local.exists():
        return str(local.resolve())
    if value.startswith((".", "/", "~")):
        raise ValueError(f"there is no checkpoint at {local}")
    return str(value)


SpecPath = Annotated[Path, BeforeValidator(_resolve_path)]
"""A path; relative ones are taken from the folder of the spec file that holds them."""

CheckpointRef = Annotated[str, BeforeValidator(_resolve_checkpoint)]
"""A local checkpoint folder (relative to the spec file) or the name of a model on a hub."""
