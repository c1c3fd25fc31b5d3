"""The built-in heads: what turns residue embeddings into scores."""
