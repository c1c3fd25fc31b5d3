"""A hash of a backbone's weights, so that an adapter is never laid over another backbone."""

from __future__ import annotations

from hashlib import sha256

from torch import nn

SAMPLES = 256
"""Values of each tensor that enter the hash, evenly spaced: a second for 600M parameters."""


def fingerprint(network: nn.Module) -> str:
    """SHA-256 over names, shapes and samples of the parameters of a plain (not PEFT-wrapped) model."""
    digest = sha256()
    for name, tensor in sorted(network.named_parameters()):
        flat = tensor.detach().flatten()
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(flat[:: max(1, flat.numel() // SAMPLES)].float().cpu().numpy().tobytes())
    return digest.hexdigest()
