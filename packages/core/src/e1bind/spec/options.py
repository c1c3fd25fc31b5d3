"""The base of every options model, and the field types that options share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationInfo

from e1bind.spec.limits import path_fault


class Options(BaseModel):
    """Options of one component: frozen, strictly typed, unknown keys refused.

    A key that another component may rely on is announced by `capabilities`, and one this component relies on by
    `requirements`; both are added to what the descriptor states.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    alternatives: ClassVar[tuple[frozenset[str], ...]] = ()
    """Keys of which one at most is given: one that `--set` gives takes the place of the file's."""

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Options that work anywhere, without a network: what `e1bind check-plugin` tries the component with.

        Override it where the defaults need something: a reader writes a small file with chains of the ion ZN into
        `folder` and names it, a backbone picks its smallest random weights.
        """
        return {}

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
    return _local_path(value, info).resolve() if isinstance(value, str) else value


def _local_path(value: str, info: ValidationInfo) -> Path:
    """The path, below the spec's folder where it is relative. Raises `ValueError` where it can be none."""
    if fault := path_fault(value):
        raise ValueError(fault)
    try:
        path = _base_dir(value, info) / Path(str(value)).expanduser()
        path.resolve()  # fails for links that go round
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{value!r} cannot be used as a path: {error}") from error
    if fault := path_fault(str(path)):
        raise ValueError(fault)
    return path


def _resolve_checkpoint(value: object, info: ValidationInfo) -> object:
    """A local folder becomes an absolute path; anything else stays a hub name."""
    if not isinstance(value, str):
        return value
    local = _local_path(value, info)
    try:
        exists = local.exists()
    except OSError as error:
        raise ValueError(f"{local} cannot be read: {error.strerror}") from error
    if exists:
        return str(local.resolve())
    if value.startswith((".", "/", "~")) or value.count("/") > 1:  # a hub's names are NAME or OWNER/NAME
        raise ValueError(f"there is no checkpoint at {local}")
    return str(value)


@dataclass(frozen=True)
class Written:
    """Marks the type of an option: what its path names need not be there."""


SpecPath = Annotated[Path, BeforeValidator(_resolve_path)]
"""A file or folder to read; relative paths are taken from the folder of the spec file that holds them.

`validate` and `train` look for it before anything is loaded; `{ion}` in it stands for each ion.
"""

OutputPath = Annotated[Path, BeforeValidator(_resolve_path), Written()]
"""A file or folder that will be written, relative as a `SpecPath`: nobody expects it to be there."""

CheckpointRef = Annotated[str, BeforeValidator(_resolve_checkpoint)]
"""A local checkpoint folder (relative to the spec file) or the name of a model on a hub."""
