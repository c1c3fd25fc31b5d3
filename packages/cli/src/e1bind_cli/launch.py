"""Several processes on this machine, by torchrun's own launcher in this process: its exit codes are then ours."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from e1bind_cli.console import errors
from e1bind_cli.ranks import LAUNCHER

_SIGNALLED = 128


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run this very command in `processes` processes under torchrun; the exit code of the first that failed."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    # torchrun's own choice, which it tells at length where nobody has made one; run.threads is another.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ[LAUNCHER] = str(os.getpid())
    own = ["-m", "e1bind_cli", *without_nproc(arguments)]
    try:
        run(parse_args(["--standalone", f"--nproc-per-node={processes}", *own]))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode >= 0:
            return failure.exitcode
        name = signal.Signals(-failure.exitcode).name
        errors.print(f"error: process {rank} was ended by {name}; --resume goes on from the last state")
        return _SIGNALLED - failure.exitcode
    except SignalException as stop:
        # Passed on to the processes, which have ended by now: rank 0 has said how to go on.
        return _SIGNALLED + stop.sigval
    return 0


def without_nproc(arguments: Sequence[str]) -> list[str]:
    """The command line for one of the processes."""
    kept, skip = [], False
    for argument in arguments:
        if skip:
            skip = False
        elif argument == "--nproc":
            skip = True
        elif not argument.startswith("--nproc="):
            kept.append(argument)
    return kept
