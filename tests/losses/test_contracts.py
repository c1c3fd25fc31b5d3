"""The losses that ship pass the contract that others are held to, with their defaults and with their variants."""

from __future__ import annotations

from e1bind.testing import LossContract
from e1bind_losses.plugin import e1bind_losses

for _loss in e1bind_losses():
    globals()[f"Test_{_loss.name}"] = type(_loss.name, (LossContract,), {"plugin": _loss.name})


class TestGathered(LossContract):
    """Two processes that gather each other's residues are as one."""

    plugin, options = "nt-xent", {"gather_negatives": True}


class TestOtherProteins(LossContract):
    plugin, options = "nt-xent", {"negatives": "other-proteins"}


class TestRounded(LossContract):
    plugin, options = "nt-xent", {"products": "bfloat16", "cache_mb": 0}


class TestBindingAnchors(LossContract):
    plugin, options = "supcon", {"anchors": "binding"}
