"""What the parts of the GPU report share: the device, sizes, time, memory, and how fast the card multiplies."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from benchmarks._gpu_report import Failed, Figures, Skipped
from benchmarks._harness import seconds


@dataclass
class Bench:
    """Where to measure. `toy`: sizes for a CPU. `fused`: NT-Xent's kernel has passed its check."""

    device: torch.device
    toy: bool
    fused: bool = field(default=False)

    @property
    def on_gpu(self) -> bool:
        """Whether the device is a CUDA one."""
        return self.device.type == "cuda"

    def needs_gpu(self) -> None:
        """Raise `Skipped` on a CPU."""
        if not self.on_gpu:
            raise Skipped("needs a CUDA device")

    def seconds(self, step: Callable[[], object], rounds: int = 5) -> float:
        """Median of several rounds after two untimed ones, by CUDA events; on a CPU CPU seconds."""
        step()
        return seconds({"": step}, rounds, self.device)[""]

    @cached_property
    def product_rate(self) -> float:
        """FLOP/s of one large bfloat16 product of random numbers: what the card gives, not what its maker says."""
        size = 256 if self.toy else 8192
        a, b = torch.randn(2, size, size, device=self.device, dtype=torch.bfloat16).unbind(0)
        return 2 * size**3 / self.seconds(lambda: a @ b, 10)

    def peak_gib(self, step: Callable[[], object]) -> float | None:
        """Most memory that `step` holds at a time, in GiB, without what was there before; None on a CPU."""
        if self.on_gpu:
            return self.gib_held(step)
        step()
        return None

    def gib_held(self, step: Callable[[], object]) -> float:
        """The same where there is a GPU for certain."""
        self.release()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        step()
        torch.cuda.synchronize()
        return round((torch.cuda.max_memory_allocated() - before) / 2**30, 4)

    def release(self) -> None:
        """Give back the memory of what is no longer used."""
        gc.collect()
        if self.on_gpu:
            torch.cuda.empty_cache()


def relative(found: Tensor, exact: Tensor) -> float:
    """|found - exact| / |exact| in float64, on the CPU."""
    wide, other = found.detach().double().cpu(), exact.detach().double().cpu()
    return float((wide - other).norm() / other.norm().clamp_min(1e-30))


def hold(figures: dict[str, float], limits: dict[str, float]) -> Figures:
    """The figures, if each is a number no larger than the limit whose name its own begins with; else `Failed`."""
    told = {name: float(f"{value:.3g}") for name, value in figures.items()}
    limit_of = {name: next(limits[start] for start in limits if name.startswith(start)) for name in figures}
    wrong = [f"{name} {told[name]} > {limit_of[name]}" for name in told if not figures[name] <= limit_of[name]]
    if wrong:
        raise Failed("; ".join(wrong), {**told, "limits": limits})
    return {**told, "limits": limits}
