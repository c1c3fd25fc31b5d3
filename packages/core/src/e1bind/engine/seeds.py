"""Seeds derived from what a draw is for, so that no draw depends on rank, worker count or what came before."""

from __future__ import annotations

from hashlib import blake2b

import torch


def derive(run_seed: int, *purpose: object) -> int:
    """A 63-bit seed for one purpose of one run."""
    text = "/".join(str(part) for part in (run_seed, *purpose))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def seed_torch(run_seed: int, *purpose: object) -> None:
    """Seed torch's generators (dropout, initialisation) for one purpose."""
    torch.manual_seed(derive(run_seed, *purpose))
