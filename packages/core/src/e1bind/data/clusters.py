"""Homology clusters: a table of two columns that says which chains must stay in one fold.

Shape of the file: chain id and cluster, separated by a tab (or white space); further columns, a header line, blank
lines and lines that begin with "#" are passed over. MMseqs2 writes the columns the other way round
(representative, member); the column that holds more of the run's ids is taken for the ids.
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
    in two clusters, or ids are missing.
    """
    wanted = set(ids)
    rows = _rows(path)
    if len(wanted & {row[2] for row in rows}) > len(wanted & {row[1] for row in rows}):
        rows = [(line, member, cluster) for line, cluster, member in rows]
    cluster_of: dict[str, str] = {}
    problems = FileProblems(path)
    for line, chain, cluster in rows:
        if chain in wanted and cluster_of.setdefault(chain, cluster) != cluster:
            problems.add(line, f"{chain} stands in clusters {cluster_of[chain]} and {cluster}; keep one")
    problems.raise_any()
    if missing := sorted(wanted - cluster_of.keys()):
        raise DataError(_missing(path, missing, len(wanted)))
    return cluster_of


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
