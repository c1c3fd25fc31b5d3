"""Folders of what is made of a run: an evaluation, a merged checkpoint. What their files are called."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MODEL_CARD = "README.md"


@dataclass(frozen=True)
class EvaluationDir:
    """The tables of an evaluation on test chains; its figures lie beside them."""

    path: Path

    @property
    def figures(self) -> Path:
        """What it came to, for programs; written last."""
        return self.path / "metrics.json"

    @property
    def page(self) -> Path:
        """Everything on one page."""
        return self.path / "evaluation.html"

    @property
    def metrics(self) -> Path:
        """A row for each ion and metric."""
        return self.path / "metrics.csv"

    @property
    def per_protein(self) -> Path:
        """A row for each ion and chain."""
        return self.path / "per_protein.csv"

    @property
    def predictions(self) -> Path:
        """A row for each ion and residue."""
        return self.path / "predictions.csv"


@dataclass(frozen=True)
class MergedDir:
    """What stands beside the checkpoint of a fold whose adapter was merged into its backbone."""

    path: Path

    @property
    def heads(self) -> Path:
        """Prototypes, projector and head, as in the fold, for the merged weights."""
        return self.path / "heads.pt"

    @property
    def card(self) -> Path:
        return self.path / MODEL_CARD

    def copy_of(self, file: Path) -> Path:
        """Where a file of the run itself goes, under its own name."""
        return self.path / file.name
