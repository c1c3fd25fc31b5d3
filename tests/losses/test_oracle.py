"""The loss oracle: values measured on an earlier implementation of the same losses, at four sizes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from e1bind.contracts import LossInputs

ORACLE = {
    1024: {"nt-xent": 1.10035, "prototype-alignment": 0.97941, "prototype-bce": 0.70625},
    4096: {"nt-xent": 1.10266, "prototype-alignment": 0.99079, "prototype-bce": 0.70450},
    8192: {"nt-xent": 1.10585, "prototype-alignment": 0.98631, "prototype-bce": 0.70675},
    16384: {"nt-xent": 1.11216, "prototype-alignment": 0.99915, "prototype-bce": 0.70976},
}
OPTIONS = {
    "nt-xent": {"temperature": 0.07},
    "prototype-alignment": {"temperature": 0.07, "eps_pos": 0.25, "eps_neg": 0.05},
    "prototype-bce": {"scoring_temperature": 0.2, "label_smoothing": 0.05},
}
SIZES = [size if size < 8192 else pytest.param(size, marks=pytest.mark.slow) for size in ORACLE]


def oracle_inputs(vectors: int) -> LossInputs:
    torch.manual_seed(0)
    R, V, D = vectors // 4, 4, 768
    base, noise = torch.randn(R, 1, D), torch.randn(R, V, D)
    labels = torch.rand(R) < 0.0163
    return LossInputs(
        embeddings=F.normalize(base + 0.3 * noise, dim=-1),
        view_mask=torch.ones(R, V, dtype=torch.bool),
        labels=labels.long(),
        protein=torch.zeros(R, dtype=torch.long),
        prototype=F.normalize(torch.randn(D), dim=0),
    )


@pytest.mark.parametrize("vectors", SIZES)
def test_losses_equal_the_oracle(build, vectors):
    batch = oracle_inputs(vectors)
    with torch.no_grad():
        got = {name: build(name, **OPTIONS[name]).train()(batch).value.item() for name in OPTIONS}
    assert got == pytest.approx(ORACLE[vectors], abs=1e-4)
