"""A run on disk: what it holds, how each part is written, checked and read, and what may be done with it."""
