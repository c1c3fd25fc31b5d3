"""Optimizer steps: which micro-batches they are made of, and that cutting a batch up changes nothing."""

from __future__ import annotations

import math

import pytest
import torch

from e1bind.curation.folding import make_folds
from e1bind.curation.reading import read_chains
from e1bind.engine.distributed import World
from e1bind.engine.epoch import EpochTrainer, RankSlots, plan_epoch
from e1bind.engine.events import Listener
from e1bind.engine.loader import Micro
from e1bind.engine.optimization import build_optimizer
from e1bind.engine.pipeline import build_model
from e1bind.engine.stopping import StopRequest
from e1bind.errors import RunError
from e1bind.scoring import Prototype

CPU = torch.device("cpu")
ALONE = World(0, 1, CPU)
BCE_ONLY = ("losses.nt-xent.weight=0", "losses.prototype-alignment.weight=0", "losses.mlm.weight=0")


@pytest.mark.parametrize("count", [1, 4, 7, 8, 9])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_every_micro_batch_counts_once_and_ranks_stay_in_step(count, size):
    micros = [Micro(str(i), ()) for i in range(count)]
    by_rank = [RankSlots(micros, 2, World(rank, size, CPU)) for rank in range(size)]
    counted = [slot.micro.ion for steps in by_rank for slots in steps for slot in slots if slot.counts]
    assert sorted(counted, key=int) == [str(i) for i in range(count)]
    assert {tuple(len(slots) for slots in steps) for steps in by_rank} == {tuple(map(len, by_rank[0]))}
    assert len(by_rank[0]) == math.ceil(count / (2 * size))  # the remainder is a step of its own


def test_an_epoch_holds_every_chain_of_each_ion_once_in_an_order_of_its_own(make_pipeline):
    pipeline = make_pipeline("training.ions=['ZN','CA']")
    records = read_chains(pipeline.spec, "train")
    first, second = (plan_epoch(pipeline, records, 1, epoch) for epoch in (1, 2))
    for ion in ("ZN", "CA"):
        seen = [r.id for micro in first if micro.ion == ion for r in micro.records]
        assert sorted(seen) == sorted(r.id for r in records if ion in r.labels)
    assert named(first) != named(second)
    assert [m.ion for m in first] != sorted(m.ion for m in first)  # ions are mixed
    assert named(plan_epoch(pipeline, records, 1, 1)) == named(first)


def named(micros):
    return [[record.id for record in micro.records] for micro in micros]


def trainer_of(pipeline, fold=1):
    torch.manual_seed(0)
    model = build_model(pipeline, fold)
    width = pipeline.width
    vector = torch.nn.functional.normalize(torch.randn(width), dim=0)
    prototypes = {"ZN": Prototype(vector, torch.zeros(width), 1, 1, 1, 0.0, 0.0)}
    optimizer = build_optimizer(model, pipeline.spec.training)
    return EpochTrainer(pipeline, model, model, optimizer, prototypes, ALONE, Listener(), StopRequest("")), model


def gradients(pipeline, micros):
    """What the optimizer is given in its one step."""
    trainer, _ = trainer_of(pipeline)
    seen = []
    trainer.optimizer.register_step_pre_hook(
        lambda *_: seen.append({n: p.grad.clone() for n, p in trainer.trainable.items()})
    )
    trainer.run(micros, 1, 1, 0, {}, lambda taken, stopping: None)
    (only,) = seen
    return only


def test_one_large_batch_and_its_pieces_have_the_same_gradient(make_pipeline):
    """The loss is a mean over residues, so pieces of unequal length must not count alike."""
    overrides = ("lora.dropout=0", "training.accum_steps=4", "training.grad_clip=0", *BCE_ONLY)
    pipeline = make_pipeline(*overrides)
    records = read_chains(pipeline.spec, "train")[1:6]
    whole = gradients(pipeline, [Micro("ZN", tuple(records))])
    pieces = gradients(pipeline, [Micro("ZN", tuple(part)) for part in (records[:1], records[1:3], records[3:])])
    largest = max(float(g.abs().max()) for g in whole.values())
    assert largest > 0
    for name in whole:
        assert torch.allclose(whole[name], pieces[name], rtol=1e-3, atol=1e-6 * largest), name


def test_the_remainder_of_an_epoch_is_stepped_too(make_pipeline):
    pipeline = make_pipeline("training.accum_steps=4", "training.batch_size=1")
    records = read_chains(pipeline.spec, "train")[1:6]
    steps = []
    trainer, _ = trainer_of(pipeline)
    trainer.run([Micro("ZN", (r,)) for r in records], 1, 1, 0, {}, lambda taken, stopping: steps.append(taken))
    assert steps == [4, 5]  # micro-batches trained on
    assert {int(state["step"]) for state in trainer.optimizer.state.values()} == {2}


def test_the_gradient_is_clipped(make_pipeline, monkeypatch):
    pipeline = make_pipeline("training.grad_clip=0.001")
    trainer, model = trainer_of(pipeline)
    seen = []
    step = trainer.optimizer.step

    def note() -> None:
        norms = [p.grad.norm() for p in model.parameters() if p.requires_grad]
        seen.append(float(torch.stack(norms).norm()))
        step()

    monkeypatch.setattr(trainer.optimizer, "step", note)
    trainer.run([Micro("ZN", tuple(read_chains(pipeline.spec, "train")[1:3]))], 1, 1, 0, {}, lambda *_: None)
    assert seen == [pytest.approx(0.001, rel=1e-3)]


def test_nan_in_a_weight_stops_before_any_step_and_names_loss_and_chains(make_pipeline):
    pipeline = make_pipeline()
    trainer, model = trainer_of(pipeline)
    name, parameter = next((n, p) for n, p in model.named_parameters() if p.requires_grad)
    with torch.no_grad():
        parameter.fill_(torch.nan)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    records = read_chains(pipeline.spec, "train")[1:3]
    with pytest.raises(RunError, match=r"losses\.nt-xent.*not finite for ZN in 5a7u_A, 3qy1_A") as raised:
        trainer.run([Micro("ZN", tuple(records))], 1, 1, 0, {}, lambda *_: None)
    assert "nothing was changed by this step" in str(raised.value)
    assert all(torch.equal(before[n], p) or n == name for n, p in model.named_parameters())


def test_nan_in_a_gradient_stops_before_the_step_and_names_the_tensor(make_pipeline):
    pipeline = make_pipeline()
    trainer, model = trainer_of(pipeline)
    name, parameter = next((n, p) for n, p in model.named_parameters() if p.requires_grad)
    parameter.register_hook(lambda g: torch.full_like(g, torch.inf))
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    with pytest.raises(RunError, match=r"the gradient of .* is not finite after 5a7u_A") as raised:
        trainer.run([Micro("ZN", tuple(read_chains(pipeline.spec, "train")[1:2]))], 1, 1, 0, {}, lambda *_: None)
    assert name in str(raised.value)
    assert all(torch.equal(before[n], p) for n, p in model.named_parameters())


def test_a_trainable_tensor_without_gradient_is_named(make_pipeline):
    pipeline = make_pipeline("lora.train_mlm_head=true", "losses.mlm.weight=0")
    trainer, _ = trainer_of(pipeline)
    with pytest.raises(RunError, match=r"got no gradient, the first is .*mlm_head.*train_mlm_head"):
        trainer.run([Micro("ZN", tuple(read_chains(pipeline.spec, "train")[1:2]))], 1, 1, 0, {}, lambda *_: None)


def test_folds_hold_out_every_chain_once(make_pipeline):
    pipeline = make_pipeline()
    records = read_chains(pipeline.spec, "train")
    plan = make_folds(pipeline.spec, records)
    held = [r.id for fold in (1, 2) for r in plan.split(records, fold)[1]]
    assert sorted(held) == sorted(r.id for r in records)
