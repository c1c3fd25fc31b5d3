"""e1bind: fine-tune protein language models to find metal-binding residues."""

from e1bind.neighbours import spare_neighbours

__version__ = "0.1.0"

# Before any room of the house imports pydantic.
spare_neighbours()
