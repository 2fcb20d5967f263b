"""A contract and the features a model sees, compiled together.

    features = sp.FeatureSet(Flight, ["distance_mi", local_hour, "carrier"]).learn(train)
    frame = features.frame(train)              # Arrow table, one typed column per feature
    X = features.matrix(train)                 # float32 [n, F], exactly what the model will see

The kernel that builds the training table is the kernel that serves; there is no second definition. A feature set is
immutable: learning categories returns a new one.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sternpost.contract import Contract, ContractSpec, as_table, spec_of
from sternpost.errors import ContractError, FeatureError
from sternpost.features.author import Feature
from sternpost.features.graph import Plan, plan
from sternpost.features.kernel import Kernel, Output, matrix_of

if TYPE_CHECKING:
    from sternpost._core import Engine
    from sternpost.features.transformer import FeatureTransformer


class FeatureSet:
    """The features of one model, in order: features, and names of columns that are passed on as they are.

    `features` may also be a module: then every feature defined in it, in the order of its definitions.
    Raises FeatureError for unknown names, cycles, wrong types; compiling happens on first use.
    """

    def __init__(
        self,
        contract: type[Contract] | ContractSpec,
        features: Sequence[Feature[..., Any] | str] | types.ModuleType,
    ) -> None:
        self.contract = spec_of(contract)
        self.features: tuple[Feature[..., Any] | str, ...] = (
            _defined_in(features) if isinstance(features, types.ModuleType) else tuple(features)
        )
        self._plan: Plan = plan(self.contract, self.features)

    def __repr__(self) -> str:
        return f"FeatureSet({self.contract.name}, {len(self.names)} features: {', '.join(self.names)})"

    def __deepcopy__(self, memo: dict[int, Any]) -> FeatureSet:
        return self  # immutable, and scikit-learn's clone() copies parameters

    def __getstate__(self) -> dict[str, Any]:
        return {"contract": self.contract, "features": self.features, "_plan": self._plan}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the model's inputs, in order."""
        return self._plan.names

    @property
    def reads(self) -> dict[str, frozenset[str]]:
        """For each of the model's inputs the columns that go into it, directly or through other features."""
        return self._plan.reads

    def learn(self, table: Any) -> FeatureSet:
        """A feature set whose contract has learned its open categories from `table`; itself when none is open."""
        learned = self.contract.learn(table)
        return self if learned is self.contract else FeatureSet(learned, self.features)

    @cached_property
    def kernel(self) -> Kernel:
        """The compiled kernel. Raises FeatureError, naming function, line, cause and replacement."""
        if self.contract.unlearned:
            raise ContractError(
                f"column {self.contract.unlearned[0]} has no categories yet; "
                f"call features.learn(train) first, or list them: sp.column(categories=[...])"
            )
        try:
            from sternpost.features.compile import compile_kernel
        except ModuleNotFoundError as e:
            raise FeatureError(f"compiling features needs {e.name}; pip install 'sternpost[train]'") from None
        from sternpost.features.kernel_source import execution_order

        compiled = compile_kernel(self.contract, self._plan)
        return Kernel(
            contract=self.contract,
            outputs=tuple(self._output(o) for o in self._plan.outputs),
            order=execution_order(self._plan),
            intermediate=compiled.intermediate,
            object_code=compiled.object_code,
            sources=compiled.sources,
        )

    def frame(self, table: Any, *, threads: int | None = None) -> pa.Table:
        """The features of every row of an Arrow table, as typed columns; nulls are Arrow nulls.

        float64, int64, bool, and int32 codes for categories. Raises ContractViolation when the contract refuses
        rows, ContractError when columns are missing or have the wrong type.
        """
        return self._engine.frame(as_table(table), threads)

    def matrix(self, table: Any, *, threads: int | None = None) -> npt.NDArray[np.float32]:
        """What a model sees of an Arrow table: float32 [n, F], row-major, null as NaN, categories as codes."""
        return matrix_of(self._engine, table, len(self.names), threads)

    def transformer(self) -> FeatureTransformer:
        """A scikit-learn transformer for pipelines, cross-validation and clone; it learns categories in `fit`."""
        from sternpost.features.transformer import FeatureTransformer

        return FeatureTransformer(self)

    @cached_property
    def _engine(self) -> Engine:
        return self.kernel.engine(name=self.contract.name)

    def _output(self, output: Feature[..., Any] | str) -> Output:
        if isinstance(output, str):
            column = self.contract.by_name[output]
            kind = "int" if column.type == "money" else column.type
            return Output(output, kind, column.unit, column.description)
        return Output(output.name, output.returns, output.unit, output.description)


def _defined_in(module: types.ModuleType) -> tuple[Feature[..., Any] | str, ...]:
    found = [v for v in vars(module).values() if isinstance(v, Feature) and v.__module__ == module.__name__]
    if not found:
        raise FeatureError(f"module {module.__name__} defines no features; decorate functions with @sp.feature")
    return tuple(found)
