"""The backbones of this package."""

from __future__ import annotations

from e1bind.plugins import BackbonePlugin, hookimpl

E1BIND_API = 1


@hookimpl
def e1bind_backbones() -> list[BackbonePlugin]:
    """E1 and any Hugging Face masked language model."""
    return [
        BackbonePlugin(
            name="e1",
            target="e1bind_backbones.e1.backbone:E1Backbone",
            options="e1bind_backbones.options:E1Options",
            summary="Profluent E1, which may read homologous sequences before the query.",
            provides={"mlm-logits", "contexts"},
        ),
        BackbonePlugin(
            name="hf-mlm",
            target="e1bind_backbones.hf_mlm:HfMlmBackbone",
            options="e1bind_backbones.options:HfMlmOptions",
            summary="Any Hugging Face encoder masked language model with one token per residue (ESM-2, ProtBERT).",
            provides={"mlm-logits"},
        ),
    ]
