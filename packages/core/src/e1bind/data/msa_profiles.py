"""What draws need of alignments, worked out once for each: in memory up to a limit, and on disk.

A profile holds an alignment's sequences, their similarity to the chain and their neighbour counts. On disk it
stands under the hash of the file's content and of all it depends on, so that runs, folds, processes, and contexts
of training and validation share it.
"""

from __future__ import annotations

import logging
import os
import tempfile
import zipfile
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.msa import Alignment, parse_a3m
from e1bind.data.msa_chain import chain_similarity, cut, own_columns, places_of
from e1bind.data.msa_sampling import draw_order, draw_probabilities, fitting, neighbor_counts
from e1bind.data.text import read_bytes
from e1bind.spec.sections import MsaSampling

log = logging.getLogger(__name__)

FORMAT = 2
MEMORY_BYTES = 256 * 2**20
"""Profiles kept in memory by one process; those beyond come back from the disk."""
MANY_ROWS = 5_000
"""Rows from which on weighing an alignment takes seconds, and is told beforehand."""


@dataclass(frozen=True, eq=False)
class Profile:
    """N sequences of an alignment: `text` holds their letters one after the other, `ends` [N] where each ends.

    `similarity` float64 [N] to the chain, `neighbors` int32 [N]; a row without residues in the chain's columns has
    none. The letters are those in the chain's columns.
    """

    text: NDArray[np.uint8]
    ends: NDArray[np.int64]
    similarity: NDArray[np.float64]
    neighbors: NDArray[np.int32]

    def __post_init__(self) -> None:
        rows = len(self.ends)
        whole = len(self.text) == (self.ends[-1] if rows else 0)
        if not (len(self.similarity) == len(self.neighbors) == rows and whole and (np.diff(self.ends) >= 0).all()):
            raise ValueError("the arrays of the profile contradict each other")

    @classmethod
    def of(cls, alignment: Alignment, threshold: float) -> Profile:
        """Weigh an alignment; `threshold` is the similarity from which on two rows are neighbours."""
        columns = alignment.columns
        if not columns.size:
            nothing = np.zeros(0, dtype=np.int64)
            return cls(nothing.astype(np.uint8), nothing, nothing.astype(float), nothing.astype(np.int32))
        places = places_of(alignment.rows, columns, alignment.chain)
        sequences = [cut(row, places, columns.shape[1]) for row in alignment.rows]
        text = np.frombuffer("".join(sequences).encode("ascii"), dtype=np.uint8)
        ends = np.cumsum([len(sequence) for sequence in sequences], dtype=np.int64)
        neighbors = neighbor_counts(columns[:, own_columns(places, columns.shape[1])], threshold)
        return cls(text, ends, chain_similarity(sequences, columns, places, alignment.chain), neighbors)

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return sum(array.nbytes for array in vars(self).values())

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Residues of each sequence, [N]."""
        return np.diff(self.ends, prepend=0)

    def probabilities(self, options: MsaSampling, longest: int | None = None) -> NDArray[np.float64]:
        """Chance of each row to be drawn first, [N]; a sequence of more than `longest` residues has none."""
        band = options.min_query_similarity, options.max_query_similarity
        neighbors = self.neighbors if longest is None else np.where(self.lengths > longest, 0, self.neighbors)
        return draw_probabilities(self.similarity, neighbors, *band)

    def draw(self, options: MsaSampling, rng: np.random.Generator, longest: int | None = None) -> tuple[str, ...]:
        """One context; empty where no row is eligible, or the first one drawn is longer than a context may be."""
        order_K = draw_order(self.probabilities(options, longest), options.max_num_samples, rng)
        starts_K = np.where(order_K > 0, self.ends[order_K - 1], 0) if len(order_K) else order_K
        kept = fitting(self.ends[order_K] - starts_K, options.max_num_samples, options.max_token_length)
        spans = zip(starts_K[:kept].tolist(), self.ends[order_K[:kept]].tolist(), strict=True)
        return tuple(self.text[start:stop].tobytes().decode("ascii") for start, stop in spans)


class Profiles:
    """The profiles of alignments whose rows are neighbours from the similarity `threshold` on.

    `folder`: where they are kept on disk; None: nowhere. Picklable, so that data-loader workers may have it.
    """

    def __init__(self, threshold: float, folder: Path | None = None) -> None:
        self.threshold = threshold
        self.folder = folder
        self._profiles: OrderedDict[tuple[Path, str], Profile] = OrderedDict()
        # The chain each alignment was accepted for; a later load (in a worker, for a window) is for it as well.
        self._accepted: dict[tuple[Path, str], str] = {}

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_profiles": OrderedDict()}

    def of(self, record: ResidueRecord) -> Profile:
        """The profile of a chain's alignment, from memory, from disk, or worked out."""
        assert record.msa is not None
        key = (record.msa, record.id)
        chain = max(self._accepted.get(key, ""), record.sequence, key=len)
        if key not in self._profiles or chain != self._accepted[key]:
            self._profiles[key] = self._load(record.msa, record.id, chain)
            self._accepted[key] = chain
            while len(self._profiles) > 1 and sum(p.nbytes for p in self._profiles.values()) > MEMORY_BYTES:
                self._profiles.popitem(last=False)
        self._profiles.move_to_end(key)
        return self._profiles[key]

    def _load(self, path: Path, name: str, chain: str) -> Profile:
        content = read_bytes(path)
        head = f"{FORMAT}/{self.threshold!r}/{name}/{chain}/"
        key = blake2b(head.encode() + content, digest_size=16).hexdigest()
        file = self.folder / f"{key}.npz" if self.folder else None
        if file and (cached := _read_profile(file)):
            return cached
        alignment = parse_a3m(content, path, chain or None)
        if alignment.remark:
            log.warning("%s", alignment.remark)
        if len(alignment.rows) >= MANY_ROWS:
            log.info("%s: comparing %d aligned sequences with each other", path, len(alignment.rows))
        profile = Profile.of(alignment, self.threshold)
        if file and not _written(file, profile):
            self.folder = None  # the next ones could not be written either
        return profile


def _read_profile(path: Path) -> Profile | None:
    """A cached profile; None where there is none, or where it cannot be trusted."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return Profile(**{name: arrays[name] for name in Profile.__annotations__})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        log.warning("%s: damaged cache file (%s); worked out again", path, error)
        return None


def _written(path: Path, profile: Profile) -> bool:
    """Write beside the place and move there, so that no reader ever sees half a file; False where it fails."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.stem}.", delete=False) as file:
            temporary = file.name
            np.savez_compressed(file, **vars(profile))
        os.replace(temporary, path)
        return True
    except OSError as error:
        log.warning("%s: cannot be written (%s); alignments will be weighed again next time", path.parent, error)
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        return False
