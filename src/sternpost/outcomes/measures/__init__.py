"""Numbers of a mature cohort: one family per file, each number with an interval or the reason why there is none.

    measure        what a number is: value, interval, how the interval was made, status and reason
    ranking        AUC, Gini, KS, average precision
    thresholds     accuracy and its family at the policy's thresholds
    probability    Brier score with its decomposition, log loss
    calibration    slope, intercept, observed over expected, ECE
    regression     RMSE, MAE, bias, quantile loss
    families       all numbers of one cohort

Arrays are float64 [n]: `y` 0 or 1 (or the quantity), `score`, `weight` (None: all count alike). Intervals are at 95 %.
"""

from sternpost.outcomes.measures.families import measure_cohort
from sternpost.outcomes.measures.measure import Measure

__all__ = ["Measure", "measure_cohort"]
