"""Rows through a bundle: what its contract takes, what its kernel makes of it, what its model says.

A row that the contract refuses has inputs, but no features and no score; what it broke is counted.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sternpost._core import Reference
from sternpost.bundle import Bundle
from sternpost.bundle.profile import minor_units
from sternpost.bundle.reference import make_reference, outputs_of
from sternpost.contract import as_table


@dataclass(frozen=True)
class Passed:
    """The tables of one passage. `inputs` has every row, `features` and `outputs` those that were scored."""

    inputs: pa.Table
    features: pa.Table
    outputs: pa.Table
    #: (column, rule) -> how often.
    broken: Counter[tuple[str, str]]


def through(bundle: Bundle, rows: Any) -> Passed:
    """Score rows, keeping what is watched on the way. Raises ContractError for columns that do not fit."""
    inputs = as_table(rows, bundle.contract.names)
    scores = bundle.score(inputs)
    broken: Counter[tuple[str, str]] = Counter()
    for reason in pc.list_flatten(scores.column("reasons")).to_pylist():
        rule, _, column = reason.partition(":")
        broken[column, rule] += 1
    scored = pc.is_valid(scores.column("score"))
    outputs = outputs_of(scores.filter(scored), bundle.model)
    return Passed(_as_watched(bundle, inputs), bundle.frame(inputs.filter(scored)), outputs, broken)


def _as_watched(bundle: Bundle, inputs: pa.Table) -> pa.Table:
    """Inputs by the measure of the reference: money in minor units, in whatever form it came."""
    for place, column in enumerate(bundle.contract.columns):
        values = inputs.column(place)
        if column.type == "money" and pa.types.is_decimal(values.type):
            inputs = inputs.set_column(place, column.name, minor_units(column, values))
    return inputs


def reference_through(bundle: Bundle, rows: Any) -> Reference:
    """The reference that rows would give, were the bundle built on them; of refused rows nothing is taken."""
    inputs = as_table(rows, bundle.contract.names)
    kept = inputs.filter(pc.is_valid(bundle.score(inputs).column("score")))
    return make_reference(bundle._engine, bundle.kernel, bundle.model, kept)


def known_labels(bundle: Bundle) -> dict[str, frozenset[str]]:
    """The labels that the contract lists, by column."""
    return {c.name: frozenset(c.categories) for c in bundle.contract.columns if c.categories is not None}
