"""Which figures are drawn, under which names, with which words."""

from __future__ import annotations

import numpy as np

from e1bind.files.text import file_part
from e1bind.report.gallery import ion_pictures, of_ion, track_pictures, training_pictures
from e1bind.report.rundata import load


def test_file_names_stay_inside_the_folder_and_apart():
    assert file_part("ZN") == "ZN"
    assert "/" not in file_part("../../etc/passwd")
    assert not file_part("../x").startswith(".")
    assert file_part("a b") != file_part("a-b")
    assert file_part("a b") != file_part("a/b")
    assert len(file_part("x" * 500)) < 80
    assert file_part("") != file_part("?")


def test_only_labelled_rows_of_the_ion_and_fold_are_shown(make_run):
    table = load(make_run(["ZN", "CA"])).oof
    rows = of_ion(table, "ZN", fold=2)
    assert set(rows["ion"]) == {"ZN"}
    assert set(rows["fold"]) == {2}
    assert set(rows["label"]) == {0, 1}
    assert rows["label"].size == ((table["ion"] == "ZN") & (table["fold"] == 2) & (table["label"] >= 0)).sum()


def test_every_picture_is_on_disk_with_a_heading_and_a_caption(make_run, tmp_path, rows):
    data = load(make_run(["ZN"]))
    pictures = [
        *training_pictures(rows, tmp_path, "hra", {1: 3}),
        *ion_pictures(data.oof, "ZN", tmp_path, data.thresholds["ZN"]),
        *track_pictures(data.oof, "ZN", tmp_path, data.thresholds["ZN"]["threshold"]),
    ]
    assert len(pictures) == 4 + 5 + 3
    assert len({picture.file for picture in pictures}) == len(pictures)
    for picture in pictures:
        assert picture.file.read_bytes().startswith(b"\x89PNG")
        assert picture.title
        assert picture.caption.endswith(".")


def chain(protein: str, labels: list[int], probabilities: list[float], fold: int = 1) -> dict[str, np.ndarray]:
    size = len(labels)
    return {
        "protein": np.full(size, protein, dtype="<U8"),
        "residue_index": np.arange(size, dtype=np.int32),
        "amino_acid": np.array(list("HCDE")[:size]),
        "fold": np.full(size, fold, dtype=np.int16),
        "ion": np.full(size, "ZN"),
        "label": np.array(labels, dtype=np.int8),
        "score": np.zeros(size, dtype=np.float32),
        "probability": np.array(probabilities, dtype=np.float32),
    }


def joined(*chains: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in chains]) for name in chains[0]}


def test_tracks_show_the_best_the_median_and_the_worst_chain(tmp_path):
    table = joined(
        chain("mid", [1, 0, 0, 0], [0.5, 0.9, 0.1, 0.1]),
        chain("good", [1, 0, 0, 1], [0.9, 0.1, 0.1, 0.8], fold=2),
        chain("bad", [1, 0, 0, 0], [0.1, 0.9, 0.8, 0.7]),
        chain("none", [0, 0, 0, 0], [0.1, 0.9, 0.8, 0.7]),
        chain("dark", [-1, -1, -1, -1], [0.1, 0.9, 0.8, 0.7]),
    )
    pictures = track_pictures(table, "ZN", tmp_path, 0.5)
    assert [picture.title for picture in pictures] == [
        "good (ZN), held out in fold 2",
        "mid (ZN), held out in fold 1",
        "bad (ZN), held out in fold 1",
    ]
    assert pictures[0].caption == (
        "Best average precision of all chains: 1.000. Binding residues: H1, E4. "
        "Called: 2 of 2, and 0 that do not bind."
    )
    assert "Called: 0 of 1, and 3 that do not bind." in pictures[2].caption


def test_a_single_chain_is_shown_once_and_no_chain_with_positives_not_at_all(tmp_path):
    one = chain("only", [1, 0, 0, 0], [0.9, 0.2, 0.1, 0.1])
    assert len(track_pictures(one, "ZN", tmp_path, None)) == 1
    assert track_pictures(chain("none", [0] * 4, [0.5] * 4), "ZN", tmp_path, 0.5) == []


def test_a_chains_residues_are_put_in_order(tmp_path):
    whole = chain("only", [1, 0, 0, 1], [0.9, 0.2, 0.1, 0.1])
    shuffled = {name: column[[2, 0, 3, 1]] for name, column in whole.items()}
    (a,), (b,) = (track_pictures(t, "ZN", tmp_path / n, 0.5) for n, t in (("a", whole), ("b", shuffled)))
    assert a.caption == b.caption
    assert a.file.read_bytes() == b.file.read_bytes()
