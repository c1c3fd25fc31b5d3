"""The attention paths of a GPU: as far as a CPU can follow them, and on a GPU where there is one."""

from __future__ import annotations

import inspect
import shutil
from types import SimpleNamespace

import pytest
import torch

from e1bind_backbones.e1 import encode_rows
from e1bind_backbones.packed.attention import AttentionChoice, attend_slices, attend_varlen, takes_varlen
from e1bind_backbones.packed.layout import RowLayout

ROWS = ["ACDEFGHIKLMNPQRSTVWY" * 7 + ",MKV" * 3, "ACDB,XX?W", "A"]


@pytest.mark.parametrize(
    ("device", "dtype", "width", "capability", "takes"),
    [
        ("cuda:0", torch.bfloat16, 64, (8, 0), True),
        ("cuda:0", torch.float16, 64, (9, 0), True),
        ("cuda:0", torch.float16, 64, (7, 5), False),  # a Turing card: the flash kernel wants an Ampere
        ("cuda:0", torch.float32, 64, (9, 0), False),
        ("cuda:0", torch.bfloat16, 12, (9, 0), False),
        ("cpu", torch.bfloat16, 64, (9, 0), False),
    ],
)
def test_the_varlen_kernel_is_chosen_only_where_it_exists(monkeypatch, device, dtype, width, capability, takes):
    if takes:
        pytest.importorskip("torch.nn.attention.varlen", reason="torch has the kernel from 2.10 on")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    q = SimpleNamespace(device=torch.device(device), dtype=dtype, shape=(5, 2, width))
    assert takes_varlen(q) == takes


def test_the_varlen_kernel_is_told_the_bounds_of_every_segment(monkeypatch):
    """A stand-in for the kernel, which reads its arguments as torch's documentation says; padding and all."""
    varlen = pytest.importorskip("torch.nn.attention.varlen")
    signature = inspect.signature(varlen.varlen_attn)

    def stand_in(*arguments):
        given = signature.bind(*arguments).arguments
        q, k, v = given["query"], given["key"], given["value"]
        starts, stops = given["cu_seq_q"][:-1].tolist(), given["cu_seq_q"][1:].tolist()
        assert torch.equal(given["cu_seq_q"], given["cu_seq_k"])
        assert given["cu_seq_q"].dtype == torch.int32
        assert given["max_q"] == given["max_k"] == max(b - a for a, b in zip(starts, stops, strict=True))
        parts = []
        for a, b in zip(starts, stops, strict=True):
            scores = torch.einsum("nhd,mhd->hnm", q[a:b], k[a:b]) / q.shape[-1] ** 0.5
            parts.append(torch.einsum("hnm,mhd->nhd", scores.softmax(-1), v[a:b]))
        return torch.cat(parts)

    monkeypatch.setattr(varlen, "varlen_attn", stand_in)
    layout = RowLayout.build(encode_rows(ROWS)["sequence_ids"])
    q, k, v = torch.randn(3, layout.tokens, 2, 8, generator=torch.Generator().manual_seed(0))
    assert (attend_varlen(q, k, v, layout) - attend_slices(q, k, v, layout.within_jobs)).abs().max() < 1e-5


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for a CPU needs g++")
def test_compiled_flex_attention_gives_the_same_numbers_forward_on_a_cpu(loud_model):
    model = loud_model(hidden_size=64, max_num_positions_within_seq=200, num_key_value_heads=2)
    for rows in (ROWS, ROWS[:1]):  # two lengths: the second one compiles for any
        batch = encode_rows(rows)
        with torch.no_grad():
            model.attention = AttentionChoice("slices")
            expected = model(**batch).logits
            model.attention = AttentionChoice("flex", compile_flex=True)
            assert (model(**batch).logits - expected).abs().max() < 2e-5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("choice", [AttentionChoice(), AttentionChoice(compile_flex=True)], ids=["varlen", "flex"])
def test_bfloat16_on_a_gpu_stays_near_fp32_slices(loud_model, choice):
    results = []
    for dtype, path in ((torch.float32, AttentionChoice("slices")), (torch.bfloat16, choice)):
        model = loud_model(hidden_size=64, max_num_positions_within_seq=200).to("cuda", dtype)
        model.attention = path
        out = model(**{name: values.cuda() for name, values in encode_rows(ROWS).items()})
        out.loss.backward()
        results.append([out.logits, *(p.grad.float() for p in model.parameters())])
    for exact, half in zip(*results, strict=True):
        # bfloat16 slices on a CPU differ by up to 0.15 themselves; a wrong mask by about 1.
        assert (half - exact).norm() < 0.25 * exact.norm()
