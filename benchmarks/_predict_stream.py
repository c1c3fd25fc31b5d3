"""A process of its own that predicts chains: `RUN FASTA COUNT`. It prints its resident megabytes at each tenth."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from e1bind.inference.predict import PredictOptions, predict


def main(run: Path, fasta: Path, count: int) -> None:
    """Sample the resident set as the prediction goes on."""
    resident: list[float] = []
    done = 0

    def advance(_: int) -> None:
        nonlocal done
        done += 1
        if done % (count // 10) == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            resident.append(round(pages * resource.getpagesize() / 2**20, 1))

    predict(run, PredictOptions(fasta, fasta.with_suffix(".csv"), device="cpu"), advance)
    print(json.dumps(resident))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
