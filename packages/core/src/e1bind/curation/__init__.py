"""Chains before any training: read and checked, counted, clustered, divided, aligned. Nothing here loads torch."""
