"""e1bind: fine-tune protein language models to find metal-binding residues."""

__version__ = "0.1.0"
