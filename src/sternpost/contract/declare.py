"""Declaring a contract as a class.

    class Flight(sp.Contract):                       # one row, as known at decision time
        carrier: sp.Category
        distance_mi: float = sp.column(unit="mile", ge=0)
        wind_speed_mph: float | None = sp.column(unit="mph", ge=0, le=150)

The class is a declaration and is never instantiated: its annotations become a `ContractSpec` once, when the class
is made, and every mistake in them is found then.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, get_type_hints

import pyarrow as pa

from sternpost.contract.spec import Column, ContractSpec, OnViolation, as_table
from sternpost.contract.types import microseconds, read_annotation
from sternpost.errors import ContractError

if TYPE_CHECKING:
    from sternpost._core import Violation


@dataclass(frozen=True)
class _Settings:
    """What `column(...)` was told, until the class body is complete and the type is known."""

    values: dict[str, Any]


def column(
    *,
    unit: str | None = None,
    description: str | None = None,
    ge: float | dt.datetime | None = None,
    gt: float | dt.datetime | None = None,
    le: float | dt.datetime | None = None,
    lt: float | dt.datetime | None = None,
    on_violation: OnViolation = "refuse",
    categories: Sequence[str] | None = None,
    on_unseen: OnViolation = "count",
    minor_digits: int | None = None,
    currency: str | None = None,
    known_at: str | None = None,
) -> Any:
    """Settings of one column of a contract.

    Bounds of a Timestamp are aware datetimes. `on_violation` says what happens to a value that breaks a rule:
    "refuse" the row (no score), make it "null" (only where the column may be null), or "count" it and go on.
    `categories` lists the labels; without it they are learned from the training data. `on_unseen` is the same
    choice for a label that is not listed ("count": it scores as the code -2). `minor_digits` (default 2) says how
    many decimal digits an amount of Money has. `known_at` says when a value can be had, which the leak audit holds
    against the features: "decision", a span of time after the decision ("2h"), or "outcome". What holds for most
    columns is said once, `class Flight(sp.Contract, known_at="decision")`.
    """
    bounds = {
        rule: microseconds(bound) if isinstance(bound, dt.datetime) else bound
        for rule, bound in (("ge", ge), ("gt", gt), ("le", le), ("lt", lt))
    }
    return _Settings(
        {
            **bounds,
            "unit": unit,
            "description": description,
            "on_violation": on_violation,
            "categories": None if categories is None else tuple(categories),
            "on_unseen": on_unseen,
            "minor_digits": minor_digits,
            "currency": currency,
            "known_at": known_at,
        }
    )


class ContractMeta(type):
    """Turns the annotations of a Contract class into its `spec`; the class-level API lives here."""

    _spec: ContractSpec | None

    def __new__(
        mcs, name: str, bases: tuple[type, ...], body: dict[str, Any], *, known_at: str | None = None
    ) -> ContractMeta:
        settings = {k: v for k, v in body.items() if isinstance(v, _Settings)}
        cls = super().__new__(mcs, name, bases, {k: v for k, v in body.items() if k not in settings})
        inherited: dict[str, Column] = {}
        for base in reversed(cls.__mro__[1:]):
            if isinstance(base, ContractMeta) and base._spec is not None:
                inherited.update(base._spec.by_name)
        own = _own_columns(cls, body, settings, known_at)
        columns = {**inherited, **own}
        cls._spec = ContractSpec(name, tuple(columns.values())) if columns else None
        return cls

    def __init__(
        cls,
        name: str,
        bases: tuple[type, ...],
        body: dict[str, Any],
        *,
        known_at: str | None = None,  # noqa: ARG002 - read by __new__; a class's keywords are given to both
    ) -> None:
        super().__init__(name, bases, body)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - the signature of type.__call__
        raise ContractError(f"{cls.__name__} is a declaration, not a row; pass rows as dicts or Arrow tables")

    @property
    def spec(cls) -> ContractSpec:
        """The contract as a value."""
        if cls._spec is None:
            raise ContractError(f"contract {cls.__name__} has no columns; annotate at least one")
        return cls._spec

    def learn(cls, table: Any) -> ContractSpec:
        """The spec with open categories learned from `table`; see ContractSpec.learn."""
        return cls.spec.learn(table)

    def check(cls, table: Any, *, limit: int = 100) -> list[Violation]:
        """Up to `limit` violations of the contract in `table`, in row order; learns open categories from it first."""
        return check(cls.spec, table, limit=limit)

    def arrow_schema(cls) -> pa.Schema:
        """See ContractSpec.arrow_schema."""
        return cls.spec.arrow_schema()


def check(contract: ContractSpec, table: Any, *, limit: int = 100) -> list[Violation]:
    """Up to `limit` violations in `table`, in row order, by the rules the engine applies when it scores.

    Raises ContractError when columns are missing or have the wrong type.
    """
    import json

    from sternpost._core import Engine

    arrow = as_table(table)
    learned = contract.learn(arrow)
    spec = {
        "contract": json.loads(learned.rules_json()),
        "features": [],
        "order": [],
        "model": None,
        "policy": None,
    }
    return Engine(json.dumps({**spec, "bundle": {"name": contract.name, "digest": ""}})).check(arrow, limit)


def spec_of(contract: type[Contract] | ContractSpec) -> ContractSpec:
    """The spec behind a Contract class, or the spec itself."""
    if isinstance(contract, ContractSpec):
        return contract
    if isinstance(contract, ContractMeta):
        return contract.spec
    raise ContractError(f"expected a Contract class, found {contract!r}")


def _own_columns(
    cls: type, body: dict[str, Any], settings: dict[str, _Settings], known_at: str | None
) -> dict[str, Column]:
    written = body.get("__annotations__", {})
    stray = [k for k in settings if k not in written]
    if stray:
        raise ContractError(f"{cls.__name__}.{stray[0]} = sp.column(...) has no type; write `{stray[0]}: float = ...`")
    if not written:
        return {}
    try:
        hints = get_type_hints(cls)
    except NameError as e:
        raise ContractError(f"contract {cls.__name__}: {e}; import the type, or write it as sp.Category") from None
    columns = {}
    for name in written:
        found = read_annotation(hints[name])
        if found is None:
            raise ContractError(
                f"{cls.__name__}.{name}: {written[name]!r} is not a column type; use float, int, bool, sp.Category, "
                f"sp.Timestamp or sp.Money, each `| None` where the value may be missing"
            )
        if name not in settings and name in body:
            raise ContractError(f"{cls.__name__}.{name} has the value {body[name]!r}; write `= sp.column(...)`")
        column_type, nullable = found
        found_column = Column(name, column_type, nullable)
        if name in settings:
            found_column = replace(found_column, **settings[name].values)
        columns[name] = found_column if found_column.known_at else replace(found_column, known_at=known_at)
    return columns


class Contract(metaclass=ContractMeta):
    """Base of the classes that declare what a row must be."""
