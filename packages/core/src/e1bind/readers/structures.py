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
from collections.abc import Collection, Iterator, Mapping, Sequence
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
EMPTY = "holds no protein chain, and is passed over"
CUT = "does not end as a whole file does; was the file cut?"
BARE = "declares no sequence of some chain, in which no residues are filled in"


@dataclass(frozen=True)
class ChainSites:
    """A chain as a record has it, what touches it, and the places (from 0) of which nothing is known."""

    id: str
    name: str
    sequence: str
    touches: frozenset[Touch]
    unknown: tuple[int, ...]
    path: Path


@dataclass(frozen=True)
class FileSites:
    """The chains of a file, and what there is to be said of it."""

    chains: Sequence[ChainSites]
    remarks: Sequence[str]


class StructuresReader(FileReader[StructuresOptions]):
    """Reads a folder and the folders in it, or a single file. Structures are kept for the next ion once read."""

    table = "data.structures"

    def __init__(self, options: StructuresOptions) -> None:
        super().__init__(options)
        self._known: dict[tuple[Path, bytes], FileSites] = {}

    def chains(self, path: Path, ion: str) -> list[ResidueRecord]:
        """The chains that an ion touches, by file and in the file's order. Raises `DataError`."""
        files = structure_files(path)
        sites = self._sites(files, path)
        codes = meant_by(ion, sorted({touch.code for chain in sites for touch in chain.touches}))
        records = [record for chain in sites if (record := self._record(chain, ion, codes)) is not None]
        if not records:
            raise DataError(f"{path}: no chain has a site of {ion} (structures read: {len(files)})")
        return records

    def _sites(self, files: list[Path], path: Path) -> list[ChainSites]:
        """The chains of all files, each id once. Raises `DataError` with the problems of all of them."""
        found: dict[str, ChainSites] = {}
        problems: list[str] = []
        repeats = 0
        remarks: dict[str, list[Path]] = {}
        for file in files:
            try:
                sites = self._of_file(file)
            except DataError as error:
                problems.append(str(error))
                continue
            for remark in sites.remarks:
                remarks.setdefault(remark, []).append(file)
            for chain in sites.chains:
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
        for remark, about in remarks.items():
            more = f" (and so {len(about) - 1} more)" if len(about) > 1 else ""
            log.warning("%s: %s%s", about[0], remark, more)
        if repeats:
            log.warning("%s: %d chains stand in two files and were read once", path, repeats)
        return list(found.values())

    def _of_file(self, file: Path) -> FileSites:
        key = file, hashlib.blake2b(read_bytes(file)).digest()
        if key not in self._known:
            self._known[key] = self._read(file)
        return self._known[key]

    def _read(self, file: Path) -> FileSites:
        structure = read_molecules(file, first_model=self.options.models == "first")
        if not structure.file.rows:
            raise DataError(f"{file}: holds no atoms; if it is no model of a structure, take it out of the folder")
        try:
            crystal = crystal_of(structure) if self.options.symmetry else None
            found = touches(structure, self.rule, crystal)
            full = full_sequences(structure) if self.options.missing == "fill" else {}
            chains = list(self._chains(structure, found, full))
        except (RuntimeError, ValueError, IndexError) as error:
            raise DataError(f"{file}: {one_line(str(error))}") from error
        bare = self.options.missing == "fill" and any(
            _key(structure, chain) not in full for chain in structure.chains
        )
        told = ((EMPTY, not chains), (CUT, _ends_open(structure)), (BARE, bare))
        return FileSites(chains, [remark for remark, so in told if so])

    @property
    def rule(self) -> Rule:
        """When a residue touches an ion."""
        return Rule(self.options.rule, self.options.distance)

    def _chains(
        self, structure: Structure, found: set[Touch], full: Mapping[str, list[list[str]]]
    ) -> Iterator[ChainSites]:
        names = self._names(structure)
        rows = {row.place: row for row in structure.file.rows}
        for number, (chain, blank) in enumerate(zip(structure.chains, unobserved(structure), strict=True)):
            own = {touch for touch in found if touch.chain == number}
            sequence, places = chain.sequence, list(range(len(chain.sequence)))
            if self.options.unknown_residues == "error":
                _hold(chain)
            if declared := full.get(_key(structure, chain)):
                firsts = [rows[residue[0]] for residue in chain.places]
                sequence, places = places_in(declared, chain, firsts, structure.file.parents)
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
        labels = [_key(structure, chain) for chain in structure.chains]
        if twice := sorted({name for name in labels if labels.count(name) > 1}):
            raise ValueError(f"several chains are labelled {', '.join(twice)}; give each its own")
        if fault := next(filter(None, (id_fault(f"{structure.stem}_{name}") for name in labels)), None):
            raise ValueError(f"the id of a chain {fault}")
        return labels

    def _record(self, chain: ChainSites, ion: str, codes: Collection[str]) -> ResidueRecord | None:
        """The chain labelled for an ion; None where no ion touches it."""
        labels = labels_for(chain, ion, codes)
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


def labels_for(chain: ChainSites, ion: str, codes: Collection[str]) -> NDArray[np.int8]:
    """Labels [L] of a chain for an ion, a group of ions or a ligand, whose codes in the files are `codes`."""
    elements = set(members(ion)) & ELEMENTS.keys()
    binding: set[int] = set()
    unknown: set[int] = set(chain.unknown)
    for touch in chain.touches:
        meant = touch.code in codes and ion_of(touch.code) in (None, touch.element)
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


def _key(structure: Structure, chain: Chain) -> str:
    """The name under which a file declares the chain's sequence: mmCIF's label, in PDB files the author's name."""
    if structure.kind == "pdb":
        return chain.name
    first = chain.places[0][0]
    return next(row.part for row in structure.file.rows if row.place == first)


def _ends_open(structure: Structure) -> bool:
    """Whether a file ends as a whole one does not: ions stand behind the chains, and would be missing."""
    content = structure.file.content
    lines = content.splitlines()
    last = next((line for line in reversed(lines) if line.strip()), b"")
    if structure.kind == "pdb":
        whole = last[:6].rstrip().upper() in (b"END", b"MASTER", b"CONECT", b"ENDMDL")
    else:
        whole = not lines[-1].strip() or last.startswith(b"#")
    return not whole or not content.endswith((b"\n", b"\r"))


def _told(path: Path, problems: list[str]) -> str:
    count = len(problems)
    text = [f"{path} has {count} problem{'' if count == 1 else 's'}:", *(f"  {p}" for p in problems[:MAX_SHOWN])]
    return "\n".join(text + [f"  and {count - MAX_SHOWN} more"] * (count > MAX_SHOWN))
