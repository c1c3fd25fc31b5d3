"""The table of docs/security.md against what the commands really execute and write."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path

import pytest
from forks import fork, wait
from seals import reseal, rewrite
from small_runs import SPEC

from e1bind.readers.example_structure import EXAMPLE_PDB
from e1bind.runs.fingerprints import spec_fingerprint
from e1bind_cli.app import run as e1bind

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"
PLUGIN = 'from pathlib import Path\nPath(__file__).with_name("executed").write_text("x")\nE1BIND_API = 1\n'
METRIC = """
from e1bind.plugins import MetricPlugin, hookimpl
@hookimpl
def e1bind_metrics():
    metrics = "e1bind.metrics"
    return [MetricPlugin(name="mine", target=f"{metrics}.curves:Auprc", options=f"{metrics}.options:NoOptions",
                         summary="Somebody's metric.")]
"""
PDB = "".join(
    f"ATOM  {i + 1:5}  CA  {name} A{i + 1:4}    {3.8 * i:8.3f}{0:8.3f}{0:8.3f}  1.00 20.00           C  \n"
    for i, name in enumerate(["MET", "LYS", "VAL", "HIS", "CYS", "ASP", "GLU", "ALA", "CYS", "GLY", "HIS", "LYS"])
)


def table() -> dict[str, list[str]]:
    """The cells behind each command; a row of several commands stands for each of them."""
    rows = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `"):
            for command in re.findall(r"`([^`]+)`", cells[0]):
                rows[command] = cells[1:]
    return rows


TABLE = table()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Path:
    """A folder with a spec that names a local plugin, and a trained run; the plugin's mark is taken away."""
    folder = tmp_path_factory.mktemp("security")
    text = SPEC.format(data=root / "examples" / "data").replace("epochs = 2", "epochs = 1")
    text = text.replace("[cv]", '[msa]\ncache_dir = "cache"\n[calibration.platt]\n[trackers.jsonl]\n[cv]')
    (folder / "spec.toml").write_text(text)
    assert e1bind(["train", str(folder / "spec.toml"), "--run-id", "run"]) == 0
    (folder / "plugin_of_a_spec.py").write_text(PLUGIN)
    (folder / "plugin_to_check.py").write_text(PLUGIN + METRIC)
    (folder / "with_plugin.toml").write_text(text + '\n[plugins]\nlocal = ["plugin_of_a_spec.py"]\n')
    (folder / "new.fasta").write_text(">new\nMKVHCDEACGHK\n000110010110\n")
    (folder / "strange.fasta").write_text(f">strange\n{'MSTNPKPQRKTWYVGALEDFIH' * 3}\n")
    (folder / "model.pdb").write_text(PDB + "END\n")
    (folder / "model_with_zinc.pdb").write_text(EXAMPLE_PDB)
    return folder


def arguments(command: str, base: Path) -> list[str]:
    run = str(base / "results" / "run")
    return {
        "validate": ["validate", "with_plugin.toml"],
        "show": ["show", "with_plugin.toml"],
        "data stats": ["data", "stats", "with_plugin.toml"],
        "data check": ["data", "check", "with_plugin.toml"],
        "data convert": ["data", "convert", "with_plugin.toml", "-o", "out/chains.csv"],
        "data from-structures": [
            "data",
            "from-structures",
            "model_with_zinc.pdb",
            "--ion",
            "ZN",
            "-o",
            "out/z.fasta",
        ],
        "data cluster": ["data", "cluster", "with_plugin.toml", "-o", "out/clusters.tsv", "--method", "words"],
        "data overlap": ["data", "overlap", "with_plugin.toml", "strange.fasta", "--method", "words"],
        "data split": ["data", "split", "with_plugin.toml", "-o", "out"],
        "data msa": ["data", "msa", "with_plugin.toml", "--db", "strange.fasta", "-o", "out"],
        "train SPEC": ["train", "with_plugin.toml", "--run-id", "second"],
        "train --resume RUN": ["train", "--resume", run],
        "collect RUN": ["collect", run],
        "predict RUN": ["predict", run, "new.fasta", "--structure", "model.pdb", "-o", "out/table.csv"],
        "embed RUN": ["embed", run, "new.fasta", "-o", "out/e.safetensors"],
        "embed SPEC": ["embed", "with_plugin.toml", "new.fasta", "-o", "out/e.safetensors"],
        "export RUN": ["export", run, "--fold", "1", "--merged", "out/merged"],
        "evaluate RUN": ["evaluate", run, "--data", "new.fasta", "--resamples", "20"],
        "report RUN": ["report", run, "--folds", "--format", "svg"],
        "runs DIR": ["runs", str(base / "results"), "--json"],
        "compare RUN RUN": ["compare", run, str(base / "other")],
        "list-plugins": ["list-plugins"],
        "describe": ["describe", "loss.nt-xent"],
        "new-plugin NAME": ["new-plugin", "acme-things", "--kind", "loss", "--folder", "out"],
        "check-plugin PLUGIN": ["check-plugin", "plugin_to_check.py"],
        "schema": ["schema", "-o", "out/schema.json"],
        "init": ["init", "out/spec.toml"],
        "init --example DIR": ["init", "--example", "out/example"],
    }[command]


def watched(base: Path, words: list[str]) -> tuple[int, list[str], str]:
    """Exit code, files written (relative to `base`), and what was said; in a child, whose hook ends with it."""
    found, said, home = base / "found.json", base / "said", base / "home"
    said.unlink(missing_ok=True)

    def work() -> None:
        wrote: set[str] = set()

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            if event == "open" and isinstance(arguments[0], str | bytes):
                if int(arguments[2]) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):  # type: ignore[call-overload]
                    wrote.add(os.path.abspath(os.fsdecode(arguments[0])))
            elif event == "os.rename":
                wrote.add(os.path.abspath(os.fsdecode(arguments[1])))  # type: ignore[arg-type]

        os.chdir(base)
        sys.dont_write_bytecode = True
        sys.stderr = sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - for the rest of the child's life
        sys.addaudithook(watch)
        code = e1bind(words)
        files = sorted(p for p in wrote if not p.startswith(("/dev/", "/proc/")) and ".tmp" not in p)
        found.write_text(json.dumps([code, files]))

    assert wait(fork(work, said, {"HOME": str(home)}), 300) == 0, said.read_text()
    code, files = json.loads(found.read_text())
    inside = [os.path.relpath(file, base) for file in files]
    ours = [f for f in inside if not f.startswith(("home/", "..")) and f not in ("said", "found.json")]
    return code, ours, said.read_text()


def patterns(cell: str) -> list[str]:
    """Patterns of a cell as paths in `base`."""
    names = {"OUTPUT/RUN/": "results/second/", "RUN/": "results/run/", "CACHE/": "*cache/", "DIR/": "*/"}
    found = []
    for pattern in re.findall(r"`([^`]+)`", cell):
        for name, path in names.items():
            if pattern.startswith(name):
                pattern = path + pattern.removeprefix(name)
                break
        found.append("out/*" if pattern == "FILE" else pattern)
    return found


def some_quick(commands):
    """The commands, all but a few of them among the slow tests: each takes seconds."""
    quick = ("train SPEC", "predict RUN", "data check")
    return [c if c in quick else pytest.param(c, marks=pytest.mark.slow) for c in commands]


@pytest.mark.parametrize("command", some_quick(TABLE))
def test_a_command_writes_what_the_table_says_and_nothing_else(base: Path, command: str) -> None:
    if command == "compare RUN RUN" and not (base / "other").exists():
        shutil.copytree(base / "results" / "run", base / "other")
    if command == "data msa" and shutil.which("mmseqs") is None:
        pytest.skip("MMseqs2 is not on the PATH")
    (base / "executed").unlink(missing_ok=True)
    code, files, said = watched(base, arguments(command, base))
    assert code == 0, said
    allowed = [*patterns(TABLE[command][2]), "executed"]
    moved = [found for file in files for found in (base / file).rglob("*")]  # a folder that was filled elsewhere
    files = [*files, *(os.path.relpath(found, base) for found in moved)]
    files = [file for file in files if not (base / file).is_dir()]
    strange = [file for file in files if not any(fnmatch(file, pattern) for pattern in allowed)]
    assert not strange, strange
    unused = [p for p in allowed[:-1] if not any(fnmatch(file, p) for file in files)]
    # Alignments, the other of two formats, and figures of folds that nobody asked for are not part of this run.
    assert all(re.search(r"cache|\.cif|out/\*|metrics\.jsonl|fold_\*/plots", p) for p in unused), unused
    assert (base / "executed").exists() == bool(re.search("spec's `plugins.local`|the file or", TABLE[command][0]))


def test_every_command_stands_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert e1bind(["--help"]) == 0
    commands = set(re.findall(r"^│ ([a-z][a-z-]+)  ", capsys.readouterr().out, re.M))
    assert len(commands) > 8
    assert commands == {command.split()[0] for command in TABLE}


@pytest.mark.parametrize("command", some_quick(c for c in TABLE if "RUN" in c and "SPEC" not in c))
def test_a_run_s_code_is_executed_with_the_option_of_the_table_alone(base, tmp_path, capsys, command):
    copy = Path(shutil.copytree(base, tmp_path / "copy"))
    run = copy / "results" / "run"
    plugin = copy / f"stranger_{abs(hash(command)) % 10**8}.py"
    plugin.write_text(PLUGIN)
    resolved = run / "spec.resolved.json"
    rewrite(resolved, lambda spec: spec["plugins"].update(local=[str(plugin)]))
    spec = spec_fingerprint(json.loads(resolved.read_text()))
    reseal(run / "data.json", lambda record: record.update(spec=spec))
    digest = sha256((run / "data.json").read_bytes()).hexdigest()
    reseal(run / "summary.json", lambda record: record["files"].update({"data.json": digest}))
    shutil.copytree(run, copy / "other", dirs_exist_ok=True)
    words = [str(copy / w) if (copy / w).exists() else w for w in arguments(command, copy)]
    if command == "compare RUN RUN":
        words += ["-o", str(copy / "c")]
    words = [str(copy / "out/table.csv") if w == "out/table.csv" else w for w in words]
    trusts = "--trust-run-code" in TABLE[command][0]
    assert e1bind(words) == (2 if trusts else 0), capsys.readouterr().err
    assert ("SHA-256" in capsys.readouterr().err) == trusts
    assert not (copy / "executed").exists()
    assert e1bind([words[0], "--help"]) == 0
    assert ("--trust-run-code" in capsys.readouterr().out) == trusts
