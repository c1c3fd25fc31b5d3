"""A whole training step against its floor, a plain loop, and itself by parts; and prediction.

    python -m benchmarks step [--chains FILE] [--shapes 128 768 128+context ...]

Two chains of 200 to 300 residues (eight for prediction), an E1 of four layers, LoRA r = 16, four losses, views,
tokens and optimizer included. `_step_cases` says what the plain loop is, `_step_floor` what the floor counts, and
`_step_parts` how a step is taken apart. Losses and gradients of the product and of both plain loops agree, without
dropout, or nothing is timed. Peak memory is that of one step in a process of its own.
"""

from __future__ import annotations

import itertools
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks import _step_floor
from benchmarks._benchmark import Benchmark, Figures, Step, Table
from benchmarks._harness import medians, peak_megabytes, ratio, rounds
from benchmarks._step_cases import Case, Plain, Product, Shape, chains
from benchmarks._step_parts import parts
from e1bind.contracts import ResidueRecord

CHAINS, PREDICTED = 2, 8
GOALS = {128: (2.2, 1.8), 768: (1.35, 1.2)}
"""A step with dropout of 0.2, and prediction, over their floors, by width."""
PLAIN = {"plain": "dense", "plain, our attention": "slices"}


def run(options: Namespace) -> Figures:
    """Ratios of every shape, parts of the first ones, and targets missed."""
    rows = [_measured(shape, options) for shape in _shapes(options)]
    missed = [line for row in rows for line in _missed(row)]
    found: Figures = {"chains": str(options.chains.name if options.chains else "made up"), "steps": rows}
    found["parts"] = {name: parts_of(_shape(name, options), options) for name in options.shapes}
    if not options.no_memory:
        found["peak_mb"] = peak_megabytes(
            options, [f"{way}@{s}" for s in options.shapes for way in ("product", "plain")]
        )
    return {**found, **({"missed": missed} if missed else {})}


def _shapes(options: Namespace) -> list[Shape]:
    """Every named shape at V = 4 with and without dropout, and with 2 and 8 views."""
    found = []
    for name in options.shapes:
        shape = _shape(name, options)
        found += [replace(shape, dropout=dropout) for dropout in options.dropouts]
        found += [replace(shape, views=views) for views in options.views if views != shape.views]
    return found


def _shape(name: str, options: Namespace) -> Shape:
    """From "128" or "128+context"."""
    width, _, context = name.partition("+")
    return Shape(int(width), context == "context", layers=options.layers)


def _measured(shape: Shape, options: Namespace) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        few, many = (_chains(options, count) for count in (CHAINS, PREDICTED))
        gap = _assert_parity(replace(shape, dropout=0.0), few, Path(folder) / "parity")
        product = Product(shape, few, Path(folder) / "step")
        predicted = Product(shape, many, Path(folder) / "predicted")
        plain = {name: Plain(shape, few, Path(folder) / "plain", how) for name, how in PLAIN.items()}
        measure = _step_floor.Measure()
        steps: dict[str, Step] = {
            "product": product.step,
            "prediction": predicted.predict,
            "one large product": measure.run,
            **{name: case.step for name, case in plain.items()},
        }
        taken = rounds(steps, options.repeats)
        operations, of_prediction = _step_floor.of_step(product), _step_floor.of_prediction(predicted)
        floors = {"product": operations.total, "prediction": of_prediction.total}
        return {
            "width": shape.width,
            "context": shape.context,
            "views": shape.views,
            "dropout": shape.dropout,
            "gap": float(f"{gap:.1e}"),
            "ms": {name: round(1000 * seconds, 1) for name, seconds in medians(taken).items()},
            "gflop": {name: round(flop / 1e9, 2) for name, flop in floors.items()},
            "over floor": {
                name: round(ratio(taken, name, "one large product") * measure.flop / flop, 2)
                for name, flop in floors.items()
            },
            "plain over product": {name: round(ratio(taken, name, "product"), 2) for name in PLAIN},
        }


def parts_of(shape: Shape, options: Namespace) -> dict[str, float]:
    """Share of a step that each part takes."""
    with tempfile.TemporaryDirectory() as folder:
        case = Product(shape, _chains(options, CHAINS), Path(folder))
        case.step()
        found = parts(case, min(3, options.repeats))
    total = sum(found.values())
    return {name: round(seconds / total, 3) for name, seconds in sorted(found.items(), key=lambda item: -item[1])}


def _missed(row: Figures) -> list[str]:
    wanted = GOALS.get(row["width"])
    if wanted is None or not row["dropout"]:
        return []
    found = zip(("product", "prediction"), wanted, strict=True)
    which = f"width {row['width']}{', context' * row['context']}, V = {row['views']}"
    over = row["over floor"]
    return [
        f"{which}: {name} {over[name]} times its floor, {goal} wanted" for name, goal in found if over[name] > goal
    ]


def _assert_parity(shape: Shape, records: Sequence[ResidueRecord], folder: Path) -> float:
    """Largest relative difference of losses and gradients between the product and the plain loops."""
    cases: list[Case] = [
        Product(shape, records, folder),
        *(Plain(shape, records, folder, how) for how in PLAIN.values()),
    ]
    found = []
    for case in cases:
        case.model.train()
        loss = case.loss()
        loss.backward()
        found.append({"loss": loss.detach(), **case.gradients()})
    ours, *others = found
    pairs = [(ours[name], other[name]) for other in others for name in ours]
    gap = max(float((a - b).norm() / a.norm()) for a, b in pairs)
    if not gap < 1e-5:
        raise SystemExit(f"{shape}: losses or gradients of product and plain loop differ by {gap:.1e}; not timed")
    return gap


def peak(options: Namespace) -> Step:
    """The step of "product@SHAPE" or "plain@SHAPE"."""
    way, _, name = options.peak_of.partition("@")
    shape, records, folder = _shape(name, options), _chains(options, CHAINS), Path(tempfile.mkdtemp())
    case = Product(shape, records, folder) if way == "product" else Plain(shape, records, folder, "dense")
    return case.step


def _chains(options: Namespace, count: int) -> list[ResidueRecord]:
    found = chains(count, options.chains)
    return [record.window(0, min(len(record), options.residues)) for record in found]


def tables(found: Figures) -> list[Table]:
    """Steps by shape, where their time goes, and memory."""
    columns = ["width", "V", "dropout", "step, ms", "over its floor", "plain / product", "with our attention"]
    columns += ["prediction, ms", "over its floor"]
    rows = [
        [
            f"{row['width']}{', context' * row['context']}", row["views"], row["dropout"], row["ms"]["product"],
            row["over floor"]["product"], *row["plain over product"].values(), row["ms"]["prediction"],
            row["over floor"]["prediction"],
        ]
        for row in found["steps"]
    ]  # fmt: skip
    names = list(dict.fromkeys(itertools.chain.from_iterable(found["parts"].values())))
    shares = [[name, *(f"{100 * part.get(name, 0):.1f} %" for part in found["parts"].values())] for name in names]
    made = [
        Table("A training step, four layers, two chains", columns, rows),
        Table("Where a step goes (V = 4, dropout 0.2)", ["part", *found["parts"]], shares),
    ]
    if "peak_mb" in found:
        peaks = found["peak_mb"]
        sides = [[s, peaks[f"product@{s}"], peaks[f"plain@{s}"]] for s in found["parts"]]
        made.append(
            Table(
                "Peak memory that a step adds",
                ["width", "product, MB", "plain, MB", "plain / product"],
                [[*side, round(side[2] / side[1], 2)] for side in sides],
            )
        )
    return made


def options(parser: ArgumentParser) -> None:
    """Its own."""
    parser.add_argument("--chains", type=Path, help="three-line FASTA of zinc chains; absent: made-up ones")
    parser.add_argument("--shapes", nargs="+", default=["128", "768", "128+context"], metavar="WIDTH[+context]")
    parser.add_argument("--views", nargs="*", type=int, default=[2, 8], help="besides 4")
    parser.add_argument("--dropouts", nargs="+", type=float, default=[0.2, 0.0], help="of LoRA, at V = 4")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--residues", type=int, default=300, help="at most, of each chain")
    parser.set_defaults(repeats=7)


QUICK = ["--shapes", "32+context", "--dropouts", "0.2", "--views", "--layers", "3", "--residues", "20"]
QUICK += ["--repeats", "1", "--no-memory"]
BENCHMARK = Benchmark(run, tables, options, QUICK, peak)
