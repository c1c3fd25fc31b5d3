"""E1 against a naive float64 restatement, on shapes and rows beyond the golden ones."""

from __future__ import annotations

import pytest
import torch

from e1bind_backbones.e1 import encode_rows
from e1bind_backbones.packed.attention import AttentionChoice

SHAPES = {
    "cadence 2": {},
    "no global layer": {"global_attention_every_n_layers": 0},
    "all layers global": {"global_attention_every_n_layers": 1},
    "cadence 3, grouped heads": {"global_attention_every_n_layers": 3, "num_key_value_heads": 2},
    "one key/value head, no clamp": {"num_key_value_heads": 1, "clip_qkv": None},
    "cadence past the last layer": {"global_attention_every_n_layers": 9},
    "plain gelu, large epsilon": {"gated_mlp": False, "hidden_act": "gelu", "rms_norm_eps": 1e-2},
    "odd head width halves": {"hidden_size": 24, "num_attention_heads": 12, "num_key_value_heads": 4},
}
ROWS = ["MKV,ACDB,XX?W,A,BJOUXZ", "A", "W?", "ACDEFGHIKLMN,YWV", "XAXXC,XACX,AX?C"]


@pytest.fixture(scope="module")
def truth(oracle, loud_model):
    """For each shape: the model, and the oracle's states, logits, loss and gradients."""

    def compute(changes, remove_x):
        model = loud_model(**changes)
        parameters = {n: p.detach().double().requires_grad_() for n, p in model.named_parameters()}
        config = model.config.to_dict()
        rows = [oracle.forward(config, parameters, row, remove_x) for row in ROWS]
        return model, parameters, rows

    return compute


@pytest.mark.parametrize("remove_x", [False, True], ids=["with X", "X removed"])
@pytest.mark.parametrize("shape", SHAPES)
def test_states_logits_loss_and_gradients_agree(oracle, truth, shape, remove_x):
    model, parameters, rows = truth(SHAPES[shape], remove_x)
    batch = encode_rows(ROWS, remove_x=remove_x)
    batch["labels"] = torch.where(batch["input_ids"] % 3 == 0, batch["input_ids"], 0)
    real = batch["sequence_ids"] >= 0
    logits = torch.cat([logits for _, logits in rows])
    loss = oracle.loss(logits, batch["labels"][real])
    wanted = torch.autograd.grad(loss, list(parameters.values()))
    for path in ("slices", "dense", "auto"):
        model.attention = AttentionChoice(path)
        model.zero_grad()
        out = model(**batch, output_hidden_states=True)
        out.loss.backward()
        for layer, state in enumerate(out.hidden_states):
            expected = torch.cat([states[layer] for states, _ in rows])
            assert (state[real] - expected).abs().max() < 2e-5, (path, layer)
        assert (out.logits[real] - logits).abs().max() < 2e-5, path
        assert abs(out.loss - loss) < 1e-5, path
        for (name, p), gradient in zip(model.named_parameters(), wanted, strict=True):
            if name != "model.embed_tokens.weight":  # its pad row gets no gradient here, and is unused there
                assert (p.grad - gradient).abs().max() < 1e-5, (path, name)
        assert (model.model.embed_tokens.weight.grad - wanted[0])[1:].abs().max() < 1e-5
    model.attention = AttentionChoice("flex")  # forward only: it has no backward pass on a CPU
    with torch.no_grad():
        assert (model(**batch).logits[real] - logits).abs().max() < 2e-5


LONG_SHAPES = {
    "grouped heads, cadence 3": {"num_key_value_heads": 2, "global_attention_every_n_layers": 3},
    "one key/value head, all global": {"num_key_value_heads": 1, "global_attention_every_n_layers": 1},
    "plain, no clamp, cadence 4": {"gated_mlp": False, "clip_qkv": None, "global_attention_every_n_layers": 4},
}


@pytest.mark.parametrize("shape", LONG_SHAPES)
def test_rows_of_several_blocks_and_many_sequences_agree_on_every_path(oracle, loud_model, make_chain, shape):
    """More than 128 tokens (a block of FlexAttention); sequences begin inside blocks and at their edges."""
    model = loud_model(**LONG_SHAPES[shape], max_num_positions_within_seq=160)
    lengths = [(37, 61, 1, 58, 44, 3), (150,), (124, 124, 60), (1, 1, 1, 1)]
    rows = [",".join(make_chain(n) for n in row) for row in lengths]
    parameters = {n: p.detach().double() for n, p in model.named_parameters()}
    found = [oracle.forward(model.config.to_dict(), parameters, row) for row in rows]
    batch = encode_rows(rows)
    real = batch["sequence_ids"] >= 0
    with torch.no_grad():
        for path in ("slices", "dense", "flex", "auto"):
            model.attention = AttentionChoice(path)
            out = model(**batch)
            assert (out.logits[real] - torch.cat([logits for _, logits in found])).abs().max() < 2e-5, path
            states = torch.cat([states[-1] for states, _ in found])
            assert (out.last_hidden_state[real] - states).abs().max() < 2e-5, path


@pytest.mark.parametrize("path", ["slices", "dense", "flex", "auto"])
def test_a_row_of_nothing_but_padding_is_zero_and_changes_nothing(loud_model, path):
    model, batch = loud_model(), encode_rows(ROWS)
    model.attention = AttentionChoice(path)
    fill = {name: 0 if name in ("input_ids", "labels") else -1 for name in batch}
    padded = {n: torch.cat([x[:2], torch.full_like(x[:1], fill[n]), x[2:]]) for n, x in batch.items()}
    with torch.no_grad():
        plain, out = model(**batch), model(**padded)
    assert out.logits[2].abs().sum() == 0
    assert (out.logits[[0, 1, 3, 4, 5]] - plain.logits).abs().max() < 1e-5
    assert abs(out.loss - plain.loss) < 1e-6


@pytest.mark.parametrize("path", ["slices", "dense", "auto"])
def test_a_row_alone_and_padded_in_a_batch_are_the_same(loud_model, path):
    model = loud_model()
    model.attention = AttentionChoice(path)
    together = model(**encode_rows(ROWS))
    for i, row in enumerate(ROWS):
        alone = model(**encode_rows([row]))
        n = alone.logits.shape[1]
        assert (together.logits[i, :n] - alone.logits[0]).abs().max() < 1e-5
        assert (together.last_hidden_state[i, :n] - alone.last_hidden_state[0]).abs().max() < 1e-5
        assert together.last_hidden_state[i, n:].abs().sum() == 0


def test_padding_on_the_left_or_in_between_changes_nothing(loud_model):
    model = loud_model()
    batch = encode_rows(["MKV,ACDB,XX?W"])
    plain = model(**batch).logits
    spread = {}
    columns = [2, 3, *range(6, 6 + plain.shape[1] - 2)]
    for name, values in batch.items():
        spread[name] = torch.full((1, columns[-1] + 3), 0 if name in ("input_ids", "labels") else -1)
        spread[name][:, columns] = values
    assert (model(**spread).logits[:, columns] - plain).abs().max() < 1e-5


def test_a_homologue_never_reads_the_query_and_the_query_reads_it(loud_model):
    model = loud_model()
    one, two = (model(**encode_rows([row])).last_hidden_state for row in ("ACD,EFG", "ACD,WWW"))
    assert torch.equal(one[:, :7], two[:, :7])
    other = model(**encode_rows(["KKK,EFG"])).last_hidden_state
    assert (one[:, 7:] - other[:, 7:]).abs().max() > 1e-3
