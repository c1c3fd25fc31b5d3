"""Prediction: batches of like length against input order, and memory over 20,000 chains.

    python -m benchmarks predict [--chains 1000] [--stream 20000] [--no-memory]

Runs of two folds are trained on the example data in a few seconds: one of a tiny E1, which computes on real tokens
only, and one of a tiny ESM-2 through hf-mlm, which computes on padding too. The same chains are then scored sorted
by length in batches of a token budget, as `e1bind predict` does, and in input order in batches of a fixed number of
chains; probabilities must agree to 1e-6 before anything is timed. For memory `predict` (E1) streams chains from a
FASTA file into a CSV file in a process of its own, which samples its resident set as it goes.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks._benchmark import HERE, Benchmark, Cell, Figures, Step, Table
from benchmarks._harness import CPU, rounded, seconds
from e1bind.contracts import STANDARD_RESIDUES, ResidueRecord, View
from e1bind.engine.crossval import cross_validate
from e1bind.engine.events import Listener
from e1bind.inference.chunks import MAX_TOKENS
from e1bind.inference.ensemble import Ensemble
from e1bind.inference.stream import predict_stream
from e1bind.runs.reader import open_run
from e1bind.scoring import probabilities
from e1bind.spec import load_spec

DATA = HERE.parent / "examples" / "data"
BACKBONES = ["e1", "hf-mlm"]
FIXED = (2, 8, 32)
SPEC = f"""\
schema_version = 1
[run]
output_dir = "runs"
[data.fasta3]
train = "{DATA}/{{{{ion}}}}_train.fasta"
[cv]
folds = 2
groups = "{DATA}/clusters.tsv"
[backbone.{{backbone}}]
{{options}}
[lora]
r = 8
alpha = 16
[views.masked]
num_variants = 2
[losses.prototype-bce]
[training]
ions = ["ZN"]
epochs = 1
warmup_epochs = 0.5
[baselines]
compute = []
[metrics]
compute = ["auprc"]
"""


def write_esm(folder: Path) -> Path:
    """An ESM-2-shaped checkpoint with random weights: 4 layers x 128."""
    from transformers import EsmConfig, EsmForMaskedLM, EsmTokenizer

    vocabulary = ["<cls>", "<pad>", "<eos>", "<unk>", *"LAGVSERTIDPYKNFQHMWCXBUZO.-", "<null_1>", "<mask>"]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    EsmTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    config = EsmConfig(
        vocab_size=len(vocabulary),
        mask_token_id=32,
        pad_token_id=1,
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=8,
        intermediate_size=512,
        max_position_embeddings=1026,
        position_embedding_type="rotary",
        token_dropout=True,
    )
    torch.manual_seed(0)
    EsmForMaskedLM(config).save_pretrained(folder)
    return folder


def trained(folder: Path, backbone: str) -> Path:
    """A small finished run."""
    options = 'random_weights = "tiny"' if backbone == "e1" else f'checkpoint = "{write_esm(folder / "esm")}"'
    path = folder / f"{backbone}.toml"
    path.write_text(SPEC.format(backbone=backbone, options=options))
    log = logging.getLogger("e1bind")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        done = cross_validate(load_spec(path), path, lambda *_: None, Listener(), None, None)
    finally:
        log.setLevel(level)
    assert done is not None
    return done.run.path


def chains(count: int, low: float, high: float) -> list[ResidueRecord]:
    """Random chains; lengths are log-uniform, since short proteins are many and long ones few."""
    rng = np.random.default_rng(0)
    letters = np.array(list(STANDARD_RESIDUES))
    lengths = np.exp(rng.uniform(np.log(low), np.log(high), count)).astype(int)
    return [ResidueRecord(f"chain_{i}", "".join(rng.choice(letters, n))) for i, n in enumerate(lengths)]


def refuse(record: ResidueRecord, message: str) -> None:
    raise RuntimeError(f"{record.id}: {message}")


def sorted_by_length(ensemble: Ensemble, records: Sequence[ResidueRecord]) -> list[np.ndarray]:
    """As `predict` does: mean probabilities of each chain."""
    return [p.mean("ZN") for p in predict_stream(ensemble, records, refuse)]


def in_input_order(ensemble: Ensemble, records: Sequence[ResidueRecord], size: int) -> list[np.ndarray]:
    """`size` chains at a time, as they come."""
    encoder, found = ensemble.pipeline.encoder, []
    for start_ in range(0, len(records), size):
        part = records[start_ : start_ + size]
        batch = encoder.encode([[View.unmasked(r.sequence)] for r in part])
        folds = [probabilities(scored[0]["ZN"]) for scored in ensemble.score([batch])]
        cuts = np.cumsum([len(r) for r in part])[:-1]
        found += np.split(np.mean(folds, axis=0, dtype=np.float64), cuts)
    return found


def speed(run: Path, count: int, repeats: int) -> Figures:
    """Seconds of each way, and how many times faster the sorted one is."""
    ensemble = Ensemble(open_run(run), CPU)
    records = chains(count, 20, 200)
    ours = sorted_by_length(ensemble, records)
    others = [in_input_order(ensemble, records, size) for size in FIXED]
    worst = max(float(np.abs(a - b).max()) for other in others for a, b in zip(ours, other, strict=True))
    if not worst < 1e-6:
        raise SystemExit(f"probabilities differ by {worst:.1e}; not timed")
    variants: dict[str, Step] = {"sorted, token budget": partial(sorted_by_length, ensemble, records)}
    variants |= {f"input order, {n} chains": partial(in_input_order, ensemble, records, n) for n in FIXED}
    taken = seconds(variants, repeats)
    base = taken["sorted, token budget"]
    return {
        "chains": count,
        "residues": sum(map(len, records)),
        "max_tokens": MAX_TOKENS["cpu"],
        "largest_difference": float(f"{worst:.1e}"),
        "seconds": rounded(taken),
        "times_as_long": rounded({name: value / base for name, value in taken.items()}, 2),
    }


def memory(run: Path, folder: Path, count: int) -> Figures:
    """Resident megabytes of a process that predicts `count` chains, every tenth of the way."""
    fasta = folder / "stream.fasta"
    fasta.write_text("".join(f">{r.id}\n{r.sequence}\n" for r in chains(count, 20, 80)))
    command = [sys.executable, "-m", "benchmarks._predict_stream", str(run), str(fasta), str(count)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=HERE.parent)
    return {"chains": count, "resident_mb_at_each_tenth": json.loads(done.stdout.splitlines()[-1])}


def run(options: Namespace) -> Figures:
    """Times of both backbones, and the memory of a long prediction."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = {backbone: trained(folder, backbone) for backbone in options.backbones}
        found: Figures = {
            "backbones": {backbone: speed(run, options.chains, options.repeats) for backbone, run in runs.items()}
        }
        if not options.no_memory:
            found["memory"] = memory(runs[options.backbones[0]], folder, options.stream)
    return found


def tables(found: Figures) -> list[Table]:
    """Times of both backbones, and the memory of a long prediction."""
    rows: list[list[Cell]] = []
    for backbone, figures in found["backbones"].items():
        times, slower = figures["seconds"], figures["times_as_long"]
        ours, *others = times
        rows.append([backbone, times[ours], *(f"{times[name]} ({slower[name]})" for name in others)])
    one = next(iter(found["backbones"].values()))
    columns = ["CPU s (times as long)", *one["seconds"]]
    drawn = [Table(f"{one['chains']:,} chains, {one['residues']:,} residues", columns, rows)]
    if memory := found.get("memory"):
        tenths = memory["resident_mb_at_each_tenth"]
        columns = ["", *(f"{10 * (i + 1)} %" for i in range(len(tenths)))]
        drawn.append(Table(f"`predict` over {memory['chains']:,} chains", columns, [["resident MB", *tenths]]))
    return drawn


def options(parser: ArgumentParser) -> None:
    """Its own."""
    parser.add_argument("--backbones", nargs="+", choices=BACKBONES, default=BACKBONES)
    parser.add_argument("--chains", type=int, default=1000, help="chains of the timed rounds")
    parser.add_argument("--stream", type=int, default=20_000, help="chains of the memory run")
    parser.add_argument("--no-memory", action="store_true", help="leave the memory run out")


QUICK = ["--backbones", "hf-mlm", "--chains", "8", "--repeats", "1", "--no-memory"]
BENCHMARK = Benchmark(run, tables, options, QUICK)
