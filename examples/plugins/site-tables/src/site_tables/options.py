"""Options of the reader; imports nothing heavy."""

from pathlib import Path
from typing import Any

from pydantic import Field

from e1bind.spec import Options, SpecPath


class SiteTableOptions(Options):
    """Options of `[data.site-table]`."""

    train: SpecPath = Field(description="Training chains; {ion} becomes the ion. A name that ends in .tsv: tabs.")
    test: SpecPath | None = Field(None, description="Test chains, written like `train`; for `evaluate`.")
    id: str = Field("id", min_length=1, description="Column of the chains' ids.")
    sequence: str = Field("sequence", min_length=1, description="Column of the sequences.")
    sites: str = Field(
        "{ion}",
        min_length=1,
        description="Column of the sites, e.g. `C12 C15 H33` or `12 15 33`; {ion} becomes the ion. A cell that "
        "says `?` leaves the chain unknown for it, an empty one says that nothing binds.",
    )
    first: int = Field(1, ge=0, le=1, description="Number of the first residue of a sequence.")

    @classmethod
    def example(cls, folder: Path) -> dict[str, Any]:
        """Two chains, one of them with zinc."""
        (folder / "chains.csv").write_text("id,sequence,ZN\none,MKVHCDEACGHK,H4 C5\ntwo,GSHMCELPCWHT,\n")
        return {"train": str(folder / "chains.csv")}
