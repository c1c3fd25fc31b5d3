"""Labelled chains before any training: read and checked, counted. Nothing here loads torch."""
