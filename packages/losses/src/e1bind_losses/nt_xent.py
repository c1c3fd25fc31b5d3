"""NT-Xent over residues: the views of one residue attract each other, everything else repels.

Shape legend: R labelled residues, V views, D embedding width. A pair is a (residue, view) pair; it is valid where
the residue is not masked in that view.
"""

from __future__ import annotations

from torch import nn

from e1bind.contracts import LossInputs, LossOutput
from e1bind_losses.contrast.similarities import mean_over_anchors, similarities
from e1bind_losses.contrast.tiled import Settings
from e1bind_losses.options import NTXentOptions
from e1bind_losses.precision import full_precision, zero_with_graph


class NTXent(nn.Module):
    """Mean over anchors of logsumexp_j s_j - mean_p s_p, s = cosine / temperature.

    Anchors are valid pairs whose residue has at least two valid views; p runs over the residue's other valid views,
    j over these and all valid pairs of other residues. Chen et al., "A Simple Framework for Contrastive Learning of
    Visual Representations" (2020), with V views instead of two and the log-probability averaged over positives.

    In:  embeddings [R, V, D], unit length; view_mask [R, V]; protein [R] for negatives = "other-proteins", which
         leaves residues of the anchor's own protein out of j.
    Out: scalar >= 0; a zero with a graph where V < 2 or nothing is an anchor.
    Logs: the number of anchors, and the mean cosine between an anchor and its other views (NaN without anchors);
         nothing where V < 2.

    gather_negatives: in training, j also runs over the valid pairs of all other ranks, and the value is scaled so
    that its mean over ranks is the mean over the anchors of all. The gradient a rank gets for its embeddings is
    that of the sum of all ranks' values: averaged over ranks, as DDP does, it is the gradient of one large batch.
    Every rank has to call the loss, and backward, equally often.
    """

    def __init__(self, options: NTXentOptions) -> None:
        super().__init__()
        self.settings = Settings.of(options)
        self.other_proteins = options.negatives == "other-proteins"
        self.gather_negatives = options.gather_negatives

    @full_precision
    def forward(self, batch: LossInputs) -> LossOutput:
        e_RVD, mask_RV = batch.embeddings, batch.view_mask
        if mask_RV.shape[1] < 2:
            return LossOutput(zero_with_graph(e_RVD))
        log_sum_RV, own_RVV, positive_RVV, ranks = similarities(
            e_RVD,
            mask_RV,
            self.settings,
            group_R=batch.protein if self.other_proteins else None,
            gather=self.gather_negatives and self.training,
        )
        positives_RV = positive_RVV.sum(2)
        anchor_RV = positives_RV > 0
        near_RV = own_RVV.masked_fill(~positive_RVV, 0).sum(2) / positives_RV.clamp_min(1)
        value = mean_over_anchors(log_sum_RV - near_RV, anchor_RV, ranks)
        anchors = anchor_RV.sum()
        view_similarity = near_RV.detach().masked_fill(~anchor_RV, 0).sum() / self.settings.scale / anchors
        return LossOutput(value, {"anchors": anchors, "view_similarity": view_similarity})
