"""docs/metrics.md names every metric with its options, and states the numbers the code uses."""

from __future__ import annotations

import importlib

import pytest

from e1bind.engine import diagnostics
from e1bind.metrics.catalog import metric_plugins


@pytest.fixture(scope="module")
def page(root) -> str:
    return (root / "docs" / "metrics.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("plugin", metric_plugins(), ids=lambda plugin: plugin.name)
def test_every_metric_has_a_row_with_its_options(plugin, page):
    table = page.split("## Thresholds")[0].splitlines()
    (row,) = [line for line in table if line.startswith("| `") and f"`{plugin.name}`" in line.split("|")[1]]
    module, name = plugin.options.split(":")
    for option in getattr(importlib.import_module(module), name).model_fields:
        assert f"`{option}`" in row


@pytest.mark.parametrize(
    ("warning", "numbers"),
    [
        ("class imbalance", (diagnostics.STABLE_RANGE, diagnostics.STABLE_EPOCHS)),
        ("idle alignment", (diagnostics.LOW_AUPRC, diagnostics.IDLE_PULL)),
        ("prototype drift", (diagnostics.DRIFT,)),
        ("few positives", (diagnostics.FEW_POSITIVES,)),
    ],
)
def test_every_warning_states_the_numbers_that_trigger_it(warning, numbers, page):
    (row,) = [line for line in page.splitlines() if line.startswith(f"| {warning} |")]
    for number in numbers:
        assert f" {number} " in row
