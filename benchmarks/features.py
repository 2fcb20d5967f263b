"""Features alone: rows in, the model's float32 matrix out, on one core.

From memory, every form starts from what its users hold: ours and numpy from an Arrow table, pandas and polars from
their own frames (converted beforehand, outside of the clock); ours is also given the polars frame as it is. From a
file, every form opens an Arrow file in the page cache in the way that is quickest for it: mapped, or scanned lazily.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.case import OURS, Case, Form
from benchmarks.material import TABLES, Material, Sizes

OURS_FROM_POLARS = "sternpost, polars frame"
# Several in a round: after a pause the first call pays for memory that the system took back meanwhile.
CALLS = 3


def cases(sizes: Sizes, processors: int) -> list[Case]:
    """From memory and from a file, one thread."""
    del processors
    n = sizes.table_rows
    forms = (OURS, OURS_FROM_POLARS, "polars", "pandas", "numpy")
    expected = {"polars": 0.25}
    return [
        Case("features", "from memory", n, CALLS, 1, forms, expected, "table or frame to matrix"),
        Case("features", "from a file", n, CALLS, 1, (OURS, *forms[2:]), expected, "Arrow file to matrix"),
    ]


def form(case: Case, name: str, material: Material) -> Form:
    """See the module's head for what each form starts from."""
    matrix = _matrix(name, material)
    if case.name == "from a file":
        opened = _scanned if name == "polars" else _mapped
        convert = _converter("" if name == "polars" else name)
        paths = [material.table_path(i) for i in range(TABLES)]
        return Form(lambda path: matrix(convert(opened(path))), paths)
    convert = _converter(name)
    return Form(matrix, [convert(material.table(i)) for i in range(TABLES)])


def _matrix(name: str, material: Material) -> Callable[[Any], Any]:
    if name in (OURS, OURS_FROM_POLARS):
        # The bundle's kernel is the feature set's, without compiling it here again.
        bundle = material.bundle("linear")
        return lambda table: bundle.matrix(table, threads=1)
    if name == "polars":
        from benchmarks.by_hand import in_polars

        return in_polars.inputs
    if name == "pandas":
        from benchmarks.by_hand import in_pandas

        return in_pandas.inputs
    from benchmarks.by_hand import in_numpy

    return in_numpy.inputs


def _converter(name: str) -> Callable[[pa.Table], Any]:
    """From an Arrow table to what the form's users hold."""
    if name == "pandas":
        return lambda table: table.to_pandas()
    if name in ("polars", OURS_FROM_POLARS):
        import polars as pl

        if name == "polars":
            return lambda table: pl.from_arrow(table).rechunk().lazy()
        return lambda table: pl.from_arrow(table).rechunk()
    return lambda table: table


def _mapped(path: Path) -> pa.Table:
    return pa.ipc.open_file(pa.memory_map(str(path))).read_all()


def _scanned(path: Path) -> Any:
    import polars as pl

    return pl.scan_ipc(path)
