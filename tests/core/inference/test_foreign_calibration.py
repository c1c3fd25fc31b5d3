"""A calibration that came with a single-file plugin: trained with, predicted with, and refused when it breaks."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from small_runs import SPEC, train_once

from e1bind.errors import ContractError, RunError
from e1bind.report.rundata import load
from e1bind.runs.reader import open_run

PLUGIN = """\
import numpy as np
from pydantic import Field
from e1bind.plugins import CalibrationPlugin, hookimpl
from e1bind.spec import Options
E1BIND_API = 1

class PowerOptions(Options):
    exponent: float = Field(2.0, gt=0, description="Power of the probability.")

class Power:
    def __init__(self, options):
        self.exponent = options.exponent
    def fit(self, probabilities, labels):
        return {"scale": np.float64(labels.mean() / (probabilities ** self.exponent).mean())}
    def apply(self, fitted, probabilities):
        return BODY

@hookimpl
def e1bind_calibrations():
    return [CalibrationPlugin(name="power", target="power:Power", options="power:PowerOptions", summary="A power.")]
"""
RIGHT = "np.clip(fitted['scale'] * probabilities ** self.exponent, 0, 1)"
TABLES = '[plugins]\nlocal = ["power.py"]\n[calibration.power]\nexponent = 1.5\n'


def train(folder, data, body, module="power"):
    (folder / f"{module}.py").write_text(PLUGIN.replace("BODY", body).replace("power:", f"{module}:"))
    text = SPEC.format(data=data).replace("epochs = 2", "epochs = 1")
    return train_once(folder, text + TABLES.replace("power.py", f"{module}.py")).run


@pytest.fixture(scope="module")
def run(tmp_path_factory, root):
    return train(tmp_path_factory.mktemp("power"), root / "examples" / "data", RIGHT)


def test_its_options_reach_it_and_the_run_keeps_its_numbers(run):
    (entry,) = yaml.safe_load(run.calibration.read_text()).values()
    assert entry["map"]["method"] == "local/power"
    opened = open_run(run.path, trusted=True)
    mapped = opened.calibrations["ZN"].apply([0.0, 0.25])
    assert mapped == pytest.approx([0, min(1, entry["map"]["scale"] * 0.25**1.5)])


def test_its_code_is_not_run_without_trust(run):
    with pytest.raises(RunError, match="--trust-run-code"):
        open_run(run.path)


def test_the_report_of_a_run_whose_plugin_is_not_installed_says_so(run, caplog):
    assert load(run.path).calibrator is None
    assert "the figures leave the calibration out" in caplog.text


@pytest.mark.parametrize(
    ("module", "body", "said"),
    [
        ("divides", "1 / 0", "failed being applied: ZeroDivisionError"),
        ("percent", "probabilities * 100", "not a probability of 0 to 1 for each"),
        ("one", "np.array([0.5])", "gave values of shape"),
    ],
)
def test_one_that_breaks_its_contract_is_named(tmp_path, root, module, body, said):
    with pytest.raises(ContractError, match="calibration local/power") as caught:
        train(tmp_path, root / "examples" / "data", body, module)
    assert said in str(caught.value)
    assert f"check-plugin {tmp_path / module}.py`" in str(caught.value)


def test_numbers_of_another_calibration_are_refused(run):
    calibrator = open_run(run.path, trusted=True).calibrations["ZN"].calibrator
    for values in ({"method": "platt", "slope": 1.0}, {"method": "local/power", "scale": "1"}):
        with pytest.raises(Exception, match="fit the calibration again"):
            calibrator.read(values)
    assert np.isfinite(calibrator.read({"method": "local/power", "scale": 1.0}).apply(0.3))
