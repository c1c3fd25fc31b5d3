"""Which files a record vouches for, and whether they are still those.

SHA-256 of each artefact stands in the record that is written last: a fold's in `fold.json`, a run's in
`summary.json`, what is frozen when a run is begun in `data.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from e1bind.errors import RunError
from e1bind.files.reading import digest
from e1bind.files.text import command
from e1bind.runs.layout import RunDir


def digests(folder: Path, files: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of `files`, by path relative to `folder`; those that are not there are left out."""
    return {str(file.relative_to(folder)): digest(file) for file in files if file.exists()}


def check_digests(folder: Path, known: Mapping[str, str], files: Iterable[Path], advice: str) -> None:
    """Raise `RunError` for the first of `files` that is not as `known` says; `advice` says what to do then.

    A file that `known` does not name must not be there.
    """
    for file in files:
        wanted = known.get(str(file.relative_to(folder)))
        if file.is_dir():
            raise RunError(f"{file} is a folder where a file belongs; remove it, then {advice}")
        if not file.exists():
            if wanted is not None:
                raise RunError(f"{file} is missing; {advice}")
        elif wanted is None:
            raise RunError(f"{file} is damaged: it was put there after {folder} was written; {advice}")
        elif digest(file) != wanted:
            raise RunError(
                f"{file} is damaged: it was changed after it was written (its SHA-256 is another one); {advice}"
            )


def from_a_copy(run: RunDir) -> str:
    """The way out where something is damaged that was written when the run was begun."""
    return f"put it back from a copy, or start a new run with: {command('train', run.spec_source)}"


@contextmanager
def advising(advice: str) -> Iterator[None]:
    """Add what to do to a `RunError` about a file of the run."""
    try:
        yield
    except RunError as error:
        raise RunError(f"{error}; {advice}") from error
