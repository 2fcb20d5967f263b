"""A contract as a value: columns with their rules, in JSON and as an Arrow schema.

This is what travels: into the bundle, to the engine, to a client. It is immutable; `learn` returns a new one. The
JSON is canonical (sorted keys, no blanks), so equal contracts have equal bytes.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from sternpost.contract.duration import duration
from sternpost.contract.types import COLUMN_TYPES, ColumnType
from sternpost.errors import ContractError, UsageError

FORMAT = 1
METADATA_KEY = b"sternpost.contract"
#: Labels kept when a category learns from data; rarer ones are unseen (-2), in training as in serving.
LEARNED_LABELS_MAX = 255

OnViolation = Literal["refuse", "null", "count"]


@dataclass(frozen=True)
class Column:
    """One column: its type, whether it may be null, its bounds, and what happens to a value that breaks a rule.

    Bounds are in the column's own unit; those of timestamps are microseconds UTC, those of money minor units.
    `known_at` says when a value can be had: "decision", a span of time after the decision ("2h"), "outcome", or None
    where nobody said.
    """

    name: str
    type: ColumnType
    nullable: bool = False
    unit: str | None = None
    description: str | None = None
    ge: float | int | None = None
    gt: float | int | None = None
    le: float | int | None = None
    lt: float | int | None = None
    on_violation: OnViolation = "refuse"
    categories: tuple[str, ...] | None = None
    on_unseen: OnViolation = "count"
    minor_digits: int | None = None
    currency: str | None = None
    known_at: str | None = None

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise ContractError(f"a column needs a name; found {self.name!r}")
        if self.type not in COLUMN_TYPES:
            raise ContractError(f"column {self.name}: type {self.type!r} is none of {', '.join(COLUMN_TYPES)}")
        for rule, on in (("on_violation", self.on_violation), ("on_unseen", self.on_unseen)):
            if on not in ("refuse", "null", "count"):
                raise ContractError(f"column {self.name}: {rule}={on!r} is none of refuse, null, count")
            if on == "null" and not self.nullable:
                raise ContractError(
                    f"column {self.name}: {rule}='null' needs a place for the null; "
                    f"annotate the column `{self.type} | None`"
                )
        self._check_bounds()
        self._check_known_at()
        if self.categories is not None:
            if self.type != "category":
                raise ContractError(f"column {self.name}: only a Category lists categories, not a {self.type}")
            if len(set(self.categories)) != len(self.categories):
                raise ContractError(f"column {self.name}: a category is listed twice: {list(self.categories)}")
        if self.type == "money" and self.minor_digits is None:
            object.__setattr__(self, "minor_digits", 2)

    def _check_known_at(self) -> None:
        if self.known_at in (None, "decision", "outcome"):
            return
        try:
            span = duration(str(self.known_at), "known_at")
        except UsageError:
            raise ContractError(
                f"column {self.name}: known_at={self.known_at!r} is none of 'decision', 'outcome', or a span of time "
                f"after the decision such as '2h'"
            ) from None
        if not span:
            object.__setattr__(self, "known_at", "decision")

    def _check_bounds(self) -> None:
        given = {k: v for k in ("ge", "gt", "le", "lt") if (v := getattr(self, k)) is not None}
        if not given:
            return
        if self.type in ("bool", "category"):
            raise ContractError(f"column {self.name}: a {self.type} has no bounds; found {given}")
        for rule, bound in given.items():
            if isinstance(bound, bool) or not isinstance(bound, (int, float)) or math.isnan(bound):
                raise ContractError(f"column {self.name}: {rule}={bound!r} is not a number")
            if self.type != "float" and not isinstance(bound, int):
                raise ContractError(
                    f"column {self.name}: {rule}={bound!r} must be a whole number, as the column is {self.type}"
                )
            if self.type == "float":
                object.__setattr__(self, rule, float(bound))
        low = max((b for b in (self.ge, self.gt) if b is not None), default=None)
        high = min((b for b in (self.le, self.lt) if b is not None), default=None)
        if low is not None and high is not None and low > high:
            raise ContractError(f"column {self.name}: no value is above {low} and below {high}; check the bounds")

    @property
    def learned(self) -> bool:
        """False for a category that still has to learn its labels."""
        return self.type != "category" or self.categories is not None

    def arrow_type(self) -> pa.DataType:
        """The Arrow type that this column is written as."""
        return {
            "float": pa.float64(),
            "int": pa.int64(),
            "bool": pa.bool_(),
            "category": pa.dictionary(pa.int32(), pa.utf8()),
            "timestamp": pa.timestamp("us", tz="UTC"),
            "money": pa.int64(),
        }[self.type]


@dataclass(frozen=True)
class ContractSpec:
    """What a row must be: a name and its columns, in order."""

    name: str
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        names = [c.name for c in self.columns]
        if not names:
            raise ContractError(f"contract {self.name} has no columns; annotate at least one")
        if len(set(names)) != len(names):
            raise ContractError(f"contract {self.name} names a column twice: {names}")

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """Columns by name."""
        return {c.name: c for c in self.columns}

    @property
    def names(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(c.name for c in self.columns)

    @property
    def unlearned(self) -> tuple[str, ...]:
        """Categories that neither list their labels nor have learned them."""
        return tuple(c.name for c in self.columns if not c.learned)

    def to_json(self) -> str:
        """Canonical JSON. A column's `known_at` is written where it was declared."""
        columns = [asdict(c) for c in self.columns]
        return self._json([{k: v for k, v in c.items() if k != "known_at" or v is not None} for c in columns])

    def rules_json(self) -> str:
        """What the engine reads: the rules that one row has to keep, without when its values can be had."""
        columns = [asdict(c) for c in self.columns]
        for column in columns:
            del column["known_at"]
        return self._json(columns)

    def _json(self, columns: list[dict[str, Any]]) -> str:
        body = {"format": FORMAT, "name": self.name, "columns": columns}
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> ContractSpec:
        """Read what `to_json` wrote. ContractError on anything else."""
        try:
            body = json.loads(text)
            if body["format"] != FORMAT:
                raise ContractError(f"contract format {body['format']!r} is not the format {FORMAT} read here")
            columns = tuple(
                Column(**{**c, "categories": None if c["categories"] is None else tuple(c["categories"])})
                for c in body["columns"]
            )
            return cls(body["name"], columns)
        except (ValueError, KeyError, TypeError) as e:
            raise ContractError(f"this is not a contract written by Sternpost: {e}") from None

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) of the canonical JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def arrow_schema(self) -> pa.Schema:
        """The columns as an Arrow schema that carries the whole contract in its metadata."""
        fields = []
        for c in self.columns:
            notes = {k: v for k, v in (("unit", c.unit), ("description", c.description)) if v}
            fields.append(pa.field(c.name, c.arrow_type(), c.nullable, metadata=notes or None))
        return pa.schema(fields, metadata={METADATA_KEY: self.to_json().encode()})

    @classmethod
    def from_arrow_schema(cls, schema: pa.Schema) -> ContractSpec:
        """The contract inside a schema's metadata. ContractError when there is none."""
        text = (schema.metadata or {}).get(METADATA_KEY)
        if text is None:
            raise ContractError(
                "the Arrow schema carries no contract (metadata key 'sternpost.contract'); "
                "draft one with sternpost.contract.draft(table)"
            )
        return cls.from_json(text)

    def learn(self, table: Any) -> ContractSpec:
        """A contract whose open categories hold the labels found in `table`, sorted.

        `table` is anything with the Arrow PyCapsule interface. At most 255 labels are kept, the most frequent.
        Raises ContractError when a column is missing or is not text.
        """
        if not self.unlearned:
            return self
        arrow = as_table(table, self.unlearned)
        columns = tuple(c if c.learned else replace(c, categories=_labels(c, arrow)) for c in self.columns)
        return ContractSpec(self.name, columns)


def as_table(data: Any, columns: Sequence[str] | None = None) -> pa.Table:
    """Any Arrow-speaking object (pyarrow, polars, pandas, a capsule) as a pyarrow.Table, without copies where possible.

    With `columns`, only those are taken; a missing one is a ContractError.
    """
    if isinstance(data, pa.Table):
        table = data
    elif isinstance(data, pa.RecordBatch):
        table = pa.Table.from_batches([data])
    elif hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__"):
        table = pa.table(data)
    else:
        raise ContractError(
            f"expected an Arrow table (pyarrow, polars, pandas or any object with __arrow_c_stream__), "
            f"found {type(data).__name__}"
        )
    if columns is None:
        return table
    missing = [c for c in columns if c not in table.column_names]
    if missing:
        raise ContractError(
            f"column {missing[0]} is missing; the table has {', '.join(table.column_names[:20]) or 'no columns'}"
        )
    return table.select(list(columns))


def _labels(column: Column, table: pa.Table) -> tuple[str, ...]:
    values = table.column(column.name)
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if not (
        pa.types.is_string(values.type) or pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type)
    ):
        raise ContractError(
            f"column {column.name}: categories are learned from text, found {values.type}; cast it to string"
        )
    counts = pc.value_counts(values.drop_null()).to_pylist()
    ranked = sorted(counts, key=lambda c: (-c["counts"], c["values"]))[:LEARNED_LABELS_MAX]
    return tuple(sorted(c["values"] for c in ranked))
