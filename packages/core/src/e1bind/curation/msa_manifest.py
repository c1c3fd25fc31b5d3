"""`msa.json`, which stands beside alignments that were built: of what, with what, and which chains are done."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from e1bind.curation.inputs import Chain
from e1bind.errors import UserError
from e1bind.files.reading import json_value, read_bytes
from e1bind.files.text import file_part
from e1bind.files.writing import atomic_write_text

NAME = "msa.json"
FORMAT = 1


@dataclass(frozen=True)
class Built:
    """One chain's alignment: its file, its sequences (with the chain itself), and a digest of the chain."""

    file: str
    depth: int
    sequence_sha256: str


@dataclass
class Manifest:
    """What alignments are made of (`database`, its SHA-256), with (`program`, `parameters`), and those that are."""

    database: str
    database_sha256: str
    program: str
    parameters: dict[str, Any]
    commands: list[list[str]] = field(default_factory=list)
    chains: dict[str, Built] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> Manifest | None:
        """That of a folder; None where there is none. Raises `UserError` for one that is none of ours."""
        path = folder / NAME
        try:
            value = json_value(read_bytes(path), path)
        except FileNotFoundError:
            return None
        try:
            if value.pop("format") != FORMAT:
                raise ValueError
            chains = {name: Built(**built) for name, built in value.pop("chains").items()}
            return cls(**value, chains=chains)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UserError(
                f"{path} is no manifest of alignments; build anew with --rebuild, or choose another -o"
            ) from None

    def save(self, folder: Path) -> None:
        """Write it, whole or not at all."""
        atomic_write_text(folder / NAME, json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n")

    def differs(self, other: Manifest) -> str | None:
        """What this one was built with that the other is not, for a sentence; None where they are alike."""
        if self.database_sha256 != other.database_sha256:
            return f"another database ({other.database})"
        if self.program != other.program:
            return f"another program ({other.program}, here it is {self.program})"
        changed = [key for key in self.parameters if self.parameters[key] != other.parameters.get(key)]
        if changed or self.parameters.keys() != other.parameters.keys():
            return "other parameters: " + ", ".join(f"{key} = {other.parameters.get(key)}" for key in changed)
        return None

    def has(self, chain: Chain, folder: Path) -> bool:
        """Whether the alignment of a chain, with this sequence, is there."""
        built = self.chains.get(chain.id)
        return (
            built is not None
            and built.sequence_sha256 == digest(chain.sequence)
            and (folder / built.file).is_file()
        )


def digest(sequence: str) -> str:
    """SHA-256 of a sequence, as hex."""
    return sha256(sequence.encode()).hexdigest()


def file_of(chain: Chain) -> str:
    """The name of the chain's file, which is where `msa_dir` looks for it."""
    return f"{file_part(chain.id)}.a3m"
