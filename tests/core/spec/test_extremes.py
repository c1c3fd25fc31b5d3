"""Specs that no sane person writes: each is told in sentences, soon, and never with a traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from plugin_packages import run_cli
from pydantic import field_validator

from e1bind.errors import SpecError, UserError
from e1bind.spec import Options, RawSpec, load_spec, validate_spec
from e1bind.spec.problems import validate_options

BASE = """\
schema_version = 1
[run]
output_dir = "results"
{run}
[data.fasta3]
train = "{{ion}}_train.fasta"
{data}
[backbone.e1]
random_weights = "tiny"
[views.masked]
[losses.nt-xent]
temperature = 0.1
[training]
{training}
"""


def spec(run: str = "", data: str = "", training: str = 'ions = ["ZN"]', more: str = "") -> str:
    return BASE.format(run=run, data=data, training=training) + more


def complaint(tmp_path: Path, text: str, *overrides: str) -> str:
    """The message, which must come and be printable."""
    path = tmp_path / "spec.toml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_spec(path, overrides)
    message = str(caught.value)
    assert message.replace("\n", "").isprintable()
    assert len(message) < 10_000
    return message


def test_the_base_of_these_tests_is_valid(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(spec())
    assert load_spec(tmp_path / "spec.toml").training.ions == ["ZN"]


HUGE = "9" * 10_000
DEEP = "[" * 5000 + "]" * 5000
TABLES = "{a = " * 5000 + "1" + "}" * 5000
DOTTED = ".".join("a" * 5000)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("epochs", str(2**63), "training.epochs  is out of range: whole numbers have at most 64 bits"),
        ("epochs", str(-(2**63) - 1), "at most 64 bits"),
        ("epochs", "0x" + "f" * 10_000, "training.epochs  is out of range"),
        ("epochs", HUGE, "a number of thousands of digits"),
        ("anything", f"[1, [{2**64}]]", "training.anything[1][0]  is out of range"),
        ("anything", DEEP, "levels deep"),
        ("anything", TABLES, "levels deep"),
        (DOTTED, "1", "levels deep"),
        ('"a\\u001b[2J"', "1", "the key holds the control character '\\x1b'"),
        ("k" * 5000, "1", "the key has 5000 characters"),
        ("learning_rate", "1e400", "must be a finite number, not inf"),
        ("learning_rate", "-1e400", "must be"),
        ("learning_rate", "nan", "must be"),
    ],
)
def test_values_that_nothing_can_hold_are_told_in_the_file_and_on_the_command_line(
    tmp_path: Path, key: str, value: str, words: str
) -> None:
    assert words in complaint(tmp_path, spec(training=f'ions = ["ZN"]\n{key} = {value}'))
    if not key.startswith('"'):
        message = complaint(tmp_path, spec(), f"training.{key}={value}")
        assert words.rpartition("  ")[2] in message


def test_nesting_is_told_wherever_it_stands(tmp_path: Path) -> None:
    for more in (f"x = {DEEP}", f"[{DOTTED}]\nb = 1", f"[[{DOTTED}]]", f"x = {TABLES}", "[a" + ".a" * 40 + "]"):
        assert "levels deep" in complaint(tmp_path, spec(more=more))


@pytest.mark.parametrize(
    ("table", "key", "value"),
    [
        ("run", "threads", "2147483647"),
        ("run", "distributed_timeout_minutes", "1e308"),
        ("run", "distributed_timeout_minutes", "525601.0"),
        ("run", "name", '"' + "n" * 101 + '"'),
        ("cv", "folds", "1000000000000"),
        ("lora", "r", "4294967296"),
        ("lora", "alpha", "9223372036854775807"),
        ("prototypes", "max_samples", "9223372036854775807"),
        ("prototypes", "prototype_dim", "4294967296"),
        ("msa", "train.max_token_length", "9223372036854775807"),
        ("training", "epochs", "9223372036854775807"),
        ("training", "batch_size", "9223372036854775807"),
        ("training", "max_tokens", "9223372036854775807"),
        ("training", "length_pool", "9223372036854775807"),
        ("training", "accum_steps", "9223372036854775807"),
        ("training", "early_stop_patience", "9223372036854775807"),
        ("training", "save_every_steps", "9223372036854775807"),
        ("training", "max_residues", "9223372036854775807"),
        ("training", "window_overlap", "9223372036854775807"),
        ("training", "workers", "2147483648"),
    ],
)
def test_counts_have_an_upper_bound(tmp_path: Path, table: str, key: str, value: str) -> None:
    message = complaint(tmp_path, spec(), f"{table}.{key}={value}")
    assert f"{table}.{key} " in message
    assert "must be less than or equal to" in message or "at most 100 characters" in message


@pytest.mark.parametrize("value", ["a\\u0000b", "a\\u001bb", "a\\nb", "x" * 5000, "x/" * 2500, "x" * 256])
def test_paths_that_no_file_system_takes_are_told(tmp_path: Path, value: str) -> None:
    for text, where in (
        (spec().replace('output_dir = "results"', f'output_dir = "{value}"'), "run.output_dir"),
        (spec(data=f'test = "{value}"'), "data.fasta3.test"),
        (spec(data=f'msa_dir = "{value}"'), "data.fasta3.msa_dir"),
        (spec(more=f'[cv]\ngroups = "{value}"'), "cv.groups"),
        (spec(more=f'[plugins]\nlocal = ["{value}"]'), "plugins.local[0]"),
        (spec().replace('random_weights = "tiny"', f'checkpoint = "{value}"'), "backbone.e1.checkpoint"),
        (f'extends = "{value}"\n' + spec(), "extends"),
    ):
        message = complaint(tmp_path, text)
        assert where in message
        assert "the path holds the control character" in message or "the path is too long" in message


def test_links_that_go_round_and_users_that_are_not_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for value in ("loop/x", "~nobody-of-this-name/x"):
        message = complaint(tmp_path, spec(data=f'msa_dir = "{value}"'))
        assert "data.fasta3.msa_dir" in message
        assert "cannot be used as a path" in message
    with pytest.raises(UserError, match="cannot be read"):
        load_spec(tmp_path / "loop")


@pytest.mark.parametrize("name", ["a\0b.toml", "a\x1b[2J.toml", "x" * 5000, "x/" * 5000, "\udcff.toml", "."])
def test_a_spec_file_that_cannot_be_one_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot be read") as caught:
        load_spec(tmp_path / name)
    assert str(caught.value).isprintable()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_a_file_without_an_end_is_not_read_to_its_end() -> None:
    with pytest.raises(UserError, match="larger than 10 MiB"):
        load_spec(Path("/dev/zero"))


def test_extending_in_a_tree_without_end_is_told(tmp_path: Path) -> None:
    """Each file extends the next one twice: 2^30 readings."""
    for i in range(30):
        (tmp_path / f"{i}.toml").write_text(f'extends = ["{i + 1}.toml", "{i + 1}.toml"]')
    (tmp_path / "30.toml").write_text(spec())
    assert "more than 100 files" in complaint(tmp_path, 'extends = "0.toml"')


@pytest.mark.parametrize(
    ("ion", "words"),
    [
        ("Z\\u0000N", "control character '\\x00' (character 2)"),
        ("Z\\u001b[2J", "control character '\\x1b'"),
        ("Z\\nN", "control character '\\n'"),
        ("Z\\u2028N", "control character '\\u2028'"),
        ("Z\\u202eN", "control character '\\u202e'"),
        ("", "has 1 to 100 characters, not 0"),
        ("  ", "has 1 to 100 characters, not 0"),
        ("Z" * 101, "has 1 to 100 characters, not 101"),
    ],
)
def test_names_of_ions_are_short_and_printable(tmp_path: Path, ion: str, words: str) -> None:
    message = complaint(tmp_path, spec(training=f'ions = ["CA", "{ion}"]'))
    assert "training.ions[1]" in message
    assert words in message


def test_many_problems_are_counted_and_told_soon(tmp_path: Path) -> None:
    keys = "\n".join(f"epoch{i} = 1" for i in range(20_000))
    message = complaint(tmp_path, spec(training=f'ions = ["ZN"]\n{keys}'))
    assert "has 20000 problems" in message
    assert "training.epoch0" in message.splitlines()[1]
    assert "unknown option; did you mean 'epochs'?" in message.splitlines()[1]
    assert message.splitlines()[-1] == "  and 19950 more"
    assert len(message.splitlines()) == 52


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        spec(more="".join(f"[trainin{i}]\n" for i in range(20_000))),
        spec(more="".join(f"[losses.l{i}]\n" for i in range(20_000))),
        spec(more="".join(f"[metrics.m{i}]\n" for i in range(20_000))),
        spec(more="".join(f"[views.v{i}]\n" for i in range(20_000))),
        spec(training=f"ions = {[f'I{i}' for i in range(20_000)]}"),
        spec(training=f"ions = {list(range(20_000))}"),
        spec(more=f"[metrics]\ncompute = {[f'm{i}' for i in range(20_000)]}"),
        spec(more=f"[plugins]\nrequire = {[f'm{i}' for i in range(20_000)]}"),
    ],
    ids=["tables", "losses", "metrics", "views", "ions", "numbers", "compute", "require"],
)
def test_thousands_of_anything_are_told_soon(tmp_path: Path, text: str) -> None:
    assert len(complaint(tmp_path, text).splitlines()) <= 52


@pytest.mark.slow
def test_long_specs_over_long_specs_are_merged_soon(tmp_path: Path) -> None:
    keys = "\n".join(f"key{i} = 1" for i in range(20_000))
    (tmp_path / "lower.toml").write_text(f"[training]\n{keys}")
    assert "has 20000 problems" in complaint(tmp_path, f'extends = "lower.toml"\n{spec()}{keys}')


def test_a_frozen_table_is_held_to_the_same_limits(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"training\.epochs  is out of range"):
        validate_spec(RawSpec("spec.resolved.json", tmp_path, {"training": {"epochs": 10**5000}}))


@pytest.mark.slow
def test_the_command_line_exits_with_2_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "spec.toml").write_text(spec())
    (tmp_path / "deep.toml").write_text(spec(more=f"x = {DEEP}"))
    for arguments in (
        ("deep.toml",),
        ("x" * 5000,),
        (".",),
        ("spec.toml", "--set", f"training.epochs={HUGE}"),
        ("spec.toml", "--set", f"training.epochs={DEEP}"),
        ("spec.toml", "--set", os.fsdecode(b"run.name=\xff")),
        ("spec.toml", "--set", "run.distributed_timeout_minutes=1e308"),
    ):
        result = run_cli("validate", *arguments, cwd=tmp_path)
        assert result.returncode == 2, result.stderr
        assert "error: " in result.stderr or "Invalid value" in result.stderr
        assert "Traceback" not in result.stderr


def test_a_validator_of_a_plugin_may_raise_anything() -> None:
    class Odd(Options):
        value: int = 0

        @field_validator("value")
        @classmethod
        def _odd(cls, value: int) -> int:
            raise RuntimeError("not my day")

    options, problems = validate_options(Odd, {"value": 1}, "losses.odd", {})
    assert options is None
    assert "RuntimeError: not my day" in problems[0].message
