"""No context holds the chain or a near copy of it, a row that is no protein, or one without residues there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from e1bind.contracts import ResidueRecord
from e1bind.data.msa import parse_a3m
from e1bind.data.msa_contexts import MsaContexts
from e1bind.errors import DataError
from e1bind.spec.sections import MsaSampling

LETTERS = np.array(list("ACDEFGHIKLMNPQRSTVWY"))
Rows = list[tuple[str, str]]


def protein(rng: np.random.Generator, length: int) -> str:
    return "".join(rng.choice(LETTERS, length))


def mutant(rng: np.random.Generator, chain: str, share: float) -> str:
    """The chain with so many residues changed, never to what they were."""
    row = list(chain)
    for i in rng.choice(len(chain), round(share * len(chain)), replace=False):
        row[i] = str(rng.choice(LETTERS[row[i] != LETTERS]))
    return "".join(row)


def relatives(rng: np.random.Generator, chain: str) -> Rows:
    """The chain again, a near copy, and homologues with gaps and insertions; what may be drawn is called h."""
    rows = [("copy", chain), ("near", mutant(rng, chain, 0.03)), ("near", mutant(rng, chain, 0.0))]
    for i in range(8):
        row = mutant(rng, chain, rng.uniform(0.1, 0.6))
        at = int(rng.integers(3, len(chain) - 8))
        gapped = row[:at] + "-" * 4 + row[at + 4 :] if i % 2 else row[:at] + "acd" + row[at:]
        rows.append(("h", gapped))
    return rows


def plain(rng: np.random.Generator, chain: str) -> Rows:
    return [("q", chain), *relatives(rng, chain)]


def complex_(rng: np.random.Generator, chain: str, partner: str | None = None) -> Rows:
    """ColabFold: the query is both chains; rows of one have gaps in the other's columns, paired rows have both."""
    partner = partner or protein(rng, 30)
    mine, theirs = "-" * len(chain), "-" * len(partner)
    rows = [("101\t102", chain + partner), ("101", chain + theirs)]
    rows += [(name, row + theirs) for name, row in relatives(rng, chain)]
    rows += [("partner", mine + row) for _, row in relatives(rng, partner)]
    rows += [
        ("paired", mutant(rng, chain, 0.4) + mutant(rng, partner, 0.4)),
        ("copy", chain + mutant(rng, partner, 0.4)),
    ]
    return rows


def second_of_complex(rng: np.random.Generator, chain: str) -> Rows:
    """The chain stands behind its partner."""
    partner = protein(rng, 25)
    rows = [("101\t102", partner + chain), ("102", "-" * 25 + chain), ("101", partner + "-" * len(chain))]
    return rows + [(name, "-" * 25 + row) for name, row in relatives(rng, chain)]


def homodimer(rng: np.random.Generator, chain: str) -> Rows:
    return complex_(rng, chain, chain)


def consensus_first(rng: np.random.Generator, chain: str) -> Rows:
    name = ["q_consensus", "Consensus", "unnamed"][int(rng.integers(3))]
    return [(name, mutant(rng, chain, 0.3)), ("q", chain), *relatives(rng, chain)]


def domain(rng: np.random.Generator, chain: str) -> Rows:
    """A domain inside a longer query; some rows lie beside it."""
    before, after = protein(rng, 20), protein(rng, 15)
    rows = [("q", before + chain + after)]
    rows += [(name, mutant(rng, before, 0.5) + row + "-" * 15) for name, row in relatives(rng, chain)]
    return [*rows, ("beside", mutant(rng, before, 0.3) + "-" * (len(chain) + 15))]


def annotated(rng: np.random.Generator, chain: str) -> Rows:
    """Rows of HH-suite, in any place, with and without their names."""
    made = [
        ("ss_pred", "".join(rng.choice(list("HEC"), len(chain)))),
        ("ss_conf", "".join(rng.choice(list("0123456789"), len(chain)))),
        ("ss_dssp", "".join(rng.choice(list("HBEGITSC-"), len(chain)))),
    ]
    if rng.random() < 0.5:
        made = [(f"row{i}", text) for i, (_, text) in enumerate(made)]
    rows = plain(rng, chain)
    for name, text in made:
        rows.insert(
            int(rng.integers(0, len(rows) + 1)), ("annotation " + name if name.startswith("row") else name, text)
        )
    return rows


def a2m(rng: np.random.Generator, chain: str) -> Rows:
    """Insertions padded with dots in all other rows."""
    rows = plain(rng, chain)
    cells: list[list[str]] = []
    for _, row in rows:
        own, insertion = [], ""
        for letter in row:
            if letter.islower():
                insertion += letter
            else:
                own += [insertion, letter]
                insertion = ""
        cells.append([*own, insertion])
    widths = [max(len(c[i]) for c in cells) for i in range(len(cells[0]))]
    return [
        (name, "".join(cell if i % 2 else cell.ljust(widths[i], ".") for i, cell in enumerate(own)))
        for (name, _), own in zip(rows, cells, strict=True)
    ]


def dotted(rng: np.random.Generator, chain: str) -> Rows:
    return [(name, row.replace("-", ".")) for name, row in plain(rng, chain)]


def shifted(rng: np.random.Generator, chain: str) -> Rows:
    """The chain and a near copy aligned one column off, and the chain as an insertion."""
    near = mutant(rng, chain, 0.03)
    return [
        *plain(rng, chain),
        ("copy", "-" + chain[:-1] + chain[-1].lower()),
        ("near", near[0].lower() + near[1:] + "-"),
    ]


def with_x(rng: np.random.Generator, chain: str) -> Rows:
    """Copies whose residues are partly unknown, and rows of nothing but X and of gaps."""
    rows = plain(rng, chain)
    masked = "".join("X" if rng.random() < 0.2 else a for a in chain)
    return [*rows, ("copy", masked), ("gaps", "-" * len(chain)), ("nothing", "X" * len(chain))]


LAYOUTS: list[Callable[[np.random.Generator, str], Rows]] = [
    plain, complex_, second_of_complex, homodimer, consensus_first, domain, annotated, a2m, dotted, shifted, with_x,
]  # fmt: skip


def identity(row: str, chain: str) -> float:
    """Share of the chain that a longest common subsequence repeats: no alignment can be more similar."""
    best = [0] * (len(chain) + 1)
    for a in row:
        for j, (before, b) in enumerate(zip(list(best), chain, strict=False)):
            best[j + 1] = max(best[j + 1], best[j], before + (a == b))
    return best[-1] / len(chain)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.__name__.strip("_"))
@pytest.mark.parametrize("seed", range(4))
def test_no_draw_holds_the_chain_a_near_copy_or_what_is_no_homologue(layout, seed, tmp_path: Path) -> None:
    rng = np.random.default_rng([seed, LAYOUTS.index(layout)])
    chain = protein(rng, 40)
    rows = layout(rng, chain)
    path = tmp_path / "a.a3m"
    path.write_text("#40,30\t1,1\n" * (layout is complex_) + "".join(f">{name}\n{row}\n" for name, row in rows))
    contexts = MsaContexts(MsaSampling(max_num_samples=64))
    record = ResidueRecord("a", chain, msa=path)
    drawn = {s for view in range(3) for s in contexts.draw(record, np.random.default_rng(view))}
    copies = [row for name, row in rows if name in ("copy", "near")]
    assert len(copies) >= 3
    assert not drawn & {row.upper().replace("-", "").replace(".", "") for row in copies}
    for row in drawn:
        assert chain not in row
        assert identity(row, chain) <= 0.95
        assert len(row) <= len(chain) + 3, "cut to the chain's columns"
        assert row.isalpha()
        assert set(row) != {"X"}
        assert not set(row) <= set("HECBGITS")
    wanted = {row.upper().replace("-", "").replace(".", "") for name, row in rows if name == "h"}
    far = {
        row
        for row in wanted
        if identity(row, chain) < 0.85 and layout not in (complex_, second_of_complex, homodimer, domain)
    }
    assert far <= drawn
    assert len(drawn) >= 6


def test_the_second_chain_of_a_colabfold_complex_is_never_drawn_for_the_first() -> None:
    """The case that was found: `#24,24 1,1`, where the chain itself came in 200 of 200 draws."""
    chain, partner = "MKHACDEFGHIKLMNPQRSTVWYC", "GAVLIPFWMSTCYNQDEKRHGAVL"
    relative = "MKHACDEFAAAALMNPQRSTVWYC"
    rows = f">101\t102\n{chain}{partner}\n>101\n{chain}{'-' * 24}\n>r\n{relative}{'-' * 24}\n"
    rows += f">102\n{'-' * 24}{partner}\n>p\n{'-' * 24}{partner[:-4]}AAAA\n"
    alignment = parse_a3m(f"#24,24\t1,1\n{rows}".encode(), Path("a.a3m"), chain)
    from e1bind.data.msa_profiles import Profile

    profile = Profile.of(alignment, 0.8)
    drawn = {profile.draw(MsaSampling(), np.random.default_rng(seed)) for seed in range(200)}
    assert drawn == {(relative,)}
    other = Profile.of(parse_a3m(f"#24,24\t1,1\n{rows}".encode(), Path("a.a3m"), partner), 0.8)
    assert {other.draw(MsaSampling(), np.random.default_rng(seed)) for seed in range(20)} == {
        (partner[:-4] + "AAAA",)
    }


def test_a_window_is_compared_as_its_whole_chain_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    chain = protein(rng, 40)
    (tmp_path / "a.a3m").write_text("".join(f">{name}\n{row}\n" for name, row in complex_(rng, chain)))
    record = ResidueRecord("a", chain, msa=tmp_path / "a.a3m")
    contexts, fresh = MsaContexts(MsaSampling()), MsaContexts(MsaSampling())
    contexts.draw(record.window(5, 20), np.random.default_rng(0))
    drawn = contexts.draw(record, np.random.default_rng(1))
    assert drawn == fresh.draw(record, np.random.default_rng(1))
    assert contexts.draw(record.window(5, 20), np.random.default_rng(1)) == drawn


def test_a_row_of_letters_that_is_no_annotation_is_kept() -> None:
    """Tags, linkers and short rows of few letters are proteins."""
    chain = "MKVLATCHEDGFRWYNPQSTIVKELMGAHCR"
    rows = ["H" * 31, "GS" * 15 + "G", "A" * 31, "HECH" + "-" * 27, "-" * 23 + "HHHHHHHH"]
    text = f">q\n{chain}\n" + "".join(f">r\n{row}\n" for row in rows)
    assert list(parse_a3m(text.encode(), Path("a.a3m"), chain).rows[1:]) == rows


def test_a_file_of_annotation_alone_is_empty_and_a_foreign_query_is_refused() -> None:
    assert parse_a3m(b">ss_pred\nHHHHEEEECC\n>ss_conf\n9876543210\n", Path("a.a3m")).rows == ()
    chain = "MKVLATCHEDGFRWYNPQSTIVKELMGAHCR"
    with pytest.raises(DataError, match="is not the chain"):
        parse_a3m(f">q\n{chain[::-1]}\n>h\n{chain}\n".encode(), Path("a.a3m"), chain)
