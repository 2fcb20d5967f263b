"""A small engine whose every part is made here: a contract, a kernel written as LLVM IR, models made node by node.

Features: `doubled = 2 * speed_mph` and `code = carrier` (category), computed in this order; a row with `legs == 13`
raises after `doubled`.
"""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
from onnx import TensorProto, helper

from sternpost import _core

COLUMNS = [
    {"name": "speed_mph", "type": "float", "nullable": True, "unit": "mph", "ge": 0.0, "le": 150.0},
    {"name": "legs", "type": "int", "nullable": False},
    {"name": "night", "type": "bool", "nullable": True},
    {"name": "carrier", "type": "category", "nullable": True, "categories": ["AA", "UA"]},
    {"name": "departs_utc", "type": "timestamp", "nullable": True},
    {"name": "fare", "type": "money", "nullable": True, "minor_digits": 2},
]
FEATURES = [{"name": "doubled", "type": "float"}, {"name": "code", "type": "category"}]
POLICY = {"bands": [{"below": 10.0, "action": "go"}, {"below": None, "action": "wait"}], "refused": "ask"}

KERNEL = """
define i32 @sternpost_kernel(ptr %ret, ptr %exc, i64 %n, ptr %f64, ptr %i64, ptr %i32, ptr %i8, ptr %out) {
entry:
  %speeds = load ptr, ptr %f64
  %legs = load ptr, ptr %i64
  %carriers = load ptr, ptr %i32
  %doubled = load ptr, ptr %out
  %codes.at = getelementptr ptr, ptr %out, i64 1
  %codes = load ptr, ptr %codes.at
  br label %row
row:
  %i = phi i64 [0, %entry], [%next, %done]
  %speed.at = getelementptr double, ptr %speeds, i64 %i
  %speed = load double, ptr %speed.at
  %twice = fmul double %speed, 2.0
  %doubled.at = getelementptr double, ptr %doubled, i64 %i
  store double %twice, ptr %doubled.at
  %leg.at = getelementptr i64, ptr %legs, i64 %i
  %leg = load i64, ptr %leg.at
  %bad = icmp eq i64 %leg, 13
  br i1 %bad, label %raise, label %done
done:
  %carrier.at = getelementptr i32, ptr %carriers, i64 %i
  %carrier = load i32, ptr %carrier.at
  %code = sitofp i32 %carrier to double
  %code.at = getelementptr double, ptr %codes, i64 %i
  store double %code, ptr %code.at
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, %n
  br i1 %more, label %row, label %end
end:
  ret i32 0
raise:
  ret i32 1
}
"""


@cache
def kernel() -> tuple[int, object]:
    """The compiled kernel's address, and what keeps it mapped."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(KERNEL), machine)
    engine.finalize_object()
    return engine.get_function_address("sternpost_kernel"), engine


@cache
def start_runtime() -> None:
    spec = find_spec("onnxruntime")
    assert spec is not None
    assert spec.origin is not None
    (library,) = (Path(spec.origin).parent / "capi").glob("libonnxruntime.so*")
    _core.init_onnxruntime(str(library))


def onnx_model(outputs: int) -> bytes:
    """`y = x @ w` with w = [[1, -1, ..], [10, 20, ..]], width 2 -> `outputs`."""
    weights = np.array([[(-1.0) ** k for k in range(outputs)], [10.0 * (k + 1) for k in range(outputs)]], "float32")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["X", "w"], ["Y"])],
        "flight",
        [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("Y", TensorProto.FLOAT, [None, outputs])],
        [helper.make_tensor("w", TensorProto.FLOAT, weights.shape, weights.ravel())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()


def model_spec(kind: str, outputs: int, classes: list[str] | None = None, **changed: object) -> dict[str, object]:
    spec = {"kind": kind, "classes": classes, "input": "X", "output": "Y", "features": 2, "outputs": outputs}
    return spec | {"positive": outputs - 1, "min_rows": 1, "chunk_rows": 64} | changed


def engine(model: dict[str, object] | None, *, columns: list[dict[str, object]] = COLUMNS) -> _core.Engine:
    """An engine over `columns`, with the kernel above and, if a description is given, its model."""
    start_runtime()
    address, guard = kernel()
    spec = {
        "contract": {"format": 1, "name": "Flight", "columns": columns},
        "features": FEATURES,
        "order": [0, 1],
        "model": model,
        "policy": POLICY,
        "bundle": {"name": "flight", "digest": "sha256:00"},
    }
    onnx = None if model is None else onnx_model(model["outputs"])
    return _core.Engine(json.dumps(spec), kernel_address=address, kernel_guard=guard, onnx=onnx)
