"""Files written whole or not at all, those of one command together: beside their place, synced, then renamed."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any, cast

from e1bind.errors import RunError, UserError


def atomic_write(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a temporary file beside `path`, sync it to disk and rename it: whole, or not there.

    Within `together` it appears with the other files.
    """
    if path.is_dir():
        raise RunError(f"{path} is a folder where a file belongs; remove it, then give the same command again")
    with _replacing(path, _READY.get()) as temporary:
        write(temporary)


def atomic_write_text(path: Path, text: str) -> None:
    """A small text file, whole or not there."""
    atomic_write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def sweep(folder: Path) -> None:
    """Remove what killed processes left half-written in `folder`; nobody else may be writing there."""
    for leftover in folder.glob(".*.tmp"):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def open_modes(folder: Path) -> None:
    """Give the files of `folder` the access the user's umask grants; some libraries write for the owner alone."""
    umask = os.umask(0)
    os.umask(umask)
    for file in folder.iterdir():
        if file.is_file() and not file.is_symlink():
            file.chmod(0o666 & ~umask)


@contextmanager
def together() -> Iterator[None]:
    """What is written within appears at the end, all files of it; after an error each place is as it was."""
    ready: dict[Path, Path] = {}
    before = _READY.set(ready)
    try:
        yield
        _replace_all(ready)
    finally:
        _READY.reset(before)
        for temporary in ready.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


_READY: ContextVar[dict[Path, Path] | None] = ContextVar("_READY", default=None)
"""What waits for the end of `together`: by place, the file that will take it."""


def just_written(path: Path) -> Path:
    """Where the bytes of a file stand that was written a moment ago: within `together` not in its place yet."""
    return (_READY.get() or {}).get(path.absolute(), path)


@contextmanager
def output(path: Path, option: str = "-o") -> Iterator[IO[bytes]]:
    """Bytes for a file that the user named: a new one in its place at the end, or as it was after an error.

    A link is followed to the file it names. What is no regular file (a device, a FIFO) is written into as the bytes
    come. A name that ends in ".gz" is packed. Raises `UserError` that names `option` where it cannot be written.
    """
    with told(path, option):
        place = _place(path)
        if place.exists() and not place.is_file():
            with place.open("wb") as file, _packed(file, path) as sink:
                yield sink
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        ready = _READY.get()
        if ready is not None and place.absolute() in ready:
            raise UserError(f"{path} would be written twice; choose another place with {option}")
        with _replacing(place, ready) as temporary, temporary.open("wb") as file, _packed(file, path) as sink:
            yield sink


def check_output(path: Path, option: str = "-o") -> None:
    """Raise `UserError` where `output` could not write the file, as far as can be told before."""
    with told(path, option):
        place = _place(path)
        if not place.exists() or place.is_file():
            place.parent.mkdir(parents=True, exist_ok=True)
            with _replacing(place, {}) as temporary, temporary.open("wb"):
                pass
            temporary.unlink(missing_ok=True)


def output_text(path: Path, text: str, option: str = "-o") -> None:
    """Write a small text file that the user named. Raises `UserError`."""
    output_bytes(path, text.encode(), option)


def output_bytes(path: Path, content: bytes, option: str = "-o") -> None:
    """Write a small file that the user named. Raises `UserError`."""
    with output(path, option) as sink:
        sink.write(content)


def output_folder(path: Path, option: str = "-o") -> None:
    """Make a folder that the user named. Raises `UserError`."""
    with told(path, option):
        path.mkdir(parents=True, exist_ok=True)


@contextmanager
def new_folder(path: Path, option: str) -> Iterator[Path]:
    """A folder that takes its place `path` once it was filled, and is gone after an error.

    Raises `UserError` that names `option` where it cannot be written; `path` must be vacant (`check_vacant`).
    """
    with told(path, option):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            temporary.mkdir()
            yield temporary
            for file in temporary.iterdir():
                with file.open("rb") as content:
                    os.fsync(content.fileno())
            temporary.replace(path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def check_vacant(folder: Path, advice: str) -> None:
    """Raise `UserError` where `folder` is anything but an empty folder, or a place where nothing stands."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} exists already and is not empty; {advice}")


@contextmanager
def told(path: Path, option: str) -> Iterator[None]:
    """Turn an error of the disk while `path` is written into a `UserError` that names the way out."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        named = Path(error.filename) if isinstance(error.filename, str) else path
        of = f" ({named})" if named.name != path.name and named.parent != path.parent else ""
        raise UserError(
            f"{path} cannot be written: {error.strerror or error}{of}; choose another place with {option}"
        ) from error


def _place(path: Path) -> Path:
    """Where the bytes go: the file itself, or the one a link names. Raises `UserError` for a folder."""
    if path.is_dir():
        raise UserError(f"{path} is a folder; name the file to write")
    return path.resolve() if path.is_symlink() else path


@contextmanager
def _replacing(place: Path, ready: dict[Path, Path] | None = None) -> Iterator[Path]:
    """A file beside `place` that is synced and takes its place once it was filled, and is gone after an error.

    With `ready` it waits there instead.
    """
    temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if ready is None:
            temporary.replace(place)
        else:
            ready[place.absolute()] = temporary.absolute()
    except BaseException:
        # What went wrong first is what must be told, whatever the disk says to the clearing up.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def _replace_all(ready: Mapping[Path, Path]) -> None:
    """Let all files take their places; where one cannot, those before it go back to what they were."""
    with ExitStack() as undo:
        for place, temporary in ready.items():
            with told(place, "-o"):
                undo.callback(_restore, place, _kept(place))
                temporary.replace(place)
        undo.pop_all()
        for place in ready:
            _backup(place).unlink(missing_ok=True)


def _backup(place: Path) -> Path:
    return place.with_name(f".{place.name}.{os.getpid()}.before.tmp")


def _kept(place: Path) -> bool:
    """Keep what stands in a place; False where there is nothing."""
    if not place.exists():
        return False
    try:
        _backup(place).hardlink_to(place)
    except OSError:  # a disk without hard links
        shutil.copy2(place, _backup(place))
    return True


def _restore(place: Path, existed: bool) -> None:
    with suppress(OSError):
        if existed:
            _backup(place).replace(place)
        else:
            place.unlink(missing_ok=True)


@contextmanager
def _packed(file: IO[bytes], path: Path) -> Iterator[IO[bytes]]:
    if path.suffix.lower() != ".gz":
        yield file
        return
    with gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
        yield cast(IO[bytes], packed)
