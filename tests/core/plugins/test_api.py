"""Plugins of API N and N - 1 load, the latter with a warning; others are refused with what to install."""

from __future__ import annotations

import pytest
from small_specs import SMALLEST

from e1bind.plugins import PluginPolicy, api, discover
from e1bind.plugins.discovery import _register
from e1bind.plugins.provenance import Source
from e1bind.readers.options import Fasta3Options
from e1bind_cli.app import run as e1bind

LOCAL = """
from e1bind.plugins import MetricPlugin, hookimpl
E1BIND_API = {api}
@hookimpl
def e1bind_metrics():
    return [MetricPlugin(name="old-metric", target="e1bind.metrics.curves:Auprc",
                         options="e1bind.metrics.options:NoOptions", summary="A metric.")]
"""
PARTS = '[plugins]\nlocal = ["{file}"]\n[metrics]\ncompute = ["{metric}"]\n'


@pytest.fixture
def host_of_the_next_api(monkeypatch):
    monkeypatch.setattr(api, "API_VERSION", 2)
    monkeypatch.setattr(api, "ENDS", {1: "0.3"})


def plugin(tmp_path, name: str, number: int):
    path = tmp_path / f"{name}.py"
    path.write_text(LOCAL.format(api=number))
    return path


def test_this_host_s_own_number_loads_without_a_word(tmp_path) -> None:
    status = discover(PluginPolicy(local=[plugin(tmp_path, "api_present", api.API_VERSION)])).plugins[-1]
    assert (status.status, status.warning) == ("ok", None)


def test_the_number_before_loads_with_a_warning_that_names_its_end(tmp_path, host_of_the_next_api) -> None:
    status = discover(PluginPolicy(local=[plugin(tmp_path, "api_before", 1)])).plugins[-1]
    assert status.status == "ok"
    assert [c.full_name for c in status.components] == ["local/old-metric"]
    assert status.warning is not None
    assert "plugin API 1, which e1bind-core 0.3 will not load any more" in status.warning


def test_validate_warns_of_plugins_that_a_spec_uses_and_of_no_others(
    tmp_path, host_of_the_next_api, capsys
) -> None:
    file = plugin(tmp_path, "api_warned", 1)
    spec = tmp_path / "spec.toml"
    Fasta3Options.example(tmp_path)  # the file that the spec names
    for metric, warned in (("old-metric", True), ("auprc", False)):
        spec.write_text(SMALLEST + PARTS.format(file=file.name, metric=metric))
        assert e1bind(["validate", str(spec)]) == 0
        said = capsys.readouterr().err
        assert ("local: written for plugin API 1, which e1bind-core 0.3" in said) == warned


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (3, "an e1bind-core with API 3"),
        (0, "a acme made for API 2"),
        ("1", "must say E1BIND_API = 2"),
        (True, "states no"),
    ],
)
def test_any_other_number_is_refused(host_of_the_next_api, number, words) -> None:
    import types

    module = types.ModuleType("acme_plugin")
    module.E1BIND_API = number  # type: ignore[attr-defined]
    status = _register(module, Source("acme", "1.0", "acme", "acme_plugin"))
    assert status.status == "incompatible"
    assert words in (status.error or "")


def test_every_older_number_that_loads_has_an_end() -> None:
    assert set(api.ENDS) <= {api.API_VERSION - 1}
