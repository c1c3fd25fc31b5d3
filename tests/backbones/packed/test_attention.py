"""The attention paths against each other, and the layout they share."""

from __future__ import annotations

import pickle

import pytest
import torch
from torch.nn.attention.flex_attention import create_block_mask

from e1bind.errors import UserError
from e1bind_backbones.e1 import encode_rows
from e1bind_backbones.packed import cpu_slices
from e1bind_backbones.packed.attention import AttentionChoice, attend_slices, dense_masks
from e1bind_backbones.packed.blocks import BlockTables
from e1bind_backbones.packed.flex import block_mask
from e1bind_backbones.packed.layout import Job, RowLayout


def ids(*rows):
    """`sequence_ids` and `view_ids` [M, T] of rows given as ([context lengths], query length, views)."""
    pairs = []
    for context, query, views in rows:
        sequence = [i for i, n in enumerate(context) for _ in range(n)]
        view = [0] * len(sequence)
        for v in range(views):
            sequence += [len(context)] * query
            view += [v + 1 if views > 1 else 0] * query
        pairs.append((sequence, view))
    width = max(len(sequence) for sequence, _ in pairs)
    return tuple(torch.tensor([p[i] + [-1] * (width - len(p[i])) for p in pairs]) for i in (0, 1))


BATCHES = {
    "one sequence": [([], 9, 1)],
    "single sequences, padded": [([], 9, 1), ([], 9, 1), ([], 4, 1)],
    "contexts": [([5, 7, 1], 9, 1), ([], 20, 1), ([3], 3, 1)],
    "shared context": [([5, 7], 9, 3), ([4], 6, 3), ([], 30, 1)],
    "views without context": [([], 7, 4), ([3, 3, 3], 3, 2)],
    "long": [([150, 90, 20], 140, 3), ([300], 17, 1)],
    "whole blocks": [([128, 128], 128, 2)],
}


@pytest.fixture(params=BATCHES)
def batch(request):
    return ids(*BATCHES[request.param])


def reference(q, k, v, mask, layout):
    """Softmax attention by its definition over padded rows, packed again."""
    q, k, v = (layout.unpack(x).transpose(1, 2) for x in (q, k, v))
    scores = (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).masked_fill(~mask, float("-inf"))
    return layout.pack((scores.softmax(-1) @ v).transpose(1, 2))


@pytest.mark.parametrize("run", [attend_slices, cpu_slices.attend], ids=["public", "kernel"])
@pytest.mark.parametrize("kind", ["within", "global"])
def test_slices_give_the_masked_softmax_and_its_gradients(batch, kind, run):
    layout = RowLayout.build(*batch)
    mask = dense_masks(*batch)[kind == "global"]
    jobs = layout.global_jobs if kind == "global" else layout.within_jobs
    generator = torch.Generator().manual_seed(0)
    leaves = [torch.randn(layout.tokens, 2, 4, generator=generator, dtype=torch.float64) for _ in range(4)]
    q, k, v, weight = leaves
    results = []
    for attend in (lambda: run(q, k, v, jobs), lambda: reference(q, k, v, mask, layout)):
        for x in (q, k, v):
            x.requires_grad_().grad = None
        out = attend()
        (out * weight).sum().backward()
        results.append([out.detach(), q.grad, k.grad, v.grad])
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).abs().max() < 1e-12


@pytest.mark.parametrize("with_prefix", [False, True], ids=["within", "global"])
def test_block_tables_have_the_coverage_of_create_block_mask(batch, with_prefix):
    layout = RowLayout.build(*batch)
    tables = BlockTables.build(layout, with_prefix)
    mine = block_mask(tables)
    theirs = create_block_mask(mine.mask_mod, 1, 1, layout.tokens, layout.tokens, device="cpu")
    names = ["kv_num_blocks", "full_kv_num_blocks", "q_num_blocks", "full_q_num_blocks"]
    assert all(torch.equal(getattr(mine, name), getattr(theirs, name)) for name in names)
    for count, index in (("kv_num_blocks", "kv_indices"), ("full_kv_num_blocks", "full_kv_indices")):
        for n, a, b in zip(
            getattr(mine, count)[0, 0], *(getattr(m, index)[0, 0] for m in (mine, theirs)), strict=True
        ):
            assert torch.equal(a[:n], b[:n])


def test_the_mask_of_block_tables_is_the_dense_mask(batch):
    layout = RowLayout.build(*batch)
    place = torch.arange(batch[0].numel()) if layout.token_N is None else layout.token_N
    row, column = place // layout.width, place % layout.width
    for with_prefix in (False, True):
        dense = dense_masks(*batch)[with_prefix][:, 0]
        packed = dense[row[:, None], column[:, None], column[None]] & (row[:, None] == row[None])
        n = torch.arange(layout.tokens)
        sees = block_mask(BlockTables.build(layout, with_prefix)).mask_mod
        assert torch.equal(sees(None, None, n[:, None], n[None]), packed)


@pytest.mark.parametrize("given", [False, True], ids=["made in forward", "made in advance"])
def test_flex_attention_gives_the_same_numbers_forward_on_a_cpu(loud_model, given):
    model = loud_model(max_num_positions_within_seq=200)
    batch = encode_rows(["ACDEFGHIKLMNPQRSTVWY" * 7 + ",MKV" * 3, "ACDB,XX?W", "A"])
    layout = RowLayout.build(batch["sequence_ids"])
    with torch.no_grad():
        expected = model(**batch).logits
        model.attention = AttentionChoice("flex")
        out = model(**batch, layout=layout.with_blocks() if given else layout).logits
    assert (out - expected).abs().max() < 2e-5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_flex_attention_stays_near_the_slices_in_half_precision(loud_model, dtype):
    model = loud_model(max_num_positions_within_seq=200).to(dtype)
    batch = encode_rows(["ACDEFGHIKLMNPQRSTVWY" * 7 + ",MKV" * 3, "ACDB,XX?W"])
    with torch.no_grad():
        expected = model(**batch).logits
        model.attention = AttentionChoice("flex")
        out = model(**batch).logits
    assert (out - expected).abs().max() < 0.05 * expected.abs().max()


def test_flex_attention_says_that_it_cannot_train_on_a_cpu(loud_model):
    model = loud_model()
    model.attention = AttentionChoice("flex")
    with pytest.raises(UserError, match='use "auto" or "slices"'):
        model(**encode_rows(["ACDEF"]))


def test_the_work_of_within_sequence_layers_is_the_sum_of_squares_of_the_sequences():
    layout = RowLayout.build(*ids(([30, 40, 50], 20, 4), ([], 60, 1)))
    assert sum(job.count * job.length**2 for job in layout.within_jobs) == 30**2 + 40**2 + 50**2 + 4 * 20**2 + 60**2
    assert sum(job.count * job.length * job.prefix for job in layout.within_jobs) == 0


def test_views_of_a_query_and_equal_single_sequences_share_a_call():
    shared = RowLayout.build(*ids(([5, 7], 9, 3)))
    assert shared.global_jobs[-1] == Job(start=12, count=3, length=9, prefix_start=0, prefix_stop=12)
    single = RowLayout.build(*ids(*[([], 9, 1)] * 4))
    assert single.within_jobs == (Job(0, 4, 9, 0, 0),)
    assert len(single.global_jobs) == 1
    assert single.token_N is None


def test_a_layout_survives_pickling_and_moving(batch):
    layout = RowLayout.build(*batch).with_blocks()
    again = pickle.loads(pickle.dumps(layout)).to(torch.device("cpu"))  # noqa: S301 (our own bytes)
    assert again.global_jobs == layout.global_jobs
    assert torch.equal(again.cu_seqlens, layout.cu_seqlens)
    assert torch.equal(again.blocks[1].partial_QK, layout.blocks[1].partial_QK)


def test_rows_without_a_token_or_with_misplaced_views_are_refused():
    with pytest.raises(ValueError, match="no token"):
        RowLayout.build(torch.full((2, 3), -1))
    sequence, view = ids(([4], 3, 2))
    with pytest.raises(ValueError, match="view"):
        RowLayout.build(sequence, view.flip(1))
    with pytest.raises(ValueError, match="only its last sequence may have views"):
        RowLayout.build(torch.tensor([[0, 0, 1]]), torch.tensor([[0, 1, 0]]))
