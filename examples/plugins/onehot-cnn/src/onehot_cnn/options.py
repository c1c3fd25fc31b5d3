"""Options of the backbone; imports no torch."""

from typing import Any

from pydantic import Field

from e1bind.spec import Options


class OneHotCnnOptions(Options):
    """Options of `[backbone.onehot-cnn]`."""

    width: int = Field(64, ge=4, le=2048, description="Width of the hidden states.")
    layers: int = Field(5, ge=1, le=12, description="Convolutions of three residues; each reaches twice as far.")
    seed: int = Field(0, ge=0, lt=2**63, description="Seed of the weights it begins with.")

    @classmethod
    def example(cls, folder: Any) -> dict[str, Any]:
        """A small one."""
        return {"width": 16, "layers": 2}
