"""The built-in trackers: what watches a run."""
