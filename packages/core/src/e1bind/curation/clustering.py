"""Clusters of chains such that no two homologs stand in different ones: the parts of the graph of homologs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from e1bind.curation.homologs import Criteria, Homologs, Method, find_homologs
from e1bind.curation.inputs import Chain
from e1bind.data.groups import components


@dataclass(frozen=True)
class Clusters:
    """The cluster of each chain, by id, and how homologs were found among their distinct sequences."""

    cluster_of: dict[str, str]
    sizes: tuple[int, ...]
    sequences: int
    homologs: Homologs
    digest: str

    def table(self) -> str:
        """Chain and cluster of each line, separated by a tab, as `cv.groups` takes it."""
        return "".join(f"{name}\t{cluster}\n" for name, cluster in self.cluster_of.items())

    def as_json(self) -> dict[str, Any]:
        """What was done, in plain values: to stand beside the table."""
        counts = {"chains": len(self.cluster_of), "sequences": self.sequences, "clusters": len(self.sizes)}
        found = {
            "largest": max(self.sizes),
            "homolog_pairs": len(self.homologs.pairs),
            "sequences_sha256": self.digest,
        }
        return {**self.homologs.as_json(), **counts, **found}


def cluster(chains: Sequence[Chain], criteria: Criteria, method: Method, threads: int = 1) -> Clusters:
    """Cluster chains, largest cluster first. Chains of one sequence always share theirs. Raises `UserError`."""
    members: dict[str, list[str]] = {}
    for chain in sorted(chains, key=lambda chain: chain.id):
        members.setdefault(chain.sequence, []).append(chain.id)
    sequences = list(members)
    homologs = find_homologs(sequences, None, criteria, method, threads)
    parts = components(len(sequences), homologs.pairs)
    named = [[name for i in part for name in members[sequences[i]]] for part in parts]
    named.sort(key=lambda ids: (-len(ids), min(ids)))
    width = max(4, len(str(len(named))))
    cluster_of = {name: f"c{number:0{width}}" for number, ids in enumerate(named) for name in sorted(ids)}
    digest = sha256("\n".join(sequences).encode()).hexdigest()
    return Clusters(cluster_of, tuple(map(len, named)), len(sequences), homologs, digest)


def crossing(homologs: Homologs, part_of: Sequence[object]) -> int:
    """Pairs of homologs whose two chains stand in different parts (clusters, folds); `part_of` by place."""
    return sum(part_of[one] != part_of[other] for one, other in homologs.pairs)
