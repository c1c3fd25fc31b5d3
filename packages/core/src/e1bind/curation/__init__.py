"""Labelled chains before any training: read and checked, counted, written in another format. Nothing here loads torch."""
