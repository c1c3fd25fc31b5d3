"""What this package adds to e1bind. Nothing heavy is imported here."""

from e1bind.plugins import LossPlugin, hookimpl

E1BIND_API = 1


@hookimpl
def e1bind_losses():
    return [
        LossPlugin(
            name="angular-margin",
            target="angular_losses.angular_margin:AngularMargin",
            options="angular_losses.options:AngularMarginOptions",
            summary="Prototypes with an additive angular margin (ArcFace).",
            needs={"prototypes"},
        )
    ]
