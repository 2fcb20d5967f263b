"""Features alone: rows in memory, the model's float32 matrix out, on one core.

Every form starts from what its users hold: ours and numpy from an Arrow table, pandas and polars from their own
frames (converted beforehand, outside of the clock). Ours is also given the polars frame as it is.
"""

from __future__ import annotations

from typing import Any

from benchmarks.case import OURS, Case, Form
from benchmarks.material import TABLES, Material, Sizes

OURS_FROM_POLARS = "sternpost, polars frame"


def cases(sizes: Sizes, processors: int) -> list[Case]:
    """One case, one thread."""
    del processors
    forms = (OURS, OURS_FROM_POLARS, "polars", "pandas", "numpy")
    return [Case("features", "matrix", sizes.table_rows, 1, 1, forms, {"polars": 0.25}, "46 inputs from 20 columns")]


def form(case: Case, name: str, material: Material) -> Form:
    """See the module's head for what each form starts from."""
    tables = [material.table(i) for i in range(TABLES)]
    if name in (OURS, OURS_FROM_POLARS):
        # The bundle's kernel is the feature set's, without compiling it here again.
        bundle = material.bundle("linear")

        def matrix(table: Any) -> Any:
            return bundle.matrix(table, threads=case.threads)

        return Form(matrix, tables if name == OURS else [_polars(t) for t in tables])
    if name == "polars":
        from benchmarks.by_hand import in_polars

        return Form(in_polars.inputs, [_polars(t).lazy() for t in tables])
    if name == "pandas":
        from benchmarks.by_hand import in_pandas

        return Form(in_pandas.inputs, [t.to_pandas() for t in tables])
    from benchmarks.by_hand import in_numpy

    return Form(in_numpy.inputs, tables)


def _polars(table: Any) -> Any:
    import polars as pl

    return pl.from_arrow(table).rechunk()
