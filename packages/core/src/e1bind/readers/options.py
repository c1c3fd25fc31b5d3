"""Options of the built-in reader; those of MSA sampling stand in the run spec, as `[msa]`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from e1bind.spec import Options, SpecPath


def _check_template(value: object) -> object:
    if isinstance(value, str | Path):
        unknown = sorted(set(re.findall(r"\{[^}]*\}?", str(value))) - {"{ion}"})
        if unknown:
            raise ValueError(f"unknown placeholder {', '.join(unknown)}; the only one is {{ion}}")
    return value


IonPath = Annotated[SpecPath, BeforeValidator(_check_template)]
"""A path relative to the spec file in which `{ion}` stands for the name of the ion."""


class Fasta3Options(Options):
    """Files of `>id`, sequence and one 0/1 label per residue."""

    train: IonPath = Field(
        ...,
        description="Training chains; {ion} becomes the ion's name. Relative to the spec file; .gz is read too.",
    )
    test: IonPath | None = Field(None, description="Test chains, written like `train`; for `evaluate`.")
    msa_dir: SpecPath | None = Field(
        None,
        description="Folder of alignments named {id}.a3m or {id}.a3m.gz; chains without a file have no context.",
    )
    unknown_residues: Literal["error", "to-x"] = Field(
        "error",
        description="Letters other than the 20 standard residues and X (B, J, O, U, Z): refused, or read as X.",
    )

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Two chains of zinc."""
        text = ">one\nMKVHCDEACGHK\n000110010110\n>two\nGSHMCELPCWHT\n00101?001010\n"
        (folder / "ZN_train.fasta").write_text(text, encoding="utf-8")
        return {"train": str(folder / "{ion}_train.fasta")}

    def requirements(self) -> frozenset[str]:
        """Alignments are of use only to a backbone that reads contexts."""
        return frozenset() if self.msa_dir is None else frozenset({"contexts"})
