"""The training chains of a run: read by one process of a machine, and mapped by all that need them."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from e1bind.contracts import ResidueRecord
from e1bind.curation.reading import read_chains
from e1bind.data.chain_table import ChainTable
from e1bind.data.table_files import mapped_table, write_table
from e1bind.engine.distributed import World
from e1bind.log import log
from e1bind.spec import RunSpec


@contextmanager
def training_chains(spec: RunSpec, here: World) -> Iterator[Sequence[ResidueRecord]]:
    """The chains of the split `train`, for as long as they are needed. Raises as `read_chains` does.

    Where several processes need them, one of each machine reads and checks them, and writes them into a folder of
    temporary files, which all map. Forked workers of a data loader share their parent's memory as it is.
    """
    folders: list[Path] = []

    def read() -> Path | None:
        own.append(read_chains(spec, "train"))
        if not isinstance(own[0], ChainTable):  # records of a class of the reader's own: each process has its own
            return None
        folder = _written(own[0])
        folders.extend([] if folder is None else [folder])
        return folder

    own: list[Sequence[ResidueRecord]] = []
    try:
        if here.size == 1 and not (spec.training.workers and _starts_anew()):
            yield read_chains(spec, "train")
            return
        folder = here.once_a_machine(read)
        if folder is None:
            yield own[0] if own else read_chains(spec, "train")
            return
        own.clear()
        yield mapped_table(folder)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)


def _starts_anew() -> bool:
    """Whether workers get what they need as a copy, and not by a fork of this process."""
    # Asked like this, nobody's later choice of a method comes too late; the first of all is the system's own.
    chosen = multiprocessing.get_start_method(allow_none=True) or multiprocessing.get_all_start_methods()[0]
    return chosen != "fork"


def _written(table: ChainTable) -> Path | None:
    """A new folder with the table; None where there is no room for it."""
    folder = None
    try:
        folder = Path(tempfile.mkdtemp(prefix="e1bind-chains-"))
        write_table(table, folder)
        return folder
    except OSError as error:
        log.warning(
            "%s: the chains cannot be shared by processes (%s); each reads its own. TMPDIR names another folder",
            tempfile.gettempdir(), error.strerror or error,
        )  # fmt: skip
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        return None
