"""Options of the loss; imports no torch."""

from pydantic import Field

from e1bind.spec import Options


class PrototypeHingeOptions(Options):
    """Options of `[losses.prototype-hinge]`."""

    margin: float = Field(0.4, gt=0, lt=2, description="Wanted gap between the two similarities.")
