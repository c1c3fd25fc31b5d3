"""How often alignments are weighed in a run, counted where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_runs import SPEC, train_once

from e1bind.data import msa_profiles
from e1bind.readers.fasta3 import read_fasta3

ALIGNED = 4


@pytest.fixture
def spec(root: Path, tmp_path: Path) -> str:
    """A spec of two epochs and two folds, whose first chains have alignments."""
    data = root / "examples" / "data"
    rng = np.random.default_rng(0)
    folder = tmp_path / "msa"
    folder.mkdir()
    for record in list(read_fasta3(data / "ZN_train.fasta", "ZN"))[:ALIGNED]:
        rows = [f">{record.id}\n{record.sequence}\n"]
        for number in range(20):
            letters = np.array(list(record.sequence))
            letters[rng.random(letters.size) < 0.3] = "A"
            rows.append(f">h{number}\n{''.join(letters)}\n")
        (folder / f"{record.id}.a3m").write_text("".join(rows))
    return SPEC.format(data=data).replace("[cv]", f'msa_dir = "{folder}"\n[cv]')


@pytest.fixture
def weighed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Rows of each alignment that is weighed, as it happens."""
    calls: list[int] = []
    real = msa_profiles.neighbor_counts

    def counting(columns, threshold):
        calls.append(len(columns))
        return real(columns, threshold)

    monkeypatch.setattr(msa_profiles, "neighbor_counts", counting)
    return calls


@pytest.mark.parametrize("memory", [msa_profiles.MEMORY_BYTES, 1])
def test_each_alignment_is_weighed_once_for_all_epochs_folds_and_runs(spec, weighed, memory, tmp_path, monkeypatch):
    """By default, also where memory holds one profile only; the next run in the folder weighs none."""
    monkeypatch.setattr(msa_profiles, "MEMORY_BYTES", memory)
    run = train_once(tmp_path, spec, "first").run
    assert weighed == [21] * ALIGNED
    cache = run.path.parent / ".cache" / "msa"
    assert len(list(cache.glob("*.npz"))) == ALIGNED
    again = train_once(tmp_path, spec, "second").run
    assert len(weighed) == ALIGNED
    assert again.oof.read_bytes() == run.oof.read_bytes()


def test_the_place_of_the_spec_is_used_and_no_other(spec, weighed, tmp_path):
    run = train_once(tmp_path, spec + f'[msa]\ncache_dir = "{tmp_path / "kept"}"\n', "first").run
    assert len(list((tmp_path / "kept").glob("*.npz"))) == len(weighed) == ALIGNED
    assert not (run.path.parent / ".cache").exists()


def test_other_neighbours_in_validation_are_weighed_apart(spec, weighed, tmp_path):
    train_once(tmp_path, spec + "[msa.validation]\nneighbor_similarity_lower_bound = 0.5\n", "first")
    assert len(weighed) == 2 * ALIGNED
