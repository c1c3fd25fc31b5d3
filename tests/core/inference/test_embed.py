"""`embed` from FASTA to safetensors."""

from __future__ import annotations

import logging
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file
from small_runs import SPEC, train_once

import e1bind
from e1bind.contracts import ResidueRecord, View
from e1bind.errors import DataError, UserError
from e1bind.inference.embed import EmbedOptions, embed
from e1bind.inference.embedding_file import write_embeddings
from e1bind_backbones.e1.backbone import E1Backbone
from e1bind_backbones.options import E1Options

LONG = "MKVHCDEACGHKLLPWFYTSNQRGIVE" * 10
CHAINS = {"odd,id|x": "mkvhcdeACGHK", "long": LONG, "c": "MKVLLHHXX"}
TEXT = "".join(f">{name} of somebody\n{sequence}\n" for name, sequence in CHAINS.items())


def metadata_of(path: Path) -> dict[str, str]:
    with safe_open(path, "np") as file:
        return file.metadata()


@pytest.fixture
def done(trained, write, tmp_path):
    def run(text: str = TEXT, name: str = "e.safetensors", model: Path = trained, **options):
        target = tmp_path / name
        return embed(model, EmbedOptions(write(text), target, **{"device": "cpu", **options})), target

    return run


def test_a_tensor_for_each_chain_that_is_load_run_s(done, trained):
    outcome, path = done(fold=2)
    found = load_file(path)
    assert set(found) == set(CHAINS)
    assert (outcome.chains, outcome.residues, outcome.bad, outcome.width) == (3, 12 + len(LONG) + 9, 0, 64)
    wanted = dict(e1bind.load_run(trained, device="cpu").embed_many(CHAINS, fold=2))
    for name, sequence in CHAINS.items():
        assert found[name].dtype == np.float32
        assert found[name].shape == (len(sequence), 64)
        assert np.array_equal(found[name], wanted[name])


def test_the_metadata_say_whose_embeddings_they_are(done, trained):
    _, path = done()
    found = metadata_of(path)
    assert found["run"] == trained.name
    assert found["fold"] == "1"
    assert found["layer"] == "final hidden states"
    assert found["backbone"].startswith("E1, random weights (tiny")
    assert (found["dims"], found["dtype"], found["e1bind"]) == ("64", "float32", e1bind.__version__)
    _, path = done(projected=True)
    assert metadata_of(path)["layer"] == "final hidden states, projected"


def test_a_spec_gives_its_backbone_as_it_is(done, root, tmp_path):
    spec = tmp_path / "spec.toml"
    spec.write_text(SPEC.format(data=root / "examples" / "data"))
    _, path = done(model=spec)
    found, about = load_file(path), metadata_of(path)
    assert about["layer"] == "final hidden states, not adapted"
    assert "run" not in about
    backbone = E1Backbone(E1Options(random_weights="tiny"))
    batch = backbone.encoder().encode([[View.unmasked("MKVLLHHXX")]])
    with torch.inference_mode():
        hidden = backbone.hidden(backbone.load_model(), batch)[batch.token_RV[:, 0]].numpy()
    assert found["c"] == pytest.approx(hidden, abs=1e-5)
    _, other = done(model=spec, overrides=["backbone.e1.random_seed=1"])
    assert not np.allclose(load_file(other)["c"], found["c"], atol=1e-2)


def test_batches_make_no_difference(done):
    _, one = done()
    _, two = done(name="two.safetensors", max_tokens=30)
    assert load_file(one).keys() == load_file(two).keys()
    for name, values in load_file(one).items():
        assert values == pytest.approx(load_file(two)[name], abs=1e-5)


def test_ids_that_stand_twice_are_refused(done, tmp_path):
    with pytest.raises(DataError, match="a: the id was read before with another sequence"):
        done(">a\nMKV\n>a\nMKL\n")
    with pytest.raises(DataError, match="__metadata__"):
        done(">__metadata__\nMKV\n")
    assert [file.name for file in tmp_path.iterdir()] == ["input.fasta"]


def test_bad_records_are_left_out_and_counted_or_stop(done, tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "e1bind"):
        outcome, path = done(">a\nMKV\n>worse\nM*V\n>c\nMKL\n")
    assert outcome.bad == 1
    assert set(load_file(path)) == {"a", "c"}
    assert caplog.text.count("worse") == 1
    before = path.read_bytes()
    with pytest.raises(DataError, match="worse"):
        done(">a\nMKV\n>worse\nM*V\n", strict=True)
    with pytest.raises(DataError, match="none of the 1 records"):
        done(">worse\nM*V\n")
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["e.safetensors", "input.fasta"]


def test_alignments_are_read(done, tmp_path):
    sequence = CHAINS["odd,id|x"].upper() * 3
    folder = tmp_path / "msa"
    folder.mkdir()
    (folder / "a.a3m").write_text(f">a\n{sequence}\n>h\n{sequence.replace('H', 'Q').replace('K', 'R')}\n")
    text = f">a\n{sequence}\n>b\n{sequence}\n"
    _, path = done(text, msa_dir=folder)
    found = load_file(path)
    assert not np.allclose(found["a"], found["b"], atol=1e-3)
    (folder / "b.a3m").write_text(f">b\n{'W' * len(sequence)}\n")
    with pytest.raises(DataError, match="b: "):
        done(text, msa_dir=folder)


def test_mistakes_are_told_before_anything_is_computed(done, root, trained, tmp_path, write):
    spec = tmp_path / "spec.toml"
    spec.write_text(SPEC.format(data=root / "examples" / "data"))
    for options, message in (
        ({"name": "e.npz"}, "name a file that ends in .safetensors"),
        ({"fold": 3}, "--fold 3: the run has the folds 1 to 2"),
        ({"overrides": ["run.seed=2"]}, "--set run.seed=2 changes a spec"),
        ({"model": spec, "fold": 1}, "--fold belongs to a run"),
        ({"model": spec, "projected": True}, "--projected belongs to a run"),
        ({"model": spec, "checkpoint": "x"}, "--checkpoint belongs to a run"),
        ({"model": tmp_path / "none"}, "there is no run directory and no spec file"),
        ({"device": "tpu"}, "--device tpu"),
    ):
        with pytest.raises(UserError, match=message):
            done(**options)
    with pytest.raises(UserError, match="not standard input"):
        embed(trained, EmbedOptions(Path("-"), tmp_path / "e.safetensors"))


def test_the_file_is_written_as_the_chains_come(tmp_path):
    """50 MB of embeddings, a chain at a time, in a fraction of that memory; the library reads them all."""
    lengths = {f"c{i}": 256 for i in range(100)}
    rng = np.random.default_rng(0)

    def chains():
        for name, length in lengths.items():
            yield ResidueRecord(name, "A" * length), rng.random((length, 512), dtype=np.float32)

    path = tmp_path / "e.safetensors"
    tracemalloc.start()
    write_embeddings(path, lengths, 512, {"run": "x"}, chains())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 50_000_000
    assert peak < 5_000_000
    found = load_file(path)
    rng = np.random.default_rng(0)
    assert all(np.array_equal(found[name], rng.random((256, 512), dtype=np.float32)) for name in lengths)


def test_an_input_that_changes_while_it_is_read_leaves_no_file(tmp_path):
    one = ResidueRecord("a", "MKV", source="x:1"), np.zeros((3, 4), np.float32)
    for chains in ([], [one, one], [(ResidueRecord("b", "MKV"), one[1])]):
        with pytest.raises(DataError, match="the input changed while it was read"):
            write_embeddings(tmp_path / "e.safetensors", {"a": 3}, 4, {}, chains)
    assert not list(tmp_path.iterdir())


def test_a_frozen_backbone_has_embeddings_and_no_adapter(root, tmp_path, write):
    text = SPEC.format(data=root / "examples" / "data").replace("epochs = 2", "epochs = 1")
    text = text.replace("[lora]", "[lora]\nenabled = false").replace("[losses.mlm]", "[head.linear]\n[losses.mlm]")
    for name in ("nt-xent]\nweight = 0.2", "prototype-alignment]", "prototype-bce]", "mlm]\nweight = 0.1"):
        text = text.replace(f"[losses.{name}\n", "")
    run = train_once(tmp_path, text + "[losses.bce]\n").run.path
    for fold in (1, 2):
        embed(run, EmbedOptions(write(TEXT), tmp_path / f"{fold}.safetensors", fold=fold, device="cpu"))
    one, two = (load_file(tmp_path / f"{fold}.safetensors") for fold in (1, 2))
    assert all(np.array_equal(one[name], two[name]) for name in one)
