"""The built-in baselines: what is had without fine-tuning anything, on the same folds and residues as a run."""
