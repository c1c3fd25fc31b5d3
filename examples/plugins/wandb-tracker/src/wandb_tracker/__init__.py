"""An e1bind tracker: runs on Weights & Biases, or in its offline folders."""
