"""A structure file (mmCIF or PDB) and its protein chains.

A chain's residues are those with coordinates. Models that repeat a chain are copies of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from e1bind.contracts import ResidueRecord
from e1bind.data.ids import id_fault, shown_id
from e1bind.data.text import read_bytes
from e1bind.errors import DataError
from e1bind.files.text import control_character, visible
from e1bind.structures.atom_rows import AtomFile
from e1bind.structures.cif_atoms import read_cif
from e1bind.structures.pdb_atoms import read_pdb
from e1bind.structures.protein_chains import Chain, protein_chains
from e1bind.structures.residue_names import UNKNOWN_LETTER

MAX_SHOWN = 10


@dataclass(frozen=True, eq=False)
class Structure:
    """A structure file and its protein chains."""

    path: Path
    kind: Literal["cif", "pdb"]
    chains: Sequence[Chain]
    file: AtomFile

    @property
    def stem(self) -> str:
        """The file's name without its endings."""
        return self.path.name.removesuffix(".gz").rsplit(".", 1)[0]

    def records(self) -> list[ResidueRecord]:
        """The chains as records to predict, in their order, named FILE_CHAIN."""
        return [
            ResidueRecord(f"{self.stem}_{chain.label}", chain.sequence, source=str(self.path))
            for chain in self.chains
        ]

    def remarks(self) -> list[str]:
        """What was read as an unknown residue, and where chains share a name, for people."""
        lines = []
        for chain in self.chains:
            unknown = [k[0] for k, one in zip(chain.keys, chain.sequence, strict=True) if one == UNKNOWN_LETTER]
            if unknown:
                shown = ", ".join(f"{name} {number}" for _, number, name in unknown[:MAX_SHOWN])
                more = f" and {len(unknown) - MAX_SHOWN} more" if len(unknown) > MAX_SHOWN else ""
                lines.append(f"chain {chain.label}: {len(unknown)} residues are read as X: {shown}{more}")
        names = [chain.name for chain in self.chains]
        if several := sorted({name for name in names if names.count(name) > 1}):
            labels = ", ".join(chain.label for chain in self.chains if chain.name in several)
            lines.append(f"several chains are called {', '.join(several) or 'nothing'}; here they are {labels}")
        return lines


def structure_kind(path: Path) -> Literal["cif", "pdb"]:
    """mmCIF or PDB by the name's ending. Raises `DataError`."""
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".cif", ".mmcif")):
        return "cif"
    if name.endswith((".pdb", ".ent")):
        return "pdb"
    raise DataError(f"{path}: a structure is an mmCIF file (.cif) or a PDB file (.pdb)")


def read_structure(path: Path) -> Structure:
    """Read the protein chains of a file, at least one. Raises `DataError`."""
    found = read_molecules(path)
    if not found.chains:
        raise DataError(f"{path}: holds no protein chain")
    return found


def read_molecules(path: Path, first_model: bool = False) -> Structure:
    """The same of a file that may hold no protein; with `first_model` of that model alone. Raises `DataError`."""
    kind = structure_kind(path)
    if not _is_file(path):
        raise DataError(f"{path}: there is no such file")
    content = read_bytes(path)  # which also finds a damaged gzip file, of which gemmi may read a part
    if not content.strip():
        raise DataError(f"{path}: is empty")
    try:
        file = (read_cif if kind == "cif" else read_pdb)(content)
        _check_names(file)
        if first_model:
            file = replace(file, rows=[row for row in file.rows if row.model == file.rows[0].model])
        chains = protein_chains(file)
    except UnicodeDecodeError as error:  # gemmi reads bytes and decodes a name when it is asked for
        raise DataError(_undecodable(path, content)) from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    except (RuntimeError, ValueError, IndexError, OSError) as error:
        reason = visible(" ".join(str(error).split()))
        raise DataError(f"{path}: cannot be read as a structure: {reason}; is the file complete?") from error
    found = Structure(path, kind, chains, file)
    records = found.records()
    if len({record.id for record in records}) < len(records):
        raise DataError(f"{path}: two of its chains cannot be told apart by name; give each chain its own name")
    for record in records:
        if fault := id_fault(record.id):
            raise DataError(f"{visible(str(path))}: the id {shown_id(record.id)!r} of a chain {fault}")
    return found


def _check_names(file: AtomFile) -> None:
    """Raise `ValueError` for names that could not be named again in a table or a viewer."""
    for chain, name, code in {(row.chain, row.name, row.code) for row in file.rows}:
        if strange := control_character(f"{chain} {name} {code}"):
            raise ValueError(f"the name of a residue of chain {chain} holds the control character {strange}")


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
