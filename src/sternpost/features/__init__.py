"""Define a feature once, in Python, and compile it to machine code.

Reading order: `author` (what one writes), `graph` (names, order, types), `rewrite` (what the compiler gets),
`kernel_source` (the one loop), `compile` (numba), `machine_code` (object code and its allow-list), `kernel` (what a
bundle carries), `feature_set` (what one calls). `portable` says what names mean inside a kernel (with `elementary` and
`category`, taught to the compiler through `extension`), `clock` has calendar arithmetic, `explain` turns a compiler's
refusal into the author's words.
"""

from sternpost.features.author import Feature, feature, is_null, is_unseen
from sternpost.features.clock import day, day_of_year, hour, local, minute_of_day, month, weekday, year
from sternpost.features.feature_set import FeatureSet
from sternpost.features.kernel import Kernel, Output

__all__ = [
    "Feature",
    "FeatureSet",
    "Kernel",
    "Output",
    "day",
    "day_of_year",
    "feature",
    "hour",
    "is_null",
    "is_unseen",
    "local",
    "minute_of_day",
    "month",
    "weekday",
    "year",
]
