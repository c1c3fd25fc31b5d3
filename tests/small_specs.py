"""The smallest spec that is valid: its data need not be there, and nothing heavy is imported."""

SMALLEST = """\
schema_version = 1
[run]
output_dir = "results"
[data.fasta3]
train = "{ion}_train.fasta"
[backbone.e1]
random_weights = "tiny"
[views.masked]
[losses.prototype-bce]
[training]
ions = ["ZN"]
"""
