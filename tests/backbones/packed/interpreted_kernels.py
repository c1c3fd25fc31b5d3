"""The kernels between the products in triton's interpreter, beside plain torch.

`test_gpu_kernels.py` runs this file in a process of its own: the interpreter is chosen before triton is imported.
"""

from __future__ import annotations

import pytest
import torch

from e1bind_backbones.packed import elementwise, rope


def drawn(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [(3 * torch.randn(shape, generator=generator)).to(dtype).requires_grad_() for shape in shapes]


def with_gradients(outputs, inputs):
    generator = torch.Generator().manual_seed(1)
    weights = [torch.randn(out.shape, generator=generator).to(out.dtype) for out in outputs]
    return [*outputs, *torch.autograd.grad(outputs, inputs, weights)]


@pytest.mark.parametrize("bound", [None, 2.0])
@pytest.mark.parametrize(("queries", "heads", "width"), [(150, (4, 2), 16), (7, (3, 3), 64)])
def test_turned_heads(bound, queries, heads, width):
    tokens = 150
    inputs = drawn((queries, heads[0], width), *[(tokens, heads[1], width)] * 2)
    turns = [rope.rotation(torch.arange(n) + 3, width, 1e4, torch.float32) for n in (queries, tokens)]
    kernel = rope._TurnedHeads.apply(*inputs, *turns[0], *turns[1], bound)
    plain = rope.turned_heads(*inputs, turns, bound)
    torch.testing.assert_close(with_gradients(kernel, inputs), with_gradients(plain, inputs), rtol=1e-5, atol=1e-5)


def test_a_nan_is_not_clamped_away():
    inputs = drawn((5, 1, 16), (5, 1, 16), (5, 1, 16))
    with torch.no_grad():
        for x in inputs:
            x[2, 0, 3] = float("nan")
    turn = rope.rotation(torch.arange(5), 16, 1e4, torch.float32)
    for x in rope._TurnedHeads.apply(*inputs, *turn, *turn, 1.0):
        assert x.isnan().any(dim=(1, 2)).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize("shape", [(3, 5), (70, 64)])
def test_silu_gate(shape):
    inputs = drawn(shape, shape)
    kernel, plain = elementwise._SiluGateKernel.apply(*inputs), elementwise.silu_gate(*inputs)
    torch.testing.assert_close(
        with_gradients([kernel], inputs), with_gradients([plain], inputs), rtol=1e-5, atol=1e-5
    )


def test_half_precision_is_rounded_once():
    inputs = drawn((40, 32), (40, 32), dtype=torch.bfloat16)
    kernel = with_gradients([elementwise._SiluGateKernel.apply(*inputs)], inputs)
    exact = with_gradients([elementwise.silu_gate(*(x.float() for x in inputs))], inputs)
    for ours, theirs in zip(kernel, exact, strict=True):
        assert ours.dtype == torch.bfloat16
        # The interpreter cuts off to bfloat16, where a GPU rounds.
        torch.testing.assert_close(ours.float(), theirs.float(), rtol=2**-6, atol=1e-6)
