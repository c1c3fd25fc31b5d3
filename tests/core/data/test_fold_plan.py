from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from e1bind.contracts import ResidueRecord
from e1bind.data.clusters import read_clusters
from e1bind.data.fold_plan import FoldPlan, assign_folds
from e1bind.data.records import merge_ions
from e1bind.errors import DataError
from e1bind.readers.fasta3 import read_fasta3

IONS = ("ZN", "CA")


def synthetic(seed: int = 0, chains: int = 80) -> tuple[list[ResidueRecord], dict[str, str]]:
    """Chains of many lengths; every fourth is known for both ions, a fifth copies another's sequence."""
    rng = np.random.default_rng(seed)
    records: list[ResidueRecord] = []
    groups: dict[str, str] = {}
    for i in range(chains):
        sequence = "".join(rng.choice(list("ACDEFGHIK"), int(rng.integers(20, 200))))
        if i % 5 == 4:
            sequence = records[-3].sequence
        known = IONS if i % 4 == 0 else (IONS[i % 2],)
        labels = {ion: (rng.random(len(sequence)) < 0.03).astype(np.int8) for ion in known}
        records.append(ResidueRecord(f"p{i}", sequence, labels))
        groups[f"p{i}"] = f"c{int(rng.integers(0, 50))}"
    return records, groups


def spread(plan: FoldPlan, ion: str, quantity: str) -> float:
    """Largest over smallest fold."""
    values = [getattr(count, quantity) for count in plan.counts if count.ion == ion]
    return max(values) / min(values)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("folds", [2, 5])
def test_no_group_and_no_sequence_spans_two_folds(seed: int, folds: int) -> None:
    records, groups = synthetic(seed)
    plan = assign_folds(records, IONS, folds, groups, seed)
    assert set(plan.fold_of) == {r.id for r in records}
    assert set(plan.fold_of.values()) == set(range(1, folds + 1))
    folds_of = defaultdict(set)
    for record in records:
        folds_of[groups[record.id]].add(plan.fold_of[record.id])
        folds_of[record.sequence].add(plan.fold_of[record.id])
    assert all(len(found) == 1 for found in folds_of.values())


def test_counts_are_those_of_the_records() -> None:
    records, groups = synthetic()
    records[0].labels["ZN"][:5] = -1
    plan = assign_folds(records, IONS, 3, groups, 0)
    assert [(c.fold, c.ion) for c in plan.counts] == [(f, ion) for f in (1, 2, 3) for ion in IONS]
    for count in plan.counts:
        labels = [r.labels[count.ion] for r in plan.split(records, count.fold)[1] if count.ion in r.labels]
        assert count.proteins == len(labels)
        assert count.residues == sum((x != -1).sum() for x in labels)
        assert count.positives == sum((x == 1).sum() for x in labels)


def test_split_gives_every_record_to_one_side() -> None:
    records, groups = synthetic()
    plan = assign_folds(records, IONS, 3, groups, 0)
    train, validation = plan.split(records, 2)
    assert sorted(r.id for r in train + validation) == sorted(r.id for r in records)
    assert {plan.fold_of[r.id] for r in validation} == {2}


def test_plan_depends_on_the_seed_and_not_on_the_order() -> None:
    records, groups = synthetic()
    plan = assign_folds(records, IONS, 4, groups, 7)
    again = assign_folds(records[::-1], IONS, 4, groups, 7)
    assert again.fold_of == plan.fold_of
    assert again.counts == plan.counts
    assert assign_folds(records, IONS, 4, groups, 8).fold_of != plan.fold_of


def test_without_groups_chains_of_one_sequence_stay_together() -> None:
    records, _ = synthetic()
    plan = assign_folds(records, IONS, 5, None, 0)
    folds_of = defaultdict(set)
    for record in records:
        folds_of[record.sequence].add(plan.fold_of[record.id])
    assert len(folds_of) < len(records)
    assert all(len(found) == 1 for found in folds_of.values())


def test_rare_positives_reach_every_fold_even_where_greedy_placement_would_not() -> None:
    """Three groups bind CA, tiny ones among many large zinc chains; each of three folds must get one."""
    rng = np.random.default_rng(0)
    records = [
        ResidueRecord(f"z{i}", "C" * n, {"ZN": (np.arange(n) % 30 == 0).astype(np.int8)})
        for i, n in enumerate(rng.integers(100, 900, 20).tolist())
    ]
    for i in range(3):
        records.append(ResidueRecord(f"c{i}", "D" * (10 + i), {"CA": np.eye(1, 10 + i, dtype=np.int8)[0]}))
    for seed in range(10):
        plan = assign_folds(records, IONS, 3, None, seed)
        assert sorted(plan.fold_of[f"c{i}"] for i in range(3)) == [1, 2, 3]


def positives_in(*binding: int) -> list[ResidueRecord]:
    return [
        ResidueRecord(f"p{i}", "ACDEFGHIKL"[: 3 + i], {"ZN": np.full(3 + i, int(i in binding), dtype=np.int8)})
        for i in range(6)
    ]


def test_fold_without_positives_names_fold_ion_and_remedy() -> None:
    with pytest.raises(DataError, match=r"fold 3 of 3 has no positives of ZN.*lower cv\.folds to 2"):
        assign_folds(positives_in(0, 4), ["ZN"], 3, None, 0)
    assert assign_folds(positives_in(0, 4), ["ZN"], 2, None, 0).folds == 2
    with pytest.raises(DataError, match=r"add unrelated chains that bind ZN"):
        assign_folds(
            positives_in(0, 4), ["ZN"], 2, dict.fromkeys((f"p{i}" for i in range(6)), "one") | {"p5": "b"}, 0
        )


def test_one_group_with_both_ions_leaves_the_others_to_the_other_fold() -> None:
    one, two = np.array([1, 0], dtype=np.int8), np.array([0, 1], dtype=np.int8)
    records = [
        ResidueRecord("a", "CD", {"ZN": one, "CA": two}),
        ResidueRecord("b", "CE", {"ZN": one}),
        ResidueRecord("c", "CF", {"CA": one}),
    ]
    plan = assign_folds(records, IONS, 2, None, 0)
    assert plan.fold_of["b"] == plan.fold_of["c"] != plan.fold_of["a"]


def test_impossible_requests_are_refused() -> None:
    records = positives_in(0, 1, 2, 3, 4, 5)
    with pytest.raises(DataError, match=r"at least 2 folds"):
        assign_folds(records, ["ZN"], 1, None, 0)
    with pytest.raises(DataError, match="6 groups of related chains cannot fill 7 folds"):
        assign_folds(records, ["ZN"], 7, None, 0)
    with pytest.raises(DataError, match=r"5 chains have no homology group \(p1, p2"):
        assign_folds(records, ["ZN"], 2, {"p0": "a"}, 0)


@pytest.mark.slow
def test_balance_on_the_shared_data_beats_scikit_learn(shared: Path) -> None:
    """Positives per fold within 2 %, residues too; scikit-learn's stratified group folds see one class per row."""
    from sklearn.model_selection import StratifiedGroupKFold

    folder = shared / "data" / "metal_binding"
    records = merge_ions({ion: read_fasta3(folder / f"{ion}_train.fasta", ion) for ion in ("MN", "CA")})
    groups = read_clusters(folder / "clusters_id30.tsv", [r.id for r in records])
    plan = assign_folds(records, ["MN", "CA"], 5, groups, 1)
    sizes: dict[str, list[int]] = {"MN": [], "CA": []}
    rows = [(i, r.positives("MN")) for i, r in enumerate(records)]
    peer = StratifiedGroupKFold(5, shuffle=True, random_state=1)
    for _, test in peer.split(rows, [min(p, 5) for _, p in rows], [groups[r.id] for r in records]):
        for ion in sizes:
            sizes[ion].append(sum(records[i].positives(ion) for i in test))
    for ion in ("MN", "CA"):
        assert spread(plan, ion, "positives") < min(1.02, max(sizes[ion]) / min(sizes[ion]))
        assert spread(plan, ion, "residues") < 1.02
        assert spread(plan, ion, "proteins") < 1.02
