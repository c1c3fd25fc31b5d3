"""Figures, warnings and the page that show what a run came to."""
