"""Options of the view generator; imports nothing heavy."""

from pydantic import Field

from e1bind.spec import Options


class ConservativeOptions(Options):
    """Options of `[views.conservative]`."""

    num_variants: int = Field(2, ge=1, le=4096, description="Views of each chain in training (V).")
    share: float = Field(0.1, ge=0, lt=1, description="Share of residues that is replaced in a view.")
    least_score: int = Field(
        0, ge=-4, le=3, description="BLOSUM62 score from which a residue may take another one's place."
    )

    def capabilities(self) -> frozenset[str]:
        """The number of views, and whether there is anything for a masked-LM loss to predict."""
        return frozenset({f"views={self.num_variants}"} | ({"masked-tokens"} if self.share > 0 else set()))
