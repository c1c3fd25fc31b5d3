"""Dropout of what adapters read: drawn from 16 random bits an element, once for all layers that read one tensor.

Shape legend: N tokens, I inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LEVELS = 2**16
"""Values of 16 random bits: the share of dropout is rounded to a multiple of 1 / LEVELS."""


@dataclass(frozen=True, eq=False)
class Dropped:
    """An input without the elements that dropout takes; not yet scaled up by `scale`.

    `seen_NI`: 0 where an element is dropped. `bits_NI`: int16, an element stays where they are `lowest` or more.
    """

    seen_NI: Tensor
    bits_NI: Tensor
    lowest: int
    version: int

    @classmethod
    def of(cls, x: Tensor, share: float) -> Dropped | None:
        """What `x` is without about `share` of its elements; the same for every layer that reads this tensor.

        A tensor that is no step of a computation may be read again in the next one, and is drawn for every time.
        """
        lowest = round(share * LEVELS) - LEVELS // 2
        if lowest == -LEVELS // 2:
            return None
        if x.is_leaf:
            return cls._draw(x, lowest)
        found = getattr(x, "_dropped", None)
        if found is None or (found.lowest, found.version) != (lowest, x._version):
            found = cls._draw(x, lowest)
            x._dropped = found  # type: ignore[attr-defined]
        return found

    @classmethod
    @torch.no_grad()
    def _draw(cls, x: Tensor, lowest: int) -> Dropped:
        flat_NI = x.reshape(-1, x.shape[-1])
        words = torch.empty(-(-flat_NI.numel() // 4), dtype=torch.int64, device=x.device)
        words.random_(-(2**63), None)
        bits_NI = words.view(torch.int16)[: flat_NI.numel()].view(flat_NI.shape)
        seen_NI = torch.ge(bits_NI, lowest, out=torch.empty_like(flat_NI)).mul_(flat_NI)
        return cls(seen_NI, bits_NI, lowest, x._version)

    @property
    def scale(self) -> float:
        """One over the share that stays."""
        return LEVELS / (LEVELS // 2 - self.lowest)

    def kept_NI(self, dtype: torch.dtype) -> Tensor:
        """1 where an element stays, 0 where not."""
        return torch.ge(self.bits_NI, self.lowest, out=torch.empty_like(self.bits_NI, dtype=dtype))
