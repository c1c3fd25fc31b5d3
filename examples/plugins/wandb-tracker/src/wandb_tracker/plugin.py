"""What this package adds to e1bind. Nothing heavy is imported here."""

from e1bind.plugins import TrackerPlugin, hookimpl

E1BIND_API = 1


@hookimpl
def e1bind_trackers():
    return [
        TrackerPlugin(
            name="wandb",
            target="wandb_tracker.tracker:WandbTracker",
            options="wandb_tracker.options:WandbOptions",
            summary="Curves, figures and summary on Weights & Biases.",
        )
    ]
