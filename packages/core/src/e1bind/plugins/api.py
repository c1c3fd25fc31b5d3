"""Which versions of the plugin contract this host loads; docs/plugin-api.md says what a version means.

A host loads plugins of its own version N and of the one before it. One of N - 1 works, with a warning that names
the release that ends it.
"""

from __future__ import annotations

from e1bind import __version__
from e1bind.plugins.provenance import Source

API_VERSION = 1
"""The plugin contract this host speaks; a plugin module states the one it was written for as `E1BIND_API`."""

ENDS: dict[int, str] = {}
"""Older version that still loads -> the release of e1bind-core that will not load it any more."""


def api_fault(version: object, source: Source) -> str | None:
    """Why a plugin written for `version` is not loaded, and what to install; None where it is."""
    if type(version) is not int:
        return f"the module states no plugin API version; it must say E1BIND_API = {API_VERSION}"
    if version == API_VERSION or version in ENDS:
        return None
    sentence = f"written for plugin API {version}, but e1bind-core {__version__} speaks API {API_VERSION}: install "
    if version > API_VERSION:
        return sentence + f"an e1bind-core with API {version} (pip install -U e1bind-core)"
    return sentence + f"a {source.distribution} made for API {API_VERSION} (pip install -U {source.distribution})"


def api_warning(version: object, source: Source) -> str | None:
    """That a plugin without a fault is of an older version, and when that ends; None for the present one."""
    if not isinstance(version, int) or version == API_VERSION:
        return None
    return (
        f"written for plugin API {version}, which e1bind-core {ENDS[version]} will not load any more: update it "
        f"(pip install -U {source.distribution}), or tell its author of API {API_VERSION}"
    )
