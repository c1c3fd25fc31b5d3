"""What a check does in a process of its own. Run by its path, so that it imports nothing but what its job needs.

Reads a job as JSON from stdin and writes its result as JSON to the file that the job names: stdout belongs to the
plugin, which may print.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Job = dict[str, Any]
HEAVY = ("torch", "transformers", "peft", "numpy", "sklearn", "matplotlib")


def find(job: Job) -> Any:
    """The component a job is about, with no other third party's plugin loaded."""
    from e1bind.plugins import PluginPolicy, discover

    local = [Path(job["local"])] if job["local"] else []
    policy = PluginPolicy(local=local, allow=[job["distribution"]], strict=False)
    return discover(policy).get(job["kind"], job["full_name"])


def build(job: Job) -> Any:
    """The component, with the options that a job holds."""
    component = find(job)
    return component.build(component.load_options().model_validate(job["options"]))


def load(job: Job) -> Any:
    """Import plugin and options; which heavy modules that loads, and whom it tries to reach."""
    reached: list[str] = []

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.getaddrinfo"):
            reached.append(f"{event} {arguments[-1 if event == 'socket.connect' else 0]}")

    sys.addaudithook(watch)
    find(job).load_options()
    return {"heavy": [name for name in HEAVY if name in sys.modules], "reached": reached}


def views(job: Job) -> Any:
    """The views of the kit's chains, as text."""
    from e1bind.testing.drawn_views import views_as_text

    return views_as_text(build(job))


def rank(job: Job) -> Any:
    """Value and gradient of a loss as one of two ranks."""
    from e1bind.testing.ranks import as_rank

    return as_rank(build(job), job["rank"], job["store"])


JOBS: dict[str, Callable[[Job], Any]] = {"load": load, "views": views, "rank": rank}


def main() -> None:
    """Do one job. A mistake is an answer too; anything else ends the process with its traceback."""
    job = json.loads(sys.stdin.read())
    from e1bind.errors import UserError

    try:
        answer = {"value": JOBS[job["do"]](job)}
    except UserError as error:
        answer = {"broken": str(error)}
    Path(job["answer"]).write_text(json.dumps(answer), encoding="utf-8")


if __name__ == "__main__":
    main()
