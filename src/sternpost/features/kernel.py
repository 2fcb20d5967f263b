"""A compiled feature set without its authors' functions: what a bundle carries and what an engine runs.

It knows the contract, the outputs, the code in both forms, and how to become an engine; it needs neither numba nor
the Python source. `FeatureSet` makes one by compiling, a bundle makes one by reading.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sternpost._core import Engine
from sternpost.contract import ContractSpec, as_table
from sternpost.contract.types import ColumnType
from sternpost.errors import KernelError
from sternpost.features.machine_code import LoadedKernel, load_kernel

FORMAT = 1


@dataclass(frozen=True)
class Output:
    """One output of a kernel, a feature or a column passed on, with the words its author gave it."""

    name: str
    type: ColumnType
    unit: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Kernel:
    """Compiled features for one contract.

    `outputs` in the order of the model's inputs; `order` their indices in the order one row computes them;
    `intermediate` and `object_code` the code in both forms; `sources` the normalised source of every function.
    """

    contract: ContractSpec
    outputs: tuple[Output, ...]
    order: tuple[int, ...]
    intermediate: str
    object_code: bytes
    sources: dict[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the outputs, in order."""
        return tuple(o.name for o in self.outputs)

    @cached_property
    def loaded(self) -> LoadedKernel:
        """The code, ready to be called in this process. KernelError when it cannot be loaded."""
        return load_kernel(self.object_code, self.intermediate)

    def engine(
        self,
        *,
        onnx: bytes | None = None,
        model: dict[str, Any] | None = None,
        policy: dict[str, Any] | None = None,
        name: str = "",
        digest: str = "",
    ) -> Engine:
        """An engine over this kernel; with `onnx` and `model` (its spec) it scores, without it builds frames."""
        spec = {
            "contract": json.loads(self.contract.rules_json()),
            "features": [{"name": o.name, "type": o.type} for o in self.outputs],
            "order": list(self.order),
            "model": model,
            "policy": policy,
            "bundle": {"name": name, "digest": digest},
        }
        loaded = self.loaded
        return Engine(json.dumps(spec), kernel_address=loaded.address, kernel_guard=loaded.guard, onnx=onnx)

    def to_json(self) -> str:
        """Outputs, order and sources as canonical JSON; the code travels beside it."""
        body = {
            "format": FORMAT,
            "outputs": [asdict(o) for o in self.outputs],
            "order": list(self.order),
            "sources": self.sources,
        }
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str | bytes, contract: ContractSpec, intermediate: str, object_code: bytes) -> Kernel:
        """The counterpart of `to_json`. KernelError on anything it did not write."""
        try:
            body = json.loads(text)
            if body["format"] != FORMAT:
                raise KernelError(f"features of format {body['format']!r}; this version reads format {FORMAT}")
            outputs = tuple(Output(**o) for o in body["outputs"])
            return cls(contract, outputs, tuple(body["order"]), intermediate, object_code, dict(body["sources"]))
        except (ValueError, KeyError, TypeError) as e:
            raise KernelError(f"the list of features cannot be read: {e}; build the bundle again") from None


def matrix_of(engine: Engine, table: Any, width: int, threads: int | None) -> npt.NDArray[np.float32]:
    """What a model sees of an Arrow table: float32 [n, width], row-major, null as NaN, categories as codes.

    `engine` is one over `width` features. Raises ContractViolation when the contract refuses rows, ContractError when
    columns are missing or have the wrong type.
    """
    rows = as_table(table)
    # Made here and not in the engine: numpy asks for large pages, so filling it costs a fraction of filling bytes.
    matrix = np.empty((rows.num_rows, width), np.float32)
    engine.matrix(rows, threads, matrix.data)
    return matrix
