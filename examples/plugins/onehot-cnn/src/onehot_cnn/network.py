"""The network. Shape legend: M rows, T padded tokens of a row, D width."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from onehot_cnn.encoder import LETTERS, PAD


class Convolution(nn.Module):
    """A residue with its neighbours `reach` before and after it, through a linear layer, added to what it was.

    The layer is a `Linear` on the three side by side, so that peft can adapt it.
    """

    def __init__(self, width: int, reach: int) -> None:
        super().__init__()
        self.reach = reach
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(3 * width, width)

    def forward(self, x_MTD: Tensor, real_MT1: Tensor) -> Tensor:
        """Hidden states [M, T, D]; zero beyond the ends of a chain."""
        normed = self.norm(x_MTD) * real_MT1
        padded = functional.pad(normed, (0, 0, self.reach, self.reach))
        length = x_MTD.shape[1]
        around = torch.cat([padded[:, i : i + length] for i in (0, self.reach, 2 * self.reach)], dim=-1)
        return x_MTD + functional.gelu(self.mix(around))


class OneHotNetwork(nn.Module):
    """One-hot residues, widened, through convolutions that reach 1, 2, 4, ... residues."""

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.widen = nn.Linear(len(LETTERS), width)
        self.convolutions = nn.ModuleList(Convolution(width, 2**n) for n in range(layers))

    def forward(self, input_ids: Tensor) -> Tensor:
        """Hidden states [M, T, D] of token numbers [M, T]."""
        one_hot = functional.one_hot(input_ids, len(LETTERS) + 1)[..., 1:].to(self.widen.weight.dtype)
        real_MT1 = (input_ids != PAD).unsqueeze(-1)
        x_MTD = self.widen(one_hot)
        for convolution in self.convolutions:
            x_MTD = convolution(x_MTD, real_MT1)
        return x_MTD
