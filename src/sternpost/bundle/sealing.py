"""Sealing: contract, compiled features and a fitted model become one bundle, or a reason why not.

In order: the reference rows keep the contract; the features build the model's matrix; the model is exported and
proved equal to the estimator; the way to run it that depends on the row alone is measured; golden rows are chosen and
recorded. The same inputs give the same digest.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from sternpost.bundle.archive import REFERENCE, digest_of, new_seal
from sternpost.bundle.canonical import canonical_json
from sternpost.bundle.golden import choose_rows, record
from sternpost.bundle.model_run import settle
from sternpost.bundle.policy import policy_json, settle_policy
from sternpost.bundle.profile import profile, profile_json
from sternpost.bundle.provenance import collect
from sternpost.bundle.reference import make_reference
from sternpost.bundle.sealed import OBJECT_PART, Bundle
from sternpost.contract import Contract, ContractSpec, as_table, spec_of
from sternpost.errors import ContractError, ContractViolation, UsageError
from sternpost.export import ExportedModel, export_model
from sternpost.features import FeatureSet

_LIBRARIES = (
    "numpy", "numba", "llvmlite", "pyarrow", "onnxruntime", "onnx", "skl2onnx", "onnxmltools",
    "scikit-learn", "lightgbm", "xgboost", "xgboost-cpu",
)  # fmt: skip


def build(
    *,
    features: FeatureSet,
    model: Any,
    reference: Any,
    name: str,
    owner: str,
    contract: type[Contract] | ContractSpec | None = None,
    policy: Mapping[str, Any] | None = None,
    description: str | None = None,
    tolerance: float | None = None,
    seed: int = 0,
) -> Bundle:
    """Seal a bundle.

    `model` is a fitted estimator that takes the features' float32 matrix, a fitted scikit-learn Pipeline whose first
    step is `features.transformer()`, or the path of an .onnx file. `reference` is an Arrow-speaking table of rows
    the model was trained on (parity, golden rows and the profile come from it). `tolerance` widens or narrows the
    difference allowed between the estimator and its export; `seed` picks among the rows.

    Raises FeatureError, ContractViolation (the reference breaks the contract), ExportError, ParityError,
    ModelError, UsageError.
    """
    for what, text in (("name", name), ("owner", owner)):
        if not isinstance(text, str) or not text.strip():
            raise UsageError(f"a bundle needs a {what}; found {text!r}")
    features, model = _split_pipeline(features, model)
    _check_contract(features, contract)
    settled_policy = settle_policy(policy)
    table = as_table(reference, features.contract.names)
    if table.num_rows == 0:
        raise ContractError("the reference has no rows; pass the rows the model was trained on")
    try:
        matrix = features.matrix(table)
    except ContractViolation as e:
        raise ContractViolation(f"the reference breaks the contract: {e}", e.violations) from None
    exported = export_model(model, matrix, feature_names=features.names, tolerance=tolerance, seed=seed)
    spec = settle(exported.onnx, exported.spec, matrix)
    kernel = features.kernel
    parts = {
        "about.json": canonical_json({"name": name, "owner": owner, "description": description}),
        "contract.json": features.contract.to_json().encode() + b"\n",
        "features.json": kernel.to_json().encode() + b"\n",
        "kernel.ll": kernel.intermediate.encode(),
        OBJECT_PART: kernel.object_code,
        "model.onnx": exported.onnx,
        "model.json": spec.to_json().encode() + b"\n",
        "parity.json": _parity(exported),
        "policy.json": policy_json(settled_policy),
        "profile.json": profile_json(profile(features.contract, table)),
        "provenance.json": collect(
            name, owner, reference=table, sources=kernel.sources, libraries=_LIBRARIES
        ).to_json(),
    }
    engine = kernel.engine(
        onnx=exported.onnx, model=json.loads(spec.to_json()), policy=settled_policy, name=name, digest=digest_of(parts)
    )
    parts[REFERENCE] = make_reference(engine, kernel, spec, table).to_bytes()
    scored = None if spec.kind == "multiclass" else spec.positive or 0
    golden = record(engine, choose_rows(features.contract, table, seed), scored)
    return Bundle({**parts, **golden.to_parts()}, new_seal(), golden)


def _split_pipeline(features: FeatureSet, model: Any) -> tuple[FeatureSet, Any]:
    """The learned features and the rest of a pipeline that begins with `features.transformer()`."""
    if isinstance(model, str | bytes | os.PathLike):
        return features, model
    steps = getattr(model, "steps", None)
    if not steps or type(steps[0][1]).__name__ != "FeatureTransformer":
        return features, model
    learned = getattr(steps[0][1], "features_", None)
    if learned is None:
        raise UsageError("the pipeline is not fitted; call pipeline.fit(train, y) before sealing it")
    from sklearn.pipeline import Pipeline

    rest = steps[1:]
    return learned, rest[0][1] if len(rest) == 1 else Pipeline(rest)


def _check_contract(features: FeatureSet, contract: type[Contract] | ContractSpec | None) -> None:
    if not isinstance(features, FeatureSet):
        raise UsageError(
            f"features must be a FeatureSet, found {type(features).__name__}; sp.FeatureSet(Contract, [...])"
        )
    if contract is not None and spec_of(contract).names != features.contract.names:
        raise ContractError(
            f"the contract {spec_of(contract).name} and the features' contract {features.contract.name} differ in "
            f"their columns; pass the class the FeatureSet was made with"
        )


def _parity(exported: ExportedModel) -> bytes:
    report = None if exported.parity is None else json.loads(exported.parity.to_json())
    body = {"library": exported.library, "estimator": exported.estimator, "report": report}
    return canonical_json(body)
