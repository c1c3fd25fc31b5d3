"""Nothing of the code is undocumented: each hook, descriptor, contract, option, command and table has its words."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest
import typer.main
from pages import PAGES
from pages.components import page_names
from pages.public_names import names_of
from site_pages import DOCS, page, rows, section

import e1bind.contracts
from e1bind.plugins import KINDS, PluginPolicy, discover, hookspecs
from e1bind.plugins.descriptors import PLUGIN_TYPES
from e1bind.spec.sections import COMPONENT_TABLES, HOST_SECTIONS
from e1bind.spec.words import HOST_PROVIDES, KNOWN_WORDS
from e1bind_cli.app import app, run

SHIPPED = discover(PluginPolicy(allow=())).components()


def test_every_page_stands_in_the_site_s_contents() -> None:
    contents = (DOCS / "index.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^[\w/-]+$", contents, re.M))
    assert {f"reference/{name}" for name in PAGES} <= named
    assert {file.stem for file in DOCS.glob("*.md")} - {"index"} <= named


@pytest.mark.parametrize("component", SHIPPED, ids=lambda c: f"{c.kind}.{c.name}")
def test_every_option_of_a_component_is_described_on_the_page_of_its_kind(component) -> None:
    text = section(page(page_names()[component.kind]), component.name)
    assert component.plugin.summary in text
    described = rows(text)
    for option in component.load_options().model_fields:
        assert all(described[option]), option
    table = next(name for name, kind in COMPONENT_TABLES.items() if kind == component.kind)
    assert f"[{table}.{component.name}]" in text


@pytest.mark.parametrize("name", HOST_SECTIONS)
def test_every_key_of_a_table_of_the_spec_is_described(name: str) -> None:
    text = section(page("spec"), f"[{name}]")
    described = rows(text)
    for key, field in HOST_SECTIONS[name].model_fields.items():
        kind, _, description = described[key]
        assert kind
        assert description == " ".join((field.description or "").split()) != ""
        if kind == "table":
            assert set(field.annotation.model_fields) <= set(rows(page("spec")))


def test_every_table_of_components_is_in_the_page_of_the_spec() -> None:
    described = rows(page("spec"))
    for table in COMPONENT_TABLES:
        assert all(described[f"[{table}.NAME]"])


def every_command(group, name: str):
    """Each command with what is typed for it, those of groups too."""
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from every_command(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def test_every_command_and_each_of_its_options_is_described() -> None:
    for name, sub in every_command(typer.main.get_command(app), "e1bind"):
        text = section(page("commands"), f"`{name}`")
        assert inspect.cleandoc(sub.help).splitlines()[0] in text
        for parameter in sub.params:
            word = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar
            lines = re.findall(rf"^\* `(?:-\w, )?{re.escape(word)}[^`]*`: (.+)$", text, re.M)
            assert len(lines) == 1, f"{name} {word}"


def test_a_terminal_shows_every_help_text_as_it_is_written(monkeypatch, capsys) -> None:
    """No part of it is taken for markup and hidden: `[lora]`, `{ion}`, `RUN/evaluation_NAME`."""
    monkeypatch.setenv("COLUMNS", "1000")
    texts = []
    for name, sub in every_command(typer.main.get_command(app), "e1bind"):
        assert run([*name.split()[1:], "--help"]) == 0
        shown = " ".join(re.sub("[│╭╰─]", " ", capsys.readouterr().out).split())
        for text in [inspect.cleandoc(sub.help), *(parameter.help or "" for parameter in sub.params)]:
            texts.append(text.replace(r"\[", "["))  # which keeps Rich from taking it for markup
            assert " ".join(texts[-1].split()) in shown, name
    assert any("[" in text for text in texts)


def test_every_hook_and_descriptor_is_there() -> None:
    hooks = {name for name, value in vars(hookspecs).items() if name.startswith("e1bind_") and callable(value)}
    assert hooks == {PLUGIN_TYPES[kind].hook for kind in KINDS}
    described = rows(page("hooks"))
    for kind in KINDS:
        descriptor = PLUGIN_TYPES[kind]
        assert described[descriptor.hook] == [
            f"`{descriptor.__name__}`",
            kind.replace("_", " "),
            inspect.getdoc(getattr(hookspecs, descriptor.hook)),
        ]
        assert f"### {descriptor.__name__}\n" in page("hooks")
        contract = "".join(word.capitalize() for word in kind.split("_"))
        assert f"`e1bind.contracts.{contract}`" in (descriptor.__doc__ or "")


def test_every_word_of_needs_and_provides_has_a_meaning() -> None:
    said = {word for c in SHIPPED for word in c.plugin.needs | c.plugin.provides}
    said = {re.split(">?=", word)[0] for word in said}
    assert said | HOST_PROVIDES <= set(KNOWN_WORDS)
    described = rows(page("hooks"))
    assert all(described[word][0] for word in KNOWN_WORDS)


def test_every_contract_has_a_docstring_and_a_place() -> None:
    text = page("contracts")
    for name in e1bind.contracts.__all__:
        value = getattr(e1bind.contracts, name)
        assert f":: e1bind.contracts.{name}\n" in text
        if not inspect.isclass(value):
            continue
        assert vars(value).get("__doc__"), name
        for method, function in vars(value).items():
            if inspect.isfunction(function) and not method.startswith("_"):
                assert inspect.getdoc(function), f"{name}.{method}"


@pytest.mark.parametrize("module", ["e1bind.plugins", "e1bind.spec", "e1bind.testing", "e1bind.scoring"])
def test_every_other_public_name_has_a_docstring_and_a_place(module: str) -> None:
    text = section(page("python"), module)
    for name in names_of(importlib.import_module(module)):
        value = getattr(importlib.import_module(module), name)
        assert f":: {module}.{name}\n" in text
        if inspect.isclass(value) or inspect.isroutine(value):
            assert inspect.getdoc(value), name
