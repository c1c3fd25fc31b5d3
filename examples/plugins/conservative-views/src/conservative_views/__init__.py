"""An e1bind view generator: residues replaced by similar ones."""
