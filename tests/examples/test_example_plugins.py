"""The example packages, installed from their folders: they keep their contracts, and train together."""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from plugin_packages import install, run_cli

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "examples" / "plugins"
NAMES = ("angular-losses", "conservative-views", "onehot-cnn", "site-tables", "wandb-tracker")
for name in NAMES:
    sys.path.append(str(PACKAGES / name / "src"))

SPEC = """\
schema_version = 1
[run]
output_dir = "results"
threads = 1
[data.site-table]
train = "chains.csv"
test = "chains.csv"
[cv]
folds = 2
[backbone.onehot-cnn]
width = 16
layers = 2
[lora]
r = 16
alpha = 16
dropout = 0.0
[views.conservative]
[losses.angular-margin]
[losses.prototype-bce]
[training]
ions = ["ZN"]
epochs = 1
warmup_epochs = 0
batch_size = 2
accum_steps = 1
[trackers.wandb]
mode = "offline"
every_steps = 1
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    install(target, *(PACKAGES / name for name in NAMES))
    return target


@pytest.fixture(scope="module")
def trained(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that uses all of them."""
    folder = tmp_path_factory.mktemp("together")
    lines = (ROOT / "examples" / "data" / "ZN_train.fasta").read_text().splitlines()
    rows = ["id,sequence,ZN"]
    for head, sequence, labels in list(zip(lines[0::3], lines[1::3], lines[2::3], strict=True))[:24]:
        sites = " ".join(f"{sequence[i]}{i + 1}" for i, label in enumerate(labels) if label == "1")
        rows.append(f"{head[1:].split()[0]},{sequence},{sites}")
    (folder / "chains.csv").write_text("\n".join(rows) + "\n")
    (folder / "spec.toml").write_text(SPEC)
    done = run_cli("train", "spec.toml", "--run-id", "run", paths=(installed,), cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "trackers.wandb" not in done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_its_contract(installed: Path, name: str) -> None:
    checked = run_cli("check-plugin", name, "--json", paths=(installed,))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    (plugin,) = json.loads(checked.stdout)["components"]
    assert all(check["status"] in ("pass", "skip") for check in plugin["checks"])


@pytest.mark.slow
def test_they_train_predict_and_are_evaluated_together(trained: Path, installed: Path) -> None:
    plugins = json.loads((trained / "results" / "run" / "plugins.json").read_text())
    assert {entry["distribution"] for entry in plugins.values()} >= set(NAMES)
    for command in (["evaluate", "results/run"], ["report", "results/run"]):
        result = run_cli(*command, paths=(installed,), cwd=trained)
        assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_a_run_on_the_board_has_every_step_epoch_figure_and_the_summary(trained: Path) -> None:
    (file,) = (trained / "results" / "run" / "trackers" / "wandb").rglob("run-run.wandb")
    history, summary, config = told_to_wandb(file)
    steps = [row["fold_1/step"] for row in history if "fold_1/train/loss" in row]
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) >= 3
    (epoch,) = [row for row in history if "fold_2/epoch" in row]
    assert {"fold_2/ZN/valid/auprc", "fold_2/ZN/train/loss"} <= set(epoch)
    assert any(name.startswith("figures/run/") for row in history for name in row)
    assert summary["status"] == "finished"
    assert set(summary["e1bind"]["oof"]) == {"ZN"}
    assert config["training"]["ions"] == ["ZN"]


def told_to_wandb(file: Path) -> tuple[list[dict], dict, dict]:
    """History, summary and config of an offline run: a LevelDB log of records after a header of 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, parts, records = file.read_bytes(), 7, b"", []
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:  # no header fits into the rest of a block
            place += 32768 - place % 32768
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        parts += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            records.append(Record.FromString(parts))
            parts = b""
    history, summary, config = [], {}, {}
    for record in records:
        rows = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        history += [rows] if rows else []
        for item in record.summary.update:
            summary[item.key or item.nested_key[0]] = json.loads(item.value_json)
        for item in record.run.config.update:
            config[item.key] = json.loads(item.value_json)
    return history, summary, config


# ------------------------------------------------------------------------------------------------ loss


def loss_inputs(sim, labels, mask=None):
    """Embeddings in the plane whose cosine to the prototype is `sim` [R, V]."""
    import torch

    from e1bind.contracts import LossInputs

    sim_RV = torch.tensor(sim, dtype=torch.float64)
    embeddings = torch.stack([sim_RV, (1 - sim_RV.square()).sqrt()], dim=-1).float().requires_grad_()
    mask_RV = torch.ones_like(sim_RV, dtype=torch.bool) if mask is None else torch.tensor(mask)
    return LossInputs(
        embeddings=embeddings,
        view_mask=mask_RV,
        labels=torch.tensor(labels),
        protein=torch.zeros(len(labels), dtype=torch.long),
        prototype=torch.tensor([1.0, 0.0]),
    )


def test_the_angular_margin_is_arcfaces_by_explicit_loops() -> None:
    from angular_losses.angular_margin import AngularMargin
    from angular_losses.options import AngularMarginOptions

    sim, labels, mask = (
        [[0.9, 0.2], [-0.5, 0.4], [0.1, -0.8]],
        [1, 0, 0],
        [[True, True], [True, False], [True, True]],
    )
    margin, temperature = 0.3, 0.1
    total, count = 0.0, 0
    for row, label, visible in zip(sim, labels, mask, strict=True):
        for cosine, seen in zip(row, visible, strict=True):
            own = cosine if label else -cosine
            logits = np.array([np.cos(np.arccos(own) + margin), -own]) / temperature
            total += seen * float(np.logaddexp(*logits) - logits[0])
            count += seen
    loss = AngularMargin(AngularMarginOptions(margin=margin, temperature=temperature))
    assert float(loss(loss_inputs(sim, labels, mask)).value) == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize("margin", [0.0, 0.3, 1.4])
def test_the_loss_falls_all_the_way_to_the_own_prototype(margin: float) -> None:
    from angular_losses.angular_margin import AngularMargin
    from angular_losses.options import AngularMarginOptions

    loss = AngularMargin(AngularMarginOptions(margin=margin))
    values = [float(loss(loss_inputs([[sim]], [1])).value) for sim in np.linspace(-1, 1, 201)]
    assert (np.diff(values) < 0).all()


# ----------------------------------------------------------------------------------------------- views


def test_the_matrix_is_blosum62() -> None:
    import gemmi
    from conservative_views.blosum import LETTERS, SCORES

    scoring = gemmi.AlignmentScoring("b")
    scoring.gapo = scoring.gape = -100
    names = gemmi.expand_one_letter_sequence(LETTERS, gemmi.ResidueKind.AA)
    for i, one in enumerate(names):
        for j, other in enumerate(names):
            assert gemmi.align_string_sequences([one], [other], [], scoring).score == SCORES[i, j], (one, other)


def test_a_residue_is_replaced_by_what_scores_high_enough_as_often_as_the_odds_say() -> None:
    from conservative_views.options import ConservativeOptions
    from conservative_views.views import ConservativeViews

    from e1bind.contracts import DrawKey, ResidueRecord

    views = ConservativeViews(ConservativeOptions(num_variants=1, share=0.5, least_score=1))
    record = ResidueRecord("p", "I" * 20_000 + "C" * 5, {"ZN": np.zeros(20_005, np.int8)})
    (view,) = views.generate(record, DrawKey(1, 1, "p"), None)
    seen = {letter: view.visible.count(letter) for letter in set(view.visible)}
    assert set(seen) == {"I", "L", "M", "V", "C"}  # I: V 3, L 2, M 1; C: none
    assert seen["V"] / seen["L"] == pytest.approx(2**0.5, rel=0.1)
    assert seen["L"] / seen["M"] == pytest.approx(2**0.5, rel=0.1)
    assert view.selected.sum() == sum(a != b for a, b in zip(view.visible, view.truth, strict=True))


# ---------------------------------------------------------------------------------------------- reader


def read(folder: Path, text: str, ion: str = "ZN", name: str = "chains.csv", **options):
    from site_tables.options import SiteTableOptions
    from site_tables.reader import SiteTable

    (folder / name).write_text(text)
    return SiteTable(SiteTableOptions(train=folder / name, **options)).read(ion, "train")


def test_sites_become_labels_and_unknown_chains_are_left_out(tmp_path: Path) -> None:
    text = 'id,sequence,ZN\none,MKVHC,H4 C5\ntwo,MKVHC,\nthree,MKVHC,?\nfour,mkvhc,"1; 5"\n'
    found = {record.id: record.labels["ZN"].tolist() for record in read(tmp_path, text)}
    assert found == {"one": [0, 0, 0, 1, 1], "two": [0] * 5, "four": [1, 0, 0, 0, 1]}
    tabs = read(tmp_path, "name\tseq\tCA sites\none\tMKVHC\t0 4\n", "CA", "t.tsv", id="name", sequence="seq",
                sites="{ion} sites", first=0)  # fmt: skip
    assert tabs[0].labels["CA"].tolist() == [1, 0, 0, 0, 1]


def test_everything_that_is_wrong_with_a_table_is_told_at_once(tmp_path: Path) -> None:
    from e1bind.errors import DataError

    text = "id,sequence,ZN\none,MKVHC,H5\none,MKVHC,C9\ntwo,MK1HC,\nthree,MKVHC,C-5\n,MKV,\nsix,MKV,\nsix,MKV,\n"
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    for said in (
        "line 2: 'H5': residue 5 is C; is `first` right?",
        "line 3: 'C9' is beyond the 5 residues",
        "line 4: 'two' holds ['1']",
        "line 5: 'C-5' is no residue",
        "line 6: has no id or no sequence",
        "line 8: 'six' stands in line 7 already",
    ):
        assert said in str(caught.value)
    with pytest.raises(DataError, match="has no column ZN"):
        read(tmp_path, "id,sequence\none,MKV\n")
