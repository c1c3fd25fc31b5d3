"""What somebody finds who has a package alone: its page, its licence, its metadata, and an example that trains."""

from __future__ import annotations

import email
import os
import re
import shlex
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest
from plugin_packages import environment

from e1bind_cli.app import run

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"core": "e1bind-core", "losses": "e1bind-losses", "backbones": "e1bind-backbones", "cli": "e1bind"}


def text_of(package: str) -> str:
    return (ROOT / "packages" / package / "README.md").read_text(encoding="utf-8")


def blocks(package: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(package), re.M | re.S)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All packages as they would be published."""
    target = tmp_path_factory.mktemp("dist")
    for package in PACKAGES:
        command = [os.environ.get("UV", "uv"), "build", "--offline", "--quiet", "--out-dir", str(target)]
        done = subprocess.run([*command, str(ROOT / "packages" / package)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    return target


@pytest.mark.parametrize(("package", "name"), PACKAGES.items())
def test_wheel_and_source_hold_the_licence_and_say_whose_they_are(built: Path, package: str, name: str) -> None:
    licence = (ROOT / "LICENSE").read_bytes()
    stem = name.replace("-", "_")
    (wheel,) = built.glob(f"{stem}-[0-9]*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {file.split("/")[0] for file in archive.namelist() if ".dist-info/" in file}
        assert archive.read(f"{info}/licenses/LICENSE") == licence
        metadata = email.message_from_bytes(archive.read(f"{info}/METADATA"))
    (source,) = built.glob(f"{stem}-[0-9]*.tar.gz")
    with tarfile.open(source) as archive:
        (member,) = [file for file in archive.getnames() if file.endswith("/LICENSE")]
        found = archive.extractfile(member)
        assert found is not None
        assert found.read() == licence
    check_metadata(metadata, package)


def check_metadata(metadata: Message, package: str) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Author"]
    assert metadata["Keywords"]
    assert len(metadata.get_all("Classifier", [])) > 3
    assert all("https://" in url for url in metadata.get_all("Project-URL", []))
    assert {url.split(",")[0] for url in metadata.get_all("Project-URL", [])} >= {"Homepage", "Documentation"}
    page = metadata.get_payload(decode=True)
    assert isinstance(page, bytes)
    assert page.decode().strip() == text_of(package).strip()
    own = [line for line in metadata.get_all("Requires-Dist", []) if line.startswith("e1bind")]
    assert all(re.fullmatch(r"e1bind-\w+<0\.2,>=0\.1|e1bind-\w+>=0\.1,<0\.2", line) for line in own), own
    assert bool(own) == (package != "core")


def test_the_wheel_of_core_holds_the_example(built: Path) -> None:
    (wheel,) = built.glob("e1bind_core-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        within = "e1bind/scaffold/quickstart"
        for name in ("ZN_train.fasta", "clusters.tsv"):
            assert archive.read(f"{within}/data/{name}") == (ROOT / "examples" / "data" / name).read_bytes()


@pytest.mark.parametrize("package", PACKAGES)
def test_a_page_stands_alone(package: str) -> None:
    text = text_of(package)
    assert all(link.startswith("https://") for link in re.findall(r"\]\(([^)]+)\)", text))
    assert "pip install e1bind" in text
    assert len(blocks(package, "python")) + len(blocks(package, "bash")) > 1
    for block in blocks(package, "python") if package != "cli" else []:  # that needs what the commands make
        done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, env=environment())
        assert done.returncode == 0, done.stderr
        assert done.stdout


@pytest.mark.slow
@pytest.mark.sample
def test_the_first_use_of_the_command_line_can_be_followed(tmp_path: Path, monkeypatch, capsys) -> None:
    """Word for word in an empty folder; so can what `init --example` prints, with a space in the path."""
    monkeypatch.chdir(tmp_path)
    commands = [line for line in "".join(blocks("cli", "bash")).splitlines() if line.startswith("e1bind ")]
    assert len(commands) == 3
    for line in commands:
        assert run(shlex.split(line)[1:]) == 0, line
    assert (tmp_path / "first" / "results" / "zinc" / "report.html").is_file()
    assert (tmp_path / "first" / "sites.csv").is_file()
    (code,) = blocks("cli", "python")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
    assert done.returncode == 0, done.stderr
    assert "[0." in done.stdout
