"""The detector against an obvious one in numpy, p-values against SciPy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import logsumexp
from statsmodels.stats.multitest import multipletests

from sternpost import _core
from sternpost.errors import DataError, UsageError
from sternpost.monitor.alarms import (
    Breach,
    Budget,
    Detector,
    Limit,
    Watched,
    adjusted,
    breaches,
    level_per_test,
    null_replay,
)

STEPS = (0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
SPECIALS = {"numeric": (2, 3, 4), "score": (2, 3, 4), "category": (0, 1, 4), "flag": (4,), "presence": (4,)}


def kl(p, q):
    return sum(a * math.log(a / b) if a else 0.0 for a, b in ((p, q), (1 - p, 1 - q)))


def interval(count, rows, cells, confidence, cumulative):
    p, allowed = count / rows, math.log(4 * (max(rows, cells) + 5) / confidence) / rows
    tiny = 1e-300
    low = 0.0 if p == 0 else optimize.brentq(lambda q: kl(p, q) - allowed, tiny, p, xtol=1e-15, rtol=1e-14)
    high = 1.0 if p == 1 else optimize.brentq(lambda q: kl(p, q) - allowed, p, 1 - 1e-16, xtol=1e-15, rtol=1e-14)
    if cumulative:
        dkw = math.sqrt(math.log(2 / (confidence / 2)) / (2 * rows))
        low, high = max(low, p - dkw), min(high, p + dkw)
    return low, high


class Slow:
    """The formulas of docs/alarms.md, one component at a time, over the whole history."""

    def __init__(self, columns, budget):
        self.parts = []  # (column, cells counted, m, q, log weight)
        live = {}
        for name, column in columns.items():
            counts, kind = np.array(column.counts), column.kind
            ordinary, rows = len(counts) - 5, counts.sum()
            shares = []
            if kind in ("numeric", "score", "flag"):
                shares += [(list(range(k + 1)), True) for k in range(ordinary - 1)]
            if kind == "category":
                shares += [([k], False) for k in range(ordinary)]
            shares += [([ordinary + k], False) for k in SPECIALS[kind]]
            live[name] = 0
            for cells, cumulative in shares if rows else []:
                c = counts[cells].sum()
                p = c / rows
                low, high = p, p
                if budget.confidence is not None:
                    low, high = interval(c, rows, len(counts), budget.confidence / len(columns), cumulative)
                t = budget.tolerance if cumulative else min(max(0.2 * p, budget.rare_tolerance), budget.tolerance)
                for sign, m in ((-1, low - t), (1, high + t)):
                    if not 0 < m < 1:
                        continue
                    scale = 0.2 if min(m, 1 - m) < 0.05 else 1.0
                    room = 0.9 * (1 - m if sign > 0 else m)
                    for d in dict.fromkeys(min(scale * step, room) for step in STEPS):
                        self.parts.append((name, cells, m, m + sign * d))
                        live[name] += 1
        total = sum(column.importance for name, column in columns.items() if live[name])
        self.log_w = np.log([columns[n].importance / total / live[n] for n, *_ in self.parts])
        self.live, self.ratios, self.repeats = live, [], budget.repeats

    def update(self, counts):
        row = []
        for name, cells, m, q in self.parts:
            n, c = sum(counts[name]), sum(counts[name][k] for k in cells)
            row.append((c * math.log(q / m) + (n - c) * math.log((1 - q) / (1 - m))) / self.repeats)
        self.ratios.append(row)
        later = np.cumsum(np.array(self.ratios)[::-1], axis=0)[::-1]  # ln of the product from start j on
        log_sr = logsumexp(later, axis=0)
        starts = np.arange(1, len(self.ratios) + 1)
        begun = logsumexp(later - np.log(starts * (starts + 1))[:, None], axis=0)
        names = np.array([name for name, *_ in self.parts])
        ahead = -math.log(len(starts) + 1)
        log_e = {n: np.logaddexp(logsumexp(begun[names == n]) - math.log(k), ahead) for n, k in self.live.items() if k}
        best = int(np.argmax(log_sr))
        return logsumexp(self.log_w + log_sr), log_e, names[best], int(np.argmax(later[:, best]))


def reference(seed, rows=30_000):
    draw = np.random.default_rng(seed)

    def spread(shares, specials):
        return draw.multinomial(rows, [*np.array(shares) / sum(shares) * (1 - sum(specials)), *specials]).tolist()

    return {
        "amount": Watched("numeric", spread([1] * 12 + [6], [0, 0, 0, 0.001, 0.03])),
        "carrier": Watched("category", spread([50, 30, 15, 4, 0.5], [0.01, 0, 0, 0, 0]), importance=2.0),
        "weekend": Watched("flag", spread([5, 2], [0, 0, 0, 0, 0])),
        "seen_at": Watched("presence", spread([1], [0, 0, 0, 0, 0.4])),
        "score": Watched("score", spread(np.arange(100, 0, -1.0) ** 3, [0, 0, 0, 0, 0])),
        "empty": Watched("numeric", [0] * 9),
    }


def stream(columns, rows, draw, moved=0.0):
    out = {}
    for name, column in columns.items():
        p = np.array(column.counts, float) / max(sum(column.counts), 1)
        if name == "amount":
            p[:-5] *= 1 - moved
            p[-1] += moved * (1 - p[-5:].sum())
        if not p.sum():
            p[-1] = 1
        out[name] = draw.multinomial(rows, p / p.sum()).tolist()
    return out


@pytest.mark.parametrize(
    "budget",
    [
        Budget(),
        Budget(confidence=None, tolerance=0.0, rare_tolerance=0.0),
        Budget(confidence=0.2, tolerance=0.002, rare_tolerance=0.001, repeats=4),
    ],
    ids=["default", "known", "tempered"],
)
def test_the_detector_is_the_slow_one(budget):
    seed = 41
    columns, draw = reference(seed), np.random.default_rng(seed)
    detector, slow = Detector(columns, budget), Slow(columns, budget)
    for window in range(40):
        counts = stream(columns, 700, draw, moved=0.12 if window >= 25 else 0.0)
        counts["empty"] = [0] * 9 if window % 3 else counts["empty"]
        found = detector.update(counts)
        log_mean, log_e, worst, since = slow.update(counts)
        assert found.log_mean == pytest.approx(log_mean, rel=1e-9, abs=1e-9), f"seed {seed}, window {window}"
        assert {c.column for c in found.columns} == set(log_e)
        for column in found.columns:
            assert column.log_e == pytest.approx(log_e[column.column], rel=1e-9, abs=1e-9), f"seed {seed}"
        assert sum(c.share for c in found.culprits) == pytest.approx(1.0, abs=0.06)
    assert (worst, since) == ("amount", 25)
    assert (found.culprits[0].column, found.culprits[0].since) == (worst, since)
    assert found.status == "alarmed"
    assert "amount" in found.named


def test_the_evidence_of_a_window_has_mean_one_at_the_most():
    """SR after one window is its likelihood ratio; after two its mean is two at the most. Seeded, band's edge exact."""
    seed, runs = 5, 4_000
    draw = np.random.default_rng(seed)
    columns = {"c": Watched("flag", [500, 500, 0, 0, 0, 0, 0])}
    budget = Budget(confidence=None, tolerance=0.0, rare_tolerance=0.0)
    ends = []
    for _ in range(runs):
        detector = Detector(columns, budget)
        for _ in range(2):
            c = int(draw.binomial(40, 0.5))
            verdict = detector.update({"c": [c, 40 - c, 0, 0, 0, 0, 0]})
        ends.append(math.exp(verdict.log_mean))
    assert abs(np.mean(ends) - 2) < 4 * np.std(ends) / math.sqrt(runs), f"seed {seed}"


def test_the_references_own_error_is_covered_as_often_as_stated():
    """The truth leaves any of a column's intervals in far fewer than `confidence` of the drawn references."""
    seed, runs = 11, 400
    draw = np.random.default_rng(seed)
    truth = np.array([*[0.05] * 18, 0.001, 0.099, 0, 0, 0, 0, 0])
    missed = 0
    for _ in range(runs):
        counts = draw.multinomial(2_000, truth)
        below = np.cumsum(counts)
        bands = [interval(int(below[k]), 2_000, 25, 0.2, True) for k in range(19)]
        inside = [low <= true <= high for (low, high), true in zip(bands, np.cumsum(truth), strict=False)]
        missed += not all(inside)
    assert missed <= stats.binom.ppf(0.999, runs, 0.2), f"seed {seed}"


@pytest.mark.parametrize("dependent", [False, True])
def test_adjusted_p_values(dependent):
    draw = np.random.default_rng(2)
    for size in (1, 2, 7, 60):
        p = draw.uniform(size=size) ** 3
        p[: size // 3] = p[0]
        expected = multipletests(p, method="fdr_by" if dependent else "fdr_bh")[1]
        np.testing.assert_allclose(adjusted(p, dependent=dependent), expected, rtol=1e-12)
        np.testing.assert_allclose(
            adjusted(p, dependent=dependent),
            stats.false_discovery_control(p, method="by" if dependent else "bh"),
            rtol=1e-12,
        )
    with_holes = adjusted([0.01, math.nan, 0.04], dependent=False)
    np.testing.assert_allclose(with_holes, [0.02, math.nan, 0.04])
    assert adjusted([]) == []
    with pytest.raises(UsageError, match=r"1\.5 is not a p-value"):
        adjusted([0.1, 1.5])


def test_level_per_test_spends_the_budget():
    assert level_per_test(1, 1000, 20) == pytest.approx(5e-5)
    assert level_per_test(100, 1, 2) == 1.0


def test_a_saved_detector_goes_on():
    columns, draw = reference(1), np.random.default_rng(1)
    one = Detector(columns, Budget(cool_down=1))
    for _ in range(3):
        one.update(stream(columns, 500, draw))
    other = Detector.restore(one.save())
    for _ in range(3):
        counts = stream(columns, 500, draw, moved=0.5)
        assert one.update(counts) == other.update(counts)
    assert one.acknowledge()
    assert other.acknowledge()
    assert one.save() == other.save()
    assert one.update(counts).status == "cooling"
    with pytest.raises(DataError, match="no saved detector"):
        Detector.restore(b"nonsense")


def test_wrong_windows_and_settings_are_told_by_name():
    columns = {"a": Watched("flag", [5, 5, 0, 0, 0, 0, 0])}
    detector = Detector(columns)
    with pytest.raises(UsageError, match="no counts of column a"):
        detector.update({})
    with pytest.raises(UsageError, match="column a: 3 counts; its reference has 7"):
        detector.update({"a": [1, 2, 3]})
    with pytest.raises(UsageError, match="column a: counts must be from 0"):
        detector.update({"a": [-1, 2, 3, 0, 0, 0, 0]})
    with pytest.raises(UsageError, match="windows_per_alarm is 1"):
        Detector(columns, Budget(windows_per_alarm=1))
    with pytest.raises(UsageError, match="not a finite number"):
        Detector(columns, Budget(tolerance=math.nan))
    with pytest.raises(UsageError, match="nothing to watch"):
        Detector({})


def test_rules_broken_by_too_many_rows():
    limits = (Limit(), Limit(column="age", share=0.2))
    found = breaches(1_000, 30, {("age", "ge"): 100, ("income", "null"): 11, ("income", "ge"): 4}, limits)
    assert found == [Breach("", "refused", 30, 0.03, 0.01), Breach("income", "null", 11, 0.011, 0.01)]
    assert breaches(0, 0, {}) == []


def test_a_replay_counts_what_it_alarmed():
    columns, draw = reference(3), np.random.default_rng(3)
    columns.pop("empty")
    quiet = [stream(columns, 500, draw) for _ in range(30)]
    assert null_replay(columns, quiet).alarms == ()
    loud = [stream(columns, 500, draw, moved=0.5) for _ in range(30)]
    replay = null_replay(columns, loud)
    assert len(replay.alarms) > 5
    assert replay.per(90) == len(replay.alarms) * 3


def test_rows_needed_is_the_inverse_of_the_band():
    rows = _core.reference_rows_needed(0.01, 20, 0.05)
    assert math.sqrt(math.log(4 * 20 / 0.05) / (2 * rows)) == pytest.approx(0.01)
