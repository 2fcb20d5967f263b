"""Golden rows: inputs with the bits they gave when the bundle was built, replayed at every open.

They are chosen to be the rows where a difference would show: real rows of the reference, the smallest and largest
value of each column, the bounds themselves and a step beyond, nulls, labels that nobody has seen. A bundle whose
golden rows give one other bit on a machine does not open there.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sternpost._core import Engine
from sternpost.contract import Column, ContractSpec
from sternpost.errors import BundleCorrupt, GoldenMismatch, ModelError

ROWS_MIN = 256
_UNSEEN = "a label that nobody has seen"


@dataclass(frozen=True)
class Golden:
    """`rows`: contract columns, n >= 256; `features` float64 [n, F]; `scores` float64 [n, K]; a refused row is NaN."""

    rows: pa.Table
    features: bytes
    scores: bytes

    def to_parts(self) -> dict[str, bytes]:
        """As parts of a bundle: an Arrow file, and the little-endian float64 bits beside it."""
        sink = io.BytesIO()
        with pa.ipc.new_file(sink, self.rows.schema) as writer:
            writer.write_table(self.rows)
        return {"golden.arrow": sink.getvalue(), "golden.features": self.features, "golden.scores": self.scores}

    @classmethod
    def from_parts(cls, parts: dict[str, bytes]) -> Golden:
        """The counterpart of `to_parts`. BundleCorrupt when the rows cannot be read."""
        try:
            rows = pa.ipc.open_file(pa.py_buffer(parts["golden.arrow"])).read_all()
        except (pa.ArrowInvalid, OSError) as e:
            raise BundleCorrupt(f"part golden.arrow: not an Arrow file ({str(e).splitlines()[0]})") from None
        return cls(rows, parts["golden.features"], parts["golden.scores"])


def choose_rows(contract: ContractSpec, reference: pa.Table, seed: int = 0) -> pa.Table:
    """At least 256 rows of the contract's columns, by the rules in the module's head. Deterministic in its inputs."""
    random_source = random.Random(seed)
    n = reference.num_rows
    picked = sorted(random_source.sample(range(n), min(n, 128))) if n else []
    for column in contract.columns:
        picked.extend(_extremes(column, reference.column(column.name)))
    base = [_row(contract, reference, i) for i in dict.fromkeys(picked)]
    rows = list(base)
    for column in contract.columns:
        for value in _edges(column):
            rows.append({**random_source.choice(base), column.name: value})
    while len(rows) < ROWS_MIN:
        rows.append(_row(contract, reference, random_source.randrange(n)))
    return _table(contract, rows)


def record(engine: Engine, rows: pa.Table, positive: int | None) -> Golden:
    """Run the rows and keep their bits; every row is also scored alone, and must agree.

    `positive` is the column of the model's output that is the score; None when all of them are (multiclass).

    Raises ModelError when one row alone gives other bits than the same row among others.
    """
    features, scores = engine.golden(rows)
    width = len(scores) // 8 // rows.num_rows
    expected = np.frombuffer(scores, np.uint64).reshape(rows.num_rows, width)
    for i, row in enumerate(_python_rows(rows)):
        decision = engine.score_row(row)
        if decision.score is None:
            continue
        alone = np.array(decision.scores or [decision.score], np.float64).view(np.uint64)
        together = expected[i] if positive is None else expected[i, positive : positive + 1]
        if not np.array_equal(alone, together):
            raise ModelError(
                f"row {i} scores {decision.score!r} alone and other bits among {rows.num_rows} rows; "
                f"the model's kernels depend on the batch in a way that padding does not cure"
            )
    return Golden(rows, features, scores)


def replay(engine: Engine, golden: Golden, names: tuple[str, ...]) -> None:
    """Raises GoldenMismatch, naming row and feature, when one bit differs from what was recorded."""
    features, scores = engine.golden(golden.rows)
    n = golden.rows.num_rows
    for what, found, recorded in (("feature", features, golden.features), ("score", scores, golden.scores)):
        if found == recorded:
            continue
        if len(found) != len(recorded):
            raise BundleCorrupt(f"part golden.{what}s: {len(recorded)} bytes, expected {len(found)}")
        a, b = (np.frombuffer(x, np.float64).reshape(n, -1) for x in (recorded, found))
        differs = a.view(np.uint64) != b.view(np.uint64)
        row, place = (int(i) for i in np.argwhere(differs)[0])
        name = names[place] if what == "feature" else f"score {place}"
        raise GoldenMismatch(
            f"{int(differs.any(axis=1).sum())} of {n} golden rows give other bits here: row {row}, {name}: "
            f"recorded {a[row, place]!r}, found {b[row, place]!r}; this machine's libraries or CPU compute "
            f"differently, so build the bundle on this kind of machine"
        )


def _extremes(column: Column, values: pa.ChunkedArray) -> Iterator[int]:
    """Indices of a smallest, a largest and a null value."""
    if column.type not in ("category", "bool") and len(values) > values.null_count:
        ends = pc.min_max(values)
        for end in ("min", "max"):
            at = pc.index(values, ends[end]).as_py()
            if at >= 0:
                yield at
    if values.null_count:
        yield pc.index(values.is_null(), True).as_py()


def _edges(column: Column) -> Iterator[Any]:
    """Values at the edge of what the contract says, on both sides."""
    if column.type == "category":
        yield from (column.categories or ())[:3]
        yield _UNSEEN
    for bound in (column.ge, column.gt, column.le, column.lt):
        if bound is None:
            continue
        yield bound
        if isinstance(bound, float):
            yield from (math.nextafter(bound, -math.inf), math.nextafter(bound, math.inf))
        else:
            yield from (bound - 1, bound + 1)
    if column.type == "float":
        yield from (0.0, -0.0, math.inf)
    if column.type == "bool":
        yield from (True, False)
    yield None


def _row(contract: ContractSpec, table: pa.Table, i: int) -> dict[str, Any]:
    return {c.name: _plain(c, table.column(c.name)[i]) for c in contract.columns}


def _plain(column: Column, scalar: pa.Scalar) -> Any:
    """A Python value that `_table` can write again: whole microseconds and minor units rather than their classes."""
    if not scalar.is_valid:
        return None
    if column.type == "timestamp":
        return scalar.cast(pa.timestamp("us", tz="UTC")).value
    if column.type == "money" and pa.types.is_decimal(scalar.type):
        return int(scalar.as_py().scaleb(column.minor_digits or 0))
    return scalar.as_py()


def _table(contract: ContractSpec, rows: list[dict[str, Any]]) -> pa.Table:
    plain = {"float": pa.float64(), "int": pa.int64(), "bool": pa.bool_(), "category": pa.utf8(), "money": pa.int64()}
    arrays = []
    for c in contract.columns:
        values = [r[c.name] for r in rows]
        if c.type == "timestamp":
            arrays.append(pa.array(values, pa.int64()).cast(pa.timestamp("us", tz="UTC")))
        else:
            arrays.append(pa.array(values, plain[c.type], from_pandas=False))
    return pa.table(arrays, names=list(contract.names))


def _python_rows(rows: pa.Table) -> Iterator[dict[str, Any]]:
    columns = {
        name: (
            rows.column(name).cast(pa.int64()) if pa.types.is_timestamp(rows.schema.field(name).type) else rows[name]
        )
        for name in rows.column_names
    }
    lists = {name: column.to_pylist() for name, column in columns.items()}
    for i in range(rows.num_rows):
        yield {name: values[i] for name, values in lists.items()}
