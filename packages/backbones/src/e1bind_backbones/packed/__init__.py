"""Layers on the real tokens of a batch, laid end to end: layouts, attention, rotation and the small operations."""
