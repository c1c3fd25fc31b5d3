"""Plans of places hold what plans of records held, and a run's processes share one table."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from e1bind.curation.reading import read_chains
from e1bind.data.batching import budget_batches, fixed_batches
from e1bind.data.chain_table import ChainTable
from e1bind.data.columns import lengths_of
from e1bind.data.windows import cut_windows
from e1bind.engine import shared_chains
from e1bind.engine.distributed import World
from e1bind.engine.epoch import plan_epoch
from e1bind.engine.held_out import load, window_batches
from e1bind.engine.loader import Micro
from e1bind.engine.micro_plan import RankSlots
from e1bind.engine.seeds import derive

FOLDERS = "e1bind-chains-*"
ALONE = World(0, 1, torch.device("cpu"))


def plan_of_records(pipeline, records, fold: int, epoch: int) -> list[Micro]:
    """The twin: every micro-batch with its records."""
    spec, micros = pipeline.spec, []
    for ion in spec.training.ions:
        chains = [r for r in records if ion in r.labels]
        lengths = [min(len(r), pipeline.max_residues or len(r)) for r in chains]
        rng = np.random.default_rng(derive(spec.run.seed, "batches", fold, epoch, ion))
        if spec.training.max_tokens is None:
            groups = fixed_batches(lengths, spec.training.batch_size, rng)
        else:
            budget = spec.training.max_tokens // pipeline.views.num_views
            groups = budget_batches(lengths, budget, rng, spec.training.length_pool)
        micros += [Micro(ion, tuple(chains[i] for i in group)) for group in groups]
    order = np.random.default_rng(derive(spec.run.seed, "order", fold, epoch)).permutation(len(micros))
    return [micros[i] for i in order]


def named(micros) -> list[tuple[str, list[str]]]:
    return [(micro.ion, [record.id for record in micro.records]) for micro in micros]


@pytest.mark.parametrize("budget", [(), ("training.max_tokens=2000",)])
def test_a_plan_of_places_is_that_of_records(make_pipeline, budget) -> None:
    pipeline = make_pipeline("training.ions=['ZN','CA']", "training.max_residues=120", *budget)
    records = read_chains(pipeline.spec, "train")
    wanted = plan_of_records(pipeline, list(records), 2, 3)
    for given in (records, list(records)):
        plan = plan_epoch(pipeline, given, 2, 3)
        assert named(plan) == named(wanted)
        assert named(plan[3:]) == named(wanted[3:])
        residues = [sum(map(len, micro.records)) for micro in wanted[2:]]
        assert plan[2:].totals(lengths_of(given)).tolist() == residues
        assert named(pickle.loads(pickle.dumps(plan[1:4]))) == named(wanted[1:4])  # noqa: S301
    for size in (1, 2, 3):
        for rank in range(size):
            slots = RankSlots(plan[1:], 2, World(rank, size, ALONE.device))
            assert named(slots.micros()) == named(slot.micro for step in slots for slot in step)


def test_windows_of_places_are_those_of_records(make_pipeline) -> None:
    pipeline = make_pipeline("training.max_residues=60", "training.window_overlap=7")
    records = read_chains(pipeline.spec, "train")
    pieces = [(r.id, *ends) for r in records for ends in cut_windows(len(r), pipeline.max_residues, 7)]
    pieces.sort(key=lambda piece: (piece[2] - piece[1], piece[0], piece[1]))
    groups = window_batches(pipeline, records)
    assert [(p.record.id, p.start, p.stop) for group in groups for p in group] == pieces
    mine = World(1, 2, ALONE.device).share(groups)
    assert [batch.ids for batch in load(pipeline, "ZN", mine)] == [
        tuple(p.record.id for p in g) for g in groups[1::2]
    ]


def test_workers_that_start_anew_map_the_chains(make_pipeline, monkeypatch, tmp_path) -> None:
    spec = make_pipeline("training.workers=1").spec
    monkeypatch.setattr(shared_chains.multiprocessing, "get_start_method", lambda allow_none: "spawn")
    monkeypatch.setattr(shared_chains.tempfile, "tempdir", str(tmp_path))
    with shared_chains.training_chains(spec, ALONE) as records:
        assert isinstance(records, ChainTable)
        assert len(pickle.dumps(records)) < 2000
        again = pickle.loads(pickle.dumps(records))  # noqa: S301
        assert [r.id for r in again] == [r.id for r in read_chains(spec, "train")]
        assert len(list(tmp_path.glob(FOLDERS))) == 1
    assert not list(tmp_path.glob(FOLDERS))


def test_chains_are_read_all_the_same_where_there_is_no_room_to_share_them(
    make_pipeline, monkeypatch, caplog
) -> None:
    spec = make_pipeline("training.workers=1").spec
    monkeypatch.setattr(shared_chains.multiprocessing, "get_start_method", lambda allow_none: "spawn")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shared_chains, "write_table", full)
    with shared_chains.training_chains(spec, ALONE) as records:
        assert len(records) == len(read_chains(spec, "train"))
    assert "No space left on device" in caplog.text


def test_a_mistake_in_the_data_leaves_no_files(make_pipeline, monkeypatch, tmp_path) -> None:
    spec = make_pipeline("training.workers=1").spec
    monkeypatch.setattr(shared_chains.multiprocessing, "get_start_method", lambda allow_none: "spawn")
    monkeypatch.setattr(shared_chains.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ZeroDivisionError), shared_chains.training_chains(spec, ALONE):
        raise ZeroDivisionError
    assert not list(tmp_path.glob(FOLDERS))
