"""Structure files: their atoms, residues and protein chains, read the same for labels and for predictions."""
