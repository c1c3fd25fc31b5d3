"""Calibrations with one fault each."""

from __future__ import annotations

import numpy as np
from wrong_plugins import Zoo

from e1bind.plugins import CalibrationPlugin, hookimpl
from e1bind.spec import Options

E1BIND_API = 1
BINS = 20


class CalibrationOptions(Options):
    pass


ZOO = Zoo(CalibrationPlugin, {"options": f"{__name__}:CalibrationOptions"})


@ZOO.right()
class RightCalibration:
    """The share of positives in bins of equal width, made to rise."""

    def __init__(self, options):
        self.options = options

    def fit(self, probabilities, labels):
        bins = self.bins(probabilities)
        total = np.bincount(bins, minlength=BINS)
        positive = np.bincount(bins, weights=labels, minlength=BINS)
        share = np.where(total > 0, positive / np.maximum(total, 1), np.nan)
        known = np.nan_to_num(share, nan=-1.0)
        return {"shares": np.clip(np.maximum.accumulate(known), 0, 1)}

    def bins(self, probabilities):
        return np.minimum((probabilities * BINS).astype(int), BINS - 1)

    def apply(self, fitted, probabilities):
        return np.array(fitted["shares"])[self.bins(probabilities)]


@ZOO.wrong("builds")
class NoApply(RightCalibration):
    apply = None


@ZOO.wrong("fits-plain-numbers")
class FitsAnObject(RightCalibration):
    def fit(self, probabilities, labels):
        return self


@ZOO.wrong("fits-plain-numbers")
class FitsNan(RightCalibration):
    def fit(self, probabilities, labels):
        return {**super().fit(probabilities, labels), "rate": float("nan")}


@ZOO.wrong("gives-probabilities")
class KeepsItsMapToItself(RightCalibration):
    def fit(self, probabilities, labels):
        self.shares = super().fit(probabilities, labels)
        return {"kept": 1}

    def apply(self, fitted, probabilities):
        return super().apply(self.shares, probabilities)


@ZOO.wrong("gives-probabilities")
class GivesPercent(RightCalibration):
    def apply(self, fitted, probabilities):
        return 100 * super().apply(fitted, probabilities)


@ZOO.wrong("the-map-never-falls")
class LetsBinsFall(RightCalibration):
    def fit(self, probabilities, labels):
        bins = self.bins(probabilities)
        total = np.bincount(bins, minlength=BINS)
        return {"shares": np.bincount(bins, weights=labels, minlength=BINS) / np.maximum(total, 1)}


@ZOO.wrong("probabilities-come-true")
class ChangesNothing(RightCalibration):
    def apply(self, fitted, probabilities):
        return probabilities


@ZOO.wrong("same-residues-same-map")
class TrustsTheFirstResidues(RightCalibration):
    def fit(self, probabilities, labels):
        half = max(len(labels) // 2, 2)
        return super().fit(probabilities[:half], labels[:half])


@ZOO.wrong("same-residues-same-map")
class ChangesWhatItMaps(RightCalibration):
    def apply(self, fitted, probabilities):
        found = super().apply(fitted, probabilities)
        probabilities[:] = 0
        return found


@ZOO.wrong("extreme-residues-are-no-error")
class TakesLogarithms(RightCalibration):
    def fit(self, probabilities, labels):
        return {**super().fit(probabilities, labels), "mean": float(np.log(probabilities).mean())}


@hookimpl
def e1bind_calibrations():
    return ZOO.found
