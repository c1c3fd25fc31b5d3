"""Protein chains of a structure file (mmCIF or PDB), and which of them a predicted sequence belongs to.

A chain's residues are those with coordinates, in the first model. Sequence and chain are aligned by gemmi; loops
that are not in the model open gaps at no cost where the chain is broken, and only there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import gemmi
import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import STANDARD_RESIDUES, ResidueRecord
from e1bind.data.ids import id_fault, shown_id
from e1bind.data.text import read_bytes
from e1bind.errors import DataError
from e1bind.files.text import control_character, visible

MIN_IDENTITY = 0.9
"""Share of the shorter of sequence and chain that must be the same residue for the two to belong together."""
MIN_ALIGNED = 20
"""A shorter chain or sequence must stand in the other letter for letter: so few residues align by chance."""
BROKEN = 2.5
"""Angstrom from C to the next N above which the chain is broken; a peptide bond has 1.33."""
OPEN = -10
"""Score of opening a gap, where the chain is not broken; matches score 1, mismatches and residues of a gap -1. With
-1, 24 of 25 random residues are found scattered over 800 random others; with this a third at most."""
MAX_SHOWN = 10

ResidueKey = tuple[str, str, str]
"""Chain, number with insertion code, residue name: as files and viewers name a residue."""


@dataclass(frozen=True, eq=False)
class Chain:
    """L residues of a protein chain: letters, names of the residues (several where one position has several), and
    whether the chain is broken before each."""

    name: str
    sequence: str
    keys: Sequence[Sequence[ResidueKey]]
    broken: Sequence[bool]


@dataclass(frozen=True, eq=False)
class Structure:
    """A structure file and its protein chains."""

    path: Path
    kind: Literal["cif", "pdb"]
    chains: Sequence[Chain]

    def records(self) -> list[ResidueRecord]:
        """The chains as records to predict, named FILE_CHAIN."""
        stem = self.path.name.removesuffix(".gz").rsplit(".", 1)[0]
        return [
            ResidueRecord(f"{stem}_{chain.name}", chain.sequence, source=str(self.path)) for chain in self.chains
        ]


@dataclass(frozen=True, eq=False)
class Match:
    """A chain and the sequence it belongs to; `position_L` is the residue's place in the sequence from 0, or -1."""

    chain: Chain
    record: ResidueRecord
    position_L: NDArray[np.int64]
    identical: int

    def remarks(self) -> list[str]:
        """What does not fit, for people."""
        placed = self.position_L >= 0
        wrong = [
            f"{key[0][2]} {key[0][1]} is {self.record.sequence[at]}{at + 1} in the sequence"
            for key, letter, at in zip(self.chain.keys, self.chain.sequence, self.position_L, strict=True)
            if at >= 0 and letter != self.record.sequence[at]
        ]
        remarks = []
        if wrong:
            more = f" and {len(wrong) - MAX_SHOWN} more" if len(wrong) > MAX_SHOWN else ""
            remarks.append(f"{len(wrong)} residues differ: {'; '.join(wrong[:MAX_SHOWN])}{more}")
        if absent := len(self.record) - int(placed.sum()):
            remarks.append(f"{absent} residues of the sequence are not in the structure")
        if extra := int((~placed).sum()):
            remarks.append(f"{extra} residues of the structure are not in the sequence, and get no probability")
        return remarks


def structure_kind(path: Path) -> Literal["cif", "pdb"]:
    """mmCIF or PDB by the name's ending. Raises `DataError`."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".cif", ".mmcif")):
        return "cif"
    if name.endswith((".pdb", ".ent")):
        return "pdb"
    raise DataError(f"{path}: a structure is an mmCIF file (.cif) or a PDB file (.pdb)")


def read_structure(path: Path) -> Structure:
    """Read the protein chains of a file. Raises `DataError`."""
    kind = structure_kind(path)
    if not _is_file(path):
        raise DataError(f"{path}: there is no such file")
    content = read_bytes(path)  # which also finds a damaged gzip file, of which gemmi may read a part
    if not content.strip():
        raise DataError(f"{path}: is empty")
    form = gemmi.CoorFormat.Mmcif if kind == "cif" else gemmi.CoorFormat.Pdb
    try:
        structure = gemmi.read_structure(str(path), format=form)
        structure.setup_entities()
        models = list(structure)[:1]
        chains = [chain for model in models for chain in map(_chain, model) if chain is not None]
    except UnicodeDecodeError as error:  # gemmi reads bytes and decodes a name when it is asked for
        raise DataError(_undecodable(path, content)) from error
    except (RuntimeError, ValueError, IndexError, OSError) as error:
        reason = visible(" ".join(str(error).split()))
        raise DataError(f"{path}: cannot be read as a structure: {reason}; is the file complete?") from error
    if not chains:
        raise DataError(f"{path}: holds no protein chain")
    found = Structure(path, kind, chains)
    for record in found.records():
        if fault := id_fault(record.id):
            raise DataError(f"{visible(str(path))}: the id {shown_id(record.id)!r} of a chain {fault}")
    return found


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # an over-long name, or a folder that may not be looked into
        return False


def _undecodable(path: Path, content: bytes) -> str:
    """Where the bytes stand that are no text: first of all in a line of an atom, the rest is seldom decoded."""
    lines = list(enumerate(content.splitlines(), start=1))
    for number, line in sorted(lines, key=lambda numbered: not numbered[1].startswith((b"ATOM", b"HETATM"))):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            return (
                f"{path}, line {number}: holds a byte that is not UTF-8 text ({line[error.start]:#x}, column "
                f"{error.start + 1}); names of chains, residues and atoms are ASCII letters and digits"
            )
    return f"{path}: names a chain, a residue or an atom in bytes that are not UTF-8 text"


def _chain(chain: gemmi.Chain) -> Chain | None:
    """The protein part of a chain; None where there is none."""
    polymer = chain.get_polymer()
    if polymer.check_polymer_type() not in (gemmi.PolymerType.PeptideL, gemmi.PolymerType.PeptideD):
        return None
    groups: list[list[gemmi.Residue]] = []
    for residue in polymer:
        # Residues of one number are alternatives at one position.
        if groups and groups[-1][0].seqid == residue.seqid:
            groups[-1].append(residue)
        else:
            groups.append([residue])
    first = [group[0] for group in groups]
    for residue in polymer:
        _check_names(chain.name, residue)
    return Chain(
        name=chain.name,
        sequence="".join(_letter(residue) for residue in first),
        keys=[[(chain.name, str(r.seqid), r.name) for r in group] for group in groups],
        broken=[True] + [_broken(a, b) for a, b in pairwise(first)],
    )


def _check_names(chain: str, residue: gemmi.Residue) -> None:
    """Raise `ValueError` for a residue that could not be named again in a table or a viewer."""
    if residue.seqid.num is None:
        raise ValueError(f"a residue {residue.name} of chain {chain} has no number")
    if strange := control_character(f"{chain} {residue.name} {residue.seqid}"):
        raise ValueError(f"the name of a residue of chain {chain} holds the control character {strange}")


def _letter(residue: gemmi.Residue) -> str:
    """One letter, a modified residue's parent; X for what has none."""
    letter = gemmi.find_tabulated_residue(residue.name).one_letter_code.upper()
    return letter if letter in STANDARD_RESIDUES and letter else "X"


def _broken(left: gemmi.Residue, right: gemmi.Residue) -> bool:
    end, begin = left.find_atom("C", "*"), right.find_atom("N", "*")
    if end is None or begin is None:
        return bool(right.seqid.num != left.seqid.num + 1)
    return bool(end.pos.dist(begin.pos) > BROKEN)


def align(record: ResidueRecord, chain: Chain) -> Match | None:
    """The alignment of a sequence and a chain; None where they do not belong together."""
    short, long_ = sorted((record.sequence, chain.sequence), key=len)
    if len(short) < MIN_ALIGNED and short not in long_:
        return None
    result = _alignment(record, chain)
    position_L = np.full(len(chain.sequence), -1, dtype=np.int64)
    i = j = 0
    columns = zip(result.add_gaps(record.sequence, 1), result.add_gaps(chain.sequence, 2), strict=True)
    for ours, theirs in columns:
        if ours != "-" and theirs != "-":
            position_L[j] = i
        i += ours != "-"
        j += theirs != "-"
    match = Match(chain, record, position_L, int(result.match_count))
    return match if match.identical >= MIN_IDENTITY * len(short) else None


def best_identity(record: ResidueRecord, structure: Structure) -> float:
    """Highest share of identical residues with any chain, for an error message."""
    return max(
        _alignment(record, chain).match_count / max(1, min(len(record), len(chain.sequence)))
        for chain in structure.chains
    )


def _alignment(record: ResidueRecord, chain: Chain) -> gemmi.AlignmentResult:
    scoring = gemmi.AlignmentScoring("s")
    scoring.gapo = OPEN  # residues of the chain that the sequence lacks
    gaps = [0 if broken else OPEN for broken in chain.broken] + [0]
    return gemmi.align_string_sequences(list(record.sequence), list(chain.sequence), gaps, scoring)
