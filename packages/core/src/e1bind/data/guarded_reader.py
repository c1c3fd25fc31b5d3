"""The reader that a spec chose, held to its contract wherever it is asked: training, evaluation, data commands."""

from __future__ import annotations

from collections.abc import Sequence

from e1bind.contracts import Reader, ResidueRecord
from e1bind.data.chain_table import ChainTable
from e1bind.data.record_faults import records_fault
from e1bind.log import log
from e1bind.spec import Chosen
from e1bind.spec.named import Named, methods_fault


class GuardedReader:
    """A reader whose records are looked through. Raises `ContractError` for one without its method."""

    def __init__(self, chosen: Chosen) -> None:
        self.reader: Reader = chosen.build()
        self.named = Named.of(chosen)
        self.named.hold(methods_fault(self.reader, ["read"]))

    def read(self, ion: str, split: str) -> Sequence[ResidueRecord]:
        """As the reader. Raises `ContractError` for records whose labels do not go with their residues."""
        records = self.reader.read(ion, split)
        self.named.hold(records_fault(records, ion))
        log.debug("%s %s: %d %s chains of %s", self.named.kind, self.named.full_name, len(records), split, ion)
        return records if isinstance(records, ChainTable) else list(records)
