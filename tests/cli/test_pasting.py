"""Commands that are printed can be pasted into a shell, whatever the folder is called."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

from small_runs import SPEC, train_once
from test_architecture import SOURCES, modules

from e1bind.files.text import command
from e1bind_cli.app import run as e1bind

BY_HAND = re.compile(
    r"e1bind (?:train|collect|report|predict|evaluate|validate|check-plugin) (?:-\S+ )*\{|\brm (?:-r )?\{"
)


def test_a_command_is_quoted_where_a_shell_wants_it() -> None:
    assert command("train", "--resume", Path("a/b"), "--fold", 1) == "e1bind train --resume a/b --fold 1"
    odd = Path("my 'own' $(runs)")
    assert shlex.split(command("collect", odd)) == ["e1bind", "collect", str(odd)]


def test_no_message_writes_a_command_by_hand() -> None:
    for package in SOURCES:
        for path, _ in modules(package):
            by_hand = BY_HAND.findall(path.read_text(encoding="utf-8"))
            assert not by_hand, f"{path}: use e1bind.files.text.command"


def test_the_command_of_an_unfinished_run_goes_on_with_it(tmp_path: Path, root: Path, capsys) -> None:
    folder = tmp_path / "my zinc runs"
    folder.mkdir()
    text = SPEC.format(data=root / "examples" / "data").replace("epochs = 2", "epochs = 1")
    train_once(folder, text, run_id="first", fold=1)
    fasta = root / "examples" / "data" / "ZN_train.fasta"
    run = folder / "results" / "first"
    assert e1bind(["predict", str(run), str(fasta)]) == 2
    printed = re.search(r"go on with: (.+)$", capsys.readouterr().err, re.M)
    assert printed is not None
    words = shlex.split(printed[1])
    assert words == ["e1bind", "train", "--resume", str(run)]
    assert e1bind(words[1:]) == 0
    assert (run / "summary.json").exists()
    (run / "fold_1" / "fold.json").write_text("{}")
    assert e1bind(["predict", str(run), str(fasta)]) == 2
    printed = re.search(r"^  (rm .+) && (e1bind .+)$", capsys.readouterr().err, re.M)
    assert printed is not None
    assert shlex.split(printed[1]) == ["rm", str(run / "fold_1" / "fold.json")]
    assert shlex.split(printed[2])[-1] == str(run)


def test_the_table_that_convert_prints_is_toml(tmp_path: Path, root: Path, capsys) -> None:
    spec = tmp_path / "spec.toml"
    spec.write_text(SPEC.format(data=root / "examples" / "data"))
    output = tmp_path / 'a "quoted" name.csv'
    assert e1bind(["data", "convert", str(spec), "-o", str(output)]) == 0
    printed = capsys.readouterr().out
    assert tomllib.loads(printed[printed.index("[data.") :]) == {"data": {"table": {"train": str(output)}}}
