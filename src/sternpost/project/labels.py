"""The target column: what a value of it means, and how a model gets it.

A bool, text, or a whole number with few values is a class; everything else is a quantity. A null target is an outcome
that is not known: such rows neither train nor measure.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from sternpost.errors import ContractError

#: A whole-number target with more values than this is a quantity to a draft.
CLASSES_MAX = 20


def plain(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without dictionary encoding, NaN as null."""
    if pt.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    return pc.if_else(pc.is_nan(values), None, values) if pt.is_floating(values.type) else values


def to_numpy(name: str, values: pa.ChunkedArray) -> npt.NDArray[Any]:
    """A target without nulls as numpy [n]: bool, int64, float64, or str objects. ContractError for any other type."""
    values = plain(values)
    found = values.type
    if pt.is_boolean(found):
        return np.asarray(values.to_numpy(), dtype=np.bool_)
    if pt.is_integer(found):
        return np.asarray(values.to_numpy(), dtype=np.int64)
    if pt.is_floating(found) or pt.is_decimal(found):
        return np.asarray(values.cast(pa.float64()).to_numpy(), dtype=np.float64)
    if pt.is_string(found) or pt.is_large_string(found) or pt.is_string_view(found):
        return np.array(values.to_pylist(), dtype=object)
    raise ContractError(
        f"target {name} is {found}, from which nothing can be learned; cast it to bool, int64, float64 or string"
    )


def kind_of(name: str, values: pa.ChunkedArray) -> Literal["classes", "quantity"]:
    """Whether a target is a class or a quantity, by its type and, for numbers, its values.

    Raises ContractError for a target that is all null, has a single value, or has a type nothing can be learned from.
    """
    known = plain(values).drop_null()
    to_numpy(name, known.slice(0, 0))
    distinct = pc.count_distinct(known).as_py() if len(known) else 0
    if distinct < 2:
        only = f"only the value {known[0].as_py()!r}" if distinct else "no value that is not null"
        raise ContractError(f"target {name} has {only}; there is nothing to learn")
    if pt.is_integer(known.type):
        return "classes" if distinct <= CLASSES_MAX else "quantity"
    if pt.is_floating(known.type):
        return (
            "classes"
            if set(pc.unique(known.slice(0, 1000)).to_pylist()) | {0.0, 1.0} == {0.0, 1.0}
            and bool(pc.all(pc.is_in(known, pa.array([0.0, 1.0], known.type))).as_py())
            else "quantity"
        )
    return "quantity" if pt.is_decimal(known.type) else "classes"
