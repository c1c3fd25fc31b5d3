"""What a contrastive loss needs to know of all similarities, in memory linear in the number of pairs.

Shape legend: R residues, V views, D embedding width, N valid (residue, view) pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor

from e1bind_losses.contrast.dense import dense_similarities
from e1bind_losses.contrast.ranks import OtherRanks
from e1bind_losses.contrast.tiled import Settings, TiledSimilarities

DENSE_UP_TO = 64
"""Pairs up to which the whole matrix at once is as fast as tiles (benchmarks/losses.py, "small")."""


def similarities(
    e_RVD: Tensor, mask_RV: Tensor, group_R: Tensor, settings: Settings, *, gather: bool = False
) -> tuple[Tensor, Tensor, OtherRanks | None]:
    """others [R, V], own [R, V, V], and the other ranks that took part.

    With s = scale * z . z' between valid pairs (`mask_RV`), others[r, v] is the log of the sum of exp(s) over all
    pairs whose residue has another group than residue r: -inf where there is none and where (r, v) is not valid.
    own[r, v, w] is s between views v and w of residue r, valid or not, never rounded.
    `gather` adds the pairs of all other ranks to others; the gradient is then that of the sum over all ranks.
    """
    pair_N = mask_RV.flatten().nonzero().squeeze(1)
    ranks = OtherRanks.meet(len(pair_N), e_RVD.device) if gather else None
    if ranks is None and mask_RV.numel() <= DENSE_UP_TO and not settings.rounded:
        return *dense_similarities(e_RVD, mask_RV, group_R, settings.scale), None
    group_N = group_R.index_select(0, pair_N // e_RVD.shape[1])
    others_RV, own_RVV = TiledSimilarities.apply(e_RVD, pair_N, group_N, settings, ranks)
    return others_RV, own_RVV, ranks


def log_sum_exp(others_RV: Tensor, own_RVV: Tensor, positive_RVV: Tensor) -> Tensor:
    """log of the sum of exp(s) over others and the chosen own pairs [R, V]; very low where there are neither."""
    # Not -inf: the gradient of logaddexp(-inf, -inf) is NaN, even for pairs that are no anchors.
    floor = torch.finfo(own_RVV.dtype).min / 2
    return torch.logaddexp(others_RV, own_RVV.masked_fill(~positive_RVV, floor).logsumexp(-1))


def other_valid_views(mask_RV: Tensor) -> Tensor:
    """bool [R, V, V]: whether v and w are different views of a residue and both valid."""
    V = mask_RV.shape[1]
    different_VV = ~torch.eye(V, dtype=torch.bool, device=mask_RV.device)
    return mask_RV.unsqueeze(2) & mask_RV.unsqueeze(1) & different_VV


def mean_over_anchors(loss_RV: Tensor, anchor_RV: Tensor, ranks: OtherRanks | None = None) -> Tensor:
    """Mean loss of anchors, 0 without any. With other ranks: such that the mean over ranks is the mean of all."""
    total, anchors = loss_RV.masked_fill(~anchor_RV, 0).sum(), anchor_RV.sum()
    if ranks is None:
        return total / anchors.clamp_min(1)
    return total * len(ranks.rows_W) / ranks.sum(anchors).clamp_min(1)
