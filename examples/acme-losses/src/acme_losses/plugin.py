"""What this package adds to e1bind. Nothing heavy is imported here."""

from e1bind.plugins import LossPlugin, hookimpl

E1BIND_API = 1


@hookimpl
def e1bind_losses():
    return [
        LossPlugin(
            name="prototype-hinge",
            target="acme_losses.hinge:PrototypeHinge",
            options="acme_losses.options:PrototypeHingeOptions",
            summary="Hinge on how much closer a residue is to its own prototype.",
            needs={"prototypes"},
        )
    ]
