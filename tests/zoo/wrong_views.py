"""View generators with one fault each."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from wrong_plugins import Zoo

from e1bind.contracts import MASK, View
from e1bind.plugins import ViewGeneratorPlugin, hookimpl
from e1bind.spec import Options

E1BIND_API = 1


class ViewOptions(Options):
    share: float = Field(0.2, ge=0, le=1, description="Share of residues that are hidden.")


PROVIDES = {"views=3", "masked-tokens"}
ZOO = Zoo(ViewGeneratorPlugin, {"options": f"{__name__}:ViewOptions", "provides": PROVIDES})


@ZOO.right()
class RightViews:
    """Hides residues at random."""

    num_views = 3

    def __init__(self, options):
        self.share = options.share

    def generate(self, record, key, contexts):
        return [self.view(record, self.selected(record, key, v)) for v in range(self.num_views)]

    def selected(self, record, key, v):
        return self.rng(record, key, v).random(len(record)) < self.share

    def rng(self, record, key, v):
        return key.rng("hide", v)

    def view(self, record, selected):
        visible = "".join(MASK if s else c for c, s in zip(record.sequence, selected, strict=True))
        return View(record.sequence, visible, selected)


@ZOO.wrong("builds")
class CountsNothing(RightViews):
    num_views = None


@ZOO.wrong("makes-the-promised-number-of-views")
class MakesOneLess(RightViews):
    def generate(self, record, key, contexts):
        return super().generate(record, key, contexts)[1:]


@ZOO.wrong("makes-the-promised-number-of-views", provides={"masked-tokens"})
class PromisesNoNumber(RightViews):
    pass


@ZOO.wrong("residues-stay-aligned")
class DropsTheLastResidue(RightViews):
    def view(self, record, selected):
        whole = super().view(record, selected)
        return View(whole.truth[:-1], whole.visible[:-1], whole.selected[:-1])


@ZOO.wrong("residues-stay-aligned")
class CutsHiddenResiduesOut(RightViews):
    def view(self, record, selected):
        visible = "".join(c for c, s in zip(record.sequence, selected, strict=True) if not s)
        return View(record.sequence, visible, selected)


@ZOO.wrong("only-selected-residues-look-different")
class HidesWhatIsNotSelected(RightViews):
    def view(self, record, selected):
        return View(record.sequence, MASK + super().view(record, selected).visible[1:], selected)


@ZOO.wrong("only-selected-residues-look-different")
class SelectsWithNumbers(RightViews):
    def view(self, record, selected):
        whole = super().view(record, selected)
        return View(whole.truth, whole.visible, whole.selected.astype(np.int64))


@ZOO.wrong("mask-share-is-in-range")
class HidesNearlyAll(RightViews):
    def __init__(self, options):
        self.share = 0.9


@ZOO.wrong("masked-tokens-are-as-declared", provides={"views=3"})
class HidesUnsaid(RightViews):
    pass


@ZOO.wrong("views-of-a-chain-differ")
class MakesTwins(RightViews):
    def rng(self, record, key, v):
        return key.rng("hide")


@ZOO.wrong("can-be-pickled")
class HoldsALambda(RightViews):
    def __init__(self, options):
        super().__init__(options)
        self.hidden = lambda letter: MASK


@ZOO.wrong("same-key-gives-the-same-views")
class DrawsFromNumpy(RightViews):
    def rng(self, record, key, v):
        return np.random


@ZOO.wrong("same-key-gives-the-same-views")
class CountsChains(RightViews):
    seen = 0

    def rng(self, record, key, v):
        self.seen += 1
        return key.rng("hide", v + self.seen)


@ZOO.wrong("any-worker-makes-the-same-views")
class SeedsWithHash(RightViews):
    def rng(self, record, key, v):
        return np.random.default_rng(abs(hash((key.protein, key.epoch, key.run_seed, v))))


@ZOO.wrong("another-key-gives-other-views")
class IgnoresItsKey(RightViews):
    def rng(self, record, key, v):
        return np.random.default_rng([len(record), v])


@ZOO.wrong("contexts-come-from-the-source")
class InventsContexts(RightViews):
    def view(self, record, selected):
        whole = super().view(record, selected)
        return View(whole.truth, whole.visible, whole.selected, ("MKV",))


@ZOO.wrong("record-is-not-modified")
class ChangesLabels(RightViews):
    def generate(self, record, key, contexts):
        for labels in record.labels.values():
            labels[:] = 1 - labels
        return super().generate(record, key, contexts)


@ZOO.wrong("takes-any-chain")
class WantsTwoResidues(RightViews):
    def generate(self, record, key, contexts):
        if len(record) < 2:
            raise IndexError("chain index out of range")
        return super().generate(record, key, contexts)


@hookimpl
def e1bind_view_generators():
    return ZOO.found
