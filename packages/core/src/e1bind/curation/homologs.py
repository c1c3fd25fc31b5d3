"""Which sequences are homologs: pairs of at least some identity, aligned over some share of one of the two.

MMseqs2 finds them where it is there; else words and alignments do (`e1bind.curation.confirming`), and miss some.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from e1bind import __version__
from e1bind.curation.mmseqs import Mmseqs, write_numbered
from e1bind.errors import UserError

SENSITIVITY = 7.5
EVALUE = 1e-3


class Method(StrEnum):
    """What finds homologs: MMseqs2 where it is there, else words of residues, or one of the two."""

    AUTO = "auto"
    MMSEQS2 = "mmseqs2"
    WORDS = "words"


@dataclass(frozen=True)
class Criteria:
    """Homologs are aligned with at least `identity`, over at least `coverage` of one of the two (both 0 to 1)."""

    identity: float = 0.3
    coverage: float = 0.8


@dataclass(frozen=True)
class Homologs:
    """Places of homologs in the two lists they were sought in (or twice in one), and how they were found."""

    pairs: list[tuple[int, int]]
    method: Method
    program: str
    commands: list[list[str]]
    criteria: Criteria

    def as_json(self) -> dict[str, Any]:
        """How they were found, in plain values."""
        criteria = {"identity": self.criteria.identity, "coverage_of_either": self.criteria.coverage}
        return {"method": str(self.method), "program": self.program, "commands": self.commands, **criteria}


def find_homologs(
    first: Sequence[str], second: Sequence[str] | None, criteria: Criteria, method: Method, threads: int = 1
) -> Homologs:
    """Homologs between two lists of sequences, or within the first. Raises `UserError`."""
    if not (0 < criteria.identity <= 1 and 0 < criteria.coverage <= 1):
        raise UserError("--identity and --coverage are shares above 0 and up to 1, as in 0.3 and 0.8")
    program = None if method == Method.WORDS else Mmseqs.find()
    if program is None and method == Method.MMSEQS2:
        program = Mmseqs.needed("--method mmseqs2")
    if program is not None:
        return _with_mmseqs(program, first, second, criteria, threads)
    from e1bind.curation.confirming import confirmed

    pairs = list(confirmed(first, second, criteria.identity, criteria.coverage))
    return Homologs(pairs, Method.WORDS, f"e1bind {__version__}", [], criteria)


def _with_mmseqs(
    program: Mmseqs, first: Sequence[str], second: Sequence[str] | None, criteria: Criteria, threads: int
) -> Homologs:
    """A search of each of the first against all others, from which no hit is left out for want of room."""
    with tempfile.TemporaryDirectory(prefix="e1bind-") as name:
        folder = Path(name)
        write_numbered(first, folder / "query.fasta")
        write_numbered(first if second is None else second, folder / "target.fasta")
        pairs = _search(program, folder, len(first if second is None else second), criteria, threads)
    if second is None:
        pairs = {(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]}
    return Homologs(sorted(pairs), Method.MMSEQS2, f"MMseqs2 {program.version}", program.commands, criteria)


def _search(program: Mmseqs, folder: Path, most: int, criteria: Criteria, threads: int) -> set[tuple[int, int]]:
    words = ["easy-search", "query.fasta", "target.fasta", "hits.tsv", "tmp"]
    words += ["-s", str(SENSITIVITY), "-e", str(EVALUE), "--min-seq-id", str(criteria.identity)]
    words += ["--alignment-mode", "3", "--max-seqs", str(max(most, 300)), "--threads", str(threads), "-v", "1"]
    program.run([*words, "--format-output", "query,target,fident,qcov,tcov"], folder)
    pairs = set()
    for line in (folder / "hits.tsv").read_text(encoding="ascii").splitlines():
        one, other, _, *covered = line.split("\t")
        # Printed with three digits: what rounding may have taken below the bound stays in.
        if max(map(float, covered)) >= criteria.coverage - 5e-4:
            pairs.add((int(one), int(other)))
    return pairs
