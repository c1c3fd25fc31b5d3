"""The attention paths of a GPU: as far as a CPU can follow them, and on a GPU where there is one."""

from __future__ import annotations

import functools
import inspect
import itertools
import shutil
from types import SimpleNamespace

import pytest
import torch

from e1bind_backbones.e1 import encode_rows
from e1bind_backbones.packed.attention import AttentionChoice, attend_slices
from e1bind_backbones.packed.layout import RowLayout
from e1bind_backbones.packed.varlen import SegmentKeys, attend_varlen, takes_varlen

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


def stand_in_for_the_kernel(signature, *arguments):
    """What the kernel computes, from its arguments as torch's documentation says."""
    given = signature.bind(*arguments).arguments
    q, k, v = given["query"], given["key"], given["value"]
    bounds = [list(itertools.pairwise(given[name].tolist())) for name in ("cu_seq_q", "cu_seq_k")]
    for name, spans in zip(("q", "k"), bounds, strict=True):
        assert given[f"cu_seq_{name}"].dtype == torch.int32
        assert given[f"max_{name}"] == max(b - a for a, b in spans)
    parts = []
    for (a, b), (c, d) in zip(*bounds, strict=True):
        scores = torch.einsum("nhd,mhd->hnm", q[a:b], k[c:d]) / q.shape[-1] ** 0.5
        parts.append(torch.einsum("hnm,mhd->nhd", scores.softmax(-1), v[c:d]))
    return torch.cat(parts)


@pytest.mark.parametrize("kind", ["within", "global", "last, within", "last, global"])
def test_the_varlen_kernel_is_told_the_keys_of_every_segment(monkeypatch, kind):
    """With contexts, shared and not, single chains, and padding; gradients too."""
    varlen = pytest.importorskip("torch.nn.attention.varlen")
    stand_in = functools.partial(stand_in_for_the_kernel, inspect.signature(varlen.varlen_attn))
    monkeypatch.setattr(varlen, "varlen_attn", stand_in)
    sequence = torch.tensor([[0] * 4 + [1] * 3 + [2] * 10, [0] * 6 + [-1] * 11, [0] * 2 + [1] * 6 + [-1] * 9])
    view = torch.tensor([[0] * 7 + [1] * 5 + [2] * 5, [1] * 3 + [2] * 3 + [-1] * 11, [0] * 8 + [-1] * 9])
    layout = RowLayout.build(sequence, view)
    jobs = {
        "within": layout.within_jobs,
        "global": layout.global_jobs,
        "last, within": layout.last.layout.within_jobs,
        "last, global": layout.last.global_jobs,
    }[kind]
    queries = sum(job.count * job.length for job in jobs)
    keys = queries if kind == "last, within" else layout.tokens
    generator = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(n, 2, 8, generator=generator).requires_grad_() for n in (queries, keys, keys))
    segments = SegmentKeys.of(jobs, q.device)
    assert (segments.key_K is None) == (kind in ("within", "last, within"))
    weight = torch.randn(queries, 2, 8, generator=generator)
    results = []
    for out in (attend_varlen(q, k, v, segments), attend_slices(q, k, v, jobs)):
        results.append([out, *torch.autograd.grad(out, (q, k, v), weight)])
    torch.testing.assert_close(*results, rtol=1e-5, atol=1e-5)


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
