"""The card of an adapter under the seals: written before them, and unknown to the records of older runs."""

from __future__ import annotations

import json
import re
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from seals import reseal
from small_runs import go_on

from e1bind_cli.app import run as e1bind

CARD = "best_e1_contrastive_model_lora/README.md"


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


@pytest.fixture
def before_cards(run: Path) -> Path:
    """The run as a version before model cards left it: peft's own text, of which no record knows."""
    digests = {}
    for fold in ("fold_1", "fold_2"):
        (run / fold / CARD).write_text("---\nlibrary_name: peft\n---\n[More Information Needed]\n")
        reseal(run / fold / "fold.json", lambda record: record["files"].pop(CARD))
        digests[f"{fold}/fold.json"] = sha256((run / fold / "fold.json").read_bytes()).hexdigest()

    def forget(record):
        for fold in ("fold_1", "fold_2"):
            record["files"].pop(f"{fold}/{CARD}")
        record["files"].update(digests)

    reseal(run / "summary.json", forget)
    return run


def said(capsys) -> str:
    return re.sub(r"\s+", " ", capsys.readouterr().err)


def test_a_run_from_before_there_were_cards_is_whole(before_cards, short_data, tmp_path, capsys):
    table = str(tmp_path / "o.csv")
    assert e1bind(["predict", str(before_cards), str(short_data / "new.fasta"), "-o", table]) == 0
    assert e1bind(["train", "--resume", str(before_cards)]) == 0
    assert "the run is finished already" in said(capsys)
    assert e1bind(["collect", str(before_cards)]) == 0
    assert "[More Information Needed]" in (before_cards / "fold_1" / CARD).read_text()


def test_a_card_that_was_edited_is_told_where_the_whole_run_is_checked(run, short_data, tmp_path, capsys):
    wanted = (run / "fold_2" / CARD).read_bytes()
    (run / "fold_2" / CARD).write_text("the best adapter there ever was")
    assert e1bind(["predict", str(run), str(short_data / "new.fasta"), "-o", str(tmp_path / "o.csv")]) == 0
    assert e1bind(["collect", str(run)]) == 2
    text = said(capsys)
    assert "README.md is damaged" in text
    assert f"rm {run}/fold_2/fold.json && e1bind train --resume {run}" in text
    (run / "fold_2" / "fold.json").unlink()
    assert go_on(run).summary.finished
    assert (run / "fold_2" / CARD).read_bytes() == wanted
    assert json.loads((run / "fold_2" / "fold.json").read_text())["files"][CARD] == sha256(wanted).hexdigest()
