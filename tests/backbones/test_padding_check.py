"""The check at load that a padded, masked row is computed as it is alone."""

from __future__ import annotations

import pytest
import torch
from tiny_checkpoints import write_bert, write_esm

from e1bind.errors import UserError
from e1bind_backbones.hf_mlm import HfMlmBackbone
from e1bind_backbones.options import HfMlmOptions
from e1bind_backbones.padding_check import check_padding


class RescaledByBatch(HfMlmBackbone):
    """What transformers 5.0 to 5.2 did: all rows are rescaled by the share of the batch that is masked."""

    def hidden(self, model, batch):
        share = 1 - batch.visible_RV.float().mean()
        return super().hidden(model, batch) * (1 - share)


@pytest.mark.parametrize("write", [write_esm, write_bert])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_loads_passes_and_a_rescaled_batch_is_refused(write, dtype, tmp_path):
    options = HfMlmOptions(checkpoint=str(write(tmp_path / "checkpoint")), dtype=dtype)
    model = HfMlmBackbone(options).load_model()
    assert not model.training
    with pytest.raises(
        UserError, match=r"masked row differently in a padded batch than alone.*install 5\.3 or later"
    ):
        check_padding(RescaledByBatch(options), model, "backbone.hf-mlm.checkpoint", "it")


def test_the_check_leaves_gradients_and_random_numbers_alone(tmp_path):
    backbone = HfMlmBackbone(HfMlmOptions(checkpoint=str(write_esm(tmp_path / "checkpoint"))))
    model = backbone.load_model().train()
    state = torch.get_rng_state()
    check_padding(backbone, model, "x", "it")
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(p.grad is None for p in model.parameters())
