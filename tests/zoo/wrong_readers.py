"""Readers with one fault each, of lines `id,sequence,labels`."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from wrong_plugins import Zoo

from e1bind.contracts import ResidueRecord
from e1bind.errors import DataError
from e1bind.plugins import ReaderPlugin, hookimpl
from e1bind.spec import Options, SpecPath

E1BIND_API = 1


class ReaderOptions(Options):
    train: SpecPath = Field(..., description="Folder of ION.csv.")

    @classmethod
    def example(cls, folder):
        (folder / "ZN.csv").write_text("a,MKVHCDEACGHK,000110010110\nb,GSHMCELPCWHT,001010001010\n")
        return {"train": str(folder)}


class NothingBindsOptions(ReaderOptions):
    @classmethod
    def example(cls, folder):
        (folder / "ZN.csv").write_text("a,MKVHCDEACGHK,000000000000\n")
        return {"train": str(folder)}


class NoExampleOptions(Options):
    train: SpecPath = Field(..., description="Folder of ION.csv.")


ZOO = Zoo(ReaderPlugin, {"options": f"{__name__}:ReaderOptions"})


@ZOO.right()
class RightReader:
    """One line for each chain."""

    def __init__(self, options):
        self.folder = options.train

    def read(self, ion, split):
        records = [self.record(line, ion) for line in self.text(ion).splitlines()]
        if not records:
            raise DataError(f"{self.folder}: there is no chain for {ion}")
        return records

    def text(self, ion):
        try:
            return (self.folder / f"{ion}.csv").read_bytes().decode("ascii", errors="replace")
        except OSError as error:
            raise DataError(f"{self.folder}: {error}") from error

    def record(self, line, ion):
        parts = line.split(",")
        if (
            len(parts) != 3
            or not parts[1].isascii()
            or len(parts[1]) != len(parts[2])
            or set(parts[2]) - {"0", "1"}
        ):
            raise DataError(f"{self.folder}: {line!r} is no record")
        return self.made(*parts, ion)

    def made(self, name, sequence, labels, ion):
        return ResidueRecord(name, sequence, {ion: np.array([int(c) for c in labels], dtype=np.int8)})


@ZOO.wrong("builds")
class CannotRead:
    def __init__(self, options):
        self.options = options


@ZOO.wrong("has-an-example", options=f"{__name__}:NoExampleOptions")
class GivesNoExample(RightReader):
    pass


@ZOO.wrong("reads-its-example", options=f"{__name__}:NothingBindsOptions")
class ShowsNothingThatBinds(RightReader):
    pass


@ZOO.wrong("lengths-agree")
class LosesTheLastLabel(RightReader):
    def made(self, name, sequence, labels, ion):
        return super().made(name, sequence, labels[:-1], ion)


@ZOO.wrong("lengths-agree")
class LabelsWithFloats(RightReader):
    def made(self, name, sequence, labels, ion):
        return ResidueRecord(name, sequence, {ion: np.array([float(c) for c in labels])})


@ZOO.wrong("ids-are-unique")
class CallsAllTheSame(RightReader):
    def made(self, name, sequence, labels, ion):
        return super().made("chain", sequence, labels, ion)


@ZOO.wrong("sequences-are-residues")
class WritesInLowerCase(RightReader):
    def made(self, name, sequence, labels, ion):
        return super().made(name, sequence.lower(), labels, ion)


@ZOO.wrong("files-read-the-same-again")
class TurnsRound(RightReader):
    calls = 0

    def read(self, ion, split):
        self.calls += 1
        return super().read(ion, split)[:: 1 if self.calls % 2 else -1]


@ZOO.wrong("absent-data-are-told")
class TakesAnyIon(RightReader):
    def text(self, ion):
        return super().text("ZN")


@ZOO.wrong("missing-files-are-told")
class MissesFilesRaw(RightReader):
    def text(self, ion):
        if ion == "ZN" and not (self.folder / "ZN.csv").exists():
            raise FileNotFoundError(self.folder)
        return super().text(ion)


@ZOO.wrong("empty-files-are-told")
class FindsNothingFine(RightReader):
    def read(self, ion, split):
        return [self.record(line, ion) for line in self.text(ion).splitlines()]


@ZOO.wrong("noise-is-told")
class DecodesStrictly(RightReader):
    def text(self, ion):
        return super().text(ion) and (self.folder / f"{ion}.csv").read_bytes().decode("ascii")


@ZOO.wrong("cut-files-are-told")
class PairsWhatThereIs(RightReader):
    def record(self, line, ion):
        parts = [*line.split(","), "", ""][:3]
        if not parts[1].isascii() or set(parts[2]) - {"0", "1"}:
            raise DataError(f"{self.folder}: {line!r} is no record")
        return self.made(*parts, ion)


@hookimpl
def e1bind_readers():
    return ZOO.found
