"""Prediction: batches of like length against input order, and memory over 20,000 chains.

    uv run benchmarks/predict.py [--chains 1000] [--stream 20000] [--repeats 3] [--no-memory] [--out FILE]

Runs of two folds are trained on the example data in a few seconds: one of a tiny E1, which computes on real tokens
only, and one of a tiny ESM-2 through hf-mlm, which computes on padding too. The same chains are then scored sorted
by length in batches of a token budget, as `e1bind predict` does, and in input order in batches of a fixed number of
chains; probabilities must agree to 1e-6 before anything is timed. For memory `predict` (E1) streams chains from a
FASTA file into a CSV file in a process of its own, which samples its resident set as it goes.
"""

from __future__ import annotations

import json
import logging
import resource
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _harness import arguments, finish, rounded, seconds, start

from e1bind.contracts import STANDARD_RESIDUES, ResidueRecord, View
from e1bind.engine.crossval import cross_validate
from e1bind.engine.events import Listener
from e1bind.inference.chunks import MAX_TOKENS
from e1bind.inference.ensemble import Ensemble
from e1bind.inference.predict import PredictOptions, predict
from e1bind.inference.stream import predict_stream
from e1bind.runs.reader import open_run
from e1bind.scoring import probabilities
from e1bind.spec import load_spec

DATA = Path(__file__).resolve().parents[1] / "examples" / "data"
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


def trained(folder: Path, backbone: str, options: str) -> Path:
    """A small finished run."""
    path = folder / f"{backbone}.toml"
    path.write_text(SPEC.format(backbone=backbone, options=options))
    logging.getLogger("e1bind").setLevel(logging.ERROR)
    done = cross_validate(load_spec(path), path, lambda *_: None, Listener(), None, None)
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


def speed(run: Path, count: int, repeats: int) -> dict[str, Any]:
    """Seconds of each way, and how many times faster the sorted one is."""
    ensemble = Ensemble(open_run(run), torch.device("cpu"))
    records = chains(count, 20, 200)
    ours = sorted_by_length(ensemble, records)
    others = [in_input_order(ensemble, records, size) for size in FIXED]
    worst = max(float(np.abs(a - b).max()) for other in others for a, b in zip(ours, other, strict=True))
    assert worst < 1e-6, worst
    variants = {"sorted, token budget": lambda: sorted_by_length(ensemble, records)}
    variants |= {f"input order, {n} chains": lambda n=n: in_input_order(ensemble, records, n) for n in FIXED}
    taken = seconds(variants, repeats, torch.device("cpu"))
    base = taken["sorted, token budget"]
    return {
        "chains": count,
        "residues": sum(map(len, records)),
        "max_tokens": MAX_TOKENS["cpu"],
        "largest_difference": worst,
        "seconds": rounded(taken),
        "times_faster": rounded({name: value / base for name, value in taken.items()}, 2),
    }


def memory(run: Path, folder: Path, count: int) -> dict[str, Any]:
    """Resident megabytes of a process that predicts `count` chains, every tenth of the way."""
    fasta = folder / "stream.fasta"
    fasta.write_text("".join(f">{r.id}\n{r.sequence}\n" for r in chains(count, 20, 80)))
    command = [sys.executable, __file__, "--peak-of", json.dumps([str(run), str(fasta), count])]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {"chains": count, **json.loads(printed.splitlines()[-1])}


def sample(run: str, fasta: str, count: int) -> None:
    """In the process of its own: predict, and print the resident set as it goes."""
    resident: list[float] = []
    done = 0

    def advance(_: int) -> None:
        nonlocal done
        done += 1
        if done % (count // 10) == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            resident.append(round(pages * resource.getpagesize() / 2**20, 1))

    predict(Path(run), PredictOptions(Path(fasta), Path(fasta).with_suffix(".csv"), device="cpu"), advance)
    print(json.dumps({"resident_mb_at_each_tenth": resident}))


def main() -> None:
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--chains", type=int, default=1000, help="chains of the timed rounds")
    parser.add_argument("--stream", type=int, default=20_000, help="chains of the memory run")
    options = parser.parse_args()
    start(options)
    if options.peak_of:
        sample(*json.loads(options.peak_of))
        return
    with tempfile.TemporaryDirectory() as name:
        run = trained(Path(name), "e1", 'random_weights = "tiny"')
        esm = trained(Path(name), "hf-mlm", f'checkpoint = "{write_esm(Path(name) / "esm")}"')
        result: dict[str, Any] = {
            "e1": speed(run, options.chains, options.repeats),
            "hf-mlm": speed(esm, options.chains, options.repeats),
        }
        if not options.no_memory:
            result["memory"] = memory(run, Path(name), options.stream)
    finish(result, options)


if __name__ == "__main__":
    main()
