"""The data room: readers, alignments, folds, windows and batches. Nothing here needs more than numpy."""
