"""Sternpost: a Python feature file and a fitted model become a sealed bundle that scores Arrow data.

The public names, by the order in which one meets them: declare a row (`Contract`, `column`, `Category`, `Timestamp`,
`Money`), write features (`feature`, `is_null`, calendar functions, `FeatureSet`), seal (`build`), open
(`open_bundle`, `Bundle`), and what comes back (`Decision`). Everything raised on purpose derives from
`SternpostError`; see `sternpost.errors` for the tree.
"""

from sternpost._core import Decision, Violation, __version__
from sternpost.bundle import Bundle, build, open_bundle
from sternpost.contract import Category, Contract, Money, Timestamp, column
from sternpost.errors import SternpostError
from sternpost.features import (
    Feature,
    FeatureSet,
    day,
    day_of_year,
    feature,
    hour,
    is_null,
    is_unseen,
    local,
    minute_of_day,
    month,
    weekday,
    year,
)

__all__ = [
    "Bundle",
    "Category",
    "Contract",
    "Decision",
    "Feature",
    "FeatureSet",
    "Money",
    "SternpostError",
    "Timestamp",
    "Violation",
    "__version__",
    "build",
    "column",
    "day",
    "day_of_year",
    "feature",
    "hour",
    "is_null",
    "is_unseen",
    "local",
    "minute_of_day",
    "month",
    "open_bundle",
    "weekday",
    "year",
]
