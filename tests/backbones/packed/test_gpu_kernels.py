"""The kernels between the products, interpreted on a CPU; `benchmarks.gpu` checks models that use them on a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from interpreted import run_interpreted

from e1bind_backbones.packed import kernel_use

INTERPRETED = Path(__file__).with_name("interpreted_kernels.py")


@pytest.mark.slow
def test_the_interpreted_kernels_equal_plain_torch():
    pytest.importorskip("triton", reason="triton comes with torch's CUDA builds alone")
    run_interpreted(INTERPRETED)


def test_there_are_none_on_a_cpu():
    assert not kernel_use.has_kernels(torch.ones(3))


def test_where_they_cannot_be_built_plain_torch_is_used_and_that_is_told_once(monkeypatch, caplog):
    """This machine's triton finds no GPU, as one without a compiler finds no compiler."""
    pytest.importorskip("triton", reason="triton comes with torch's CUDA builds alone")
    kernel_use._works.cache_clear()
    for _ in range(2):
        assert not kernel_use._works(torch.device("cpu"))
    (record,) = caplog.records
    assert "cannot be built here" in record.message
    kernel_use._works.cache_clear()
