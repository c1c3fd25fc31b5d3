"""Checks of readers: what they give, and what they make of files that are damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from e1bind.contracts import STANDARD_RESIDUES, ResidueRecord
from e1bind.data.chain_table import ChainTable
from e1bind.data.ids import id_fault
from e1bind.data.record_faults import records_fault
from e1bind.errors import DataError
from e1bind.spec.options import Options
from e1bind.testing.check import Broken, Checks, DoesNotApply
from e1bind.testing.subject import ION, Subject

CHECKS = Checks(always=("builds",))
READS, AGREE = "reads-its-example", "lengths-agree"
CUTS = 12
"""Places at which each file is cut."""


def read(subject: Subject) -> list[ResidueRecord]:
    """The training chains of the example."""
    return list(subject.build().read(ION, "train"))


@CHECKS.check("override Options.example(folder): write a small file with chains of ZN there, and name it")
def reads_its_example(subject: Subject) -> None:
    """The options' example names data that hold training chains of the ion ZN, some residues of which bind."""
    records = subject.build().read(ION, "train")
    if not isinstance(records, list | tuple | ChainTable) or not all(isinstance(r, ResidueRecord) for r in records):
        raise Broken(f"returns a {type(records).__name__}; a reader returns a list of ResidueRecord objects")
    if not any(record.positives(ION) for record in records):
        raise Broken(f"reads {len(records)} chains of {ION} from its example, none with a residue that binds")


CHECKS.always = ("builds", READS)


@CHECKS.check("give each record an int8 array of 0, 1 or -1 (unknown), one for each residue, for the ion asked for")
def lengths_agree(subject: Subject) -> None:
    """Every record has one label for each residue: 0, 1 or -1, int8, for the ion it was asked for."""
    if fault := records_fault(read(subject), ION):
        raise Broken(fault)


@CHECKS.check("take the id from the file; refuse files that give two chains one id")
def ids_are_unique(subject: Subject) -> None:
    """Every record has an id of its own, without control characters."""
    seen: set[str] = set()
    for record in read(subject):
        if fault := id_fault(record.id):
            raise Broken(f"gives an id that {fault}")
        if record.id in seen:
            raise Broken(f"gives two records the id {record.id!r}")
        seen.add(record.id)


@CHECKS.check("raise the letters to upper case, and refuse what is neither one of the 20 residues nor X")
def sequences_are_residues(subject: Subject) -> None:
    """Sequences hold the 20 standard residues and X, in capitals."""
    for record in read(subject):
        if strange := sorted(set(record.sequence) - set(STANDARD_RESIDUES + "X")):
            raise Broken(f"gives {record.id!r} the residue {strange[0]!r}")


@CHECKS.check("read the file anew at each call, in its own order, and keep no iterator", after=(AGREE,))
def files_read_the_same_again(subject: Subject) -> None:
    """The same files give the same records in the same order, to one reader twice and to another one."""
    reader = subject.build()
    first, second = list(reader.read(ION, "train")), list(reader.read(ION, "train"))
    for what, other in (("again", second), ("with a new reader", read(subject))):
        if [_content(record) for record in first] != [_content(record) for record in other]:
            raise Broken(f"gives other records when its files are read {what}")


def _content(record: ResidueRecord) -> tuple[str, str, list[int]]:
    return record.id, record.sequence, record.labels[ION].tolist()


@CHECKS.check("raise DataError for a split that the options name no file for, and for an ion without data")
def absent_data_are_told(subject: Subject) -> None:
    """An ion that there are no data of is a DataError."""
    try:
        found = subject.build().read("UNOBTAINIUM", "train")
    except DataError:
        return
    except Exception as error:
        raise Broken(f"raises {type(error).__name__} for an ion without data; it must be a DataError") from error
    # A file for all ions may hold chains without a label of this one.
    if any(np.any(record.labels.get("UNOBTAINIUM", np.empty(0)) >= 0) for record in found):
        raise Broken("gives labels for an ion that there are no data of")


@CHECKS.check("raise DataError with the file, what is wrong and what to do; e1bind.readers.fasta3 is an example")
def missing_files_are_told(subject: Subject) -> None:
    """A file that is not there is a DataError."""
    _damaged(subject, Path.unlink, "that was deleted", must_fail=True)


@CHECKS.check("raise DataError where there is no record in a file")
def empty_files_are_told(subject: Subject) -> None:
    """An empty file is a DataError."""
    _damaged(subject, lambda path: path.write_bytes(b""), "that is empty", must_fail=True)


@CHECKS.check("decode with errors='replace', and raise DataError for what is no record")
def noise_is_told(subject: Subject) -> None:
    """A file of random bytes is a DataError, never another exception."""
    noise = np.random.default_rng(5).integers(0, 256, 4000).astype(np.uint8).tobytes()
    _damaged(subject, lambda path: path.write_bytes(noise), "of random bytes", must_fail=True)


@CHECKS.check("check that a record is whole before it is given", after=(AGREE,))
def cut_files_are_told(subject: Subject) -> None:
    """A file that was cut anywhere is a DataError, or still gives records whose lengths agree."""
    for cut in range(1, CUTS + 1):
        _damaged(subject, _cutter(cut / (CUTS + 1)), f"cut after {cut} of {CUTS + 1} parts", must_fail=False)


def _cutter(share: float) -> Callable[[Path], object]:
    def cut(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])

    return cut


def _damaged(subject: Subject, damage: Callable[[Path], object], how: str, must_fail: bool) -> None:
    """Read copies of the example, each with another file damaged."""
    for options, path in _copies(subject):
        damage(path)
        try:
            found = list(subject.build(options).read(ION, "train"))
        except DataError:
            continue
        except Exception as error:
            raise Broken(
                f"raises {type(error).__name__} ({error}) for a file {how}; it must be a DataError"
            ) from error
        if must_fail:
            raise Broken(f"reads {len(found)} chains from a file {how}; it must be a DataError")
        if fault := records_fault(found, ION):
            raise Broken(f"{fault}, of a file {how}")


def _copies(subject: Subject) -> Iterator[tuple[Options, Path]]:
    """A new example for each of its files: its options, and the file."""
    if subject.given is not None:
        raise DoesNotApply("it is tried with given options, whose files are not the kit's to damage")
    number, count = 0, 1
    while number < count:
        folder = subject.another_folder()
        options = subject.options_in(folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        if not files:
            raise DoesNotApply("its example makes no file")
        yield options, files[number]
        number, count = number + 1, len(files)
