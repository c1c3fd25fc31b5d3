"""The pipeline's own head: cosine similarity to an ion's frozen prototype; nothing in it is trained."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from e1bind.contracts import HeadInputs, HeadStart
from e1bind.heads.options import PrototypeHeadOptions
from e1bind.scoring import prototype_scores


class PrototypeHead:
    """Scores are (sim_pos - sim_neg) / scoring_temperature, averaged over views (`e1bind.scoring`)."""

    def __init__(self, options: PrototypeHeadOptions) -> None:
        pass

    def module(self, ions: Sequence[str], width: int) -> nn.Module:
        """The head itself; it holds nothing, since prototypes are the engine's."""
        return _PrototypeScores()


class _PrototypeScores(nn.Module):
    def start(self, ion: str, start: HeadStart) -> None:
        """Nothing is fitted: the engine has made the prototype."""

    def forward(self, inputs: HeadInputs) -> Tensor:
        """Scores [R]. Raises `ValueError` without a prototype."""
        if inputs.prototype is None:
            raise ValueError(f"there is no prototype of {inputs.ion} to score by")
        return prototype_scores(inputs.unit, inputs.view_mask, inputs.prototype, inputs.scoring_temperature)
