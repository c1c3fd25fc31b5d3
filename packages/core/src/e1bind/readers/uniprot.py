"""Reader `uniprot`: proteins with the binding sites that UniProt annotates.

A table (TSV or CSV, as the web site exports it) has the columns Entry, Sequence and "Binding site" (of older
exports "Metal binding"); any other name is taken for a flat file. Of a protein that has a site of the ion, the
residues of its sites bind, and the others do not. Unknown, not negative, are residues of sites

- whose evidence is not among those asked for,
- whose ligand may be the ion: "a divalent metal cation".

A protein without a site of the ion is unknown for it, and so is one of which a site has no place. Sources:
UniProt's manual, feature table (keys BINDING and, until 2022, METAL), and the Evidence and Conclusion Ontology.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from e1bind.contracts import ResidueRecord
from e1bind.data.ids import shown_id
from e1bind.data.ions import ion_of, meant_by
from e1bind.data.labels import labels_at
from e1bind.data.letters import read_letters
from e1bind.data.text import FileProblems
from e1bind.errors import DataError
from e1bind.log import log
from e1bind.readers.arrow import SEPARATORS, TableFile
from e1bind.readers.base import FileReader
from e1bind.readers.options import UniprotOptions
from e1bind.readers.sources import Chains, chain_faults
from e1bind.readers.swissprot import read_flat_file

COLUMNS = ("Binding site", "Metal binding")
_FEATURE = re.compile(r"\b(?:BINDING|METAL)\s+(\S+?)(?:;|$)")
_QUALIFIER = re.compile(r'/(\w+)="((?:[^"]|"")*)"')
_PLACE = re.compile(r"(\d+)(?:\.\.(\d+))?")
_ECO = re.compile(r"ECO:\d+")
_VAGUE = re.compile(r"\b(cation|metal|ion)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Site:
    """A site: first and last residue (from 1; None where UniProt knows no place), ligand, codes of evidence."""

    places: tuple[int, int] | None
    ligand: str
    evidence: frozenset[str]


Protein = tuple[int, str, str, list[Site]]
"""Row or line, accession, sequence, sites."""


class UniprotReader(FileReader[UniprotOptions]):
    """Reads one export for all ions, or one for each."""

    table = "data.uniprot"

    def chains(self, path: Path, ion: str) -> list[ResidueRecord]:
        """The proteins that have a site of `ion`, in the file's order. Raises `DataError`."""
        table = {suffix.lower() for suffix in path.suffixes} & {*SEPARATORS, ".parquet"}
        chains = Chains(FileProblems(path, unit="row" if table else "entry"))
        placeless = 0
        for number, name, text, sites in _of_table(path, chains.problems) if table else _of_flat_file(path):
            own = [site for site in sites if meant_by(ion, [_element(site.ligand)])]
            if any(site.places is None for site in own):
                placeless += 1
            elif own:
                self._add(chains, number, name, text, own, [s for s in sites if _may_be_any_ion(s.ligand)], ion)
        records = chains.all()
        if placeless:
            log.warning("%s: %d proteins have a site of %s without a place, and are left out", path, placeless, ion)
        if not records:
            raise DataError(f"{path}: no protein has a binding site of {ion}")
        return records

    def _add(
        self, chains: Chains, number: int, name: str, text: str, own: list[Site], vague: list[Site], ion: str
    ) -> None:
        """Take a protein, or note what is wrong with it."""
        sequence = read_letters("".join(text.split()), self.rare_to_x)
        faults = list(chain_faults(name, sequence))
        beyond = [s.places for s in own + vague if s.places and not 0 < s.places[0] <= s.places[1] <= len(sequence)]
        if beyond and not faults:
            faults.append(f"a site at {beyond[0][0]}..{beyond[0][1]}, but {len(sequence)} residues")
        for fault in faults:
            chains.problems.add(number, f"{shown_id(name)}: {fault}")
        if faults:
            return
        counted = [s for s in own if not self.options.evidence or s.evidence & set(self.options.evidence)]
        labels_L = labels_at(len(sequence), _residues(counted), _residues(own + vague))
        source = f"{chains.problems.path} {chains.problems.unit} {number}"
        chains.add(ResidueRecord(name, sequence, {ion: labels_L}, source=source), number)


def _residues(sites: list[Site]) -> list[int]:
    """Places from 0."""
    return [n - 1 for site in sites if site.places for n in range(site.places[0], site.places[1] + 1)]


def _element(ligand: str) -> str:
    return ion_of(ligand) or ligand


def _may_be_any_ion(ligand: str) -> bool:
    """Whether a ligand is some ion or other: "a metal cation"."""
    return ion_of(ligand) is None and _VAGUE.search(ligand) is not None


def _of_table(path: Path, problems: FileProblems) -> Iterator[Protein]:
    table = TableFile(path)
    names = table.names
    columns = [name for name in COLUMNS if name in names]
    if missing := [name for name in ("Entry", "Sequence") if name not in names] + ([] if columns else [COLUMNS[0]]):
        raise DataError(
            f"{path}: has no column {', '.join(map(repr, missing))}; choose Entry, Sequence and Binding site "
            "under 'Customize columns' of UniProt's download"
        )
    stretches = table.batches(["Entry", "Sequence", *columns])
    rows = (row for cells in stretches for row in zip(*(column.to_pylist() for column in cells), strict=True))
    for number, (entry, sequence, *texts) in enumerate(rows, start=1):
        try:
            sites = [site for text in texts for site in sites_of_text(text or "")]
        except ValueError as error:
            problems.add(number, f"{shown_id(entry)}: {error}")
            continue
        yield number, (entry or "").strip(), sequence or "", sites


def sites_of_text(text: str) -> list[Site]:
    """The sites of a cell: `BINDING 67; /ligand="Zn(2+)"; /evidence="ECO:0000269|PubMed:1"; BINDING 71; ...`.

    Raises `ValueError` for text that holds none, and for a site without a ligand: the cell was cut, or is no such
    cell.
    """
    quoted = [match.span() for match in _QUALIFIER.finditer(text)]
    starts = [m for m in _FEATURE.finditer(text) if not any(a <= m.start() < b for a, b in quoted)]
    if text.strip() and not starts:
        raise ValueError(f"{text.strip()[:40]!r} is no binding site; one begins with BINDING and a place")
    ends = [match.start() for match in starts[1:]] + [len(text)] * bool(starts)
    sites = [
        _site(m[1], dict(_QUALIFIER.findall(text[m.end() : end]))) for m, end in zip(starts, ends, strict=True)
    ]
    if any(not site.ligand for site in sites):
        raise ValueError("a binding site has no /ligand and no /note; was the cell cut?")
    return sites


def _of_flat_file(path: Path) -> Iterator[Protein]:
    for number, (name, sequence, features) in enumerate(read_flat_file(path, ("BINDING", "METAL")), start=1):
        yield number, name, sequence, [_site(place, qualifiers) for place, qualifiers in features]


def _site(place: str, qualifiers: dict[str, str]) -> Site:
    found = _PLACE.fullmatch(place)
    places = (int(found[1]), int(found[2] or found[1])) if found else None
    ligand = qualifiers.get("ligand") or qualifiers.get("note", "")
    return Site(places, ligand, frozenset(_ECO.findall(qualifiers.get("evidence", ""))))
