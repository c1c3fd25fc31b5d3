"""Options of the built-in view generator."""

from __future__ import annotations

from pydantic import Field, model_validator

from e1bind.spec import Options


class MaskedOptions(Options):
    """V views of a chain, each with other residues masked and, if wanted, another MSA context."""

    num_variants: int = Field(4, ge=1, le=4096, description="Views of each chain in training (V).")
    mask_prob_min: float = Field(0.05, ge=0, le=1, description="Lowest share of residues selected in a view.")
    mask_prob_max: float = Field(
        0.15, ge=0, le=1, description="Highest share of residues selected in a view; 0: none."
    )
    mask_share: float = Field(0.8, ge=0, le=1, description="Of the selected residues, the share that is hidden.")
    random_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Of the selected residues, the share replaced by a random one; the rest is kept.",
    )
    resample_msa_per_variant: bool = Field(
        True, description="Every view draws its own MSA context; false: all views of a chain share one per epoch."
    )

    @model_validator(mode="after")
    def _ranges_hold_something(self) -> MaskedOptions:
        if self.mask_prob_min > self.mask_prob_max:
            raise ValueError(f"mask_prob_min ({self.mask_prob_min}) is above mask_prob_max ({self.mask_prob_max})")
        if self.mask_share + self.random_share > 1 + 1e-9:
            raise ValueError(
                f"mask_share ({self.mask_share}) and random_share ({self.random_share}) exceed 1 together"
            )
        return self

    def capabilities(self) -> frozenset[str]:
        """The number of views, and whether any residue is masked."""
        masked = {"masked-tokens"} if self.mask_prob_max > 0 else set()
        return frozenset({f"views={self.num_variants}"} | masked)
