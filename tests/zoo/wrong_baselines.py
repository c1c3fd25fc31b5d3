"""Baselines with one fault each."""

from __future__ import annotations

import numpy as np
from wrong_plugins import Zoo

from e1bind.plugins import BaselinePlugin, hookimpl
from e1bind.spec import Options

E1BIND_API = 1


class BaselineOptions(Options):
    pass


ZOO = Zoo(BaselinePlugin, {"options": f"{__name__}:BaselineOptions"})


@ZOO.right()
class RightBaseline:
    """How often cysteines bind, and how often anything else does."""

    def __init__(self, options):
        self.options = options

    def fit(self, chains, rng):
        found = []
        for cysteine in (False, True):
            known = [self.labels(c)[(self.letters(c) == "C") == cysteine] for c in chains]
            known = np.concatenate(known)
            found.append((known == 1).sum() / max((known >= 0).sum(), 1))
        return {"rate": np.array(found)}

    def labels(self, chain):
        return chain.labels

    def letters(self, chain):
        return np.array(list(chain.sequence))

    def score(self, fitted, chain):
        return fitted["rate"][(self.letters(chain) == "C").astype(int)]


@ZOO.wrong("builds")
class NoScore(RightBaseline):
    score = None


@ZOO.wrong("learns-plain-arrays")
class LearnsAnObject(RightBaseline):
    def fit(self, chains, rng):
        return self


@ZOO.wrong("learns-plain-arrays")
class LearnsText(RightBaseline):
    def fit(self, chains, rng):
        return {**super().fit(chains, rng), "letters": np.array(["C"])}


@ZOO.wrong("gives-probabilities")
class ScoresOnePerChain(RightBaseline):
    def score(self, fitted, chain):
        return super().score(fitted, chain).max()


@ZOO.wrong("gives-probabilities")
class ScoresAreLogits(RightBaseline):
    def score(self, fitted, chain):
        return super().score(fitted, chain) - 5


@ZOO.wrong("same-chains-teach-the-same")
class DrawsOnItsOwn(RightBaseline):
    def fit(self, chains, rng):
        rate = super().fit(chains, rng)["rate"]
        return {"rate": np.clip(rate + 1e-9 * np.random.default_rng().random(2), 0, 1)}


@ZOO.wrong("labels-are-not-looked-at")
class PeeksAtLabels(RightBaseline):
    def score(self, fitted, chain):
        return np.where(chain.labels == 1, 1.0, super().score(fitted, chain))


@ZOO.wrong("unknown-residues-teach-nothing")
class UnknownIsNegative(RightBaseline):
    def labels(self, chain):
        return np.maximum(chain.labels, 0)


@ZOO.wrong("embeddings-are-used-where-declared", needs={"embeddings"})
class EmbeddingsForNothing(RightBaseline):
    pass


@ZOO.wrong("one-class-is-no-error")
class NeedsBothClasses(RightBaseline):
    def fit(self, chains, rng):
        found = np.concatenate([c.labels for c in chains])
        if not (found == 1).any() or not (found == 0).any():
            raise ValueError("both classes are needed")
        return super().fit(chains, rng)


@hookimpl
def e1bind_baselines():
    return ZOO.found
