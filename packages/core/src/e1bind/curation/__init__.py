"""Labelled chains before any training: read and checked, counted, converted. Nothing here loads torch."""
