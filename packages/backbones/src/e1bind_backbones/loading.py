"""Reading checkpoints: what goes wrong becomes a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from e1bind.errors import UserError


@contextmanager
def reading_checkpoint(checkpoint: str, option: str) -> Iterator[None]:
    """Turn a checkpoint that cannot be found or read into a `UserError` that names the option."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as err:
        reason = " ".join(str(err).split())
        if Path(checkpoint).exists():
            raise UserError(f"{option}: the checkpoint folder {checkpoint} cannot be read: {reason}") from err
        raise UserError(
            f"{option}: {checkpoint!r} is neither a folder on this machine nor a model that could be fetched from "
            "the hub. Check the name, the connection, and that its terms are accepted (`hf auth login`); without a "
            f"connection, `hf download {checkpoint} --local-dir FOLDER` elsewhere and give that folder ({reason})"
        ) from err
