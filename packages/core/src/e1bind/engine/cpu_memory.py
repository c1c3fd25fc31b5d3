"""What the C library does with memory that tensors on a CPU leave behind."""

from __future__ import annotations

import ctypes
import os
from functools import cache

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_KEPT = 32 * 2**20
"""glibc takes no higher limit: larger blocks always come from the system."""
_NEVER = 2**31 - 1


def keep_freed_memory(device: torch.device) -> None:
    """On a CPU with glibc: let a step use the memory of the one before, which else goes back to the system.

    The system hands it out anew page by page, each filled with zeros: a twentieth of a step. A process then holds
    what it held at most. Nothing is changed where a MALLOC_ variable says how it is to be.
    """
    if device.type == "cpu" and not any(name.startswith("MALLOC_") for name in os.environ):
        _tell_glibc()


@cache
def _tell_glibc() -> None:
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT)
        library.mallopt(_M_TRIM_THRESHOLD, _NEVER)
