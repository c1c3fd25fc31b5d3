"""The losses e1bind ships, through the same entry point as anybody's."""

from __future__ import annotations

from collections.abc import Sequence

from e1bind.plugins import LossPlugin, hookimpl

E1BIND_API = 1


@hookimpl
def e1bind_losses() -> Sequence[LossPlugin]:
    return [
        LossPlugin(
            name="nt-xent",
            target="e1bind_losses.nt_xent:NTXent",
            options="e1bind_losses.options:NTXentOptions",
            summary="Pulls the views of one residue together and away from all other residues (NT-Xent).",
            needs={"views>=2"},
        ),
        LossPlugin(
            name="supcon",
            target="e1bind_losses.supcon:SupCon",
            options="e1bind_losses.options:SupConOptions",
            summary="Pulls residues with the same binding label together (supervised contrastive).",
        ),
        LossPlugin(
            name="prototype-alignment",
            target="e1bind_losses.prototype_alignment:PrototypeAlignment",
            options="e1bind_losses.options:PrototypeAlignmentOptions",
            summary="Pulls residues towards their own prototype until a margin to the other one is kept.",
            needs={"prototypes"},
        ),
        LossPlugin(
            name="prototype-bce",
            target="e1bind_losses.prototype_bce:PrototypeBCE",
            options="e1bind_losses.options:PrototypeBCEOptions",
            summary="Binary cross-entropy on the scores that validation and prediction use.",
            needs={"prototypes"},
        ),
        LossPlugin(
            name="bce",
            target="e1bind_losses.bce:BCE",
            options="e1bind_losses.options:BCEOptions",
            summary="Binary cross-entropy on the scores of whichever head the run has.",
            needs={"scores"},
        ),
        LossPlugin(
            name="focal",
            target="e1bind_losses.focal:Focal",
            options="e1bind_losses.options:FocalOptions",
            summary="Cross-entropy on the scores that fades out for residues already scored well.",
            needs={"scores"},
        ),
        LossPlugin(
            name="asymmetric",
            target="e1bind_losses.asymmetric:Asymmetric",
            options="e1bind_losses.options:AsymmetricOptions",
            summary="Focal loss with a focus of its own for each class; easy non-binding residues are dropped.",
            needs={"scores"},
        ),
        LossPlugin(
            name="mlm",
            target="e1bind_losses.mlm:MaskedLM",
            options="e1bind_losses.options:MaskedLMOptions",
            summary="Cross-entropy of the pretrained head on masked residues, so that the backbone stays a model.",
            needs={"mlm-logits", "masked-tokens"},
        ),
    ]
