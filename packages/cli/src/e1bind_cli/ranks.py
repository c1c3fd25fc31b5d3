"""Under torchrun: processes end with their launcher, and what all of them stumble over is told once.

A wrong spec, a broken data file or a changed run is found by every process, a loss that is not finite by one. Each
process leaves its message in the store that torchrun keeps for them; the first one speaks, and of the others those
that have something else to say.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import timedelta

LAUNCHER = "E1BIND_LAUNCHER"
"""Environment variable that names the process of `--nproc`, which may be gone before its first one looks for it."""
_PATIENCE = timedelta(seconds=60)
_LOOK_EVERY = 0.5
_TIME_TO_STOP = 60.0
_ENDED = 143


def end_with_launcher() -> None:
    """See to it that this process does not outlive the launcher that started it, if one did.

    A launcher that was killed cannot end its processes, and before those have met they would wait for each other as
    long as `run.distributed_timeout_minutes` says. They are asked to stop as by SIGTERM (a step at hand is finished
    and the state saved), and ended where they do not.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        launcher = int(os.environ.get(LAUNCHER, os.getppid()))
        threading.Thread(target=_watch, args=(launcher,), daemon=True).start()


def _watch(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(_LOOK_EVERY)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_TIME_TO_STOP)
    os._exit(_ENDED)


def tell(message: str, say: Callable[[], None]) -> None:
    """Call `say` in the first of the processes that have this message to tell; return when all have come to an end.

    torchrun ends all processes once one has ended; this one ends by itself, with the exit code of its error.
    """
    rank, size = (int(os.environ.get(name, default)) for name, default in (("RANK", "0"), ("WORLD_SIZE", "1")))
    if rank == 0:
        say()
    if size == 1:
        return
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    told = _told_by_the_first(message, rank, size)
    if rank != 0 and told != message:
        say()


def _told_by_the_first(message: str, rank: int, size: int) -> str | None:
    """The message of rank 0; None where it has none or cannot be asked."""
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        return None  # rank 0 itself would hold the store
    from torch.distributed import DistError, TCPStore

    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    keys = [f"e1bind/{attempt}/error/{other}" for other in range(size)]
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    try:
        store = TCPStore(host, port, is_master=False, timeout=_PATIENCE)
        store.set(keys[rank], message)
        # The first waits for all, so that torchrun finds none of them still at work.
        store.wait(keys if rank == 0 else keys[:1], _PATIENCE)
        return store.get(keys[0]).decode()
    except DistError:
        return None  # others go on, or the launcher has ended
