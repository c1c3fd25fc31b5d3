"""Where e1bind says what it does: one logger, and the form of its lines in files and pipes."""

from __future__ import annotations

import logging

from e1bind.files.text import visible

log = logging.getLogger("e1bind")
"""Every line of a run's log; the command line shows the same lines on the terminal."""

PROGRESS = {"progress": True}
"""`extra` of a line that says how far something is, which a terminal with a progress bar can do without."""


class LineFormatter(logging.Formatter):
    """Lines for a file or a pipe: control characters of what is quoted in them are shown, not sent."""

    def format(self, record: logging.LogRecord) -> str:
        return visible(super().format(record))
