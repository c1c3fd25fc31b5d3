"""What this package adds to e1bind. Nothing heavy is imported here."""

from e1bind.plugins import BackbonePlugin, hookimpl

E1BIND_API = 1


@hookimpl
def e1bind_backbones():
    return [
        BackbonePlugin(
            name="onehot-cnn",
            target="onehot_cnn.backbone:OneHotCnn",
            options="onehot_cnn.options:OneHotCnnOptions",
            summary="Dilated convolutions over one-hot residues, trained from scratch: no weights are needed.",
        )
    ]
