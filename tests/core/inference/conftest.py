"""One small run of two ions and two folds, trained once for all tests; tests that break one work on a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from seals import unseal
from small_runs import SPEC, train_once

from e1bind.inference.ensemble import Ensemble
from e1bind.runs.reader import FinishedRun, open_run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """The run's directory; nobody writes into it."""
    torch.set_num_threads(1)
    text = SPEC.format(data=root / "examples" / "data")
    text = text.replace('ions = ["ZN"]', 'ions = ["ZN", "CA"]').replace("epochs = 2", "epochs = 1")
    text = text.replace(
        'compute = ["auprc", "auroc", "hra"]', 'compute = ["auprc", "hra", "f1", "mcc"]\ncalibration = "platt"'
    )
    return train_once(tmp_path_factory.mktemp("inference"), text).run.path


@pytest.fixture
def copy(trained: Path, tmp_path: Path) -> Path:
    """A copy of the run to break, without seals: what is broken is not told by them already."""
    return unseal(Path(shutil.copytree(trained, tmp_path / "copy")))


@pytest.fixture(scope="session")
def finished(trained: Path) -> FinishedRun:
    return open_run(trained)


@pytest.fixture(scope="session")
def ensemble(finished: FinishedRun) -> Ensemble:
    return Ensemble(finished, torch.device("cpu"))


@pytest.fixture
def zinc(root: Path) -> Path:
    """Labelled zinc chains."""
    return root / "examples" / "data" / "ZN_train.fasta"
