"""What is known to go wrong between estimators and ONNX, as advice for error messages.

The parity check decides by comparing numbers and needs none of this; the table only turns a refusal into
a next step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sternpost.export.parts import parts

CONVERTIBLE = (
    "Known to convert: scikit-learn linear models, trees, forests, (histogram) gradient boosting, calibrated "
    "classifiers, soft votes, and pipelines with scalers, imputers and encoders; LightGBM; XGBoost. Anything else can "
    "be handed over as an .onnx file."
)


def _named(*names: str) -> Callable[[Any], bool]:
    return lambda part: type(part).__name__ in names


def _set(setting: str, value: object) -> Callable[[Any], bool]:
    return lambda part: getattr(part, setting, None) == value


def _isotonic(*, in_single: bool) -> Callable[[Any], bool]:
    """Isotonic calibration over scores that the library itself gives in float32, or in float64."""

    def applies(part: Any) -> bool:
        if getattr(part, "method", None) != "isotonic" or not hasattr(part, "calibrators"):
            return False
        return all((each.X_thresholds_.dtype == "float32") == in_single for each in part.calibrators)

    return applies


_STEEP = "An isotonic map can rise steeply between two training scores, where the last digit of a float32 score decides"
_OTHERWISE = (
    "calibrate with method='sigmoid', calibrate on fewer rows or use a base with coarser scores (longer plateaus), "
    "or state a larger tolerance="
)

_ADVICE: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (_set("booster", "dart"), "XGBoost's dart booster has no converter: train with booster='gbtree'."),
    (
        _set("booster", "gblinear"),
        "XGBoost's gblinear booster has no converter: use a linear model of scikit-learn.",
    ),
    (_set("objective", "binary:logitraw"), "This objective gives no probabilities: train with binary:logistic."),
    (
        _set("zero_as_missing", True),
        "LightGBM's zero_as_missing has no ONNX form: write missing values as NaN.",
    ),
    (
        _isotonic(in_single=True),
        f"{_STEEP}, and this base scores in float32 in its own library, so no conversion can match it: fit on "
        f"float64 columns, X.astype(numpy.float64), if the base is linear; else {_OTHERWISE}.",
    ),
    (
        _isotonic(in_single=False),
        f"{_STEEP}. Only linear models, forests, histogram gradient boosting and LightGBM are scored in float64 "
        f"here: use one of them as the base, {_OTHERWISE}.",
    ),
    (_named("PowerTransformer"), "PowerTransformer differs on values that are not finite: impute before it."),
    (
        _named("Normalizer"),
        "A row's norm is rounded differently in ONNX, which a tree behind it can notice: leave the Normalizer out.",
    ),
    (
        _named("KBinsDiscretizer", "QuantileTransformer", "SplineTransformer"),
        "Its cuts are made in float64 by scikit-learn and in float32 by ONNX: let a tree find the cuts.",
    ),
    (
        lambda part: hasattr(part, "init") and not isinstance(part.init, str | None) and hasattr(part, "learning_rate"),
        "GradientBoosting with an estimator as init has no converter: leave init out.",
    ),
    (
        lambda part: hasattr(part, "coef_"),
        "ONNX linear models add up in float32: centre and scale the columns (StandardScaler), or state a larger "
        "tolerance.",
    ),
)


def advice(estimator: Any, otherwise: str = CONVERTIBLE) -> str:
    """One or more sentences with a next step for this estimator; `otherwise` when nothing is known of it."""
    found = [text for part in parts(estimator) for applies, text in _ADVICE if applies(part)]
    return " ".join(dict.fromkeys(found)) or otherwise
