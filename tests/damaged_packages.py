"""Packages laid out as an installer leaves them, whole or damaged, for plugin tests."""

from __future__ import annotations

from pathlib import Path

GOOD = """\
from e1bind.plugins import LossPlugin, hookimpl
E1BIND_API = 1
@hookimpl
def e1bind_losses():
    return [LossPlugin(name="{name}", target="{name}:Loss", options="{name}:Choices", summary="A loss.")]
"""
NOISE = """\
import os, subprocess, sys
def shout(where):
    print("print", where)
    sys.stdout.write("write\\n")
    sys.__stdout__.write("underneath\\n")
    os.write(1, b"descriptor\\n")
    subprocess.run([sys.executable, "-c", "print('child')"])
shout("import")
from e1bind.plugins import LossPlugin, hookimpl
E1BIND_API = 1
@hookimpl
def e1bind_losses():
    shout("hook")
    return [LossPlugin(name="noisy", target="noisy:Loss", options="noisy:Choices", summary="A loss.")]
"""


def lay_out(
    site: Path,
    name: str,
    code: str | None = None,
    metadata: bytes | None = b"",
    entries: bytes = b"",
    **files: bytes,
) -> None:
    """A package as an installer leaves it; `metadata` None: none, empty: a good one."""
    folder = site / f"{name}-1.0.dist-info"
    folder.mkdir(parents=True)
    if metadata is not None:
        good = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
        (folder / "METADATA").write_bytes(metadata or good)
    (folder / "entry_points.txt").write_bytes(entries or f"[e1bind]\nmain = {name}\n".encode())
    (folder / "INSTALLER").write_text("pip\n")
    (folder / "RECORD").write_text(f"{name}.py,,\n")
    for file, content in files.items():
        (folder / f"{file}.json").write_bytes(content)
    (site / f"{name}.py").write_text(GOOD.format(name=name) if code is None else code)
