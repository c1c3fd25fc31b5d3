"""An e1bind backbone: convolutions over one-hot residues, from scratch."""
