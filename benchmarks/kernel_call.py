"""Calling a compiled kernel by its address, without the engine: what the features cost with everything in the cache."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sternpost.features import Kernel

_P = ctypes.c_void_p
_FUNCTION = ctypes.CFUNCTYPE(ctypes.c_int32, _P, _P, ctypes.c_int64, _P, _P, _P, _P, _P)
_NULL_INT = -(2**63)


def over_blocks(kernel: Kernel, table: pa.Table, rows: int, block_rows: int) -> Callable[[Any], None]:
    """A call that runs the kernel over `rows` rows, block by block, the blocks being those of `table` in turn."""
    function = _FUNCTION(kernel.loaded.address)
    count = max(1, rows // block_rows)
    distinct = max(1, min(count, table.num_rows // block_rows, 64))
    output = [np.empty(block_rows) for _ in kernel.outputs]
    blocks = [_pointers(kernel, table.slice(i * block_rows, block_rows), output) for i in range(distinct)]
    length = min(block_rows, table.num_rows)
    value, exception = ctypes.c_int64(), _P()

    def run(_: Any) -> None:
        for i in range(count):
            tables, _kept = blocks[i % distinct]
            if function(ctypes.byref(value), ctypes.byref(exception), length, *tables):
                raise RuntimeError("a feature raised on the benchmark's own rows")

    return run


def _pointers(kernel: Kernel, block: pa.Table, output: list[Any]) -> tuple[list[Any], Any]:
    """The kernel's pointer tables over a block, and what keeps the memory behind them."""
    columns: dict[str, list[Any]] = {"f64": [], "i64": [], "i32": [], "i8": []}
    for column in kernel.contract.columns:
        values = block[column.name].combine_chunks()
        if column.type == "float":
            columns["f64"].append(np.ascontiguousarray(values.to_numpy(zero_copy_only=False), np.float64))
        elif column.type == "category":
            codes = pc.fill_null(pc.index_in(values, value_set=pa.array(column.categories)), -1)
            columns["i32"].append(np.ascontiguousarray(codes.to_numpy(zero_copy_only=False), np.int32))
        else:
            columns["i64"].append(np.ascontiguousarray(pc.fill_null(values, _NULL_INT).to_numpy(zero_copy_only=False)))
    lists = [*columns.values(), output]
    tables = [(_P * max(1, len(arrays)))(*(array.ctypes.data for array in arrays)) for arrays in lists]
    return tables, lists
