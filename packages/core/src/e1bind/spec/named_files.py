"""The files a spec names to be read, and which of them are not there: told before anything heavy is loaded.

An option is of a file where its value is a path, whoever's component it belongs to; `OutputPath` is what will be
written. `{ion}` in it stands for each ion; of a path with another placeholder, such as `{id}`, the folder above it
must be there.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from e1bind.errors import Problem, SpecError
from e1bind.spec.options import Options, Written
from e1bind.spec.runspec import Chosen, RunSpec

SPLITS = ("train", "test")
"""Parts of the data. A reader's option `test` names files that training does without."""

_ION = "{ion}"
_PLACEHOLDER = re.compile(r"\{[^{}/]+\}")


def check_files(spec: RunSpec, splits: Collection[str] = SPLITS) -> None:
    """Raise `SpecError` with every file that is not there, of the data those of `splits`."""
    problems = missing_files({"cv": spec.cv}, spec.components(), spec.training.ions, splits)
    if problems:
        raise SpecError(spec.raw.source, problems)


def missing_files(
    sections: Mapping[str, Options],
    components: Mapping[str, Chosen],
    ions: Sequence[str],
    splits: Collection[str],
) -> list[Problem]:
    """A problem for each file that is not there, by the path of its option; `plugins.local` is discovery's."""
    used = {path: chosen.options for path, chosen in components.items() if chosen.weight > 0}
    problems = []
    for table, options in {**sections, **used}.items():
        for path, file in _paths(options, table):
            if path.removeprefix(f"{table}.") != "test" or "test" in splits:
                problems += list(_missing(path, file, ions))
    return problems


def not_there(template: Path) -> str:
    """What to do where a path names no file: correct it, or the ion, for which there are others."""
    pattern = glob.escape(str(template)).replace(_ION, "*") + "*"
    matches = sorted(glob.glob(pattern))
    if not matches:
        return f"correct the path (no file matches {template})"
    shown = ", ".join(matches[:10]) + (f" and {len(matches) - 10} more" if len(matches) > 10 else "")
    return f"correct the ion or the path. Files that match {template}: {shown}"


def _paths(options: BaseModel, at: str) -> Iterator[tuple[str, Path]]:
    """Every path to read among the values of a model, with its place in the spec."""
    for name, field in type(options).model_fields.items():
        if not _is_written(field.annotation, field.metadata):
            yield from _within(getattr(options, name), f"{at}.{name}")


def _within(value: Any, at: str) -> Iterator[tuple[str, Path]]:
    if isinstance(value, Path):
        yield at, value
    elif isinstance(value, BaseModel):
        yield from _paths(value, at)
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _within(inner, f"{at}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _within(inner, f"{at}[{index}]")


def _is_written(annotation: Any, metadata: Sequence[Any]) -> bool:
    """Whether an option is of what will be written, as in `OutputPath | None`."""
    within = (_is_written(part, getattr(part, "__metadata__", ())) for part in get_args(annotation))
    return any(isinstance(one, Written) for one in metadata) or any(within)


def _missing(at: str, template: Path, ions: Sequence[str]) -> Iterator[Problem]:
    """A problem for each ion whose file is not there, or one for a path that is of no ion."""
    for ion in ions if _ION in str(template) else [None]:
        path = template if ion is None else Path(str(template).replace(_ION, ion))
        place = _above_placeholders(path)
        try:
            if place.exists():
                continue
        except OSError as error:  # an ion's name can make the file's too long
            yield Problem(at, f"{place}: cannot be read ({error.strerror})")
            continue
        whose = "" if ion is None else f" for ion {ion!r}"
        what, advice = (
            ("file", not_there(template)) if place == path else ("folder", "create it, or correct the path")
        )
        yield Problem(at, f"{place}: there is no such {what}{whose}; {advice}")


def _above_placeholders(path: Path) -> Path:
    """The path as far as it is known: above the first part with a placeholder."""
    for number, part in enumerate(path.parts):
        if _PLACEHOLDER.search(part):
            return Path(*path.parts[:number])
    return path
