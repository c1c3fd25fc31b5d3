"""What a contrastive loss needs to know of all similarities, in memory linear in the number of pairs.

Shape legend: R residues, V views, D embedding width, N valid (residue, view) pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from e1bind_losses.contrast.dense import dense_similarities
from e1bind_losses.contrast.ranks import OtherRanks
from e1bind_losses.contrast.tiled import Settings, TiledSimilarities

DENSE_UP_TO = 128
"""Pairs up to which the whole matrix at once is faster than tiles (benchmarks/losses.py, "small")."""


class Similarities(NamedTuple):
    """Of s = scale * z . z' between valid pairs.

    log_sum_RV  log of the sum of exp(s) over the pairs that a pair is told apart from, and the other views of its
                residue; very low where there are none, and no meaning where the pair is not valid
    own_RVV     s between views v and w of one residue, valid or not, never rounded
    other_RVV   bool: whether v and w are different views of a residue and both valid
    ranks       the other ranks whose pairs took part, or None
    """

    log_sum_RV: Tensor
    own_RVV: Tensor
    other_RVV: Tensor
    ranks: OtherRanks | None


def similarities(
    e_RVD: Tensor, mask_RV: Tensor, settings: Settings, *, group_R: Tensor | None = None, gather: bool = False
) -> Similarities:
    """Compare every valid pair (`mask_RV`) with every other.

    A pair is told apart from the valid pairs of other residues; with `group_R`, of those that have another group.
    `gather` adds the pairs of all other ranks; the gradient is then that of the sum over all ranks.
    """
    if group_R is None:
        group_R = torch.arange(len(mask_RV), device=mask_RV.device)
    pair_N = mask_RV.flatten().nonzero().squeeze(1)
    ranks = OtherRanks.meet(len(pair_N), e_RVD.device) if gather else None
    if ranks is None and mask_RV.numel() <= DENSE_UP_TO and not settings.rounded:
        others_RV, own_RVV = dense_similarities(e_RVD, mask_RV, group_R, settings.scale)
    else:
        group_N = group_R.index_select(0, pair_N // e_RVD.shape[1])
        others_RV, own_RVV = TiledSimilarities.apply(e_RVD, pair_N, group_N, settings, ranks)
    # Views of one residue are summed apart: their weights in the denominator and as positives nearly cancel.
    other_RVV = _other_valid_views(mask_RV)
    return Similarities(_with_own_views(others_RV, own_RVV, other_RVV), own_RVV, other_RVV, ranks)


def _with_own_views(others_RV: Tensor, own_RVV: Tensor, other_RVV: Tensor) -> Tensor:
    """log of the sum of exp(s) over others and the other views [R, V]; very low where there are neither."""
    # Not -inf: the gradient of logaddexp(-inf, -inf) is NaN, even for pairs that are no anchors.
    floor = torch.finfo(own_RVV.dtype).min / 2
    return torch.logaddexp(others_RV, own_RVV.masked_fill(~other_RVV, floor).logsumexp(-1))


def _other_valid_views(mask_RV: Tensor) -> Tensor:
    V = mask_RV.shape[1]
    different_VV = ~torch.eye(V, dtype=torch.bool, device=mask_RV.device)
    return mask_RV.unsqueeze(2) & mask_RV.unsqueeze(1) & different_VV


def mean_over_anchors(loss_RV: Tensor, anchor_RV: Tensor, ranks: OtherRanks | None = None) -> Tensor:
    """Mean loss of anchors, 0 without any. With other ranks: such that the mean over ranks is the mean of all."""
    total, anchors = loss_RV.masked_fill(~anchor_RV, 0).sum(), anchor_RV.sum()
    if ranks is None:
        return total / anchors.clamp_min(1)
    return total * len(ranks.rows_W) / ranks.sum(anchors).clamp_min(1)
