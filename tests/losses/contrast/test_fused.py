"""The fused kernel: interpreted on a CPU, compiled for GPUs that need not be here, and run on one that is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from fused_cases import batch, check_equal, groups
from interpreted import run_interpreted

from e1bind_losses.contrast.fused import can_fuse

pytest.importorskip("triton", reason="triton comes with torch's CUDA builds alone")
INTERPRETED = Path(__file__).with_name("interpreted_fused.py")


@pytest.mark.slow
def test_the_interpreted_kernel_equals_plain_torch():
    run_interpreted(INTERPRETED)


def test_on_a_cpu_fused_changes_nothing(build, make):
    inputs = make(R=60, V=3, D=32, dtype=torch.float32)
    assert not can_fuse(torch.device("cpu"))
    values = [build("nt-xent", products="bfloat16", fused=fused)(inputs).value.item() for fused in (False, True)]
    assert values[0] == values[1]


@pytest.mark.parametrize("name", ["nt-xent", "supcon"])
def test_fused_products_have_to_be_rounded(build, name):
    with pytest.raises(ValueError, match='fused = true needs products = "bfloat16"'):
        build(name, fused=True)


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 86, 89, 90, 100, 120])
@pytest.mark.parametrize("weights", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_the_kernel_compiles_for_gpus_and_fits_their_shared_memory(capability, weights, masked):
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from e1bind_losses.contrast import fused_kernel as kernel

    blocks = kernel.KernelBlocks.of(capability, weights)
    types = dict.fromkeys(("row_u", "col_u", "weight"), "*bf16")
    types |= dict.fromkeys(("row_c", "col_c", "row_a", "col_a", "row_sum", "col_sum"), "*fp32")
    types |= dict.fromkeys(("row_group", "col_group"), "*i32")
    types |= {**dict.fromkeys(("height", "width", "depth"), "i32"), "unit": "fp32"}
    constants = {"MASKED": masked, "WEIGHTS": weights, "B": blocks.rows, "C": blocks.cols, "K": blocks.depth}
    names = kernel.tile_kernel.arg_names
    source = ASTSource(
        kernel.tile_kernel,
        {name: types.get(name, "constexpr") for name in names},
        constexprs=constants,
        attrs={
            (names.index(name),): [["tt.divisibility", 16]]
            for name in ("row_u", "col_u", "weight", "width", "depth")
        },
    )
    compiled = triton.compile(
        source,
        target=GPUTarget("cuda", capability, 32),
        options={"num_warps": blocks.warps, "num_stages": blocks.stages},
    )
    assert len(compiled.asm["cubin"]) > 0
    assert ("cvt.rn.bf16" in compiled.asm["ptx"]) == weights  # rounded, not cut off
    assert compiled.metadata.shared <= {80: 163, 90: 227, 100: 227}.get(capability, 99) * 1024


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("kind", ["residues", "proteins", "any order"])
def test_the_kernel_equals_plain_torch_on_a_gpu(kind):
    inputs = batch(R=1500, V=4, D=1280, device="cuda")
    check_equal(inputs, groups(kind, inputs[1], V=4), None)
