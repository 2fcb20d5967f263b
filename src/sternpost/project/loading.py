"""A folder becomes a `Project`: settings that fit, a module that has what training needs.

The module defines

    contract   the Contract class of a row
    features   a FeatureSet over that contract
    target     the name of the column that says what happened
    load()     all rows as an Arrow table: the contract's columns, the target, and the time of the split
    fit(X, y, names)   a fitted estimator, from float32 [n, F], the target of n rows, and the F names of the features
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sternpost.contract import ContractSpec, as_table, spec_of
from sternpost.errors import ContractError, UsageError
from sternpost.features import FeatureSet
from sternpost.project.imports import ProjectModule
from sternpost.project.settings import FILE_NAME, Settings, read_settings

_DEFINES = {
    "contract": "contract = Flight, the Contract class of a row",
    "features": "features = sp.FeatureSet(contract, [...])",
    "target": 'target = "column", the name of the column that says what happened',
    "load": "def load(): ..., which returns all rows as an Arrow table",
    "fit": "def fit(X, y, names): ..., which returns a fitted estimator",
}


@dataclass(frozen=True)
class Project:
    """A project that was read and found complete. Nothing has been loaded or trained yet."""

    folder: Path
    settings: Settings
    contract: ContractSpec
    features: FeatureSet
    target: str
    module: ProjectModule
    _load: Callable[[], Any]
    _fit: Callable[[npt.NDArray[np.float32], npt.NDArray[Any], Sequence[str]], Any]

    def load(self) -> pa.Table:
        """The project's rows. Raises `UsageError` when its `load()` fails, `ContractError` when a column is missing
        that the contract, the target, the split or the audit needs."""
        with self.module.at_work(), self.module.explained("load()"):
            data = self._load()
        try:
            table = as_table(data)
        except ContractError as e:
            raise ContractError(f"load(): {e}") from None
        time, entity = self.settings.split.time, self.settings.audit.entity
        wanted = {
            **dict.fromkeys(self.contract.names, f"a column of {self.contract.name}"),
            **({} if time is None else {time: "[split] time"}),
            **({} if entity is None else {entity: "[audit] entity"}),
            self.target: "the target",
        }
        for name, role in wanted.items():
            if table.column_names.count(name) != 1:
                state = "twice" if name in table.column_names else "not at all"
                gave = ", ".join(table.column_names[:20]) or "none"
                raise ContractError(f"load() gave column {name} ({role}) {state}; it gave {gave}")
        return table.select(list(wanted))

    def fit(self, X: npt.NDArray[np.float32], y: npt.NDArray[Any], names: Sequence[str]) -> Any:
        """What the project's `fit` returns. Raises `UsageError` when it fails or returns nothing."""
        with self.module.at_work(), self.module.explained("fit()"):
            model = self._fit(X, y, names)
        if model is None:
            raise UsageError(f"fit() in {self.module.file.name} returned None; return the fitted estimator")
        return model


def load_project(folder: str | os.PathLike[str]) -> Project:
    """The project in `folder`: reads sternpost.toml and imports the module, which runs its code.

    Raises `UsageError` for mistakes in either; `ContractError` and `FeatureError` for mistakes in declarations.
    """
    place = Path(folder)
    settings = read_settings(place)
    try:
        module = ProjectModule(place, settings.project.module)
    except UsageError as e:
        raise UsageError(f"{place / FILE_NAME}: {e}") from e.__cause__
    found = vars(module.module)
    name = module.file.name
    for key, how in _DEFINES.items():
        if key not in found:
            raise UsageError(f"{name} defines no `{key}`; add {how}")
    contract, features, target = spec_of(found["contract"]), found["features"], found["target"]
    if not isinstance(features, FeatureSet):
        raise UsageError(f"{name}: features is a {type(features).__name__}; write {_DEFINES['features']}")
    if features.contract != contract:
        raise UsageError(
            f"{name}: features are of contract {features.contract.name}, contract is {contract.name}; use the same"
        )
    if not isinstance(target, str):
        raise UsageError(f"{name}: target is {target!r}; write {_DEFINES['target']}")
    if target in contract.by_name:
        raise UsageError(
            f"{name}: the target {target} is a column of {contract.name}; remove it there, as it is not known when "
            f"the decision is made"
        )
    for key in ("load", "fit"):
        if not callable(found[key]):
            raise UsageError(f"{name}: {key} is {found[key]!r}, not a function; write {_DEFINES[key]}")
    return Project(place, settings, contract, features, target, module, found["load"], found["fit"])
