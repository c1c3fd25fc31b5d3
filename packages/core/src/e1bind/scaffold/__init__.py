"""What `e1bind new-plugin` writes: a package, or a single file, that passes its tests and trains as it is."""
