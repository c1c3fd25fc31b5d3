"""The backbones that ship pass the contract that others are held to, in every way their views may run."""

from __future__ import annotations

from e1bind.testing import BackboneContract


class TestE1(BackboneContract):
    plugin = "e1bind-backbones/e1"


class TestHfMlm(BackboneContract):
    plugin = "e1bind-backbones/hf-mlm"


class TestE1Separate(BackboneContract):
    plugin, options = (
        "e1",
        {"random_weights": "tiny", "view_execution": "separate", "activation_checkpointing": True},
    )


class TestE1Batched(BackboneContract):
    plugin, options = "e1", {"random_weights": "tiny", "view_execution": "batched", "attention": "dense"}
