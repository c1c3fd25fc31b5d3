"""The run spec: one TOML file, validated without importing the machine-learning stack."""

from e1bind.spec.loading import RawSpec, load_raw
from e1bind.spec.options import CheckpointRef, Options, OutputPath, SpecPath
from e1bind.spec.runspec import Chosen, RunSpec
from e1bind.spec.validation import load_spec, validate_spec

__all__ = [
    "CheckpointRef",
    "Chosen",
    "Options",
    "OutputPath",
    "RawSpec",
    "RunSpec",
    "SpecPath",
    "load_raw",
    "load_spec",
    "validate_spec",
]
