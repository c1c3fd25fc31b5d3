"""The run spec: one TOML file, validated without importing the machine-learning stack."""

from e1bind.spec.options import CheckpointRef, Options, SpecPath

__all__ = ["CheckpointRef", "Options", "SpecPath"]
