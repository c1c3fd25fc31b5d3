"""Options of the loss; imports no torch."""

from pydantic import Field

from e1bind.spec import Options


class AngularMarginOptions(Options):
    """Options of `[losses.angular-margin]`."""

    margin: float = Field(
        0.3, ge=0, lt=1.5, description="Radians by which a residue must be closer to its own prototype."
    )
    temperature: float = Field(0.1, gt=0, description="Divides the cosines; lower counts hard residues more.")
