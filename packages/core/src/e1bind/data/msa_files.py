"""Which alignment belongs to which chain: by the chain's id, in a folder or after a template.

The one rule for ids and file names, in training, prediction and where alignments are built: the file is called as
the id is, where a name can be so called; else (or where there is no such file) it is called by `file_part` of the
id: every run of characters other than letters, digits, ".", "_" and "-" becomes "-", and "-" and the first eight
hexadecimal digits of the id's SHA-256 follow. `1abc_A` is `1abc_A.a3m`, `sp|P00918` may be
`sp-P00918-ae2da48b.a3m`.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from e1bind.contracts import ResidueRecord
from e1bind.data.chain_table import ChainTable
from e1bind.data.ids import shown_id
from e1bind.errors import DataError
from e1bind.files.text import file_part

log = logging.getLogger(__name__)

ENDINGS = (".a3m", ".a3m.gz")


class AlignmentPlace:
    """A folder of {id}.a3m, or a path in which {id} (and {ion}) stand for a chain (and an ion); either may be .gz.

    `option` is what names it, e.g. "data.fasta3.msa_dir". Raises `DataError` where a folder is none, or where
    `{ion}` has no meaning.
    """

    def __init__(self, template: Path, option: str, ion: str | None = None) -> None:
        text = str(template)
        if ion is None and "{ion}" in text:
            raise DataError(
                f"{option} = {template}: {{ion}} has no meaning here, one context serves all ions; name one"
            )
        self.template = text if ion is None else text.replace("{ion}", ion)
        self.folder = None if "{id}" in text else Path(self.template)
        if self.folder is None:
            return
        if not self.folder.is_dir():
            raise DataError(f"{self.folder}: {option} is not a folder; create it or leave it out")
        self._names = {entry.name for entry in self.folder.iterdir()}

    def of(self, record: ResidueRecord) -> ResidueRecord:
        """The record with its alignment, where there is one."""
        found = self.path(record.id)
        return record if found is None else replace(record, msa=found)

    def path(self, name: str) -> Path | None:
        """The alignment of the chain of an id, where there is one."""
        files = (self._file(file) for file in file_names(name))
        return next((file for file in files if file is not None), None)

    def _file(self, name: str) -> Path | None:
        if self.folder is not None:
            return next((self.folder / (name + end) for end in ENDINGS if name + end in self._names), None)
        path = self.template.replace("{id}", name)
        return next((Path(path + end) for end in ("", ".gz") if _is_file(Path(path + end))), None)

    def __str__(self) -> str:
        return self.template


def file_names(name: str) -> list[str]:
    """What the file of a chain may be called, without its ending: as the id, if that is a name, and as its part."""
    part = file_part(name)
    return [part] if "/" in name or "\\" in name or name in ("", ".", "..", part) else [name, part]


def with_alignments(
    records: Sequence[ResidueRecord], place: AlignmentPlace, of: Path, required: bool = False
) -> Sequence[ResidueRecord]:
    """The records of the file `of` with their alignments. Raises `DataError` where a `required` one is missing."""
    paired: Sequence[ResidueRecord]
    if isinstance(records, ChainTable):
        paths = [place.path(name) for name in records.ids()]
        paired = records.with_alignments(paths)
        missing = [shown_id(name) for name, path in zip(records.ids(), paths, strict=True) if path is None]
    else:
        paired = [place.of(record) for record in records]
        missing = [shown_id(record.id) for record in paired if record.msa is None]
    if required and missing:
        raise DataError(
            f"{of}: {len(missing)} of {len(paired)} chains have no alignment in {place}: {', '.join(missing)}; "
            'add their a3m files (`e1bind data msa` builds them), or set msa = "optional"'
        )
    found = len(paired) - len(missing)
    level = logging.INFO if found else logging.WARNING
    log.log(level, "%s: %d of %d chains have an alignment in %s", of, found, len(paired), place)
    return paired


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # an id can make the name too long
        return False
