"""Options of the readers; those of MSA sampling stand in the run spec, as `[msa]`."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from e1bind.readers.example_structure import EXAMPLE_PDB
from e1bind.spec import Options, SpecPath


def _check_template(value: object, allowed: tuple[str, ...]) -> object:
    if isinstance(value, str | Path):
        unknown = sorted(set(re.findall(r"\{[^}]*\}?", str(value))) - {*allowed})
        if unknown:
            which = "the only one is" if len(allowed) == 1 else "those known are"
            raise ValueError(f"unknown placeholder {', '.join(unknown)}; {which} {', '.join(allowed)}")
    return value


IonPath = Annotated[SpecPath, BeforeValidator(partial(_check_template, allowed=("{ion}",)))]
"""A path relative to the spec file in which `{ion}` stands for the name of the ion."""
AlignmentsPath = Annotated[SpecPath, BeforeValidator(partial(_check_template, allowed=("{id}", "{ion}")))]
"""The same, in which `{id}` may stand for the id of a chain as well."""


class ReaderOptions(Options):
    """What all readers of files take."""

    train: IonPath = Field(
        ...,
        description="Training chains; {ion} becomes the ion's name. Relative to the spec file; .gz is read too.",
    )
    test: IonPath | None = Field(None, description="Test chains, written like `train`; for `evaluate`.")
    msa_dir: AlignmentsPath | None = Field(
        None,
        description="Alignments: a folder of {id}.a3m or {id}.a3m.gz, or a path in which {id} (and {ion}) stand "
        "for the chain (and the ion).",
    )
    msa: Literal["optional", "required"] = Field(
        "optional",
        description="What a chain without an alignment is: one without context, or an error that names them all.",
    )
    unknown_residues: Literal["error", "to-x"] = Field(
        "error",
        description="Letters other than the 20 standard residues and X (B, J, O, U, Z): refused, or read as X.",
    )

    @model_validator(mode="after")
    def _required_alignments_stand_somewhere(self) -> ReaderOptions:
        if self.msa == "required" and self.msa_dir is None:
            raise ValueError('msa = "required" needs alignments; say where with msa_dir (--msa-dir)')
        return self

    def requirements(self) -> frozenset[str]:
        """Alignments are of use only to a backbone that reads contexts."""
        return frozenset() if self.msa_dir is None else frozenset({"contexts"})


class Fasta3Options(ReaderOptions):
    """Files of `>id`, sequence and one 0/1 label per residue."""

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Two chains of zinc."""
        text = ">one\nMKVHCDEACGHK\n000110010110\n>two\nGSHMCELPCWHT\n00101?001010\n"
        (folder / "ZN_train.fasta").write_text(text, encoding="utf-8")
        return {"train": str(folder / "{ion}_train.fasta")}


class TableOptions(ReaderOptions):
    """Tables with a row for each chain: CSV, TSV or Parquet, by their names."""

    id: str = Field("id", min_length=1, description="Column of the chains' ids.")
    sequence: str = Field("sequence", min_length=1, description="Column of the sequences.")
    description: str = Field(
        "description", min_length=1, description="Column of what else is said of a chain; it need not be there."
    )
    column: str = Field(
        "{ion}",
        min_length=1,
        description="Column of an ion's labels; {ion} becomes its name, or, where there is no such column, any "
        "name of the ion: ZN, zinc, Zn2+. An empty cell leaves the chain unknown for the ion.",
    )
    values: Literal["labels", "positions"] = Field(
        "labels",
        description="What a cell holds: labels, one of 0, 1 and ? for each residue; or positions, such as "
        "`12 15 33` or `C12, C15, H33` (?20 is an unknown residue, [] says that none binds).",
    )
    first: Literal[0, 1] | None = Field(
        None, description="Number of a sequence's first residue in positions, 0 or 1; needed with them."
    )

    @model_validator(mode="after")
    def _positions_are_counted_from_somewhere(self) -> TableOptions:
        if self.values == "positions" and self.first is None:
            raise ValueError('values = "positions" needs first = 0 or 1, the number of the first residue')
        if self.values == "labels" and self.first is not None:
            raise ValueError('`first` is for values = "positions"; labels need none')
        return self

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Two chains of zinc."""
        rows = "one,MKVHCDEACGHK,000110010110\ntwo,GSHMCELPCWHT,00101?001010\n"
        (folder / "chains.csv").write_text(f"id,sequence,ZN\n{rows}", encoding="utf-8")
        return {"train": str(folder / "chains.csv")}


class UniprotOptions(ReaderOptions):
    """What UniProt exports: a table (TSV) with Entry, Sequence and Binding site, or flat files (.txt, .dat)."""

    evidence: list[str] = Field(
        [],
        max_length=100,
        description="Codes of evidence that count, such as ECO:0000269 (an experiment); residues of other sites "
        "are unknown then. []: all count.",
    )

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Two proteins of zinc."""
        site = 'BINDING {}; /ligand="Zn(2+)"; /evidence="ECO:0000269"'
        rows = (("P1", "MKVHCDEACGHK", (4, 5)), ("P2", "GSHMCELPCWHT", (3, 9)))
        lines = [f"{name}\t{text}\t{'; '.join(site.format(n) for n in places)}" for name, text, places in rows]
        text = "\n".join(["Entry\tSequence\tBinding site", *lines])
        (folder / "uniprot.tsv").write_text(f"{text}\n", encoding="utf-8")
        return {"train": str(folder / "uniprot.tsv")}


class BiolipOptions(ReaderOptions):
    """BioLiP's flat file: a line for each site, with the chain and its binding residues."""

    max_resolution: float | None = Field(
        None, gt=0, description="Sites of structures at a worse resolution (in A) are left out; absent: none are."
    )

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Two chains of zinc."""
        line = "{}\tA\t2.0\tBS01\tZN\tA\t1\t{}\t{}" + 11 * "\t" + "\t{}\n"
        rows = (("1abc", "H4 C5", "MKVHCDEACGHK"), ("2abc", "H3 C9", "GSHMCELPCWHT"))
        text = "".join(line.format(name, sites, sites, sequence) for name, sites, sequence in rows)
        (folder / "BioLiP.txt").write_text(text, encoding="utf-8")
        return {"train": str(folder / "BioLiP.txt")}


class StructuresOptions(ReaderOptions):
    """A folder of structures (PDB or mmCIF): residues are labelled by their distance to an ion."""

    train: IonPath = Field(
        ...,
        description="Folder of training structures, with the folders in it, or one structure: .pdb, .ent, .cif, "
        ".mmcif, also .gz. {ion} becomes the ion's name. Relative to the spec file.",
    )
    test: IonPath | None = Field(None, description="Test structures, written like `train`; for `evaluate`.")
    rule: Literal["donor", "heavy", "biolip"] = Field(
        "donor",
        description="What binds: a residue with a donor atom (N, O, S, Se) or with any heavy atom within `cutoff` "
        "of the ion; or as in BioLiP a heavy atom nearer than `cutoff` plus both van der Waals radii.",
    )
    cutoff: float | None = Field(
        None, gt=0, le=10, description="In A; absent: 3.0 for donor and heavy, 0.5 for biolip."
    )
    models: Literal["first", "all"] = Field(
        "first", description="Of an ensemble (NMR) the first model; or all: a residue binds if it does in any."
    )
    missing: Literal["skip", "fill"] = Field(
        "skip",
        description="Residues without coordinates: left out; or filled in as unknown, from SEQRES or "
        "_entity_poly_seq.",
    )
    symmetry: bool = Field(
        False, description="Whether copies of the chains by the crystal's symmetry bind the ion as well."
    )
    chain_names: Literal["author", "label"] = Field(
        "author",
        description="The chain's name in the id FILE_CHAIN: the author's (as in BioLiP), or mmCIF's label.",
    )
    unknown_residues: Literal["error", "to-x"] = Field(
        "to-x",
        description="Residues that are none of the standard 20 and have none as parent: read as X, or refused.",
    )

    @property
    def distance(self) -> float:
        """The cut-off in A."""
        return self.cutoff or (0.5 if self.rule == "biolip" else 3.0)

    def in_words(self) -> str:
        """How residues are labelled, for a header."""
        copies = "yes" if self.symmetry else "no"
        return f"rule={self.rule} cutoff={self.distance:g} models={self.models} symmetry={copies}"

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Two chains of zinc in one file."""
        (folder / "zinc.pdb").write_text(EXAMPLE_PDB, encoding="utf-8")
        return {"train": str(folder / "zinc.pdb")}


class BiotrainerOptions(ReaderOptions):
    """FASTA of biotrainer's residue_to_class: classes as TARGET of the headers, or in a file of their own."""

    binding: dict[str, str] = Field(
        ...,
        description='For each ion the letters of the classes that bind it: { ZN = "Z", CA = "C" }. No other binds.',
    )
    unknown: str = Field("", description="Letters of classes of which nothing is known.")
    labels: IonPath | None = Field(
        None, description="File of the classes, `>id SET=train`; absent: they are TARGET in the headers of `train`."
    )
    masks: IonPath | None = Field(None, description="File of masks, `>id` and 0 for residues that are unknown.")

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Two chains of zinc."""
        text = ">one TARGET=---MM-M--MM- SET=train\nMKVHCDEACGHK\n>two TARGET=--M-MM--M-M- SET=val\nGSHMCELPCWHT\n"
        (folder / "sequences.fasta").write_text(text, encoding="utf-8")
        return {"train": str(folder / "sequences.fasta"), "binding": {"ZN": "M"}}
