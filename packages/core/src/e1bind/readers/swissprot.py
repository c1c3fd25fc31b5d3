"""UniProt's flat files, by Biopython's parser."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from Bio import SwissProt
from Bio.SeqFeature import ExactPosition

from e1bind.data.text import read_bytes, to_lines
from e1bind.errors import DataError

Feature = tuple[str, dict[str, str]]
"""Place as a table would have it (`67`, `12..15`, or `?`), and the qualifiers."""


def read_flat_file(path: Path, keys: Sequence[str]) -> Iterator[tuple[str, str, list[Feature]]]:
    """Accession, sequence and the features of these keys of each entry. Raises `DataError`."""
    lines = to_lines(read_bytes(path))
    if not any(line.startswith("ID ") for line in lines):
        raise DataError(f"{path}: is no flat file of UniProt: no line begins with ID; tables end in .tsv or .csv")
    try:
        for entry in SwissProt.parse(io.StringIO("\n".join(lines))):
            features = [_feature(feature) for feature in entry.features if feature.type in keys]
            yield (entry.accessions or [""])[0], entry.sequence, features
    except Exception as error:
        raise DataError(f"{path}: is no flat file of UniProt: {type(error).__name__}: {error}") from error


def _feature(feature: Any) -> Feature:
    location = feature.location
    exact = location is not None and all(isinstance(p, ExactPosition) for p in (location.start, location.end))
    place = f"{location.start + 1}..{location.end}" if exact else "?"
    return place, {name: " ".join(str(text).split()) for name, text in feature.qualifiers.items()}
