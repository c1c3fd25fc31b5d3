"""What LoRA adds to a frozen linear layer: peft's own layer and ours beside the layer without an adapter.

    python -m benchmarks adapters [--tokens 2048] [--device cuda]

Forward and backward, with the gradient of the input, r = 16: fp32 on a CPU, bfloat16 weights with fp32 adapters on
a GPU; dropout 0 and 0.2. The bound is the ratio of multiplications, 1 + 1.5 K (I + O) / (I O): three times two thin
products beside two frozen ones. Outputs and gradients of the two ways agree, or nothing is timed.
"""

from __future__ import annotations

import copy
from argparse import ArgumentParser, Namespace

import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from benchmarks._benchmark import Benchmark, Figures, Step, Table
from benchmarks._harness import device_option, medians, ratio, rounds
from e1bind.engine.lora_linear import use_one_operation

SHAPES = {"128 x 128": (128, 128), "768 x 768": (768, 768), "768 x 3072": (768, 3072)}
RANK = 16


class Layer(nn.Module):
    """One linear layer, so that peft has a name to look for."""

    def __init__(self, inputs: int, outputs: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


def variants(shape: tuple[int, int], dropout: float, tokens: int, device: torch.device) -> dict[str, Step]:
    """A forward and a backward pass of the frozen layer, of peft's and of ours."""
    torch.manual_seed(0)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    frozen = Layer(*shape, dtype).to(device).requires_grad_(False)
    config = LoraConfig(
        r=RANK, lora_alpha=2 * RANK, lora_dropout=dropout, target_modules=["linear"], init_lora_weights=False
    )
    peft = get_peft_model(copy.deepcopy(frozen), config).train()
    ours = copy.deepcopy(peft)
    use_one_operation(ours)
    x = torch.randn(tokens, shape[0], device=device, dtype=dtype, requires_grad=True)
    upstream = torch.randn(tokens, shape[1], device=device, dtype=dtype)

    def step(layer: nn.Module) -> list[Tensor]:
        out = layer(x)
        wanted = [x, *(p for p in layer.parameters() if p.requires_grad)]
        return [out.detach(), *torch.autograd.grad(out, wanted, upstream)]

    if not dropout:
        for a, b in zip(step(peft), step(ours), strict=True):
            off = float((a.double() - b.double()).norm() / a.double().norm())
            if not off < (2e-2 if dtype == torch.bfloat16 else 1e-5):
                raise SystemExit(f"{shape}: peft's and ours differ by {off:.1e}; not timed")
    return {"frozen": lambda: step(frozen), "peft": lambda: step(peft), "ours": lambda: step(ours)}


def run(options: Namespace) -> Figures:
    """Milliseconds and ratios of each layer, without and with dropout."""
    device = torch.device(options.device)
    rows = []
    for name, shape in SHAPES.items():
        for dropout in (0.0, 0.2):
            taken = rounds(variants(shape, dropout, options.tokens, device), options.repeats, device)
            thin = 1.5 * RANK * (shape[0] + shape[1]) / (shape[0] * shape[1])
            rows.append(
                {
                    "layer": name,
                    "dropout": dropout,
                    "ms": {way: round(1000 * seconds, 2) for way, seconds in medians(taken).items()},
                    "bound": round(1 + thin, 2),
                    "peft / frozen": round(ratio(taken, "peft", "frozen"), 2),
                    "ours / frozen": round(ratio(taken, "ours", "frozen"), 2),
                    "ours / peft": round(ratio(taken, "ours", "peft"), 2),
                }
            )
    return {"tokens": options.tokens, "rank": RANK, "layers": rows}


def tables(found: Figures) -> list[Table]:
    """One, a row for each layer and dropout."""
    ratios = ("bound", "peft / frozen", "ours / frozen", "ours / peft")
    rows = [
        [row["layer"], row["dropout"], *row["ms"].values(), *(row[name] for name in ratios)]
        for row in found["layers"]
    ]
    columns = ["layer", "dropout", "frozen, ms", "peft, ms", "ours, ms", *ratios]
    return [Table(f"LoRA r = {found['rank']} on a linear layer, {found['tokens']:,} tokens", columns, rows)]


def options(parser: ArgumentParser) -> None:
    """Its own."""
    device_option(parser)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.set_defaults(repeats=15)


BENCHMARK = Benchmark(run, tables, options, quick=["--tokens", "32", "--repeats", "1"])
