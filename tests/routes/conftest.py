from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest
from lightgbm import LGBMClassifier
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sternpost as sp
from sternpost.serve.server import Server
from tests.server.serving import serving

from . import loans

SEED = 19700101

MODELS: dict[str, tuple[str, Callable[[], object]]] = {
    "boosting": (
        "binary",
        lambda: LGBMClassifier(n_estimators=20, num_leaves=15, random_state=0, verbose=-1, n_jobs=1),
    ),
    "hist boosting": ("regression", lambda: HistGradientBoostingRegressor(max_iter=20, random_state=0)),
    "forest": (
        "multiclass",
        lambda: make_pipeline(
            SimpleImputer(), RandomForestClassifier(n_estimators=15, max_depth=6, random_state=0, n_jobs=1)
        ),
    ),
    "gradient boosting": (
        "multiclass",
        lambda: make_pipeline(SimpleImputer(), GradientBoostingClassifier(n_estimators=8, random_state=0)),
    ),
    "logistic": ("binary", lambda: make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(max_iter=500))),
    "linear": ("regression", lambda: make_pipeline(SimpleImputer(), StandardScaler(), LinearRegression())),
}

POLICY = {"bands": [{"below": 0.25, "action": "accept"}, {"below": 0.75, "action": "look"}, {"action": "decline"}]}


@cache
def features() -> sp.FeatureSet:
    return sp.FeatureSet(loans.Loan, loans.FEATURES)


@cache
def built(name: str, trees: int | None = None) -> sp.Bundle:
    """A sealed model; with `trees`, of so many of them and otherwise the same."""
    kind, make = MODELS[name]
    rows = loans.real_rows(600, SEED)
    train = loans.table(rows)
    model = make()
    if trees is not None:
        model.set_params(n_estimators=trees)
    fitted = model.fit(features().matrix(train), loans.target(rows, kind, SEED))
    return sp.build(
        contract=loans.Loan,
        features=features(),
        model=fitted,
        reference=train,
        name=name.replace(" ", "-"),
        owner="tests",
        policy=POLICY,
    )


@pytest.fixture(scope="session", params=list(MODELS))
def bundle(request) -> sp.Bundle:
    return built(request.param)


@pytest.fixture(scope="session")
def one_bundle() -> sp.Bundle:
    return built("boosting")


@pytest.fixture(scope="session")
def reopened(bundle, tmp_path_factory) -> sp.Bundle:
    path = tmp_path_factory.mktemp("routes") / "reopened.sbundle"
    bundle.save(path)
    return sp.open_bundle(path)


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Server]:
    """Every model at once behind one port and one socket file."""
    path = tmp_path_factory.mktemp("socket") / "s"
    with serving([built(name) for name in MODELS], listen=("127.0.0.1:0", f"unix:{path}")) as server:
        yield server
