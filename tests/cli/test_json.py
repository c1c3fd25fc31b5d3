"""What `evaluate` and `compare` print for programs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from small_runs import SPEC, train_once

from e1bind_cli.app import run as e1bind


def test_evaluate_and_compare_print_json_alone(tmp_path: Path, root: Path, capsys) -> None:
    text = SPEC.format(data=root / "examples" / "data").replace("epochs = 2", "epochs = 1")
    run = train_once(tmp_path, text, run_id="one").run.path
    data = str(root / "examples" / "data" / "ZN_train.fasta")
    assert e1bind(["evaluate", str(run), "--data", data, "--resamples", "20", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["ions"]["ZN"]["proteins"] == 13
    assert 0 < told["ions"]["ZN"]["metrics"]["auprc"]["value"] <= 1
    other = shutil.copytree(run, tmp_path / "other")
    assert e1bind(["compare", str(run), str(other), "-o", str(tmp_path / "c"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["names"] == ["one", "other"]
    assert told["figures"]["ZN"]["auprc"][0]["test"].keys() == {"ZN_train"}
