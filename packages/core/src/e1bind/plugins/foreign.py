"""Running other people's code: whatever it raises is told in a sentence, and what it prints goes to stderr.

Standard output belongs to the command (`--json`, CSV); a banner that a plugin prints while it is imported, by
itself or through a program it starts, would spoil it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterator

import pluggy

from e1bind.files.text import visible

MAX_TOLD = 1000
"""Characters of an exception's text that are shown."""
_STDOUT, _STDERR = 1, 2
_OURS = tuple(os.path.dirname(file) + os.sep for file in (__file__, importlib.__file__, pluggy.__file__))


class ForeignError(Exception):
    """Foreign code failed; the text says with what, and where in that code. `place` is the file and the line."""

    def __init__(self, message: str, place: tuple[str, int] | None = None) -> None:
        self.place = place
        super().__init__(message)


@contextlib.contextmanager
def foreign_code() -> Iterator[None]:
    """Run a block of foreign code with stdout on stderr.

    Raises `ForeignError` for whatever is raised inside, exits and exceptions of no known family included; only
    `KeyboardInterrupt` passes on, since it is the user's and not the code's.
    """
    with stdout_to_stderr():
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise ForeignError(told(error), failed_at(error)) from error


@contextlib.contextmanager
def stdout_to_stderr() -> Iterator[None]:
    """Whatever is written to stdout meanwhile, by Python, by C or by a child process, goes to stderr."""
    _flush()
    saved = _divert()
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        _flush()  # what was written to the stream underneath must leave before the descriptor is put back
        if saved is not None:
            os.dup2(saved, _STDOUT)
            os.close(saved)


def _divert() -> int | None:
    """Point descriptor 1 at stderr and return a copy of what it was; None where it is closed: nothing to save."""
    try:
        saved = os.dup(_STDOUT)
    except OSError:
        return None
    try:
        os.dup2(_STDERR, _STDOUT)
    except OSError:  # stderr is closed: what goes there is lost, as it always is
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDOUT)
        if nowhere != _STDERR:
            os.close(nowhere)
        else:  # the free number was stderr's own; it is left closed as it was
            os.close(_STDERR)
    return saved


def _flush() -> None:
    for stream in (sys.stdout, sys.__stdout__):
        # Closed, absent or broken streams have nothing to give; a closed pipe is found by the next real write.
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()  # type: ignore[union-attr]


def told(error: BaseException) -> str:
    """`Type: message (file, line n)`, printable and not over-long, whatever the exception's own text does."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - its __str__ is foreign code too
        text = f"{type(error).__name__} (its message cannot be shown)"
    if len(text) > MAX_TOLD:
        text = f"{text[:MAX_TOLD]}..."
    place = failed_at(error)
    return visible(text + (f" {shown_place(place)}" if place else ""))


def shown_place(place: tuple[str, int]) -> str:
    """A file and a line, as `told` puts them at its end."""
    return f"({place[0]}, line {place[1]})"


def failed_at(error: BaseException) -> tuple[str, int] | None:
    """The last place in the foreign code itself: neither our own call of it nor the import machinery."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    theirs = [place for place in places if not place[0].startswith(("<", *_OURS))]
    return theirs[-1] if theirs else None
