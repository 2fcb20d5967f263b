"""Rows on their way through a bundle are counted by the measure of its reference."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pyarrow as pa
from sklearn.linear_model import LogisticRegression

import sternpost as sp


class Sale(sp.Contract):
    amount: sp.Money | None
    items: int


def test_money_counts_the_same_as_decimals_and_as_minor_units():
    rng = np.random.default_rng(3)
    cents = [None if rng.random() < 0.1 else int(c) for c in rng.integers(0, 100_000, 400)]
    items = rng.integers(1, 9, 400)
    whole = pa.table({"amount": pa.array(cents, pa.int64()), "items": items})
    decimals = [None if c is None else Decimal(c) / 100 for c in cents]
    exact = pa.table({"amount": pa.array(decimals, pa.decimal128(12, 2)), "items": items})

    features = sp.FeatureSet(Sale, ["items"])
    model = LogisticRegression().fit(features.matrix(whole), items > 4)
    bundle = sp.build(features=features, model=model, reference=whole, name="sales", owner="ops")

    for rows in (whole, exact):
        amount = sp.drift(bundle, rows)["amount"]
        assert amount.status == "quiet"
        # The very rows of the reference: no statistic can see a change.
        assert amount.ks == 0.0
