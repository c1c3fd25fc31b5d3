"""The two backbones that are measured, as the contract's type.

Its attributes can be set as far as mypy can tell, ours are tuples and properties, and nobody sets them: a cast here
instead of an ignored line wherever one is used.
"""

from __future__ import annotations

from typing import cast

from e1bind.contracts import Backbone
from e1bind_backbones.e1.backbone import E1Backbone
from e1bind_backbones.hf_mlm import HfMlmBackbone
from e1bind_backbones.options import E1Options, HfMlmOptions


def e1_backbone(**options: object) -> Backbone:
    """E1 with these options."""
    return cast(Backbone, E1Backbone(E1Options.model_validate(options)))


def esm_backbone(**options: object) -> Backbone:
    """A masked language model from Hugging Face, with these options."""
    return cast(Backbone, HfMlmBackbone(HfMlmOptions.model_validate(options)))
