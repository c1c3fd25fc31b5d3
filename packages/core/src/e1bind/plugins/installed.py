"""The entry points of e1bind plugins, read so that a damaged package is told and harms no other.

`importlib.metadata` gives all entry points of a package or an exception; here each line of the group stands for
itself, other groups are never looked at, and what cannot be read becomes the fault of one plugin.
"""

from __future__ import annotations

import email
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from e1bind.files.text import control_character, visible
from e1bind.plugins.provenance import Source, installed_source

GROUP = "e1bind"
_VALUE = re.compile(r"(?P<module>[^\W\d]\w*(\.[^\W\d]\w*)*)\s*(:\s*[^\W\d]\w*(\.[^\W\d]\w*)*\s*)?(\[[\w\s,.-]*\])?")
_PROJECT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


@dataclass(frozen=True)
class Registration:
    """One line of the group: the entry point it states, or why it states none."""

    source: Source
    entry: EntryPoint | None
    fault: str | None = None


def registrations() -> list[Registration]:
    """Every plugin that is installed, sorted; the first of two copies on the path counts, damaged ones all do."""
    found: dict[tuple[str, str, str], Registration] = {}
    for distribution in distributions():
        for one in _of(distribution):
            found.setdefault((one.source.distribution, one.source.entry_point, one.fault or ""), one)
    return [found[key] for key in sorted(found)]


def _of(distribution: Distribution) -> Iterator[Registration]:
    lines = list(_group_lines(_text(distribution, "entry_points.txt")[0]))
    if not lines:
        return
    name, version, damage = _identity(distribution)
    for number, line in lines:
        entry = _entry(line)
        label = visible(entry.name if entry else (line.partition("=")[0].strip() or line))
        module = entry.module if entry else ""
        source = installed_source(distribution, name, version, label, module)
        if damage:
            yield Registration(source, None, f"{damage}; {_again(name)}")
        elif entry is None:
            wrong = f"line {number} of its entry_points.txt, {line!r}, is not of the form name = module"
            yield Registration(source, None, f"{wrong}; correct it in the package, or {_again(name)}")
        else:
            yield Registration(source, entry)


def _again(name: str) -> str:
    return f"install the package again (pip install --force-reinstall {name}), or delete that folder"


def _group_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) of each entry of the group, and of a header of it that lacks its bracket."""
    section = ""
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        elif line.startswith("[") and line[1:].strip() == GROUP:
            section = ""
            yield number, line
        elif section == GROUP and line and not line.startswith(("#", ";")):
            yield number, line


def _entry(line: str) -> EntryPoint | None:
    """The entry point of a line; None where it is none."""
    name, equals, value = (part.strip() for part in line.partition("="))
    usable = equals and name and not control_character(name) and "�" not in line and _VALUE.fullmatch(value)
    return EntryPoint(name, value, GROUP) if usable else None


def _identity(distribution: Distribution) -> tuple[str, str, str | None]:
    """Name, version, and what is wrong with the metadata; name and version are then those of the folder."""
    folder = _folder(distribution)
    stem, _, folder_version = folder.removesuffix(".dist-info").removesuffix(".egg-info").partition("-")
    name = canonicalize_name(stem or "unknown")
    file = "METADATA"
    text, damaged = _text(distribution, file)
    if not text and not damaged:
        # Those of older installations; a single file of that kind is its own metadata.
        text, damaged = next(filter(any, (_text(distribution, old) for old in ("PKG-INFO", ""))), ("", False))
    if damaged:
        return name, folder_version, f"{file} in {folder} is not UTF-8 text"
    if not text.strip():
        return name, folder_version, f"{folder} has no {file}, or an empty one: an interrupted installation"
    message = email.message_from_string(text)
    stated, version = str(message["Name"] or ""), str(message["Version"] or "")
    if not _PROJECT.fullmatch(stated):
        return name, folder_version, f"{file} in {folder} states no valid Name"
    try:
        Version(version)
    except InvalidVersion:
        return canonicalize_name(stated), folder_version, f"{file} in {folder} states no valid Version"
    return canonicalize_name(stated), version, None


def _folder(distribution: Distribution) -> str:
    # Only path-based distributions have one, and only as a private attribute; it serves messages alone.
    return visible(Path(getattr(distribution, "_path", "unknown")).name)


def _text(distribution: Distribution, name: str) -> tuple[str, bool]:
    """A file of the installed metadata, "" where it is absent or unreadable; and whether it is not UTF-8."""
    try:
        return distribution.read_text(name) or "", False
    except UnicodeDecodeError as error:
        return error.object.decode("utf-8", errors="replace"), True
    except OSError:
        return "", False
