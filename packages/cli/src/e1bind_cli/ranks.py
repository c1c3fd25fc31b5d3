"""Errors under torchrun: what all processes stumble over is told once, and all of them end with one exit code.

A wrong spec, a broken data file or a changed run is found by every process, a loss that is not finite by one. Each
process leaves its message in the store that torchrun keeps for them; the first one speaks, and of the others those
that have something else to say.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta

_PATIENCE = timedelta(seconds=60)


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
