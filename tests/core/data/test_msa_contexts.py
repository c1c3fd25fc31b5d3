from __future__ import annotations

import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from e1bind.contracts import DrawKey, ResidueRecord
from e1bind.data import msa_profiles
from e1bind.data.msa_contexts import MsaContexts
from e1bind.data.msa_profiles import Profiles
from e1bind.errors import DataError
from e1bind.spec.sections import MsaSampling

CHAIN = "MKVLATCHEDGFRWYNPQSTIVKELMGAHCR"
ALL = MsaSampling(max_query_similarity=1.0)


def cached(options: MsaSampling, folder: Path) -> MsaContexts:
    """Contexts whose profiles are kept in `folder`."""
    return MsaContexts(options, Profiles(options.neighbor_similarity_lower_bound, folder))


def relatives(count: int, seed: int = 0) -> str:
    rng = np.random.default_rng(seed)
    rows = [f">query\n{CHAIN}\n"]
    for i in range(count):
        row = np.array(list(CHAIN))
        row[rng.random(len(row)) < 0.4] = "A"
        row[rng.random(len(row)) < 0.1] = "-"
        rows.append(f">h{i}\n{''.join(row)}\n")
    return "".join(rows)


@pytest.fixture
def record(tmp_path: Path) -> ResidueRecord:
    path = tmp_path / "a.a3m"
    path.write_text(relatives(60))
    return ResidueRecord("a", CHAIN, msa=path)


def rng(view: int = 0) -> np.random.Generator:
    return DrawKey(1, 1, "a").rng("context", view)


def test_chain_without_alignment_has_no_context() -> None:
    assert MsaContexts(ALL).draw(ResidueRecord("a", CHAIN), rng()) == ()


@pytest.mark.parametrize(
    ("content", "warns"),
    [("", True), (f">q\n{CHAIN}\n", False), (f">q\n{CHAIN}\n>g\n{'-' * len(CHAIN)}\n", True)],
    ids=["nothing", "the chain alone", "a row of gaps"],
)
def test_alignment_with_nothing_to_draw_gives_an_empty_context_and_a_warning_unless_none_was_found(
    tmp_path: Path, content: str, warns: bool, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.a3m").write_text(content)
    record = ResidueRecord("a", CHAIN, msa=tmp_path / "a.a3m")
    contexts = cached(MsaSampling(), tmp_path / "cache")
    with caplog.at_level(logging.INFO):
        count = contexts.prepare([record, ResidueRecord("b", CHAIN)])
    assert (count.chains, count.aligned, count.eligible, count.alone) == (2, 1, 0, int(not warns))
    assert [r.levelno for r in caplog.records] == [logging.WARNING if warns else logging.INFO]
    assert ("no homologue was found" in caplog.text) != warns
    assert "1 of 2 chains have an alignment" in caplog.text
    assert contexts.draw(record, rng()) == MsaContexts(MsaSampling()).draw(record, rng()) == ()


def test_contexts_keep_the_limits_and_hold_sequences_of_the_file(record: ResidueRecord) -> None:
    assert record.msa is not None
    known = {line.replace("-", "") for line in record.msa.read_text().splitlines() if line[0] != ">"}
    options = MsaSampling(max_num_samples=5, max_token_length=100)
    lengths = set()
    for view in range(50):
        context = MsaContexts(options).draw(record, rng(view))
        assert set(context) <= known - {CHAIN}
        assert sum(map(len, context)) <= 100
        lengths.add(len(context))
    assert lengths <= {3, 4, 5}
    assert len(MsaContexts(ALL).draw(record, rng())) == 61


def test_draws_follow_the_generator_only(record: ResidueRecord, tmp_path: Path) -> None:
    """A fresh process with a cold or a warm cache, another order of draws, a pickled copy: the same contexts."""
    options = MsaSampling(max_num_samples=5)
    cache = tmp_path / "cache"
    first = cached(options, cache)
    drawn = [first.draw(record, rng(view)) for view in range(4)]
    assert len(set(drawn)) == 4
    copy: MsaContexts = pickle.loads(pickle.dumps(first))  # noqa: S301
    for other in (first, copy, cached(options, cache), MsaContexts(options)):
        assert [other.draw(record, rng(view)) for view in reversed(range(4))] == drawn[::-1]


def test_weights_are_worked_out_once_and_cached_on_disk(
    record: ResidueRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = msa_profiles.neighbor_counts
    monkeypatch.setattr(msa_profiles, "neighbor_counts", lambda *args: calls.append(args[1]) or real(*args))
    cache = tmp_path / "cache"
    for contexts in (cached(ALL, cache), cached(ALL, cache)):
        for view in range(3):
            contexts.draw(record, rng(view))
    assert calls == [0.8]
    assert [path.suffix for path in cache.iterdir()] == [".npz"]
    assert record.msa is not None
    record.msa.write_text(relatives(30))
    assert len(cached(ALL, cache).draw(record, rng())) == 31
    other = MsaSampling(max_query_similarity=1.0, neighbor_similarity_lower_bound=0.5)
    cached(other, cache).draw(record, rng())
    assert calls == [0.8, 0.8, 0.5]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive", None])
def test_damaged_cache_is_worked_out_again(
    record: ResidueRecord, tmp_path: Path, damage: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    expected = cached(ALL, cache).draw(record, rng())
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert cached(ALL, cache).draw(record, rng()) == expected
    assert "damaged cache file" in caplog.text
    assert file.read_bytes() == whole


def test_cache_of_another_shape_is_not_trusted(record: ResidueRecord, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    expected = cached(ALL, cache).draw(record, rng())
    (file,) = cache.iterdir()
    with np.load(file) as arrays:
        changed = {**arrays, "neighbors": arrays["neighbors"][:5]}
    np.savez(file, **changed)
    assert cached(ALL, cache).draw(record, rng()) == expected


def test_cache_that_cannot_be_written_costs_a_warning_only(
    record: ResidueRecord, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    expected = MsaContexts(ALL).draw(record, rng())
    assert cached(ALL, tmp_path / "file" / "cache").draw(record, rng()) == expected
    assert "cannot be written" in caplog.text


def test_profiles_beyond_the_memory_limit_are_dropped_and_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(msa_profiles, "MEMORY_BYTES", 7_000)
    records = []
    for name in "abc":
        (tmp_path / f"{name}.a3m").write_text(relatives(60, ord(name)))
        records.append(ResidueRecord(name, CHAIN, msa=tmp_path / f"{name}.a3m"))
    contexts = cached(ALL, tmp_path / "cache")
    before = [contexts.draw(record, rng()) for record in records]
    assert len(contexts.profiles._profiles) < 3
    assert [contexts.draw(record, rng()) for record in records] == before


def test_a_window_draws_from_the_chains_alignment_even_in_another_process(tmp_path: Path) -> None:
    """The query differs from the chain inside the window, so that the window alone would not be recognised."""
    query = CHAIN[:20] + "WWWWWW" + CHAIN[26:]
    path = tmp_path / "a.a3m"
    path.write_text(f">q\n{query}\n>h\n{query[:10]}{'A' * 21}\n")
    chain = ResidueRecord("a", CHAIN, msa=path)
    window = chain.window(18, 28)
    with pytest.raises(DataError, match="is not the chain"):
        MsaContexts(ALL).draw(window, rng())
    contexts = MsaContexts(ALL)
    contexts.prepare([chain])
    assert len(contexts.draw(window, rng())) == 2
    copy: MsaContexts = pickle.loads(pickle.dumps(contexts))  # noqa: S301
    assert copy.draw(window, rng()) == contexts.draw(chain, rng())


def test_alignment_of_another_query_is_told_before_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.a3m").write_text(f">q\n{CHAIN[::-1]}\n")
    (tmp_path / "b.a3m").write_text(f">q\n{CHAIN[:-1]}W\n")
    with pytest.raises(DataError, match=r"a\.a3m, line 1: the query"):
        MsaContexts(ALL).prepare([ResidueRecord("a", CHAIN, msa=tmp_path / "a.a3m")])
    MsaContexts(ALL).prepare([ResidueRecord("b", CHAIN, msa=tmp_path / "b.a3m")])
    assert "used anyway" in caplog.text


def test_homologues_the_backbone_cannot_read_are_never_drawn_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Insertions make a homologue longer than the query, and longer than the model takes."""
    long = CHAIN[:10] + "a" * 40 + "K" * 21
    (tmp_path / "a.a3m").write_text(f">q\n{CHAIN}\n>long\n{long}\n>short\n{'A' * 31}\n")
    record = ResidueRecord("a", CHAIN, msa=tmp_path / "a.a3m")
    contexts = MsaContexts(ALL, longest=31)
    with caplog.at_level(logging.WARNING):
        assert contexts.prepare([record]).too_long == 1
    assert "1 aligned sequence is longer than the 31 residues the backbone takes" in caplog.text
    assert all(sorted(contexts.draw(record, rng(view))) == ["A" * 31, CHAIN] for view in range(20))
    assert len(MsaContexts(ALL, longest=71).draw(record, rng())) == 3
    assert len(MsaContexts(ALL).draw(record, rng())) == 3


def test_a_chain_whose_homologues_are_all_too_long_has_no_context(record: ResidueRecord) -> None:
    contexts = MsaContexts(ALL, longest=5)
    assert contexts.prepare([record]).eligible == 0
    assert contexts.draw(record, rng()) == ()


def test_empty_similarity_band_is_refused() -> None:
    with pytest.raises(ValidationError, match="is above"):
        MsaSampling(min_query_similarity=0.9, max_query_similarity=0.5)
