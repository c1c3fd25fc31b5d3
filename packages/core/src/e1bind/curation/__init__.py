"""Chains before any training: read, counted, clustered, divided, aligned, converted. Nothing here loads torch."""
