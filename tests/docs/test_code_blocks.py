"""What stands in README and docs runs: Python blocks as they are, specs through validation, README's commands."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from plugin_packages import environment
from small_specs import SMALLEST
from zinc_structures import write_structures

from e1bind.readers.fasta3 import Fasta3Reader
from e1bind.readers.options import Fasta3Options
from e1bind_cli.app import run

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in _BLOCK.findall(page.read_text(encoding="utf-8")) if kind == language]


def file_of(block: str) -> str | None:
    """The name a block gives itself in its first line: `# my_loss.py`."""
    named = re.match(r"# ([\w.]+\.(?:py|toml))\n", block)
    return named[1] if named else None


# The tutorial's blocks are files of several packages, those on notebooks need a run: test_tutorial and
# test_notebook follow them.
FOLLOWED = ("tutorial", "notebook")


@pytest.mark.parametrize(
    "page", [p for p in PAGES if blocks(p, "python") and p.stem not in FOLLOWED], ids=lambda p: p.name
)
def test_python_blocks_of_a_page_run_one_after_the_other(page: Path, tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks(page, "python")))
    result = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment(), cwd=ROOT
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_toml_blocks_parse(page: Path) -> None:
    for block in blocks(page, "toml"):
        tomllib.loads(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        # Pages of the reference are there once the site is built; test_site follows the links to them.
        assert "://" in target or target.startswith("reference/") or (page.parent / target).exists(), target


def test_the_walk_through_groups_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word for word, in a copy of the example data with a spec."""
    shutil.copytree(ROOT / "examples" / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path / "data")
    Path("spec.toml").write_text(SMALLEST)
    walk = next(b for b in blocks(ROOT / "docs" / "data.md", "bash") if "data split" in b)
    for line in walk.splitlines():
        assert run(shlex.split(line)[1:]) == 0, line
    assert len(Path("groups.tsv").read_text().splitlines()) == 17
    assert Path("groups.tsv.json").is_file()
    assert {p.name for p in Path("divided").iterdir()} >= {"ZN_train.fasta", "ZN_test.fasta", "split.json"}
    assert Path("chains.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("mmseqs") is None, reason="alignments are built by MMseqs2 (apt-get install mmseqs2)"
)
def test_the_walk_from_structures_to_a_run_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word for word, with structures of the example chains; their labels come back as they were."""
    example = ROOT / "examples" / "data" / "ZN_train.fasta"
    reader = Fasta3Reader(Fasta3Options.model_validate({"train": str(example)}))
    # An id per file: some of the examples' are of one entry, or have chain names that PDB files cannot hold.
    records = [replace(r, id=f"c{number:03}_A") for number, r in enumerate(reader.read("ZN", "train"))]
    write_structures(records, "ZN", tmp_path / "structures")
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "data.md"
    Path("spec.toml").write_text(next(b for b in blocks(page, "toml") if file_of(b) == "spec.toml"))
    walk = next(b for b in blocks(page, "bash") if "data from-structures structures" in b)
    for line in walk.splitlines():
        assert run(shlex.split(line, comments=True)[1:]) == 0, line
    made = Fasta3Reader(Fasta3Options.model_validate({"train": "ZN_train.fasta"})).read("ZN", "train")
    found = {record.id: (record.sequence, record.labels["ZN"].tolist()) for record in made}
    assert found == {record.id: (record.sequence, record.labels["ZN"].tolist()) for record in records}
    assert len(list(Path("msa").glob("*.a3m"))) == len(records)
    assert Path("results/first/report.html").is_file()


@pytest.mark.slow
@pytest.mark.sample
def test_the_readme_s_commands_do_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, in a copy of the examples. What starts processes or installs is what CI and other tests do."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for language in ("toml", "python"):
        for block in blocks(ROOT / "README.md", language):
            if name := file_of(block):
                (tmp_path / name).write_text(block)
    monkeypatch.chdir(tmp_path)
    ran = 0
    for line in "".join(blocks(ROOT / "README.md", "bash")).splitlines():
        words = shlex.split(line, comments=True)
        if words[:2] == ["uv", "run"]:
            words = words[2:]
        if words and words[0] == "e1bind" and "--nproc" not in words:
            assert run(words[1:]) == 0, line
            ran += 1
    assert ran >= 10
    tree = next(b for b in blocks(ROOT / "README.md", "text") if b.startswith("results/zinc/"))
    for name in re.findall(r"[\w.]+\.(?:toml|txt|json|jsonl|log|csv|html|npz|yaml|pt)\b", tree):
        assert list((tmp_path / "results" / "zinc").rglob(name)), f"{name} is not in a run directory"
