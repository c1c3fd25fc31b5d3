"""`e1bind embed`: residue embeddings of chains in FASTA, by a fold of a run or by the backbone of a spec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from e1bind import __version__
from e1bind.contracts import ResidueRecord
from e1bind.data.fasta import STDIN, BadRecord, look_at, read_fasta
from e1bind.errors import DataError, UserError
from e1bind.inference.alignments import Alignments, place_of
from e1bind.inference.embedding import Embedder, embed_stream, embedder_of_backbone, embedder_of_fold
from e1bind.inference.embedding_file import check_target, write_embeddings
from e1bind.inference.ensemble import Ensemble, choose_device
from e1bind.inference.predict import Advance
from e1bind.log import log
from e1bind.runs.reader import open_run
from e1bind.spec import load_spec

FIRST_FOLD = 1


@dataclass(frozen=True)
class EmbedOptions:
    """What to embed and how.

    `fold`, `projected`, `checkpoint` and `trust_run_code` are for runs, `overrides` for specs. `fold` None: the
    first one. `projected`: what the run's projector makes of the hidden states. `strict` stops at the first bad
    record. `max_tokens`: residues of a batch, contexts and padding included.
    """

    source: Path
    target: Path
    fold: int | None = None
    projected: bool = False
    msa_dir: Path | None = None
    strict: bool = False
    rare_to_x: bool = False
    device: str = "auto"
    max_tokens: int | None = None
    checkpoint: str | None = None
    overrides: Sequence[str] = ()
    trust_run_code: bool = False


@dataclass(frozen=True)
class Embedded:
    """What was done: counts, the width of the embeddings, and in words whose they are."""

    chains: int
    residues: int
    bad: int
    width: int
    about: dict[str, str]


def embed(model: Path, options: EmbedOptions, advance: Advance = lambda _: None) -> Embedded:
    """Embed and write the file. Raises `UserError` and leaves the target as it was.

    `model`: a run directory, or a spec file. The input is read twice: the file's header holds all lengths.
    """
    check_target(options.target)
    if options.source == STDIN:
        raise UserError("embed reads its input twice, lengths first: give it a file, not standard input")
    if not model.exists():
        raise UserError(f"there is no run directory and no spec file {model}")
    look_at(options.source)  # before a model is loaded
    place = place_of(options.msa_dir)
    embedder = _embedder_of_run(model, options) if model.is_dir() else _embedder_of_spec(model, options)
    alignments = Alignments(embedder.pipeline, place)
    lengths, bad = _lengths(options)
    about = {**embedder.about, "dims": str(embedder.width), "dtype": "float32", "e1bind": __version__}

    def records() -> Iterator[ResidueRecord]:
        for record in read_fasta(options.source, lambda _: None, options.rare_to_x, tell=lambda _: None):
            try:
                yield alignments.of(record)
            except DataError as error:
                _stop(record, str(error))
            advance(len(record))

    found = embed_stream(embedder, records(), _stop, options.max_tokens)
    write_embeddings(options.target, lengths, embedder.width, about, found)
    alignments.say()
    return Embedded(len(lengths), sum(lengths.values()), bad, embedder.width, about)


def _embedder_of_run(run_dir: Path, options: EmbedOptions) -> Embedder:
    if options.overrides:
        raise UserError(f"--set {options.overrides[0]} changes a spec, and {run_dir} is a run; leave --set out")
    run = open_run(run_dir, options.checkpoint, options.trust_run_code)
    for warning in run.warnings:
        log.warning("%s", warning)
    ensemble = Ensemble(run, choose_device(options.device))
    return embedder_of_fold(ensemble, FIRST_FOLD if options.fold is None else options.fold, options.projected)


def _embedder_of_spec(spec: Path, options: EmbedOptions) -> Embedder:
    given = {
        "--fold": options.fold is not None,
        "--projected": options.projected,
        "--checkpoint": options.checkpoint is not None,
    }
    if wrong := [option for option, there in given.items() if there]:
        raise UserError(
            f"{wrong[0]} belongs to a run directory, and {spec} is a spec, whose backbone is used as it is; leave "
            f"{wrong[0]} out"
        )
    return embedder_of_backbone(load_spec(spec, options.overrides), choose_device(options.device))


def _lengths(options: EmbedOptions) -> tuple[dict[str, int], int]:
    """The length of each chain by its id, and how many records are left out. Raises `DataError`."""
    lengths: dict[str, int] = {}
    bad = 0

    def left_out(record: BadRecord) -> None:
        nonlocal bad
        if options.strict or record.name in lengths:
            raise DataError(f"{options.source}: {record}")
        bad += 1
        log.warning("left out: %s", record)

    for record in read_fasta(options.source, left_out, options.rare_to_x):
        if record.id in lengths:
            raise DataError(f"{record.source}: {record.id} stands there twice; give each chain an id of its own")
        lengths[record.id] = len(record)
    if not lengths:
        raise DataError(f"none of the {bad} records can be embedded; nothing was written")
    return lengths, bad


def _stop(record: ResidueRecord, message: str) -> NoReturn:
    raise DataError(f"{record.source}: {record.id}: {message}")
