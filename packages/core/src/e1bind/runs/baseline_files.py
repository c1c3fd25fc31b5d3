"""What the baselines of a fold came to: what each learned, and its predictions of the chains held out.

`baselines.safetensors` holds plain arrays: `index`, JSON as bytes, says which is which; `seal` is the SHA-256 of
all the others. An unfinished fold is gone on with only when the seal is whole.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from e1bind.errors import RunError
from e1bind.files.reading import json_value, parsing, read_bytes
from e1bind.files.writing import atomic_write
from e1bind.runs.layout import FoldDir
from e1bind.runs.seals import Count, Stored, validated

_INDEX, _SEAL = "index", "seal"


@dataclass(frozen=True, eq=False)
class FoldBaseline:
    """One baseline of one ion: what `fit` returned, and its probabilities by chain that was held out."""

    ion: str
    name: str
    fitted: Mapping[str, NDArray[Any]]
    probabilities: Mapping[str, NDArray[np.float64]]


class _Entry(Stored):
    ion: str
    name: str
    fitted: list[str]
    chains: list[str]
    lengths: list[Count]


class _Index(Stored):
    made_of: str
    entries: list[_Entry]


def write_baselines(folder: FoldDir, made_of: str, found: Sequence[FoldBaseline]) -> None:
    """Write the file; the same values give the same bytes. `made_of`: what tells these results from others."""
    from safetensors.numpy import save

    arrays: dict[str, NDArray[Any]] = {}
    entries = []
    for number, own in enumerate(found):
        names = sorted(own.fitted)
        arrays |= {f"{number}/fitted/{name}": np.asarray(own.fitted[name], order="C") for name in names}
        arrays[f"{number}/probabilities"] = np.concatenate([np.empty(0), *own.probabilities.values()])
        lengths = [len(values) for values in own.probabilities.values()]
        entries.append(
            {
                "ion": own.ion,
                "name": own.name,
                "fitted": names,
                "chains": list(own.probabilities),
                "lengths": lengths,
            }
        )
    index = json.dumps({"made_of": made_of, "entries": entries}).encode()
    arrays[_INDEX] = np.frombuffer(index, np.uint8)
    arrays[_SEAL] = np.frombuffer(_seal(arrays), np.uint8)
    folder.path.mkdir(parents=True, exist_ok=True)
    content = save(arrays)
    atomic_write(folder.baselines, lambda path: path.write_bytes(content))


def read_baselines(folder: FoldDir, made_of: str | None = None) -> list[FoldBaseline] | None:
    """The baselines of a fold; None where there is no file, or one that is not made of `made_of` (if given).

    Raises `RunError` for a file that is damaged.
    """
    from safetensors.numpy import load

    path = folder.baselines
    try:
        content = read_bytes(path)
    except FileNotFoundError:
        return None
    with parsing(path):
        arrays = load(content)
        seal = arrays.pop(_SEAL, np.empty(0, np.uint8))
        if _INDEX not in arrays or seal.tobytes() != _seal(arrays):
            raise RunError(f"{path} is damaged: its content is not what was written (its seal is broken)")
        index = validated(_Index, json_value(arrays[_INDEX].tobytes(), path), path)
        if made_of is not None and index.made_of != made_of:
            return None
        return [_baseline(number, entry, arrays) for number, entry in enumerate(index.entries)]
    raise AssertionError("unreachable")


def _baseline(number: int, entry: _Entry, arrays: Mapping[str, NDArray[Any]]) -> FoldBaseline:
    fitted = {name: arrays[f"{number}/fitted/{name}"] for name in entry.fitted}
    parts = np.split(arrays[f"{number}/probabilities"], np.cumsum(entry.lengths)[:-1]) if entry.lengths else []
    return FoldBaseline(entry.ion, entry.name, fitted, dict(zip(entry.chains, parts, strict=True)))


def _seal(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    digest = sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.asarray(array, order="C").tobytes())
    return digest.digest()
