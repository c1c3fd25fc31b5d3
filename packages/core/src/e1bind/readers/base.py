"""What all readers of files do alike: the file of an ion and a split, and alignments for its chains."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Generic, TypeVar

from e1bind.contracts import ResidueRecord
from e1bind.data.msa_files import AlignmentPlace, with_alignments
from e1bind.readers.options import ReaderOptions
from e1bind.readers.sources import ion_file

Of = TypeVar("Of", bound=ReaderOptions)


class FileReader(ABC, Generic[Of]):
    """Reads one file for all ions, or one for each; a format says what the chains of a file are."""

    table: ClassVar[str]
    """The table of the spec that names the files, e.g. "data.fasta3"."""

    def __init__(self, options: Of) -> None:
        self.options = options

    @property
    def rare_to_x(self) -> bool:
        """Whether B, J, O, U and Z are read as X."""
        return self.options.unknown_residues == "to-x"

    def read(self, ion: str, split: str) -> Sequence[ResidueRecord]:
        """The chains that are known for `ion`, of the file of `split` ("train" or "test"). Raises `DataError`."""
        path = self.file(ion, split)
        records = self.chains_of(path, ion, split)
        if self.options.msa_dir is None:
            return records
        place = AlignmentPlace(self.options.msa_dir, f"{self.table}.msa_dir", ion)
        return with_alignments(records, place, path, self.options.msa == "required")

    def file(self, ion: str, split: str) -> Path:
        """The file of an ion. Raises `DataError` where there is none."""
        template = {"train": self.options.train, "test": self.options.test}[split]
        return ion_file(template, ion, split, self.table)

    def chains_of(self, path: Path, ion: str, split: str) -> Sequence[ResidueRecord]:
        """The chains of a file that belong to a split: all, unless the format says it of each chain."""
        return self.chains(path, ion)

    @abstractmethod
    def chains(self, path: Path, ion: str) -> Sequence[ResidueRecord]:
        """The chains of a file that are known for `ion`, in the file's order. Raises `DataError`."""
