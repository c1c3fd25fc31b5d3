"""Reading and writing checkpoints: what goes wrong becomes a sentence, and nothing else is said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from transformers import PreTrainedModel
from transformers.utils import logging as hf_logging

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


def write_model(model: PreTrainedModel, folder: Path) -> None:
    """Write configuration and weights, without transformers' bar."""
    shown = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()
    try:
        model.save_pretrained(folder)
    finally:
        if shown:
            hf_logging.enable_progress_bar()
