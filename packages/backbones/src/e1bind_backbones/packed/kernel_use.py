"""Whether the GPU kernels can be used: where they can, nobody has to ask for them."""

from __future__ import annotations

import importlib.util
from functools import cache

import torch
from torch import Tensor

from e1bind.log import log


def has_kernels(x: Tensor) -> bool:
    """Whether the kernels of `gpu_kernels`, which compute in fp32, take `x` where it is."""
    return x.is_cuda and x.dtype in (torch.float32, torch.bfloat16, torch.float16) and _works(x.device)


@cache
def _works(device: torch.device) -> bool:
    """Tried once: beside triton they need a C compiler, which a cluster's nodes may lack."""
    if importlib.util.find_spec("triton") is None:
        return False
    try:
        from e1bind_backbones.packed import gpu_kernels  # imports triton

        one = torch.ones(1, device=device)
        gpu_kernels.silu_gate(one, one).item()
    except Exception as error:  # noqa: BLE001 - whatever it is, plain torch computes the same
        log.warning("kernels for the GPU cannot be built here (%s); plain torch is used, which is slower", error)
        return False
    return True
