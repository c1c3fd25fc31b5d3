"""How many CPU threads training takes."""

from __future__ import annotations

import torch

NARROW = 256
"""Width of a backbone below which a second thread gains nothing: it wakes when the product is nearly over."""


def set_threads(wanted: int | None, width: int) -> None:
    """Let torch use `wanted` threads; where none are wanted one for a narrow backbone, else what torch would take.

    What the choice depends on is in the spec: other numbers of threads may add up in another order.
    """
    if wanted is not None or width < NARROW:
        torch.set_num_threads(wanted or 1)
