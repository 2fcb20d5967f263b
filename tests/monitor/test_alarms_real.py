"""The detector on real rows: season and crisis are seen, what did not change is quiet, and shuffled rows are silent."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from sternpost.monitor.alarms import Budget, Watched, null_replay

SEED = 20_130_101


def table(name: str) -> pa.Table:
    beside = Path(__file__).parents[3] / "shared" / "data"
    path = Path(os.environ.get("STERNPOST_SHARED_DATA", beside)) / name
    if not path.exists():
        pytest.skip(f"no {name}: set STERNPOST_SHARED_DATA to the folder that holds it")
    return pq.read_table(path)


class Cells:
    """Cells of one column by numpy: 20 quantiles of the reference, or its labels; and every row's cell."""

    def __init__(self, column: pa.ChunkedArray, reference: np.ndarray) -> None:
        null = column.is_null().to_numpy(zero_copy_only=False)
        if pa.types.is_string(column.type) or pa.types.is_dictionary(column.type):
            values = np.array([v or "" for v in column.cast(pa.string()).to_pylist()])
            labels, counts = np.unique(values[reference & ~null], return_counts=True)
            labels = labels[np.argsort(-counts)][:255]
            places = {label: place for place, label in enumerate(labels)}
            self.kind, self.ordinary = "category", len(labels)
            self.cell = np.array([places.get(value, self.ordinary + 1) for value in values])
        else:
            values = np.nan_to_num(column.cast(pa.float64()).to_numpy(zero_copy_only=False))
            edges = np.unique(np.quantile(values[reference & ~null], np.arange(1, 20) / 20))
            self.kind, self.ordinary = "numeric", len(edges) + 1
            self.cell = np.searchsorted(edges, values, side="left")
        self.cell[null] = self.ordinary + 4

    def counts(self, rows: np.ndarray) -> list[int]:
        return np.bincount(self.cell[rows], minlength=self.ordinary + 5).tolist()


def replay(data, names, reference, windows, budget=None):
    """`reference` and each window are boolean masks over the rows."""
    cells = {name: Cells(data[name], reference) for name in names}
    columns = {name: Watched(c.kind, c.counts(reference)) for name, c in cells.items()}
    history = ({name: c.counts(rows) for name, c in cells.items()} for rows in windows)
    return null_replay(columns, history, budget or Budget(windows_per_alarm=1000))


def shuffled(rows: int, reference: int, windows: int):
    order = np.random.default_rng(SEED).permutation(rows)
    masks = [order[:reference], *np.array_split(order[reference:], windows)]
    out = np.zeros((len(masks), rows), bool)
    for mask, places in zip(out, masks, strict=True):
        mask[places] = True
    return out[0], out[1:]


WEATHER = ["temp_f", "dewp_f", "humid_pct", "wind_speed_mph", "visib_mi"]
FLEET = ["carrier", "origin", "plane_engines"]


def flights():
    data = table("flights_2013.parquet")
    months = pc.month(data["sched_dep_utc"]).to_numpy()
    return data, months


def test_flights_the_season_is_seen_and_carriers_are_quiet():
    data, months = flights()
    reference = months <= 3
    # By month: the fleet's tolerance is a change of 2 pt, which timetables stay inside of.
    by_month = [months == month for month in range(4, 13)]
    season = replay(data, WEATHER, reference, by_month)
    assert {v.culprits[0].column for v in season.alarms} & {"temp_f", "dewp_f"}
    assert season.alarms[0].window == 0
    budget = Budget(windows_per_alarm=1000, tolerance=0.02, rare_tolerance=0.02)
    fleet = replay(data, FLEET, reference, by_month, budget)
    together = replay(data, [*FLEET, "temp_f"], reference, by_month, budget)
    assert {v.culprits[0].column for v in together.alarms} == {"temp_f"}
    assert fleet.alarms == ()


def test_flights_in_random_order_are_silent():
    data, _ = flights()
    reference, windows = shuffled(len(data), 59_021, 275)
    assert replay(data, [*WEATHER, *FLEET, "distance_mi"], reference, windows).alarms == ()


BANK = ["age", "job", "contact_type", "campaign_contacts", "euribor3m", "nr_employed", "cons_price_idx", "housing_loan"]


def test_bank_marketing_is_loud_and_silent_in_random_order():
    data = table("bank_marketing.parquet")
    rows = np.arange(len(data))
    reference = rows < 20_740
    windows = [(rows >= start) & (rows < start + 500) for start in range(20_740, len(data), 500)]
    loud = replay(data, BANK, reference, windows)
    assert len(loud.alarms) >= len(windows) * 0.9
    assert {v.culprits[0].column for v in loud.alarms} <= {"euribor3m", "nr_employed", "cons_price_idx"}
    assert replay(data, BANK, *shuffled(len(data), 20_740, 41)).alarms == ()


LOANS = ["n_employees", "gross_approved_usd", "sba_guaranteed_usd", "urban_rural", "new_business", "low_doc", "state"]


def test_loans_the_coding_change_and_the_crisis_are_seen():
    data = table("sba_loans_sample.parquet")
    years = pc.year(data["approval_date"]).to_numpy()
    reference = (years >= 1990) & (years <= 1997)
    coding = replay(data, ["urban_rural", "state"], reference, [years == year for year in range(1998, 2012)])
    first = coding.alarms[0]
    assert (1998 + first.window, first.culprits[0].column) in {(1999, "urban_rural"), (1998, "urban_rural")}
    # The crisis, against the years before it: charge-offs, weighted back to the population by their design.
    late = (years >= 2002) & (years <= 2004)
    crisis = replay(data, ["charged_off", "state"], late, [years == year for year in range(2005, 2009)])
    assert crisis.alarms
    assert crisis.alarms[0].culprits[0].column == "charged_off"
    within = data.filter(pa.array((years >= 1990) & (years <= 2011)))
    assert replay(within, LOANS, *shuffled(len(within), 15_000, 20)).alarms == ()
