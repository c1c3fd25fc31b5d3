"""How often alignments are weighed in a run, counted where they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_runs import SPEC, train_once

from e1bind.data import msa_profiles

CHAINS, ALIGNED = 6, 2


@pytest.fixture
def spec(root: Path, tmp_path: Path) -> str:
    """A spec of two epochs and two folds over the shortest chains, two of which have alignments."""
    examples, data = root / "examples" / "data", tmp_path / "data"
    (data / "msa").mkdir(parents=True)
    chains = sorted((r.split("\n") for r in (examples / "ZN_train.fasta").read_text().split(">")[1:]), key=_length)
    (data / "ZN_train.fasta").write_text("".join(">" + "\n".join(lines) for lines in chains[:CHAINS]))
    rng = np.random.default_rng(0)
    for name, sequence, *_ in chains[:ALIGNED]:
        rows = [f">{name}\n{sequence}\n"]
        for number in range(20):
            letters = np.array(list(sequence))
            letters[rng.random(letters.size) < 0.3] = "A"
            rows.append(f">h{number}\n{''.join(letters)}\n")
        (data / "msa" / f"{name.split()[0]}.a3m").write_text("".join(rows))
    text = SPEC.format(data=data).replace(f"{data}/clusters.tsv", f"{examples}/clusters.tsv")
    return text.replace("[cv]", f'msa_dir = "{data}/msa"\n[cv]') + "[msa.train]\nmax_num_samples = 2\n"


def _length(lines: list[str]) -> int:
    return len(lines[1])


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


def test_each_alignment_is_weighed_once_for_all_epochs_folds_and_runs(spec, weighed, tmp_path, monkeypatch):
    """By default, although memory holds one profile only; the next run in the folder weighs none."""
    monkeypatch.setattr(msa_profiles, "MEMORY_BYTES", 1)
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
