"""The words by which components say what they need of each other, and what they provide."""

from __future__ import annotations

HOST_PROVIDES = frozenset({"embeddings"})
"""What the engine itself gives to whoever needs it."""
SCORE_LOSS = "loss-on-scores"
"""What a head needs that has something to learn: a loss that needs "scores"."""

KNOWN_WORDS = {
    "embeddings": "final hidden states of the unadapted backbone; the engine computes them",
    "scores": "a score for each residue; any head",
    SCORE_LOSS: "a loss that needs scores, so that a head's parameters learn something",
    "prototypes": "a unit vector for each ion, set before training",
    "mlm-logits": "scores of a masked-LM head",
    "masked-tokens": "views in which residues are hidden and to be predicted",
    "contexts": "a backbone that reads homologous sequences before the chain",
    "views": "counted: how many views a chain has; views>=2 is met by views=2 and more",
    "random-weights": "a backbone without pretrained weights, which the figures then say",
    "all-ranks": "a loss that gives several processes the value and gradients of one with all residues",
}
"""What `needs` and `provides` may say without a component of its own, and what it means."""
