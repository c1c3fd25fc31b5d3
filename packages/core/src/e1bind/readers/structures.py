"""Reader `structures`: a folder of PDB and mmCIF files; residues are labelled by their distance to an ion.

- The chains are those that `predict --structure` sees. Water, ions and ligands are never residues of one.
- An ion is told by the code of its residue and by its element; any other code means all heavy atoms of that ligand.
- A chain that no ion touches is unknown for it, and is not among the ion's records. In a chain that one touches the
  other residues do not bind.
- Unknown, not negative, are residues that touch the ion's element in another ligand (iron in HEM) or an unknown
  atom (UNX), or by an atom without occupancy, or in another residue's place (see `structures.touches`); residues of
  which no atom has an occupancy; and those that are filled in from the full sequence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from e1bind.contracts import ResidueRecord
from e1bind.data.ids import id_fault, shown_id
from e1bind.data.ions import ELEMENTS, ion_of, meant_by, members
from e1bind.data.labels import labels_at
from e1bind.data.text import MAX_SHOWN, read_bytes
from e1bind.errors import DataError
from e1bind.files.text import one_line
from e1bind.log import log
from e1bind.readers.base import FileReader
from e1bind.readers.options import StructuresOptions
from e1bind.structures.declared import crystal_of, full_sequences, places_in
from e1bind.structures.protein_chains import Chain
from e1bind.structures.residue_names import UNKNOWN_LETTER
from e1bind.structures.structure import Structure, read_molecules
from e1bind.structures.touches import Rule, Touch, touches, unobserved

ENDINGS = (".pdb", ".ent", ".cif", ".mmcif")
UNKNOWN_ATOM = "UNX"
"""The code of an atom or ion that nobody could tell."""


@dataclass(frozen=True)
class ChainSites:
    """A chain as a record has it, what touches it, and the places (from 0) of which nothing is known."""

    id: str
    name: str
    sequence: str
    touches: frozenset[Touch]
    unknown: tuple[int, ...]
    path: Path


class StructuresReader(FileReader[StructuresOptions]):
    """Reads a folder and the folders in it, or a single file. Structures are kept for the next ion once read."""

    table = "data.structures"

    def __init__(self, options: StructuresOptions) -> None:
        super().__init__(options)
        self._known: dict[tuple[Path, bytes], list[ChainSites]] = {}

    def chains(self, path: Path, ion: str) -> list[ResidueRecord]:
        """The chains that an ion touches, by file and in the file's order. Raises `DataError`."""
        files = structure_files(path)
        sites = self._sites(files, path)
        records = [record for chain in sites if (record := self._record(chain, ion)) is not None]
        if not records:
            raise DataError(f"{path}: no chain of its {len(files)} structures has a site of {ion}")
        return records

    def _sites(self, files: list[Path], path: Path) -> list[ChainSites]:
        """The chains of all files, each id once. Raises `DataError` with the problems of all of them."""
        found: dict[str, ChainSites] = {}
        problems: list[str] = []
        empty = repeats = 0
        for file in files:
            try:
                chains = self._of_file(file)
            except DataError as error:
                problems.append(str(error))
                continue
            empty += not chains
            for chain in chains:
                first = found.setdefault(chain.id, chain)
                if first is not chain and _same(first, chain):
                    repeats += 1
                elif first is not chain:
                    problems.append(
                        f"{file}: {shown_id(chain.id)}: already read from {first.path} with another sequence or "
                        "other sites; give each file a name of its own"
                    )
        if problems:
            raise DataError(_told(path, problems))
        if empty:
            log.warning(
                "%s: %d of %d structures hold no protein chain, and are passed over", path, empty, len(files)
            )
        if repeats:
            log.warning("%s: %d chains stand in two files and were read once", path, repeats)
        return list(found.values())

    def _of_file(self, file: Path) -> list[ChainSites]:
        key = file, hashlib.blake2b(read_bytes(file)).digest()
        if key not in self._known:
            self._known[key] = self._read(file)
        return self._known[key]

    def _read(self, file: Path) -> list[ChainSites]:
        structure = read_molecules(file, first_model=self.options.models == "first")
        if not structure.file.rows:
            raise DataError(f"{file}: holds no atoms; is the file complete?")
        _warn_of_an_open_end(structure)
        try:
            crystal = crystal_of(structure) if self.options.symmetry else None
            found = touches(structure, self.rule, crystal)
            return list(self._chains(structure, found))
        except (RuntimeError, ValueError, IndexError) as error:
            raise DataError(f"{file}: {one_line(str(error))}") from error

    @property
    def rule(self) -> Rule:
        """When a residue touches an ion."""
        return Rule(self.options.rule, self.options.distance)

    def _chains(self, structure: Structure, found: set[Touch]) -> Iterator[ChainSites]:
        names = self._names(structure)
        full = full_sequences(structure) if self.options.missing == "fill" else {}
        for number, (chain, blank) in enumerate(zip(structure.chains, unobserved(structure), strict=True)):
            own = {touch for touch in found if touch.chain == number}
            sequence, places = chain.sequence, list(range(len(chain.sequence)))
            if self.options.unknown_residues == "error":
                _hold(chain)
            rows = {row.place: row for row in structure.file.rows}
            firsts = [rows[residue[0]] for residue in chain.places]
            key = firsts[0].part if structure.kind == "cif" else chain.name
            if key in full:
                sequence, places = places_in(full[key], chain, firsts, structure.file.parents)
            elif full or self.options.missing == "fill":
                log.warning("%s: declares no sequence of chain %s; no residues are filled in", structure.path, key)
            unknown = (set(range(len(sequence))) - set(places)) | {places[i] for i in blank}
            yield ChainSites(
                f"{structure.stem}_{names[number]}",
                names[number],
                sequence,
                frozenset(touch._replace(chain=0, residue=places[touch.residue]) for touch in own),
                tuple(sorted(unknown)),
                structure.path,
            )

    def _names(self, structure: Structure) -> list[str]:
        """What the chains are called. Raises `ValueError` where labels do not tell them apart."""
        if self.options.chain_names == "author":
            return [chain.label for chain in structure.chains]
        if structure.kind == "pdb":
            raise ValueError('a PDB file has no labels of chains; chain_names = "author" takes its own')
        parts = {row.place: row.part for row in structure.file.rows}
        labels = [parts[chain.places[0][0]] for chain in structure.chains]
        if twice := sorted({name for name in labels if labels.count(name) > 1}):
            raise ValueError(f"several chains are labelled {', '.join(twice)}; give each its own")
        if fault := next(filter(None, (id_fault(f"{structure.stem}_{name}") for name in labels)), None):
            raise ValueError(f"the id of a chain {fault}")
        return labels

    def _record(self, chain: ChainSites, ion: str) -> ResidueRecord | None:
        """The chain labelled for an ion; None where no ion touches it."""
        labels = labels_for(chain, ion)
        if not (labels == 1).any():
            return None
        how = f"file={one_line(chain.path.name)} chain={chain.name} ion={ion} {self.options.in_words()}"
        return ResidueRecord(chain.id, chain.sequence, {ion: labels}, source=str(chain.path), description=how)


def structure_files(path: Path) -> list[Path]:
    """The structures of a folder and the folders in it, by name; a file alone. Raises `DataError` for none."""
    if not path.is_dir():
        return [path]
    found = [
        file
        for file in sorted(path.rglob("*"))
        if file.name.lower().removesuffix(".gz").endswith(ENDINGS)
        and not file.name.startswith(".")
        and file.is_file()
    ]
    if not found:
        raise DataError(f"{path}: holds no structure; one ends in {', '.join(ENDINGS)}, also with .gz behind")
    return found


def labels_for(chain: ChainSites, ion: str) -> NDArray[np.int8]:
    """Labels [L] of a chain for an ion, a group of ions or the code of a ligand."""
    own = set(meant_by(ion, sorted({touch.code for touch in chain.touches})))
    elements = set(members(ion)) & ELEMENTS.keys()
    binding: set[int] = set()
    unknown: set[int] = set(chain.unknown)
    for touch in chain.touches:
        meant = touch.code in own and ion_of(touch.code) in (None, touch.element)
        if meant and touch.sure:
            binding.add(touch.residue)
        elif meant or touch.element in elements or (elements and touch.code == UNKNOWN_ATOM):
            unknown.add(touch.residue)
    return labels_at(len(chain.sequence), binding, unknown)


def _same(first: ChainSites, second: ChainSites) -> bool:
    return (first.sequence, first.touches, first.unknown) == (second.sequence, second.touches, second.unknown)


def _hold(chain: Chain) -> None:
    """Raise `ValueError` for residues without a letter."""
    nameless = [keys[0] for keys, one in zip(chain.keys, chain.sequence, strict=True) if one == UNKNOWN_LETTER]
    if nameless:
        shown = ", ".join(f"{name} {number}" for _, number, name in nameless[:5])
        raise ValueError(
            f"chain {chain.label}: {len(nameless)} residues have no letter ({shown}); "
            'unknown_residues = "to-x" reads them as X'
        )


def _warn_of_an_open_end(structure: Structure) -> None:
    """Say so where a file ends as a whole one does not: ions stand behind the chains, and would be missing."""
    content = structure.file.content
    lines = content.splitlines()
    last = next((line for line in reversed(lines) if line.strip()), b"")
    if structure.kind == "pdb":
        whole = last[:6].rstrip().upper() in (b"END", b"MASTER", b"CONECT", b"ENDMDL")
    else:
        whole = not lines[-1].strip() or last.startswith(b"#")
    if not whole or not content.endswith((b"\n", b"\r")):
        log.warning("%s: does not end as a whole file does; was the file cut?", structure.path)


def _told(path: Path, problems: list[str]) -> str:
    count = len(problems)
    text = [f"{path} has {count} problem{'' if count == 1 else 's'}:", *(f"  {p}" for p in problems[:MAX_SHOWN])]
    return "\n".join(text + [f"  and {count - MAX_SHOWN} more"] * (count > MAX_SHOWN))
