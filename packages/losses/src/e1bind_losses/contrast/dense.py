"""Similarities by the whole matrix at once, in plain autograd: the twin of the tiled kernel for small batches.

Shape legend: R residues, V views, D embedding width, N = R V pairs.
"""

from __future__ import annotations

import torch
from torch import Tensor


def dense_similarities(e_RVD: Tensor, mask_RV: Tensor, group_R: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """others [R, V] and own [R, V, V], as `TiledSimilarities` has them. Holds several N x N matrices."""
    z_ND = e_RVD.flatten(0, 1)
    s_NN = scale * (z_ND @ z_ND.T)
    group_N = group_R.repeat_interleave(mask_RV.shape[1])
    out_NN = (group_N[:, None] == group_N) | ~mask_RV.flatten()
    others_N = s_NN.masked_fill(out_NN, -torch.inf).logsumexp(1)
    others_RV = others_N.view_as(mask_RV).masked_fill(~mask_RV, -torch.inf)
    return others_RV, scale * (e_RVD @ e_RVD.mT)
