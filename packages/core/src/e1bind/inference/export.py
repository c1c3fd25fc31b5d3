"""`e1bind export`: a fold's adapter merged into its backbone, as a checkpoint that needs no peft and no run."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from e1bind.engine.model_cards import backbone_card
from e1bind.errors import UserError
from e1bind.files.writing import check_vacant, new_folder, open_modes
from e1bind.inference.ensemble import Ensemble, choose_device
from e1bind.log import log
from e1bind.runs.adapters import load_heads, save_heads
from e1bind.runs.fingerprints import fingerprint
from e1bind.runs.model_card import write_merged_card
from e1bind.runs.reader import FinishedRun, open_run
from e1bind.runs.result_dirs import MergedDir


@dataclass(frozen=True)
class ExportOptions:
    """Which fold to merge, and the `folder` to write, which must be empty or not there."""

    fold: int
    folder: Path
    checkpoint: str | None = None
    trust_run_code: bool = False


def export_merged(run_dir: Path, options: ExportOptions) -> MergedDir:
    """Merge and write checkpoint, heads, thresholds, calibration and card, all or nothing. Raises `UserError`."""
    run = open_run(run_dir, options.checkpoint, options.trust_run_code)
    check_vacant(options.folder, "choose another folder with --merged")
    if options.fold not in run.folds:
        raise UserError(f"--fold {options.fold}: the run has the folds {run.folds[0]} to {run.folds[-1]}")
    label = run.spec.backbone.label
    if not run.spec.lora.enabled:
        raise UserError(
            f"{run_dir}: the run's backbone was not adapted ([lora] enabled = false), so nothing can be merged; "
            f"use the checkpoint of backbone.{label} itself"
        )
    for warning in run.warnings:
        log.warning("%s", warning)
    ensemble = Ensemble(run, choose_device("cpu"))
    writer = ensemble.pipeline.backbone.writer
    if writer is None:
        raise UserError(
            f"backbone.{label} writes no checkpoints of its own (contracts.CheckpointWriter), so that the fold "
            "cannot be merged into one; its adapter lies in the run"
        )
    # With peft's own check that no weight becomes infinite.
    merged = ensemble.network_of(options.fold).merge_and_unload(safe_merge=True)  # type: ignore[operator]
    with new_folder(options.folder, "--merged") as temporary:
        writer.save_checkpoint(merged, temporary)
        _write_beside(MergedDir(temporary), ensemble, merged, options.fold)
        open_modes(temporary)
    return MergedDir(options.folder)


def _write_beside(folder: MergedDir, ensemble: Ensemble, merged: nn.Module, fold: int) -> None:
    """What turns the checkpoint's hidden states into calls, and what all of it is."""
    run: FinishedRun = ensemble.run
    heads = load_heads(run.files.fold(fold))
    whose = f"{heads.backbone}, with fold {fold} of {run.files.run_id} merged into it"
    save_heads(folder.heads, replace(heads, backbone=whose, fingerprint=fingerprint(merged)))
    for file in (run.files.thresholds, run.files.calibration):
        if file.exists():
            shutil.copyfile(file, folder.copy_of(file))
    write_merged_card(folder, run.files, run.summary, fold, backbone_card(ensemble.pipeline, merged))
