"""One row, every way to score it, the same bits.

An answer is the bit pattern of the score, the action and the reasons. The first route, one dict at a time, is what
the others are held against; an answer differs when any of the three does.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sternpost._core import Decision
from sternpost.bundle import Bundle, open_bundle

#: (bit pattern of the score as hex, None without a score; action; reasons)
Answer = tuple[str | None, str | None, tuple[str, ...]]
_ANSWER = ("score", "action", "reasons")


@dataclass(frozen=True)
class Route:
    """How many rows went this way, and how many of their answers differ from the first route's."""

    name: str
    rows: int
    differing: int


def choose(scored: pa.Table, wanted: int) -> list[int]:
    """Row numbers, ascending: `wanted` rows spread evenly, and half as many of those that come with a reason."""
    spread = _evenly(np.arange(scored.num_rows), wanted)
    with_reason = np.flatnonzero(pc.greater(pc.list_value_length(scored.column("reasons")), 0).to_numpy())
    return sorted({*spread.tolist(), *_evenly(with_reason, wanted // 2).tolist()})


def compare(bundle: Bundle, path: Path, rows: pa.Table, scored: Path, picked: list[int]) -> list[Route]:
    """Score the `picked` rows of `rows` on every route.

    `path` is where `bundle` was saved; the Parquet file `scored` holds the scores of all `rows`, in order. Columns of
    `rows` that are not in the contract are left out.
    """
    table = rows.select(list(bundle.contract.names))
    few = table.take(picked)
    dicts = few.to_pylist()
    routes: list[tuple[str, Callable[[], Iterator[Answer]]]] = [
        ("one dict at a time", lambda: map(of_decision, map(bundle.score, dicts))),
        ("a table of these rows", lambda: of_table(bundle.score(few))),
        ("a table of all rows, 1 thread", lambda: of_table(bundle.score(table, threads=1).take(picked))),
        ("a table of all rows, 4 threads", lambda: of_table(bundle.score(table, threads=4).take(picked))),
        ("the scored Parquet file", lambda: of_table(pq.read_table(scored, columns=list(_ANSWER)).take(picked))),
    ]
    opened = open_bundle(path)
    routes += [
        ("the bundle opened again, dicts", lambda: map(of_decision, map(opened.score, dicts))),
        ("the bundle opened again, a table", lambda: of_table(opened.score(few))),
    ]
    answers = [(name, list(answer())) for name, answer in routes]
    first = answers[0][1]
    return [Route(name, len(found), sum(a != b for a, b in zip(first, found, strict=True))) for name, found in answers]


def of_decision(decision: Decision) -> Answer:
    """The answer in a Decision."""
    return _bits(decision.score), decision.action, tuple(decision.reasons)


def of_table(scored: pa.Table) -> Iterator[Answer]:
    """The answers in a scored table, row by row."""
    columns = (scored.column(name).to_pylist() for name in _ANSWER)
    for score, action, reasons in zip(*columns, strict=True):
        yield _bits(score), action, tuple(reasons)


def _bits(score: float | None) -> str | None:
    return None if score is None else struct.pack(">d", score).hex()


def _evenly(numbers: npt.NDArray[np.int64], wanted: int) -> npt.NDArray[np.int64]:
    places = np.linspace(0, len(numbers) - 1, min(wanted, len(numbers)))
    return numbers[places.astype(np.int64)]
