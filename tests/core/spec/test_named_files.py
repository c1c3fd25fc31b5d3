"""The files a spec names: those that are not there are told at once, whoever's option names them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_specs import SMALLEST

from e1bind.errors import SpecError
from e1bind.readers.options import Fasta3Options
from e1bind.spec import load_spec
from e1bind.spec.named_files import SPLITS, check_files

READER = """
from pydantic import Field
from e1bind.plugins import ReaderPlugin, hookimpl
from e1bind.spec import Options, OutputPath, SpecPath
E1BIND_API = 1
class Places(Options):
    table: SpecPath = Field(description="A file.")
class Somebodys(Options):
    chains: SpecPath = Field(description="A file, or one for each {ion}.")
    tables: list[SpecPath] = Field([], description="More files.")
    by_name: dict[str, SpecPath] = Field({}, description="Files by name.")
    places: Places | None = Field(None, description="A table of its own.")
    cache: OutputPath | None = Field(None, description="Written, not read.")
    log: OutputPath = Field("log", validate_default=True, description="Written, not read.")
class Reader:
    def __init__(self, options): pass
    def read(self, ion, split): return []
@hookimpl
def e1bind_readers():
    return [ReaderPlugin(name="somebodys", target=f"{__name__}:Reader", options=f"{__name__}:Somebodys",
                         summary="A.")]
"""

Missing = Callable[..., dict[str, list[str]]]


@pytest.fixture
def missing(tmp_path: Path) -> Missing:
    """The files that are missing for a spec, by the path of their option, relative to its folder."""

    def find(text: str, splits: tuple[str, ...] = SPLITS) -> dict[str, list[str]]:
        file = tmp_path / "spec.toml"
        file.write_text(text)
        try:
            load_spec(file, splits=splits)
        except SpecError as error:
            found: dict[str, list[str]] = {}
            for problem in error.problems:
                named = problem.message.split(": there is no such ")[0]
                found.setdefault(problem.path, []).append(named.removeprefix(f"{tmp_path}/"))
            return found
        return {}

    return find


def with_data(table: str) -> str:
    return SMALLEST.replace('[data.fasta3]\ntrain = "{ion}_train.fasta"', table)


def test_every_file_is_told_at_once_with_its_option(missing: Missing, tmp_path: Path) -> None:
    text = with_data(
        '[data.fasta3]\ntrain = "{ion}_train.fasta"\ntest = "{ion}_test.fasta"\nmsa_dir = "msa"\n'
        '[cv]\ngroups = "clusters.tsv"'
    )
    text = text.replace('ions = ["ZN"]', 'ions = ["ZN", "CA"]')
    text = text.replace('random_weights = "tiny"', 'checkpoint = "./e1"') + "epoch = 3\n"
    expected = {
        "cv.groups": ["clusters.tsv"],
        "data.fasta3.train": ["ZN_train.fasta", "CA_train.fasta"],
        "data.fasta3.test": ["ZN_test.fasta", "CA_test.fasta"],
        "data.fasta3.msa_dir": ["msa"],
    }
    found = missing(text)
    assert found.pop("training.epoch")
    assert found.pop("backbone.e1.checkpoint") == [f"there is no checkpoint at {tmp_path}/e1"]
    # Nobody knows the ions of a table with a problem.
    assert found == {"cv.groups": ["clusters.tsv"], "data.fasta3.msa_dir": ["msa"]}
    text = text.replace("epoch = 3\n", "").replace('checkpoint = "./e1"', 'random_weights = "tiny"')
    assert missing(text) == expected
    assert missing(text, ("train",)) == {key: found for key, found in expected.items() if "test" not in key}
    assert missing(text, ()) == {}


def test_what_is_there_is_not_told(missing: Missing, tmp_path: Path) -> None:
    Fasta3Options.example(tmp_path)
    assert missing(SMALLEST) == {}


def test_of_a_path_with_a_placeholder_the_folder_is_looked_for(missing: Missing, tmp_path: Path) -> None:
    Fasta3Options.example(tmp_path)
    train = 'train = "{ion}_train.fasta"\n'
    text = with_data(f'[data.fasta3]\n{train}msa_dir = "msa/{{ion}}/{{id}}/best.a3m"')
    assert missing(text) == {"data.fasta3.msa_dir": ["msa/ZN"]}
    (tmp_path / "msa" / "ZN").mkdir(parents=True)
    assert missing(text) == {}


def test_the_other_files_of_a_template_are_named(tmp_path: Path) -> None:
    Fasta3Options.example(tmp_path)
    file = tmp_path / "spec.toml"
    file.write_text(SMALLEST.replace('["ZN"]', '["Zn"]'))
    with pytest.raises(
        SpecError, match=r"Zn_train.fasta: .* correct the ion or the path\. Files .*/ZN_train\.fasta"
    ):
        load_spec(file, splits=SPLITS)


def test_options_of_third_parties_are_looked_at_by_their_type(missing: Missing, tmp_path: Path) -> None:
    (tmp_path / "somebodys_reader.py").write_text(READER)
    (tmp_path / "there.csv").write_text("x")
    table = '[plugins]\nlocal = ["somebodys_reader.py"]\n[data.somebodys]\n'
    found = missing(
        with_data(
            table + 'chains = "{ion}.csv"\ntables = ["there.csv", "two.csv"]\nby_name = { a = "a.csv" }\n'
            'places = { table = "inner.csv" }\ncache = "cache"'
        )
    )
    assert found == {
        "data.somebodys.chains": ["ZN.csv"],
        "data.somebodys.tables[1]": ["two.csv"],
        "data.somebodys.by_name.a": ["a.csv"],
        "data.somebodys.places.table": ["inner.csv"],
    }
    assert missing(with_data(f'{table}chains = "there.csv"')) == {}


def test_a_checkpoint_with_more_than_one_slash_is_no_name_on_a_hub(missing: Missing, tmp_path: Path) -> None:
    Fasta3Options.example(tmp_path)
    named = SMALLEST.replace('random_weights = "tiny"', 'checkpoint = "models/e1/150m"')
    assert missing(named) == {"backbone.e1.checkpoint": [f"there is no checkpoint at {tmp_path}/models/e1/150m"]}
    assert missing(named.replace("models/e1/150m", "somebody/e1")) == {}


def test_a_run_spec_can_be_asked_later(tmp_path: Path) -> None:
    file = tmp_path / "spec.toml"
    file.write_text(SMALLEST)
    spec = load_spec(file)
    with pytest.raises(SpecError, match=r"spec\.toml has 1 problem:\n  data\.fasta3\.train  .*/ZN_train\.fasta"):
        check_files(spec)
    Fasta3Options.example(tmp_path)
    check_files(spec)
