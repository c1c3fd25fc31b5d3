"""How exact NT-Xent's gradients are: their error against float64, beside that of the textbook way in fp32.

    python -m benchmarks precision [--vectors 4096] [--seeds 3]

Embeddings, V = 4 views of each residue, D = 768:
    separated    residues point anywhere: most weights are tiny, and those of a residue's own views nearly cancel
    anisotropic  all residues share one direction (cosine 0.9), as language models like it: all weights are alike
Gradients are taken with respect to the unit vectors, and to the vectors before they are normalised, where what all
residues share cancels. Errors are |g - g64| / |g64|, the worst of the seeds.
    dense      the whole matrix in fp32 autograd
    fp32       ours; at a temperature below 1/64 with running log-sum-exps, above with plain sums
    bfloat16   ours with products = "bfloat16": operands between different residues rounded, sums in fp32
Targets: fp32 at most twice the error of dense, bfloat16 at most 1e-3. Exit code 1 where one is missed.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks._benchmark import Benchmark, Cell, Figures, Table
from benchmarks._harness import device_option
from benchmarks._nt_xent import Products, dense_value
from e1bind.contracts import LossInputs
from e1bind_losses.nt_xent import NTXent
from e1bind_losses.options import NTXentOptions

V, D = 4, 768
TEMPERATURES = (0.07, 0.01)
FP32_TIMES_DENSE, BFLOAT16 = 2.0, 1e-3

Value = Callable[[Tensor], Tensor]


def separated(R: int) -> Tensor:
    """[R, V, D], not normalised; two residues have a cosine near 0, two views of one 0.92."""
    return torch.randn(R, 1, D) + 0.3 * torch.randn(R, V, D)


def anisotropic(R: int) -> Tensor:
    """[R, V, D], not normalised; two residues have a cosine near 0.9."""
    return 3.0 * torch.randn(D) + separated(R)


def ours(temperature: float, products: Products, fused: bool = False) -> Value:
    loss = NTXent(NTXentOptions(temperature=temperature, products=products, fused=fused, cache_mb=0))

    def value(z_RVD: Tensor) -> Tensor:
        R = len(z_RVD)
        zero_R = torch.zeros(R, dtype=torch.long, device=z_RVD.device)
        mask_RV = torch.ones(R, V, dtype=torch.bool, device=z_RVD.device)
        return loss(LossInputs(z_RVD, mask_RV, zero_R, zero_R, z_RVD.detach()[0, 0])).value

    return value


def gradients(x_RVD: Tensor, value: Value, dtype: torch.dtype) -> dict[str, Tensor]:
    """With respect to unit vectors, and to the vectors before normalising."""
    raw = x_RVD.to(dtype).requires_grad_()
    # The unit vectors are the same fp32 numbers for everyone: what is measured is the loss.
    unit = F.normalize(x_RVD, dim=-1).to(dtype).requires_grad_()
    (of_unit,) = torch.autograd.grad(value(unit), unit)
    (of_raw,) = torch.autograd.grad(F.normalize(raw, dim=-1), raw, of_unit)
    return {"unit": of_unit.double(), "raw": of_raw.double()}


def errors(x_RVD: Tensor, temperature: float) -> dict[str, dict[str, float]]:
    """Variant -> gradient -> relative error."""
    exact = gradients(x_RVD, lambda z: dense_value(z, temperature), torch.float64)
    variants: dict[str, Value] = {
        "dense": lambda z: dense_value(z, temperature),
        "fp32": ours(temperature, "float32"),
        "bfloat16": ours(temperature, "bfloat16"),
    }
    if x_RVD.is_cuda:
        variants["bfloat16, fused"] = ours(temperature, "bfloat16", fused=True)
    found = {}
    for name, value in variants.items():
        got = gradients(x_RVD, value, torch.float32)
        found[name] = {of: ((got[of] - exact[of]).norm() / exact[of].norm()).item() for of in exact}
    return found


def worst(draws: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        name: {of: float(f"{max(draw[name][of] for draw in draws):.2e}") for of in draws[0][name]}
        for name in draws[0]
    }


def missed(table: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """The targets that were not reached, a sentence each."""
    sentences = []
    for case, error in table.items():
        for of in ("unit", "raw"):
            if error["fp32"][of] > FP32_TIMES_DENSE * error["dense"][of]:
                sentences.append(f"{case}, {of}: fp32 {error['fp32'][of]} against dense {error['dense'][of]}")
            for name in (name for name in error if name.startswith("bfloat16") and error[name][of] > BFLOAT16):
                sentences.append(f"{case}, {of}: {name} {error[name][of]}")
    return sentences


def run(options: Namespace) -> Figures:
    """Errors by kind of embeddings and temperature."""
    table = {}
    for draw in (separated, anisotropic):
        for temperature in TEMPERATURES:
            found = []
            for seed in range(options.seeds):
                torch.manual_seed(seed)
                found.append(errors(draw(options.vectors // V).to(options.device), temperature))
            table[f"{draw.__name__} at {temperature}"] = worst(found)
    return {"V": V, "D": D, "vectors": options.vectors, "errors": table, "missed": missed(table)}


def tables(found: Figures) -> list[Table]:
    """One: errors for unit vectors, and for embeddings before they are normalised."""
    rows: list[list[Cell]] = []
    for case, errors_of in found["errors"].items():
        rows.append([case, *(f"{error['unit']:.1e}, {error['raw']:.1e}" for error in errors_of.values())])
    columns = ["unit vectors, raw embeddings", *next(iter(found["errors"].values()))]
    return [Table(f"Error of NT-Xent's gradient against float64, {found['vectors']:,} vectors", columns, rows)]


def options(parser: ArgumentParser) -> None:
    """Its own."""
    device_option(parser)
    parser.add_argument("--vectors", type=int, default=4096)
    parser.add_argument("--seeds", type=int, default=3)


BENCHMARK = Benchmark(run, tables, options, quick=["--vectors", "64", "--seeds", "1"])
