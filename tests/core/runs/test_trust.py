"""A run executes nothing that it brings along unless its user says so, and holds what it was trained with."""

from __future__ import annotations

import json
import shutil
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from forks import fork, wait
from seals import reseal, rewrite

from e1bind.errors import RunError
from e1bind.runs.fingerprints import spec_fingerprint
from e1bind.runs.frozen_spec import frozen_spec
from e1bind.runs.layout import RunDir
from e1bind_cli.app import run as e1bind

PLUGIN = """\
from pathlib import Path
from torch import nn
from e1bind.contracts import LossOutput
from e1bind.plugins import LossPlugin, hookimpl
from e1bind.spec import Options
Path({mark!r}).write_text("executed")
E1BIND_API = 1
class NothingOptions(Options):
    pass
class Nothing(nn.Module):
    def __init__(self, options):
        super().__init__()
    def forward(self, batch):
        return LossOutput(batch.embeddings.sum() * 0)
@hookimpl
def e1bind_losses():
    return [LossPlugin(name="nothing", target="{module}:Nothing", options="{module}:NothingOptions", summary="x")]
"""


def attack(run: Path, local: Path) -> None:
    """What a stranger does: another plugin in the frozen spec, every hash made right again."""
    resolved = run / "spec.resolved.json"
    rewrite(resolved, lambda table: table["plugins"].update(local=[str(local)]))
    table = json.loads(resolved.read_text())

    def begun(record):
        record["spec"] = spec_fingerprint(table)
        record["files"]["spec.resolved.json"] = sha256(resolved.read_bytes()).hexdigest()

    reseal(run / "data.json", begun)
    digest = sha256((run / "data.json").read_bytes()).hexdigest()
    reseal(run / "summary.json", lambda record: record["files"].update({"data.json": digest}))


@pytest.fixture
def hostile(whole: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A run whose spec names a plugin, the plugin, and the file that it writes when it is executed."""
    run = Path(shutil.copytree(whole, tmp_path / "hostile"))
    mark, plugin = tmp_path / "mark", tmp_path / "evil_plugin.py"
    plugin.write_text(PLUGIN.format(mark=str(mark), module="evil_plugin"))
    attack(run, plugin)
    return run, plugin, mark


@pytest.mark.parametrize("command", ["predict", "evaluate", "collect", "resume"])
def test_a_plugin_of_a_run_is_refused_before_it_is_imported(hostile, short_data, tmp_path, capsys, command):
    run, plugin, mark = hostile
    arguments = {
        "predict": ["predict", str(run), str(short_data / "new.fasta"), "-o", str(tmp_path / "o.csv")],
        "evaluate": ["evaluate", str(run), "--data", str(short_data / "new.fasta")],
        "collect": ["collect", str(run)],
        "resume": ["train", "--resume", str(run)],
    }[command]
    assert e1bind(arguments) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert str(plugin) in said
    assert sha256(plugin.read_bytes()).hexdigest() in said
    assert "--trust-run-code" in said
    assert not mark.exists()


@pytest.mark.parametrize("command", ["report", "compare"])
def test_reading_a_run_executes_nothing(hostile, whole, tmp_path, command):
    run, _, mark = hostile
    arguments = (
        ["report", str(run)]
        if command == "report"
        else ["compare", str(run), str(whole), "-o", str(tmp_path / "c")]
    )
    assert e1bind(arguments) == 0
    assert not mark.exists()


def test_code_of_a_checkpoint_is_refused_with_file_and_digest(whole, tmp_path):
    run = Path(shutil.copytree(whole, tmp_path / "remote"))
    checkpoint = run / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "modeling_evil.py").write_text("raise SystemExit\n")
    table = {"hf-mlm": {"use": "e1bind-backbones/hf-mlm", "checkpoint": str(checkpoint), "trust_remote_code": True}}
    rewrite(run / "spec.resolved.json", lambda spec: spec.update(backbone=table))
    with pytest.raises(RunError, match=r"(?s)trust_remote_code: .*modeling_evil\.py\n +SHA-256 [0-9a-f]{64}"):
        frozen_spec(RunDir(run))
    table["hf-mlm"]["checkpoint"] = "somebody/model"
    rewrite(run / "spec.resolved.json", lambda spec: spec.update(backbone=table))
    with pytest.raises(RunError, match="whatever code the checkpoint somebody/model names"):
        frozen_spec(RunDir(run))


def test_a_run_keeps_its_own_plugin_and_uses_that_when_trusted(short_spec, short_data, tmp_path):
    plugin, mark = tmp_path / "quiet_loss.py", tmp_path / "mark"
    plugin.write_text(PLUGIN.format(mark=str(mark), module="quiet_loss"))
    text = short_spec + '\n[plugins]\nlocal = ["quiet_loss.py"]\n[losses.nothing]\nweight = 1.0\n'
    (tmp_path / "spec.toml").write_text(text)

    def call(*words: str) -> tuple[int, str]:
        """In a child, so that a plugin that was imported is gone afterwards."""
        log = tmp_path / "log"
        log.unlink(missing_ok=True)

        def work() -> None:
            sys.stderr = sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - for the rest of the child's life
            (tmp_path / "code").write_text(str(e1bind(list(words))))

        assert wait(fork(work, log), 300) == 0, log.read_text()
        return int((tmp_path / "code").read_text()), log.read_text()

    for fold in ("1", "2"):
        assert call("train", str(tmp_path / "spec.toml"), "--run-id", "own", "--fold", fold)[0] == 0
    run = tmp_path / "results" / "own"
    assert call("collect", str(run))[0] == 2
    assert call("collect", str(run), "--trust-run-code")[0] == 0
    assert (run / "plugins" / "quiet_loss.py").read_bytes() == plugin.read_bytes()
    plugin.unlink()
    mark.unlink()
    predict = ("predict", str(run), str(short_data / "new.fasta"), "-o", str(tmp_path / "o.csv"))
    assert call(*predict)[0] == 2
    assert not mark.exists()
    code, said = call(*predict, "--trust-run-code")
    assert code == 0, said
    assert mark.exists()
    kept = run / "plugins" / "quiet_loss.py"
    kept.write_text(kept.read_text() + "# changed\n")
    said = call(*predict, "--trust-run-code")[1]
    assert "the local plugin" in said
    assert "was changed after the training" in said
