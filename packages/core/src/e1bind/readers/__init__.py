"""Readers of labelled chains, one file for each format. Each is a component like anybody's."""
