"""What is asked of other libraries before they are imported: to say what a user can do something about, to wait for
their threads without keeping a core from whoever else wants it, and to be passed over by the collector of garbage.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings

from e1bind_cli.console import bars_wanted, is_main, state


def hush_libraries() -> None:
    """Before they are imported. What a user has set in the environment stands; with --verbose all may speak.

    transformers lists parameters that no backbone here uses, and draws bars into pipes; what is wrong with a
    checkpoint the backbones tell themselves. Warnings of what a later version will change are for developers.
    """
    if state.verbose:
        return
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    if not (is_main() and bars_wanted()):
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if sys.warnoptions:
        return
    for category in (FutureWarning, DeprecationWarning, PendingDeprecationWarning):
        warnings.filterwarnings("ignore", category=category)
    if not is_main():
        warnings.simplefilter("ignore")


ROUNDS = "1000"
"""What libgomp itself takes where it knows of more threads than cores."""
TICKS = "10"
"""Power of two: ticks of the clock that a thread of OpenBLAS waits before it sleeps; 26 by itself."""


def share_cores() -> None:
    """Before torch is imported: a thread that waits for the others of a product gives way after a moment.

    libgomp's threads go round some 300,000 times first. Where another process has one of the cores, that is longer
    than the product: steps of small models took four to eighteen times as long. Those of OpenBLAS, which NumPy and
    SciPy bring one each, keep a core for twenty milliseconds after each product. What a user has set stands.
    """
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", TICKS)
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", ROUNDS)


MANY = 50_000
"""So many new objects at once come of an import that was not looked through: the collector runs after 700."""


def pass_over_imports() -> None:
    """What is made while nothing is collected (`uncollected`) lives as long as the process: never go through it.

    Going through all that torch and transformers make takes a quarter of a second each time.
    """
    if _keep_many not in gc.callbacks:
        gc.callbacks.append(_keep_many)


def _keep_many(phase: str, _: dict[str, int]) -> None:
    if phase == "start" and gc.get_count()[0] > MANY:
        gc.freeze()
