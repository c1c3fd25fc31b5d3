"""Evaluations of a run on test chains, as far as other commands read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from e1bind.files.writing import output_text
from e1bind.runs.digests import advising
from e1bind.runs.layout import RunDir
from e1bind.runs.result_dirs import EvaluationDir
from e1bind.runs.schemas import EvaluationFigures
from e1bind.runs.seals import read_sealed, sealed


def write_figures(folder: EvaluationDir, table: Mapping[str, Any]) -> None:
    """Write what an evaluation came to, last of its files. Raises `UserError`."""
    output_text(folder.figures, json.dumps(sealed(table), indent=2) + "\n")


def read_evaluations(run: RunDir) -> dict[str, EvaluationFigures]:
    """The figures of every evaluation in the run's folder, by name. Raises `RunError`."""
    found = {}
    for name, folder in run.evaluations():
        with advising(f"evaluate again, or remove {folder.path}"):
            found[name] = read_sealed(folder.figures, EvaluationFigures)
    return found
