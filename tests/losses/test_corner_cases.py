"""What every loss must survive: nothing to do, one class, one view, nothing visible, bf16, autocast, NaN."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from e1bind.scoring import prototype_scores
from e1bind_losses.plugin import e1bind_losses
from e1bind_losses.precision import full_precision


class OnPrototypeScores(nn.Module):
    """A loss on a head's scores, called as a run with prototypes calls it."""

    def __init__(self, loss: nn.Module, temperature: float) -> None:
        super().__init__()
        self.loss, self.temperature = loss, temperature

    @full_precision
    def forward(self, batch):
        scores = prototype_scores(batch.embeddings, batch.view_mask, batch.prototype, self.temperature)
        return self.loss(replace(batch, scores=scores))


@pytest.fixture
def build(build):
    def built(name: str, **options: object) -> nn.Module:
        if name != "bce":
            return build(name, **options)
        temperature = options.pop("scoring_temperature", 0.2)
        return OnPrototypeScores(build(name, **options), temperature)

    return built


NAMES = [descriptor.name for descriptor in e1bind_losses()]
ON_RESIDUES = [name for name in NAMES if name != "mlm"]
ON_SCORES = ["prototype-alignment", "prototype-bce", "bce", "focal", "asymmetric"]


def backward(output, batch) -> torch.Tensor:
    """Gradient with respect to the embeddings; an error where the value has no graph."""
    return torch.autograd.grad(output.value, batch.embeddings)[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_no_residues_is_a_zero_with_a_graph(build, make, name, mode):
    batch = make(R=0)
    output = getattr(build(name), mode)()(batch)
    assert output.value.shape == ()
    assert output.value.item() == 0
    output.value.backward()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_only_is_finite(build, make, name, label):
    batch = replace(make(), labels=torch.full((9,), label))
    output = build(name)(batch)
    output.value.backward()
    assert torch.isfinite(output.value)
    assert batch.embeddings.grad is None or torch.isfinite(batch.embeddings.grad).all()


@pytest.mark.parametrize("name", ON_RESIDUES)
def test_one_view_is_finite_and_nt_xent_then_is_a_zero_with_a_graph(build, make, name):
    batch = make(V=1, masked=0.0)
    output = build(name)(batch)
    assert torch.isfinite(backward(output, batch)).all()
    assert (output.value.item() == 0) == (name == "nt-xent")


@pytest.mark.parametrize("name", ON_RESIDUES)
def test_all_views_masked_leaves_scores_alone_and_silences_contrast(build, make, name):
    batch = make(masked=1.0)
    output = build(name)(batch)
    grad = backward(output, batch)
    assert torch.isfinite(grad).all()
    assert (output.value.item() > 0) == (name in ON_SCORES)
    assert bool((grad != 0).any()) == (name in ON_SCORES)


@pytest.mark.parametrize("name", ON_RESIDUES)
def test_a_single_residue_is_finite(build, make, name):
    batch = make(R=1, V=2, masked=0.0)
    output = build(name)(batch)
    assert torch.isfinite(output.value)
    assert torch.isfinite(backward(output, batch)).all()


@pytest.mark.parametrize("name", ON_RESIDUES)
def test_duplicates_of_one_embedding_are_finite(build, make, name):
    batch = make(masked=0.0)
    same = batch.embeddings.detach()[:1, :1].expand(9, 3, -1).clone().requires_grad_()
    batch = replace(batch, embeddings=same)
    output = build(name)(batch)
    assert torch.isfinite(output.value)
    assert torch.isfinite(backward(output, batch)).all()


@pytest.mark.parametrize("name", ON_RESIDUES)
def test_bfloat16_inputs_are_computed_in_float32(build, make, name):
    batch = make(R=40, V=3, D=64, dtype=torch.bfloat16)
    wide = make(R=40, V=3, D=64, dtype=torch.bfloat16)
    e64 = wide.embeddings.detach().double().requires_grad_()
    wide = replace(wide, embeddings=e64, prototype=wide.prototype.double(), mlm=None)
    got, want = build(name)(batch), build(name)(wide)
    assert got.value.dtype == torch.float32
    assert got.value.item() == pytest.approx(want.value.item(), rel=2e-6, abs=2e-6)
    grad, exact = backward(got, batch), backward(want, wide)
    assert grad.dtype == torch.bfloat16  # the gradient of a bf16 tensor is bf16: correct to its own rounding
    assert ((grad.double() - exact).norm() / exact.norm()).item() < 4e-3


@pytest.mark.parametrize("name", ON_RESIDUES)
@pytest.mark.parametrize("temperature", [1e-5, 1e-3, 1e5, 1e10])
@pytest.mark.parametrize("R", [9, 400])
def test_tiny_and_huge_temperatures_are_finite_in_float32(build, make, name, temperature, R):
    option = "scoring_temperature" if name in ("prototype-bce", "bce", "focal", "asymmetric") else "temperature"
    batch = make(R=R, dtype=torch.float32)
    output = build(name, **{option: temperature})(batch)
    assert torch.isfinite(output.value)
    assert output.value.item() >= 0
    assert torch.isfinite(backward(output, batch)).all()


@pytest.mark.parametrize("name", ON_RESIDUES)
def test_autocast_changes_nothing(build, make, name):
    batch = make(R=20, V=3, D=32, dtype=torch.float32)
    plain = build(name)(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = build(name)(batch)
    assert cast.value.item() == plain.value.item()
    torch.testing.assert_close(backward(cast, batch), backward(plain, batch), rtol=0, atol=0)


@pytest.mark.parametrize("name", ON_RESIDUES)
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("size", [(9, 3), (400, 4)])
def test_a_non_finite_embedding_is_not_hidden(build, make, name, bad, size):
    batch = make(*size)
    r, v = batch.view_mask.nonzero()[5].tolist()
    broken = batch.embeddings.detach().clone()
    broken[r, v, 0] = bad
    assert not torch.isfinite(build(name)(replace(batch, embeddings=broken)).value)


@pytest.mark.parametrize("name", ["nt-xent", "prototype-bce"])
def test_one_view_that_holds_nan_in_validation_is_not_hidden(build, make, name):
    batch = make(V=1, masked=0.0)
    broken = batch.embeddings.detach().clone()
    broken[2, 0, 0] = torch.nan
    assert build(name).eval()(replace(batch, embeddings=broken)).value.isnan()


@pytest.mark.parametrize("name", ON_RESIDUES)
def test_two_calls_give_the_same_bits(build, make, name):
    batch = make(R=50, V=4, D=16, dtype=torch.float32)
    first, second = build(name)(batch), build(name)(batch)
    assert first.value.item() == second.value.item()
    assert torch.equal(backward(first, batch), backward(second, batch))


@pytest.mark.parametrize("descriptor", e1bind_losses(), ids=lambda d: d.name)
def test_losses_know_nothing_of_trainers_files_or_ranks_until_asked(descriptor):
    """`LossInputs` in, `LossOutput` out; a loss holds no weights and no state."""
    assert descriptor.summary.endswith(".")
    assert descriptor.needs == {
        "nt-xent": {"views>=2"},
        "supcon": set(),
        "mlm": {"mlm-logits", "masked-tokens"},
        **{name: {"scores"} for name in ("bce", "focal", "asymmetric")},
    }.get(descriptor.name, {"prototypes"})


@pytest.mark.parametrize("name", NAMES)
def test_losses_hold_no_state(build, name):
    assert build(name).state_dict() == {}
