"""The protein chains among the residues of a structure file.

Water, ions and ligands are told by what they are, not by where they stand: a residue is one of a chain if its name
is an amino acid's, or if it has a backbone that is bonded to its neighbour. Where a file says which molecules are
polymers (mmCIF), it is believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from e1bind.structures.atom_rows import AtomFile, AtomRow
from e1bind.structures.residue_names import is_amino_acid, is_nucleotide, letter
from e1bind.structures.residues import BACKBONE, Position, breaks, broken, pieces, positions_of

ResidueKey = tuple[str, str, str]
"""Chain, number with insertion code, residue name: as viewers name a residue; several may bear one key."""


@dataclass(frozen=True, eq=False)
class Chain:
    """L residues of a protein chain.

    `name` is the one in the file, `label` the one that no other chain bears. `keys` and `segments` name each
    residue (several where one position has several), `places` are the rows of its atoms, in all models that repeat
    the chain. `broken` says whether the chain is broken before each.
    """

    name: str
    label: str
    sequence: str
    keys: Sequence[Sequence[ResidueKey]]
    segments: Sequence[str]
    places: Sequence[Sequence[int]]
    broken: Sequence[bool]


def protein_chains(file: AtomFile) -> list[Chain]:
    """All protein chains; those that further models repeat letter for letter are one. Raises `ValueError`."""
    models: dict[tuple[int, str], dict[tuple[str, str], list[AtomRow]]] = {}
    for row in file.rows:
        models.setdefault(row.model, {}).setdefault((row.chain, row.part), []).append(row)
    chains: list[Chain] = []
    for number, strands in enumerate(models.values(), start=1):
        own = [
            (piece[0][0].first, _chain(piece, file.parents))
            for rows in strands.values()
            for piece in _protein(rows, file.parents)
        ]
        labelled = _labelled(own)
        chains = _merged(chains, labelled, number) if chains else labelled
    return chains


def _protein(rows: Sequence[AtomRow], parents: Mapping[str, str]) -> list[list[Position]]:
    """The chains of rows of one name; none where they are nucleic acid, or amino acids that are no chain."""
    everything = positions_of(rows)
    nucleotides = sum(is_nucleotide(position[0].first.name) for position in everything)
    found = [
        kept
        for piece in pieces(_amino_acids(everything, parents))
        if (kept := _without_ligands(piece)) and (len(kept) > 1 or kept[0][0].first.in_polymer)
    ]
    return found if sum(map(len, found)) > nucleotides else []


def _amino_acids(positions: Sequence[Position], parents: Mapping[str, str]) -> list[Position]:
    kept = []
    for i, position in enumerate(positions):
        first = position[0].first
        if first.in_polymer is False or is_nucleotide(first.name):
            continue
        backbone = "CA" in position[0].atom_names
        if is_amino_acid(first.name, parents) or (backbone and (first.in_polymer or _is_bonded(positions, i))):
            kept.append(position)
    return kept


def _is_bonded(positions: Sequence[Position], at: int) -> bool:
    """Whether a residue of an unknown name has a backbone, bonded to one that stands beside it."""
    if not positions[at][0].atom_names >= BACKBONE:
        return False
    left, right = positions[at - 1 : at], positions[at + 1 : at + 2]
    return any(_peptide(a, positions[at]) for a in left) or any(_peptide(positions[at], b) for b in right)


def _peptide(left: Position, right: Position) -> bool:
    return "C" in left[0].atom_names and "N" in right[0].atom_names and not broken(left, right)


def _without_ligands(piece: list[Position]) -> list[Position]:
    """Without free amino acids at the end: HETATM, after a break, with nothing but HETATM behind."""
    gaps = breaks(piece)
    end = len(piece)
    while end and piece[end - 1][0].first.het and not piece[end - 1][0].first.in_polymer:
        end -= 1
    loose = next((i for i in range(end, len(piece)) if gaps[i] and (i or len(piece) == 1)), len(piece))
    return piece[:loose]


def _chain(piece: Sequence[Position], parents: Mapping[str, str]) -> Chain:
    first = piece[0][0].first
    if nameless := next((p[0].first for p in piece if p[0].first.number is None), None):
        raise ValueError(f"a residue {nameless.name} of chain {nameless.chain} has no number")
    return Chain(
        name=first.chain,
        label=first.chain,
        sequence="".join(letter(p[0].first.name, p[0].atom_names, parents) for p in piece),
        keys=[[(r.first.chain, f"{r.first.number}{r.first.code}", r.first.name) for r in p] for p in piece],
        segments=[p[0].first.segment for p in piece],
        places=[[place for residue in p for place in residue.places] for p in piece],
        broken=breaks(piece),
    )


def _labelled(chains: Sequence[tuple[AtomRow, Chain]]) -> list[Chain]:
    """The chains under names of their own: where several share one, with segment, mmCIF label or number behind."""
    by_name: dict[str, list[tuple[AtomRow, Chain]]] = {}
    for first, chain in chains:
        by_name.setdefault(chain.name, []).append((first, chain))
    taken = {name for name, same in by_name.items() if len(same) == 1 and name}
    labels: dict[int, str] = {}
    for name, same in by_name.items():
        tags = [""] if len(same) == 1 else _tags([first for first, _ in same])
        if not name and len(same) == 1 and same[0][0].segment:
            tags = [same[0][0].segment]
        for tag, (_, chain) in zip(tags, same, strict=True):
            label = "-".join(filter(None, (name, tag)))
            while tag and label in taken:
                label += "'"
            taken.add(label)
            labels[id(chain)] = label
    return [_renamed(chain, labels[id(chain)]) for _, chain in chains]


def _tags(firsts: Sequence[AtomRow]) -> list[str]:
    for tags in ([row.segment for row in firsts], [row.part for row in firsts if row.label]):
        if len(set(filter(None, tags))) == len(firsts):
            return tags
    return [str(number) for number in range(1, len(firsts) + 1)]


def _renamed(chain: Chain, label: str) -> Chain:
    return Chain(chain.name, label, chain.sequence, chain.keys, chain.segments, chain.places, chain.broken)


def _merged(chains: Sequence[Chain], more: Iterable[Chain], model: int) -> list[Chain]:
    """Chains of a further model: rows of those that are there already, or chains of their own."""
    known = {(chain.label, chain.sequence): i for i, chain in enumerate(chains)}
    labels = Counter(chain.label for chain in chains)
    merged = list(chains)
    for chain in more:
        i = known.get((chain.label, chain.sequence))
        if i is None:
            label = f"{chain.label}-model{model}" if labels[chain.label] else chain.label
            labels[label] += 1
            known[chain.label, chain.sequence] = len(merged)
            merged.append(_renamed(chain, label))
        else:
            old = merged[i]
            places = [[*a, *b] for a, b in zip(old.places, chain.places, strict=True)]
            keys = [list(dict.fromkeys((*a, *b))) for a, b in zip(old.keys, chain.keys, strict=True)]
            merged[i] = Chain(old.name, old.label, old.sequence, keys, old.segments, places, old.broken)
    return merged
