"""Finished runs put to use: the fold ensemble scores new chains, labelled ones are evaluated, runs compared."""
