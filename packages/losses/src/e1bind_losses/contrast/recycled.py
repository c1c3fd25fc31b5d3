"""Memory for large tensors on a CPU, used again from step to step.

A GPU's allocator in torch keeps what is freed. A CPU's gives large blocks back to the system, and fetching them
again, page by page, costs about 4 % of a whole NT-Xent step.
"""

from __future__ import annotations

import weakref

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

WORTHWHILE_BYTES = 1 << 20
"""Smaller blocks stay with the process anyway."""

_free: list[NDArray[np.uint8]] = []
"""At most one block: the largest of late."""


def recycled(numbers: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """An uninitialised tensor [numbers], in the memory of an earlier one where that has gone and is large enough.

    The memory comes back by itself once no tensor uses it: after the backward pass, without `retain_graph`.
    """
    size = numbers * dtype.itemsize
    if device.type != "cpu" or size < WORTHWHILE_BYTES:
        return torch.empty(numbers, dtype=dtype, device=device)
    block = _free.pop() if _free else None
    if block is None or len(block) < size:
        block = np.empty(size, dtype=np.uint8)
    # The tensor's storage owns this view alone; when the last tensor on it has gone, so has the view.
    lent = block[:size]
    weakref.finalize(lent, _take_back, block).atexit = False
    return torch.from_numpy(lent).view(dtype)


def _take_back(block: NDArray[np.uint8]) -> None:
    if not _free:
        _free.append(block)
    elif len(_free[0]) < len(block):
        _free[0] = block
