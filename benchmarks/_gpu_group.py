"""A process group of one: `python -m benchmarks._gpu_group nccl`, or gloo on a CPU. It prints a line of JSON.

The engine's ways to speak to other processes go through the backend, and DDP's gradients are those without it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from torch import distributed as dist
from torch.nn.parallel import DistributedDataParallel

from benchmarks._backbones import e1_backbone
from e1bind.contracts import View
from e1bind.engine import distributed
from e1bind_losses.contrast.ranks import OtherRanks

CHAIN = "MKTAYIAKQRHC" * 5


def join(backend: str) -> torch.device:
    """Join a group as the engine does under torchrun."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ.update(RANK="0", WORLD_SIZE="1", LOCAL_RANK="0", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    device = torch.device("cuda", 0) if backend == "nccl" else torch.device("cpu")
    if backend == "nccl":
        torch.cuda.set_device(device)
    distributed._join(backend, timedelta(minutes=1))  # `world` joins nothing for one process
    return device


def collectives(device: torch.device) -> None:
    """Everything `World` and `OtherRanks` call."""
    numbers = torch.arange(3.0, device=device)
    assert torch.equal(OtherRanks(0, (3,)).sum(numbers), numbers)
    parts = [torch.empty_like(numbers)]
    dist.all_gather(parts, numbers)
    assert torch.equal(parts[0], numbers)
    value: dict[str, Any] = {"scores": np.arange(3, dtype=np.float32), "name": "chain"}
    gathered: list[Any] = [None]
    to_main: list[Any] = [None]
    shared = [value]
    dist.all_gather_object(gathered, value)
    dist.gather_object(value, to_main)
    dist.broadcast_object_list(shared, src=0)
    for got in (gathered[0], to_main[0], shared[0]):
        assert got["name"] == "chain"
        assert np.array_equal(got["scores"], value["scores"])
    dist.barrier()


def ddp_difference(device: torch.device) -> float:
    """Largest difference DDP makes to an adapter's gradient, as a share of the largest gradient."""
    backbone = e1_backbone(random_weights="tiny")
    torch.manual_seed(0)
    lora = LoraConfig(r=4, target_modules=list(backbone.lora_targets), init_lora_weights=False)
    model = get_peft_model(backbone.load_model(), lora).train().to(device)
    inputs = backbone.encoder().encode([[View.unmasked(CHAIN)], [View.unmasked(CHAIN[:9])]]).to(device).inputs
    found = []
    for wrapped in (model, DistributedDataParallel(model, broadcast_buffers=False)):
        model.zero_grad(set_to_none=True)
        wrapped(**inputs, compute_logits=False).last_hidden_state.square().mean().backward()
        found.append([p.grad.clone() for p in model.parameters() if p.grad is not None])
    largest = max(float(g.abs().max()) for g in found[0])
    return max(float((a - b).abs().max()) for a, b in zip(*found, strict=True)) / largest


def main() -> None:
    backend = sys.argv[1]
    device = join(backend)
    collectives(device)
    difference = ddp_difference(device)
    assert difference < 1e-4, difference
    dist.destroy_process_group()
    print(json.dumps({"backend": backend, "ddp_gradients_differ_by": difference}))


if __name__ == "__main__":
    main()
