"""The engine: from a validated spec to a finished run."""
