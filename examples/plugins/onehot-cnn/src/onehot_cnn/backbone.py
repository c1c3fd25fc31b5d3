"""A backbone without pretrained weights. Shape legend: M rows, T tokens of a row, K masked residues, D width."""

import torch
from torch import Tensor, nn

from e1bind.contracts import TokenBatch
from e1bind.errors import UserError
from onehot_cnn.encoder import OneHotEncoder
from onehot_cnn.network import OneHotNetwork
from onehot_cnn.options import OneHotCnnOptions


class OneHotCnn:
    """`e1bind.contracts.Backbone`: what a plain convolutional network learns of the labels alone.

    e1bind trains adapters; with `lora.r` of the width they reach every weight of the convolutions, which is
    training from scratch.
    """

    max_residues = None
    supports_context = False
    has_mlm_head = False
    lora_targets = ("mix", "widen")
    mlm_head_modules = ()

    def __init__(self, options: OneHotCnnOptions) -> None:
        self.options = options
        self.hidden_size = options.width
        self.description = f"one-hot convolutions, {options.layers} layers of width {options.width}, from scratch"

    def encoder(self) -> OneHotEncoder:
        """The tokenising half, for data-loader workers."""
        return OneHotEncoder()

    def load_model(self) -> nn.Module:
        """The network as it begins; the same weights each time."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.options.seed)
            return OneHotNetwork(self.options.width, self.options.layers)

    def hidden(self, model: nn.Module, batch: TokenBatch) -> Tensor:
        """Hidden states of all tokens, [M*T, D] fp32."""
        return model(batch.inputs["input_ids"]).flatten(0, 1).float()

    def mlm_logits(self, model: nn.Module, hidden_KD: Tensor) -> Tensor:
        """There is no pretrained head."""
        raise UserError("onehot-cnn has no masked-LM head: leave [losses.mlm] out")
