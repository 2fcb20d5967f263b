"""Decisions that are never measured: by id, or by a SQL condition on the decisions table."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.errors import UsageError
from sternpost.outcomes.events import bools
from sternpost.outcomes.label import LabelDefinition


def excluded(decisions: pa.Table, definition: LabelDefinition) -> npt.NDArray[np.bool_]:
    """Per decision [n]: whether the definition excludes it. Raises `UsageError` when its condition is not one."""
    out = np.zeros(len(decisions), dtype=np.bool_)
    if definition.exclude_ids:
        ids = pa.array(sorted(definition.exclude_ids), pa.string())
        out |= bools(pc.is_in(decisions.column("prediction_id"), value_set=ids))
    if definition.exclude_where is not None:
        out |= _matches(decisions, definition.exclude_where)
    return out


def _matches(decisions: pa.Table, condition: str) -> npt.NDArray[np.bool_]:
    import duckdb

    numbered = decisions.append_column("_row", pa.array(np.arange(len(decisions))))
    with duckdb.connect(config={"threads": 1}) as connection:
        # The condition is about rows; it has no business with files or the network.
        connection.execute("SET enable_external_access = false")
        connection.register("decisions", numbered)
        try:
            parsed = connection.execute(f"SELECT _row FROM decisions WHERE ({condition}\n)")
            rows = parsed.fetchnumpy()["_row"]
        except duckdb.Error as e:
            cause = (str(e).strip().splitlines() or ["no reason given"])[0]
            raise UsageError(
                f"exclude_where = {condition!r} cannot be evaluated on the decisions: {cause}; "
                f"write a SQL condition on their columns, e.g. stake = 'shadow'"
            ) from None
    out = np.zeros(len(decisions), dtype=np.bool_)
    out[np.asarray(rows, dtype=np.int64)] = True
    return out
