"""The baselines of one fold: fitted on its training chains, before it trains, and asked for the chains held out.

Shape legend: L residues of a chain, D width of the backbone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from e1bind.contracts import UNKNOWN, BaselineChain, ResidueRecord
from e1bind.data.columns import chains_of, counts_of, known_for, picked
from e1bind.engine.distributed import World
from e1bind.engine.embeddings import Embeddings, embed_chains, embedded_blocks
from e1bind.engine.pipeline import Pipeline
from e1bind.engine.seeds import derive
from e1bind.errors import RunError
from e1bind.log import log
from e1bind.metrics.base import why_undefined
from e1bind.metrics.curves import average_precision
from e1bind.metrics.ranking import rank_counts
from e1bind.runs.baseline_files import FoldBaseline, read_baselines, write_baselines
from e1bind.runs.fingerprints import spec_fingerprint
from e1bind.runs.layout import FoldDir

Fitted = dict[tuple[str, str], Mapping[str, NDArray[Any]]]
"""What a baseline's `fit` returned, by ion and baseline."""


@dataclass(frozen=True)
class FoldData:
    """A fold's chains, and the group of related chains of each id."""

    fold: int
    train: Sequence[ResidueRecord]
    held_out: Sequence[ResidueRecord]
    group_of: Mapping[str, int]


def fold_baselines(
    pipeline: Pipeline,
    network: nn.Module,
    data: FoldData,
    folder: FoldDir,
    world: World,
) -> None:
    """Write what the baselines of the spec come to in this fold, unless it is there. All ranks must call."""
    if not pipeline.baselines or world.main_does(lambda: _are_there(pipeline, folder)):
        return
    fitted = _fitted(pipeline, network, data, world)
    found = _asked(pipeline, network, data.held_out, fitted, world)

    def write() -> None:
        write_baselines(folder, _made_of(pipeline), found)
        for own in found:
            _tell(own, data)

    world.main_does(write)


def needs_embeddings(pipeline: Pipeline, name: str) -> bool:
    """Whether a baseline of the spec looks at the backbone's embeddings."""
    return "embeddings" in pipeline.spec.baseline_components[name].needs


def want_embeddings(pipeline: Pipeline, names: Iterable[str]) -> bool:
    """Whether one of these baselines does."""
    return any(needs_embeddings(pipeline, name) for name in names)


def scored(
    pipeline: Pipeline,
    name: str,
    fitted: Mapping[str, NDArray[Any]],
    record: ResidueRecord,
    embeddings: Embeddings,
) -> NDArray[np.float64]:
    """A baseline's probabilities [L] of a chain, none of whose labels it sees. Raises `ContractError`."""
    own = embeddings.get(record.id) if needs_embeddings(pipeline, name) else None
    chain = BaselineChain(record.id, record.sequence, np.full(len(record), UNKNOWN, np.int8), embeddings=own)
    return pipeline.baselines[name].score(fitted, chain)


def _are_there(pipeline: Pipeline, folder: FoldDir) -> bool:
    try:
        found = read_baselines(folder, _made_of(pipeline))
    except RunError as error:
        log.warning("%s: the baselines are computed again", error)
        return False
    wanted = [(ion, name) for ion in pipeline.spec.training.ions for name in pipeline.baselines]
    return found is not None and [(own.ion, own.name) for own in found] == wanted


def _made_of(pipeline: Pipeline) -> str:
    """SHA-256 of what of the spec the results depend on, beside data and folds."""
    resolved = pipeline.spec.resolved()
    seen = {name: resolved[name] for name in ("baselines", "backbone", "data", "cv", "msa")}
    return spec_fingerprint({**seen, "seed": pipeline.spec.run.seed, "windows": json.dumps(pipeline.max_residues)})


def _drawn(pipeline: Pipeline, data: FoldData, ion: str) -> Sequence[ResidueRecord]:
    """The training chains that baselines on embeddings learn from: all, or as many as there is room for."""
    chains = chains_of(data.train, ion)
    size = counts_of(chains, ion)[0]
    room = pipeline.spec.baselines.max_residues
    if size.sum() <= room:
        return chains
    order = np.random.default_rng(derive(pipeline.spec.run.seed, "baselines", data.fold, ion)).permutation(
        len(size)
    )
    kept = order[np.cumsum(size[order]) <= room]
    log.info(
        "fold %d %s: baselines on embeddings learn from %d of %d chains (baselines.max_residues)",
        data.fold, ion, len(kept), len(chains),
    )  # fmt: skip
    return picked(chains, np.sort(kept))


def _fitted(pipeline: Pipeline, network: nn.Module, data: FoldData, world: World) -> Fitted:
    """What every baseline learned of every ion; on other ranks than the main one nothing."""
    found: Fitted = {}
    learned = _Learned(pipeline, network, world)

    def fit(ion: str, learn: Sequence[ResidueRecord], embeddings: Embeddings) -> None:
        for name in pipeline.baselines:
            found[ion, name] = _learn(pipeline, name, ion, data, learn, embeddings)

    for ion in pipeline.spec.training.ions:
        learn = _drawn(pipeline, data, ion)
        world.main_does(partial(fit, ion, learn, learned.embeddings_of(learn)))
    return found


class _Learned:
    """Embeddings of the chains that an ion's baselines learn from; earlier ions' stay while there is room."""

    def __init__(self, pipeline: Pipeline, network: nn.Module, world: World) -> None:
        self.pipeline, self.network, self.world = pipeline, network, world
        self.is_wanted = want_embeddings(pipeline, pipeline.baselines)
        self.residues: dict[str, int] = {}
        """Of each chain that is embedded: every rank knows of them, the main one has them."""
        self.embeddings: Embeddings = {}

    def embeddings_of(self, chains: Sequence[ResidueRecord]) -> Embeddings:
        """Those of `chains`, and perhaps of others. All ranks must call."""
        if not self.is_wanted:
            return {}
        lengths = {record.id: len(record) for record in chains}
        if sum((self.residues | lengths).values()) > self.pipeline.spec.baselines.max_residues:
            self.residues, self.embeddings = {}, {}
        new = [record for record in chains if record.id not in self.residues]
        self.residues |= lengths
        self.embeddings |= embed_chains(self.pipeline, self.network, new, self.world)
        return self.embeddings


def _learn(
    pipeline: Pipeline,
    name: str,
    ion: str,
    data: FoldData,
    learn: Sequence[ResidueRecord],
    embeddings: Embeddings,
) -> Mapping[str, NDArray[Any]]:
    embedded = needs_embeddings(pipeline, name)
    chosen = learn if embedded else chains_of(data.train, ion)
    chains = [
        BaselineChain(
            record.id,
            record.sequence,
            record.labels[ion],
            data.group_of[record.id],
            embeddings[record.id] if embedded else None,
        )
        for record in chosen
    ]
    rng = np.random.default_rng(derive(pipeline.spec.run.seed, "baseline", data.fold, ion, name))
    return pipeline.baselines[name].fit(chains, rng)


def _asked(
    pipeline: Pipeline, network: nn.Module, held_out: Sequence[ResidueRecord], fitted: Fitted, world: World
) -> list[FoldBaseline]:
    """What the baselines say of the chains held out, embedded some at a time."""
    found: dict[tuple[str, str], dict[str, NDArray[np.float64]]] = {key: {} for key in fitted}

    def ask(records: Sequence[ResidueRecord], embeddings: Embeddings) -> None:
        for (ion, name), values in fitted.items():
            known = known_for(records, ion)
            found[ion, name] |= {r.id: scored(pipeline, name, values, r, embeddings) for r in known}

    wanted = want_embeddings(pipeline, pipeline.baselines)
    for records, embeddings in embedded_blocks(pipeline, network, held_out, world, wanted=wanted):
        world.main_does(partial(ask, records, embeddings))
    return [FoldBaseline(*key, fitted[key], probabilities) for key, probabilities in found.items()]


def _tell(own: FoldBaseline, data: FoldData) -> None:
    """One line for the log: how good the baseline is on the chains held out."""
    records = {record.id: record for record in data.held_out}
    labels = np.concatenate([records[chain].labels[own.ion] for chain in own.probabilities])
    values = np.concatenate(list(own.probabilities.values()))
    known = labels >= 0
    if why_undefined(values[known], labels[known]) is None:
        auprc = average_precision(rank_counts(values[known], labels[known]))
        facts = "".join(f", {key} {float(v):g}" for key, v in own.fitted.items() if v.ndim == 0 and key != "bias")
        log.info("fold %d %s: baseline %s has auprc %.4f%s", data.fold, own.ion, own.name, auprc, facts)
