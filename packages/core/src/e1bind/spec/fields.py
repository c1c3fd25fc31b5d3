"""Values that many tables of a spec have: their bounds, and how they are checked."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

from pydantic import AfterValidator, Field

from e1bind.files.text import control_character

NonNegative = Annotated[float, Field(ge=0)]
Probability = Annotated[float, Field(ge=0, le=1)]

MOST = 10**9
"""Upper bound of counts: more is a slip, and the product of two counts still fits into 64 bits."""
MAX_PROCESSES = 1024
"""Upper bound of threads and worker processes: more than this cannot be started, and ends the process unasked."""
MAX_WIDTH = 2**16
"""Upper bound of ranks and widths: matrices of this size no longer fit into memory."""
YEAR = 365 * 24 * 60.0
"""Minutes; a time-out of many more overflows the clock."""
MAX_ION = 100


def unique(values: list[str]) -> list[str]:
    """The values, of which none may be there twice."""
    repeated = sorted(value for value, count in Counter(values).items() if count > 1)
    if repeated:
        raise ValueError(f"names {', '.join(repeated)} more than once")
    return values


def _ion_name(name: str) -> str:
    if strange := control_character(name):
        raise ValueError(f"the name of an ion holds the control character {strange}")
    if not name.strip() or len(name) > MAX_ION:
        raise ValueError(f"the name of an ion has 1 to {MAX_ION} characters, not {len(name.strip())}")
    return name


IonName = Annotated[str, AfterValidator(_ion_name)]
