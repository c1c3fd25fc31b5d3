"""The page on notebooks, followed in a folder with a real run; its table of the out-of-fold file."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from plugin_packages import environment
from small_runs import SPEC, train_once

from e1bind_cli.app import run as e1bind

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Examples, a spec, and the run `results/zinc`."""
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copytree(ROOT / "examples", folder / "examples")
    text = SPEC.format(data="examples/data").replace("epochs = 2", "epochs = 1")
    train_once(folder, text + 'calibration = "platt"\n', "zinc")
    (folder / "spec.toml").rename(folder / "zinc.toml")
    return folder


def test_the_page_can_be_followed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    commands = "".join(re.findall(r"^```bash\n(.*?)^```$", TEXT, re.M | re.S)).splitlines()
    assert len(commands) == 3
    for line in commands:
        assert e1bind(shlex.split(line)[1:]) == 0, line
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert "(12, 64) (12, 64)" in done.stdout
    assert (folder / "zinc-merged" / "config.json").is_file()


def table(head: str) -> dict[str, str]:
    rows = TEXT.split(f"| {head} |")[1].split("\n\n")[0].splitlines()[2:]
    return {cells[0].strip("` "): cells[1].strip() for row in rows if (cells := row.strip("|").split("|"))}


def test_keys_and_dtypes_of_the_out_of_fold_file_are_those_of_the_table(folder: Path) -> None:
    described = table("key | dtype | meaning")
    with np.load(folder / "results" / "zinc" / "oof_preds.npz", allow_pickle=False) as stored:
        found = {
            name: "str" if stored[name].dtype.kind == "U" else str(stored[name].dtype) for name in stored.files
        }
        assert stored["residue_index"].min() == 0
        assert stored["fold"].min() == 1
        assert set(stored["label"].tolist()) <= {-1, 0, 1}
        assert stored["probability"] == pytest.approx(1 / (1 + np.exp(-stored["score"].astype(float))), abs=1e-6)
    assert found == described


def test_arrays_of_scores_are_those_of_the_table(folder: Path) -> None:
    from e1bind import load_run

    scores = load_run(folder / "results" / "zinc", device="cpu").score("MKVHC")["ZN"]
    assert {name: str(values.dtype) for name, values in vars(scores).items()} == table("array | dtype | meaning")
