"""Homology clusters: a table of two columns that says which chains must stay in one fold.

Shape of the file: chain id and cluster, separated by a tab (or white space); further columns, a header line, blank
lines and lines that begin with "#" are passed over. MMseqs2 writes the columns the other way round
(representative, member); the column that holds more of the run's ids is taken for the ids. Where both hold as many
(all of the run's chains are representatives), it is the one in which no id stands in two clusters.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from e1bind.data.ids import id_fault
from e1bind.data.text import FileProblems, read_bytes, to_lines
from e1bind.errors import DataError

Row = tuple[int, str, str]


def read_clusters(path: Path, ids: Iterable[str]) -> dict[str, str]:
    """The cluster of every id in `ids`; ids of the file that were not asked for are left out.

    Raises `DataError` where a line has one column only or a control character in the first two, where an id stands
    in two clusters, where ids are missing, or where the columns cannot be told apart.
    """
    wanted = set(ids)
    rows = _oriented(path, _rows(path), wanted)
    cluster_of: dict[str, str] = {}
    problems = FileProblems(path)
    for line, chain, cluster in rows:
        if chain in wanted and cluster_of.setdefault(chain, cluster) != cluster:
            problems.add(line, f"{chain} stands in clusters {cluster_of[chain]} and {cluster}; keep one")
    problems.raise_any()
    if missing := sorted(wanted - cluster_of.keys()):
        raise DataError(_missing(path, missing, len(wanted)))
    return cluster_of


def _oriented(path: Path, rows: list[Row], wanted: set[str]) -> list[Row]:
    """The rows as (line, id, cluster). Raises `DataError` where either column may be that of the ids."""
    turned = [(line, member, cluster) for line, cluster, member in rows]
    held = [len(wanted & {row[1] for row in options}) for options in (rows, turned)]
    if held[0] != held[1]:
        return rows if held[0] > held[1] else turned
    groups = [_groups(options, wanted) for options in (rows, turned)]
    if groups[0] is not None and groups[1] is not None and groups[0] != groups[1] and held[0]:
        raise DataError(
            f"{path}: both columns name {held[0]} of the {len(wanted)} chains, and cluster them differently; give "
            "the clusters names of their own"
        )
    return turned if groups[0] is None and groups[1] is not None else rows


def _groups(rows: list[Row], wanted: set[str]) -> set[frozenset[str]] | None:
    """The clusters of the ids; None where one stands in two."""
    cluster_of: dict[str, str] = {}
    members: dict[str, set[str]] = {}
    for _, chain, cluster in rows:
        if chain in wanted:
            if cluster_of.setdefault(chain, cluster) != cluster:
                return None
            members.setdefault(cluster, set()).add(chain)
    return {frozenset(group) for group in members.values()}


def _rows(path: Path) -> list[Row]:
    rows: list[Row] = []
    problems = FileProblems(path)
    for number, line in enumerate(to_lines(read_bytes(path)), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        cells = [cell.strip() for cell in (line.split("\t") if "\t" in line else line.split())]
        if len(cells) < 2 or not cells[0] or not cells[1]:
            problems.add(number, "expected two columns separated by a tab: chain id, cluster")
        elif fault := id_fault(cells[0]) or id_fault(cells[1]):
            problems.add(number, f"a chain id or cluster {fault}")
        else:
            rows.append((number, cells[0], cells[1]))
    problems.raise_any()
    if not rows:
        raise DataError(f"{path}: is empty; expected two columns separated by a tab: chain id, cluster")
    return rows


def _missing(path: Path, missing: list[str], total: int) -> str:
    shown = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
    return (
        f"{path}: has no cluster for {len(missing)} of {total} chains ({shown}); add a line for each "
        "(a chain without relatives gets a cluster of its own), or remove cv.groups from the spec"
    )
