"""Specs: all problems at once, with their paths; what is valid, and what it resolves to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from small_specs import SMALLEST

from e1bind.errors import SpecError, UserError
from e1bind.runs.frozen_spec import frozen_spec
from e1bind.runs.layout import RunDir
from e1bind.spec import RunSpec, load_spec

LOSSES = "[losses.nt-xent]\ntemperature = 0.1\n[losses.prototype-bce]\nweight = 2\n"
BASE = SMALLEST.replace("[losses.prototype-bce]\n", LOSSES)

Load = Callable[..., RunSpec]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def _load(text: str = BASE, *overrides: str, name: str = "spec.toml") -> RunSpec:
        (tmp_path / name).write_text(text)
        return load_spec(tmp_path / name, overrides)

    return _load


def problems(load: Load, text: str, *overrides: str) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        load(text, *overrides)
    return {p.path: p.message for p in caught.value.problems}


def test_a_valid_spec_has_its_values_and_defaults(load: Load, tmp_path: Path) -> None:
    spec = load()
    assert spec.losses["nt-xent"].options.temperature == 0.1  # type: ignore[attr-defined]
    assert spec.losses["prototype-bce"].weight == 2
    assert spec.training.accum_steps == 4
    assert spec.run.output_dir == tmp_path / "results"
    assert "hra" in spec.metric_components


def test_all_problems_are_reported_at_once_with_their_paths(load: Load) -> None:
    text = BASE.replace("temperature", "temprature").replace("[losses.prototype-bce]", "[losses.prototype-bec]")
    text = text.replace('ions = ["ZN"]', 'ions = "ZN"\nepochs = 1.5\nlearning_rate = -1\n[cv]\nfold = 3')
    text = text.replace('random_weights = "tiny"', 'random_weights = "small"')
    found = problems(load, text + "[trainign]\n")
    assert set(found) == {
        "losses.nt-xent.temprature",
        "losses.prototype-bec",
        "training.ions",
        "training.epochs",
        "training.learning_rate",
        "cv.fold",
        "backbone.e1.random_weights",
        "trainign",
    }
    assert found["losses.nt-xent.temprature"] == "unknown option; did you mean 'temperature'?"
    assert "did you mean 'prototype-bce'?" in found["losses.prototype-bec"]
    assert found["training.ions"] == "must be a list, not 'ZN'"
    assert "not 1.5" in found["training.epochs"]
    assert "did you mean 'folds'?" in found["cv.fold"]
    assert "did you mean 'training'?" in found["trainign"]


def test_unknown_keys_are_found_at_any_depth(load: Load) -> None:
    found = problems(load, BASE + "[msa.train]\nmax_num_sample = 3\n[metrics.hra]\nmin_recal = 0.5\n")
    assert found["msa.train.max_num_sample"] == "unknown option; did you mean 'max_num_samples'?"
    assert found["metrics.hra.min_recal"] == "unknown option; did you mean 'min_recall'?"


def test_a_number_written_as_text_is_refused(load: Load) -> None:
    found = problems(load, BASE + 'learning_rate = "1e-4"\n')
    assert found["training.learning_rate"] == "must be a number, not '1e-4'"


@pytest.mark.parametrize("weight", ["-1", "true", '"1"', "inf", "nan"])
def test_a_weight_must_be_a_number_of_at_least_zero(load: Load, weight: str) -> None:
    assert "losses.prototype-bce.weight" in problems(load, BASE.replace("weight = 2", f"weight = {weight}"))


def test_nt_xent_needs_two_views(load: Load) -> None:
    found = problems(load, BASE.replace("[views.masked]", "[views.masked]\nnum_variants = 1"))
    assert found == {"losses.nt-xent": "needs at least 2 views, but views.masked makes 1"}


def test_checks_between_tables_run_beside_other_problems(load: Load) -> None:
    text = BASE.replace("[views.masked]", "[views.masked]\nnum_variants = 1").replace("random_weights", "weights")
    found = problems(load, text + "[losses.nt-xnet]\n")
    assert found.keys() == {"backbone.e1.weights", "losses.nt-xnet", "losses.nt-xent"}


def test_mlm_needs_a_view_generator_that_masks(load: Load) -> None:
    text = BASE.replace("[views.masked]", "[views.masked]\nmask_prob_min = 0.0\nmask_prob_max = 0.0")
    found = problems(load, text + "[losses.mlm]\n")
    assert found.keys() == {"losses.mlm"}
    assert "masked-tokens" in found["losses.mlm"]
    assert load(text + "[losses.mlm]\nweight = 0\n").active_losses.keys() == {"nt-xent", "prototype-bce"}


def test_a_single_choice_table_holds_exactly_one(load: Load) -> None:
    found = problems(load, BASE + '[backbone.hf-mlm]\ncheckpoint = "facebook/esm2_t6_8M_UR50D"\n')
    assert "exactly one table, not 2" in found["backbone"]
    found = problems(load, BASE.replace("[views.masked]\n", ""))
    assert "NAME one of masked" in found["views"]


def test_scores_have_one_temperature(load: Load) -> None:
    assert load().scoring_temperature == 0.2
    text = BASE.replace("weight = 2", "scoring_temperature = 0.5")
    assert load(text).scoring_temperature == 0.5
    found = problems(load, text + "[prototypes]\nscoring_temperature = 0.3\n")
    assert "share one temperature" in found["losses.prototype-bce.scoring_temperature"]


def test_an_unknown_monitor_is_reported(load: Load) -> None:
    found = problems(load, BASE + '[metrics]\nmonitor = "hraa"\n')
    assert "did you mean 'hra'?" in found["metrics.monitor"]


def test_schema_version_is_required(load: Load) -> None:
    assert "is required" in problems(load, BASE.replace("schema_version = 1\n", ""))["schema_version"]
    assert "is 2" in problems(load, BASE.replace("schema_version = 1", "schema_version = 2"))["schema_version"]


def test_a_local_checkpoint_that_is_not_there_is_a_problem(load: Load) -> None:
    found = problems(load, BASE.replace('random_weights = "tiny"', 'checkpoint = "./nowhere"'))
    assert "there is no checkpoint at" in found["backbone.e1.checkpoint"]


def test_overrides_are_typed_and_win(load: Load) -> None:
    spec = load(BASE, "training.epochs=4", "training.ions=['CA']", "run.name=trial", "losses.nt-xent.weight=0.5")
    assert (spec.training.epochs, spec.training.ions, spec.run.name) == (4, ["CA"], "trial")
    assert spec.losses["nt-xent"].weight == 0.5
    assert "training.epocs" in problems(load, BASE, "training.epocs=4")
    assert "--set training" in problems(load, BASE, "training")


def test_extends_lays_one_spec_over_another(load: Load, tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "base.toml").write_text(BASE + "epochs = 9\nmin_lr = 1e-5\n")
    child = 'extends = "base/base.toml"\nschema_version = 1\n[training]\nepochs = 3\n'
    child += '[backbone.hf-mlm]\ncheckpoint = "facebook/esm2_t6_8M_UR50D"\n'
    spec = load(child)
    assert (spec.training.epochs, spec.training.min_lr) == (3, 1e-5)
    assert spec.backbone.label == "hf-mlm"
    assert spec.run.output_dir == tmp_path / "base" / "results"
    origins = spec.raw.origins
    assert origins["training", "epochs"] == "spec.toml"
    assert origins["training", "min_lr"] == "base.toml"
    assert not any(path[:2] == ("backbone", "e1") for path in origins)


def test_extends_in_a_circle_is_an_error(load: Load, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text('extends = "spec.toml"\n')
    with pytest.raises(UserError, match="in a circle"):
        load('extends = "other.toml"\n' + BASE)


def test_two_tables_may_use_one_component(load: Load) -> None:
    spec = load(BASE + '[losses.cold]\nuse = "nt-xent"\ntemperature = 0.05\n')
    assert spec.losses["cold"].component.full_name == "e1bind-losses/nt-xent"


def test_the_resolved_spec_reads_back_to_the_same_run(load: Load, tmp_path: Path) -> None:
    spec = load(BASE + "[metrics.hra]\nmin_recall = 0.6\n[cv]\nfolds = 3\n")
    spec.write_resolved(tmp_path / "spec.resolved.json")
    again = frozen_spec(RunDir(tmp_path))
    assert again.resolved() == spec.resolved()
    table = json.loads((tmp_path / "spec.resolved.json").read_text())
    assert table["training"]["max_residues"] is None
    assert table["losses"]["nt-xent"]["use"] == "e1bind-losses/nt-xent"


def test_a_folder_without_a_frozen_spec_or_with_a_damaged_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run directory"):
        frozen_spec(RunDir(tmp_path))
    (tmp_path / "spec.resolved.json").write_text('{"schema_version": 1,')
    with pytest.raises(UserError, match="is damaged"):
        frozen_spec(RunDir(tmp_path))


def test_a_spec_that_is_not_there_or_not_toml(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no spec file"):
        load_spec(tmp_path / "spec.toml")
    (tmp_path / "spec.toml").write_text("schema_version = \n")
    with pytest.raises(UserError, match=r"is not valid TOML.*line 1"):
        load_spec(tmp_path / "spec.toml")


def calibration_of(spec: RunSpec) -> tuple[str, str | None]:
    return spec.metrics.calibration, spec.calibration and spec.calibration.component.full_name


def test_a_calibration_is_named_or_has_a_table_and_none_is_none(load: Load) -> None:
    platt = ("platt", "e1bind-core/platt")
    assert calibration_of(load()) == ("none", None)
    assert calibration_of(load(BASE + '[metrics]\ncalibration = "platt"\n')) == platt
    assert calibration_of(load(BASE + "[calibration.platt]\n")) == platt
    assert calibration_of(load(BASE + '[calibration.mine]\nuse = "isotonic"\n')) == ("mine", "e1bind-core/isotonic")
    both = BASE + '[metrics]\ncalibration = "platt"\n[calibration.platt]\n'
    assert calibration_of(load(both)) == platt
    assert calibration_of(load(both, "metrics.calibration=none")) == ("none", None)


def test_a_calibration_that_cannot_be_meant_is_a_problem(load: Load) -> None:
    assert "no calibration" in problems(load, BASE + '[metrics]\ncalibration = "plat"\n')["metrics.calibration"]
    two = BASE + "[calibration.platt]\n[calibration.isotonic]\n"
    assert problems(load, two) == {"calibration": "holds 2 tables; at most one is allowed"}
    apart = BASE + '[metrics]\ncalibration = "platt"\n[calibration.isotonic]\n'
    assert "the table there is [calibration.isotonic]" in problems(load, apart)["metrics.calibration"]
    assert "slope" in str(problems(load, BASE + "[calibration.platt]\nslope = 1\n"))


@pytest.mark.parametrize("tables", ["[calibration.platt]\n", '[metrics]\ncalibration = "isotonic"\n', ""])
def test_a_calibration_resolves_to_itself(load: Load, tables: str, tmp_path: Path) -> None:
    spec = load(BASE + tables)
    resolved = spec.resolved()
    (tmp_path / "spec.resolved.json").write_text(json.dumps(resolved))
    assert frozen_spec(RunDir(tmp_path)).resolved() == resolved


def test_runs_from_before_calibrations_were_components_keep_theirs(load: Load, tmp_path: Path) -> None:
    resolved = load(BASE + '[metrics]\ncalibration = "platt"\n').resolved()
    older = {name: table for name, table in resolved.items() if name not in ("calibration", "trackers")}
    (tmp_path / "spec.resolved.json").write_text(json.dumps(older))
    assert frozen_spec(RunDir(tmp_path)).resolved() == resolved
