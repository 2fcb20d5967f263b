"""That all forms compute the same thing, checked before any clock is read.

Inputs of the model are compared as float32, scores as the float32 that the models give. A difference is counted in
units in the last place (ulp): steps between neighbouring float32 numbers. NaN agrees with NaN.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.by_hand import in_numpy, in_pandas, in_polars
from benchmarks.by_hand.row import inputs as row_inputs
from benchmarks.loans import FEATURES
from benchmarks.material import MODELS, Material
from benchmarks.peer import session

MOST_ULP = {"features": 1, "scores": 64}
TABLE_ROWS = 100_000
SINGLE_ROWS = 1_000


class Disagreement(Exception):
    """Two forms of a case do not give the same numbers, so comparing their times would mean nothing."""


def check(material: Material) -> list[dict[str, Any]]:
    """Every form against ours: rows compared, values that differ, largest difference in ulp.

    Raises Disagreement when a difference is larger than `MOST_ULP` allows.
    """
    import polars as pl

    table = material.table(0).slice(0, TABLE_ROWS)
    single = material.single_rows[:SINGLE_ROWS]
    single_table = pa.Table.from_pylist(single, table.schema)
    ours, ours_single = FEATURES.matrix(table), FEATURES.matrix(single_table)
    polars_frame = pl.from_arrow(table)
    found = [
        compared("features", "sternpost, polars frame", ours, FEATURES.matrix(polars_frame)),
        compared("features", "polars", ours, in_polars.inputs(polars_frame.lazy())),
        compared("features", "pandas", ours, in_pandas.inputs(table.to_pandas())),
        compared("features", "numpy", ours, in_numpy.inputs(table)),
        compared("features", "python", ours_single, np.concatenate([row_inputs(row) for row in single])),
    ]
    for model in MODELS:
        bundle = material.bundle(model)
        scores = np.array([bundle.score(row).score for row in single])
        batch = bundle.score(single_table)["score"].to_numpy()
        found.append(compared("scores", f"{model}: sternpost, as a table", scores, batch))
        runtime = session(material.onnx_path(model), threads=1)
        peer = [runtime.run(["probabilities"], {"input": row_inputs(row)})[0][0, 1] for row in single]
        found.append(compared("scores", f"{model}: python + onnxruntime", scores, np.array(peer)))
        batch = runtime.run(["probabilities"], {"input": ours_single})[0][:, 1]
        found.append(compared("scores", f"{model}: onnxruntime, as a batch", scores, batch))
    return found


def compared(what: str, form: str, ours: Any, theirs: Any) -> dict[str, Any]:
    """The difference between two arrays as a record. Raises Disagreement."""
    a, b = (np.ascontiguousarray(x, np.float32) for x in (ours, theirs))
    if a.shape != b.shape:
        raise Disagreement(f"{what}, {form}: {b.shape} where ours is {a.shape}")
    both_nan = np.isnan(a) & np.isnan(b)
    ulp = np.where(both_nan, 0, np.abs(_steps(a) - _steps(b)))
    record = {"what": what, "form": form, "rows": len(a), "values_that_differ": int((ulp > 0).sum())}
    most = int(ulp.max(initial=0))
    if most > MOST_ULP[what]:
        worst = np.unravel_index(int(ulp.argmax()), ulp.shape)
        place = f"row {worst[0]}" + (f", input {FEATURES.names[worst[1]]}" if len(worst) == 2 else "")
        raise Disagreement(f"{what}, {form}: {place} is {b[worst]!r} where ours is {a[worst]!r}, {most} ulp away")
    return record | {"largest_ulp": most}


def _steps(x: Any) -> Any:
    """Numbers whose differences count float32 values in between, through zero too."""
    bits = x.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
