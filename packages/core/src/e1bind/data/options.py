"""Options of the built-in reader and of MSA context sampling."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

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


class MsaSamplingOptions(Options):
    """How homologous sequences are drawn from a chain's alignment."""

    max_num_samples: int = Field(64, ge=1, description="Most sequences of one context (E1 was published with 511).")
    max_token_length: int = Field(
        2048,
        ge=1,
        description="Most residues of one context, all its sequences together (published: 7168 to 32768).",
    )
    max_query_similarity: float = Field(
        0.95,
        ge=0,
        le=1,
        description="Sequences more similar to the query are left out; at 1 the query itself may be drawn, "
        "and a masked residue can be read off it.",
    )
    min_query_similarity: float = Field(
        0.0, ge=0, le=1, description="Sequences less similar to the query are left out."
    )
    neighbor_similarity_lower_bound: float = Field(
        0.8,
        ge=0,
        le=1,
        description="From this similarity on two sequences are neighbours; many neighbours, less weight.",
    )

    @model_validator(mode="after")
    def _band_is_not_empty(self) -> MsaSamplingOptions:
        if self.min_query_similarity > self.max_query_similarity:
            raise ValueError(
                f"min_query_similarity ({self.min_query_similarity}) is above "
                f"max_query_similarity ({self.max_query_similarity})"
            )
        return self
