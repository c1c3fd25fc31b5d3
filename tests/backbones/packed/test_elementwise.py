"""The hand-written small operations against torch's own, values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from e1bind_backbones.packed.elementwise import clamp, rms_norm, silu_gate
from e1bind_backbones.packed.rope import rotate, rotation


def both(ours, theirs, *leaves):
    """Values and gradients of two functions of the same leaves, under one random weight on the result."""
    results = []
    for function in (ours, theirs):
        for leaf in leaves:
            leaf.requires_grad_().grad = None
        out = function(*leaves)
        weight = torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(
            out.dtype
        )
        (out * weight).sum().backward()
        results.append([out.detach(), *(leaf.grad for leaf in leaves)])
    return zip(*results, strict=True)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_clamp_and_its_gradient_are_torch_s(dtype):
    x = torch.tensor([-9.0, -8.0625, -7.96875, 0.0, 7.5, 8.0625, 100.0], dtype=dtype)
    for ours, theirs in both(lambda y: clamp(y, 8), lambda y: y.clamp(-8, 8), x):
        assert torch.equal(ours, theirs)


def test_clamp_holds_no_gradient_at_the_bounds():
    x = torch.tensor([-8.0, 8.0], requires_grad=True)
    clamp(x, 8).sum().backward()
    assert x.grad.tolist() == [0, 0]


@pytest.mark.parametrize("eps", [1e-5, 1e-1])
@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rms_norm_and_its_gradients_are_torch_s(dtype, scale, eps):
    x, weight = torch.randn(7, 24, dtype=dtype) * scale, torch.randn(24, dtype=dtype)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    for ours, theirs in both(
        lambda y, w: rms_norm(y, w, eps), lambda y, w: F.rms_norm(y, (24,), w, eps), x, weight
    ):
        assert torch.allclose(ours, theirs, rtol=tolerance, atol=tolerance * float(theirs.abs().max()))


def test_rms_norm_of_zeros_is_zero_with_a_finite_gradient():
    x = torch.zeros(2, 8, requires_grad=True)
    rms_norm(x, torch.ones(8), 1e-5).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_rms_norm_keeps_half_precision_and_computes_in_the_weight_s():
    x, weight = torch.randn(5, 16, dtype=torch.bfloat16), torch.randn(16)
    exact = F.rms_norm(x.float(), (16,), weight, 1e-5)
    assert torch.equal(rms_norm(x, weight, 1e-5), exact.bfloat16())


def test_rotation_turns_pairs_and_its_gradient_turns_back():
    assert torch.autograd.gradcheck(
        lambda x: rotate(x, rotation(torch.arange(5), 6, 100.0, torch.float64)),
        (torch.randn(5, 2, 6, dtype=torch.float64, requires_grad=True),),
    )
    turn = rotation(torch.tensor([3]), 4, 100.0, torch.float32)
    x = torch.tensor([[[1.0, 2.0, 5.0, 7.0]]])
    angles = torch.tensor([3.0, 0.3])
    a, b = x[..., :2], x[..., 2:]
    expected = torch.cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1)
    assert torch.allclose(rotate(x, turn), expected)


@pytest.mark.parametrize("shape", [(3, 5), (1, 1), (700, 211)], ids=["small", "one", "several pieces"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_gate_is_silu_times_the_gate(shape: tuple[int, int], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    x, gate, upstream = (torch.randn(shape, dtype=dtype) for _ in range(3))
    found = []
    for way in (silu_gate, lambda x, gate: F.silu(x) * gate):
        leaves = [x.clone().requires_grad_(), gate.clone().requires_grad_()]
        out = way(*leaves)
        found.append([out.detach(), *torch.autograd.grad(out, leaves, upstream)])
    limit = 1e-12 if dtype == torch.float64 else 0.05
    assert all(torch.allclose(a, b, rtol=limit, atol=limit) for a, b in zip(*found, strict=True))


def test_the_gate_takes_tensors_that_are_not_contiguous() -> None:
    x, gate = torch.randn(4, 6, requires_grad=True), torch.randn(6, 4)
    assert torch.allclose(silu_gate(x, gate.T), F.silu(x) * gate.T)
