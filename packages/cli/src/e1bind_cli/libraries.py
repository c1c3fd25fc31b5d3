"""What other libraries say by themselves: what a user can do something about, once, in one of the processes."""

from __future__ import annotations

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
