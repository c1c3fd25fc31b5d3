"""Where a plugin comes from: enough to install the same one again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Source:
    """Provenance of one plugin module.

    distribution  installed distribution, or "local" for a single file named in a spec
    version       its version, or "" for a local file
    entry_point   name of the entry point, or the file's name
    module        module the entry point loads
    file          file of the module, once it is imported
    editable      installed in editable mode
    vcs           "git+URL@COMMIT" where it was installed from version control
    sha256        of a local file
    """

    distribution: str
    version: str
    entry_point: str
    module: str
    file: str | None = None
    editable: bool = False
    vcs: str | None = None
    sha256: str | None = None

    def label(self) -> str:
        """Distribution and version, for messages."""
        return f"{self.distribution} {self.version}".strip()

    def as_dict(self) -> dict[str, object]:
        """For `plugins.json`."""
        return asdict(self)


def installed_source(distribution: Distribution, name: str, version: str, entry_point: str, module: str) -> Source:
    """Provenance of an entry point; editable and VCS installs are read from PEP 610's `direct_url.json`."""
    direct = _direct_url(distribution)
    vcs, local = direct.get("vcs_info"), direct.get("dir_info")
    return Source(
        distribution=name,
        version=version,
        entry_point=entry_point,
        module=module,
        editable=isinstance(local, dict) and local.get("editable") is True,
        vcs=f"{vcs.get('vcs')}+{direct.get('url')}@{vcs.get('commit_id')}" if isinstance(vcs, dict) else None,
    )


def _direct_url(distribution: Distribution) -> dict[str, Any]:
    """What the file says; nothing where it is damaged: provenance is then unknown, no reason to refuse a plugin."""
    try:
        direct = json.loads(distribution.read_text("direct_url.json") or "{}")
    except (ValueError, RecursionError, OSError):
        return {}
    return direct if isinstance(direct, dict) else {}


def local_source(path: Path) -> Source:
    """Provenance of a single-file plugin; the hash tells two versions of it apart."""
    return Source(
        distribution="local",
        version="",
        entry_point=path.name,
        module=path.stem,
        file=str(path),
        sha256=sha256(path.read_bytes()).hexdigest(),
    )
