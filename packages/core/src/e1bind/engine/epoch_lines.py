"""What the log says of an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def epoch_lines(rows: Sequence[dict[str, Any]], monitor: str, better: bool) -> list[str]:
    """One line of text for each ion of an epoch."""
    lines = []
    for train, valid in zip(rows[::2], rows[1::2], strict=True):
        figures = {"loss": train.get("loss"), "val_loss": valid.get("loss")}
        figures |= {name: valid.get(name) for name in dict.fromkeys((monitor, "auprc", "auroc"))}
        figures |= {name: train.get(name) for name in ("pull_mask_ratio", "sim_pos", "sim_neg")}
        shown = "  ".join(f"{k} {v:.4f}" for k, v in figures.items() if v is not None)
        mark = "  *" if better else ""
        lines.append(f"fold {train['fold']} epoch {train['epoch']} {train['ion']}: {shown}{mark}")
    return lines
