"""Journalled decisions made again from their inputs, by the bundle that made them: the same bits, or named.

The bits compared are those of the scores; action and label are compared as text. Decisions that the model did not make
(a fallback's, a constant) and those without inputs are left aside.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.bundle import Bundle
from sternpost.outcomes.events import bools, decisions_table
from sternpost.trust.evidence import Replay

Flags = npt.NDArray[np.bool_]
#: Rows that are made again at a time.
_BLOCK = 100_000


@dataclass(frozen=True)
class Replayed:
    """`again` [m]: what the bundle says now of the m decisions in `rows`; `same` [m]: whether bit for bit."""

    rows: pa.Table
    again: pa.Table
    same: Flags

    @property
    def counts(self) -> Replay:
        """As evidence."""
        return Replay(len(self.same), int((~self.same).sum()))


def replay(bundle: Bundle, decisions: pa.Table) -> Replayed:
    """Make the decisions of this bundle again. Raises `ContractError` for inputs that are not of its contract."""
    table = decisions_table(decisions)
    mine = pc.equal(table.column("digest"), bundle.digest)
    if "inputs" not in table.column_names:
        mine = pc.and_(mine, False)
    else:
        mine = pc.and_(mine, pc.is_valid(table.column("inputs")))
    made = pc.is_in(table.column("source"), value_set=pa.array([None, "model", "champion", "none"], pa.string()))
    rows = table.filter(pc.and_(mine, made))
    parts, same = [], [np.zeros(0, dtype=np.bool_)]
    for start in range(0, len(rows), _BLOCK):
        block = rows.slice(start, _BLOCK)
        inputs = block.column("inputs").combine_chunks()
        again = bundle.score(pa.Table.from_struct_array(inputs))
        parts.append(again)
        same.append(_same(block, again))
    return Replayed(rows, pa.concat_tables(parts) if parts else pa.table({}), np.concatenate(same))


def _same(then: pa.Table, now: pa.Table) -> Flags:
    found = np.ones(len(then), dtype=np.bool_)
    for name in ("score", "scores", "label", "action"):
        if name in then.column_names and name in now.column_names:
            found &= _alike(then.column(name), now.column(name))
    return found


def _alike(then: pa.ChunkedArray, now: pa.ChunkedArray) -> Flags:
    if pa.types.is_list(then.type) or pa.types.is_list(now.type):
        pairs = zip(then.to_pylist(), now.to_pylist(), strict=True)
        return np.array([_bits(a) == _bits(b) for a, b in pairs], dtype=np.bool_)
    if pa.types.is_floating(now.type):
        bits = (np.asarray(pc.fill_null(c.cast(pa.float64()), 0.0).to_numpy()).view(np.int64) for c in (then, now))
        same = np.equal(*bits)
    else:
        same = bools(pc.equal(then.cast(pa.string()), now.cast(pa.string())))
    neither = bools(pc.is_null(then)) & bools(pc.is_null(now))
    return np.asarray(neither | (same & bools(pc.is_valid(then)) & bools(pc.is_valid(now))), dtype=np.bool_)


def _bits(values: list[float] | None) -> bytes | None:
    return None if values is None else np.asarray(values, dtype=np.float64).tobytes()
