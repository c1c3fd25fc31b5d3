"""`[training]`: how many residues, or chains, a micro-batch has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_specs import SMALLEST

from e1bind.spec import load_spec


@pytest.fixture
def batches(tmp_path: Path) -> Callable[..., tuple[int, int | None]]:
    """`batch_size` and `max_tokens` of a spec with those lines in its `[training]`."""

    def of(*lines: str, overrides: tuple[str, ...] = ()) -> tuple[int, int | None]:
        path = tmp_path / "spec.toml"
        text = SMALLEST.replace("[training]\n", "\n".join(["[training]", *lines, ""]))
        path.write_text(text)
        section = load_spec(path, overrides).training
        return section.batch_size, section.max_tokens

    return of


def test_a_micro_batch_has_a_budget_of_residues_unless_chains_are_counted(batches) -> None:
    assert batches()[1] == 2048
    assert batches("batch_size = 3") == (3, None)
    assert batches("max_tokens = 500")[1] == 500
    assert batches("batch_size = 3", "max_tokens = 500") == (3, 500)
    assert batches(overrides=("training.batch_size=5",)) == (5, None)


def test_a_resolved_spec_means_what_it_meant(batches, tmp_path: Path) -> None:
    for lines in ([], ["batch_size = 3"], ["batch_size = 3", "max_tokens = 500"]):
        before = batches(*lines)
        section = load_spec(tmp_path / "spec.toml").resolved()["training"]
        again = batches(f"batch_size = {section['batch_size']}", *_told(section.get("max_tokens")))
        assert again == before


def _told(max_tokens: int | None) -> list[str]:
    return [] if max_tokens is None else [f"max_tokens = {max_tokens}"]
