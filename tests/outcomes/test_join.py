"""What was known at a moment: events that count, events that do not, and where each of them is listed."""

from __future__ import annotations

import math
import random

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sternpost.errors import ContractError, UsageError
from sternpost.outcomes import LabelDefinition
from sternpost.outcomes.join import FINDINGS, join
from tests.outcomes.ledgers import day, decisions, outcomes

MONTH = LabelDefinition(horizon="30d", grace="5d")
THREE = decisions([{"prediction_id": name, "at": day(i)} for i, name in enumerate("abc")])


def known(joined) -> dict[str, float]:
    ids = joined.decisions.column("prediction_id").to_pylist()
    return {i: v for i, v in zip(ids, joined.value.tolist(), strict=True) if not math.isnan(v)}


def found(joined) -> dict[str, int]:
    return {kind: n for kind, n in joined.counts().items() if n}


def event(who: str, on: float, value: float | None = 1.0, **more) -> dict:
    return {"prediction_id": who, "happened_at": day(on), "value": value, **more}


def test_by_prediction_id_and_only_what_was_recorded_by_then():
    told = outcomes([event("a", 3), event("b", 4, 0.0, recorded_at=day(9)), event("c", 5, observed_at=day(7))])
    assert known(join(THREE, told, MONTH, as_of=day(6))) == {"a": 1.0}
    assert known(join(THREE, told, MONTH, as_of=day(8))) == {"a": 1.0, "c": 1.0}
    assert known(join(THREE, told, MONTH, as_of=day(9))) == {"a": 1.0, "b": 0.0, "c": 1.0}


def test_what_is_observed_later_than_recorded_counts_from_then():
    told = outcomes([event("a", 3, observed_at=day(7), recorded_at=day(6))])
    assert known(join(THREE, told, MONTH, as_of=day(6.5))) == {}
    assert known(join(THREE, told, MONTH, as_of=day(7))) == {"a": 1.0}


def test_by_entity_too_the_horizon_belongs_to_it():
    made = decisions([{"prediction_id": "x1", "entity": "x", "at": day(0)}])
    for on, wanted in ((30, {"x1": 1.0}), (30 + 1e-6, {})):
        told = outcomes([{"entity": "x", "happened_at": day(on), "value": 1.0}])
        assert known(join(made, told, MONTH, as_of=day(60))) == wanted


def test_decisions_made_later_are_not_there_yet():
    assert join(THREE, outcomes([]), MONTH, as_of=day(1.5)).decisions.num_rows == 2


def test_told_again_is_counted_and_changes_nothing():
    joined = join(THREE, outcomes([event("a", 3)] * 3), MONTH, as_of=day(60))
    assert known(joined) == {"a": 1.0}
    assert found(joined) == {"duplicate": 2}


def test_the_same_identity_with_other_content_is_listed_and_the_first_recorded_counts():
    told = outcomes([event("a", 3, 0.0, recorded_at=day(8)), event("a", 3, 1.0, recorded_at=day(4))])
    joined = join(THREE, told, MONTH, as_of=day(60))
    assert known(joined) == {"a": 1.0}
    assert joined.findings["conflicting"].column("value").to_pylist() == [0.0]


def test_the_highest_revision_of_a_source_counts_from_when_it_was_recorded():
    told = outcomes([event("a", 3, 1.0), event("a", 3, 0.0, revision=1, recorded_at=day(10))])
    assert known(join(THREE, told, MONTH, as_of=day(9))) == {"a": 1.0}
    later = join(THREE, told, MONTH, as_of=day(10))
    assert known(later) == {"a": 0.0}
    assert found(later) == {"revised": 1}


def test_a_revision_that_says_nothing_withdraws():
    told = outcomes([event("a", 3, 1.0), event("a", 3, None, revision=2)])
    joined = join(THREE, told, MONTH, as_of=day(60))
    assert known(joined) == {}
    assert found(joined) == {"revised": 1, "withdrawn": 1}


def test_sources_that_contradict_each_other_settle_by_rank_or_not_at_all():
    told = outcomes([event("a", 3, 1.0), event("a", 3, 0.0, source="manual"), event("b", 3, 1.0, source="manual")])
    joined = join(THREE, told, MONTH, as_of=day(60))
    assert found(joined) == {"contradicting": 1}
    assert joined.findings["contradicting"].column("prediction_id").to_pylist() == ["a"]
    assert joined.unsettled.tolist() == [True, False, False]
    ranked = LabelDefinition(horizon="30d", sources=("manual",))
    joined = join(THREE, told, ranked, as_of=day(60))
    assert known(joined) == {"a": 0.0, "b": 1.0}
    assert not joined.unsettled.any()


def test_orphans_strays_and_the_unreadable_are_listed():
    told = outcomes(
        [
            event("nobody", 3),
            event("b", 0.5),
            event("c", 2 + 30.5),
            event("a", 3, 0.3),
            event("a", 3, 1.0, source="manual", recorded_at=day(36)),
        ]
    )
    joined = join(THREE, told, MONTH, as_of=day(60))
    wanted = {"orphan": 1, "before_decision": 1, "beyond_horizon": 1, "unreadable": 1, "late": 1}
    assert found(joined) == wanted
    assert known(joined) == {"a": 1.0}
    assert joined.findings["late"].column("source").to_pylist() == ["manual"]


def test_the_horizon_belongs_to_it_and_a_moment_more_does_not():
    edge = decisions([{"prediction_id": "a", "at": day(0)}])
    assert known(join(edge, outcomes([event("a", 30)]), MONTH, as_of=day(60))) == {"a": 1.0}
    beyond = outcomes([event("a", 30 + 1e-6)])
    assert found(join(edge, beyond, MONTH, as_of=day(60))) == {"beyond_horizon": 1}


def test_by_entity_it_is_the_last_decision_within_the_horizon():
    made = decisions(
        [
            {"prediction_id": "x1", "entity": "x", "at": day(0)},
            {"prediction_id": "x2", "entity": "x", "at": day(100)},
            {"prediction_id": "y1", "entity": "y", "at": day(10)},
            {"prediction_id": "y2", "entity": "y", "at": day(20)},
            {"prediction_id": "z1", "entity": "z", "at": day(10)},
            {"prediction_id": "z2", "entity": "z", "at": day(10)},
            {"prediction_id": "none", "at": day(10)},
        ]
    )
    told = outcomes(
        [
            {"entity": "x", "happened_at": day(101), "value": 1.0},
            {"entity": "x", "happened_at": day(50), "value": 1.0},
            {"entity": "y", "happened_at": day(25), "value": 1.0},
            {"entity": "z", "happened_at": day(11), "value": 1.0},
            {"entity": "w", "happened_at": day(11), "value": 1.0},
            {"entity": "x", "happened_at": day(-1), "value": 1.0},
        ]
    )
    joined = join(made, told, MONTH, as_of=day(200))
    assert known(joined) == {"x2": 1.0, "y2": 1.0}
    assert found(joined) == {"ambiguous": 2, "orphan": 3, "doubted": 3}
    assert set(joined.findings["doubted"].column("prediction_id").to_pylist()) == {"y1", "z1", "z2"}


def test_entity_links_agree_with_a_slow_search():
    from sternpost.outcomes.entity_time import link_entities

    seed = random.randrange(1 << 30)
    print("seed", seed)
    rng = np.random.default_rng(seed)
    entity, at = rng.integers(-1, 30, 200), rng.permutation(5000)[:200]
    who, when = rng.integers(-1, 35, 300), rng.integers(0, 6000, 300)
    links = link_entities(entity, at, who, when, 400)
    doubted = np.zeros(200, dtype=bool)
    for i in range(300):
        fits = [j for j in range(200) if who[i] >= 0 and entity[j] == who[i] and 0 <= when[i] - at[j] <= 400]
        last = max(fits, key=lambda j: at[j], default=-1)
        assert links.place[i] == last
        assert links.ambiguous[i] == (len(fits) > 1)
        doubted[[j for j in fits if j != last]] = True
    assert (links.doubted == doubted).all()


def test_of_several_events_of_one_source_that_it_happened_counts():
    made = decisions([{"prediction_id": "x1", "entity": "x", "at": day(0)}])
    told = outcomes([{"entity": "x", "happened_at": day(d), "value": v} for d, v in ((1, 0.0), (5, 1.0), (9, 0.0))])
    assert known(join(made, told, MONTH, as_of=day(60))) == {"x1": 1.0}


def test_labels_are_read_by_the_definition_and_quantities_as_they_are():
    told = outcomes([event("a", 3, None, label="default"), event("b", 3, None, label="paid"), event("c", 3, 1.0)])
    by_label = LabelDefinition(horizon="30d", positive=("default",))
    joined = join(THREE, told, by_label, as_of=day(60))
    assert known(joined) == {"a": 1.0, "b": 0.0}
    assert found(joined) == {"unreadable": 1}
    amounts = LabelDefinition(horizon="30d", kind="quantity", unit="eur")
    assert known(join(THREE, outcomes([event("a", 3, -12.5)]), amounts, as_of=day(60))) == {"a": -12.5}


def test_a_decision_journalled_twice_is_one():
    joined = join(pa.concat_tables([THREE, THREE]), outcomes([event("a", 3)]), MONTH, as_of=day(60))
    assert found(joined) == {"repeated": 3}
    assert joined.decisions.num_rows == 3


def test_exclusions_by_id_and_by_condition():
    made = decisions([{"prediction_id": str(i), "at": day(i), "digest": "old" if i < 2 else "new"} for i in range(5)])
    rule = LabelDefinition(horizon="30d", exclude_ids=frozenset({"4"}), exclude_where="digest = 'old'")
    joined = join(made, outcomes([]), rule, as_of=day(60))
    assert joined.excluded.tolist() == [True, True, False, False, True]
    assert found(joined) == {"excluded": 3}


@pytest.mark.parametrize(
    "condition",
    ["nosuch = 1", "1 = 1; DROP TABLE x", "score >", "prediction_id IN (SELECT * FROM read_csv('/etc/passwd'))"],
)
def test_a_condition_that_is_none_is_refused_with_its_text(condition):
    rule = LabelDefinition(horizon="30d", exclude_where=condition)
    with pytest.raises(UsageError, match="exclude_where"):
        join(THREE, outcomes([]), rule, as_of=day(60))


def test_tables_that_are_none_are_refused():
    with pytest.raises(ContractError, match="no column score"):
        join(THREE.drop_columns(["score"]), outcomes([]), MONTH, as_of=day(1))
    naive = THREE.set_column(1, "at", THREE.column("at").cast(pa.timestamp("us")))
    with pytest.raises(ContractError, match="no time zone"):
        join(naive, outcomes([]), MONTH, as_of=day(1))
    with pytest.raises(UsageError, match="time zone"):
        join(THREE, outcomes([]), MONTH, as_of=day(1).replace(tzinfo=None))


def test_empty_tables_give_an_empty_answer():
    joined = join(THREE.slice(0, 0), outcomes([]), MONTH, as_of=day(60))
    assert joined.decisions.num_rows == 0
    assert set(joined.findings) == set(FINDINGS)
    assert found(join(THREE.slice(0, 0), outcomes([event("a", 3)]), MONTH, as_of=day(60))) == {"orphan": 1}


EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "subject": st.sampled_from(["id:a", "id:b", "id:zz", "en:x", "en:y"]),
            "on": st.integers(0, 40),
            "told": st.integers(0, 20),
            "value": st.sampled_from([0.0, 1.0, None, 0.5]),
            "source": st.sampled_from(["core", "manual"]),
            "revision": st.integers(0, 2),
        }
    ),
    max_size=25,
)


@settings(max_examples=80, deadline=None)
@given(EVENTS, st.integers(0, 1 << 30))
def test_neither_the_order_of_events_nor_telling_them_twice_nor_what_comes_later_changes_an_answer(drawn, seed):
    made = decisions(
        [
            {"prediction_id": "a", "entity": "x", "at": day(0)},
            {"prediction_id": "b", "entity": "x", "at": day(5)},
            {"prediction_id": "c", "entity": "y", "at": day(3)},
        ]
    )
    rows = [
        {
            "prediction_id" if d["subject"].startswith("id") else "entity": d["subject"][3:],
            "happened_at": day(d["on"]),
            "recorded_at": day(d["on"] + d["told"]),
            "observed_at": day(d["on"]),
            "value": d["value"],
            "source": d["source"],
            "revision": d["revision"],
        }
        for d in drawn
    ]
    shuffled = random.Random(seed).sample(rows + rows, 2 * len(rows))
    for until in (10, 25, 60):
        one = join(made, outcomes(rows), MONTH, as_of=day(until))
        other = join(made.take([2, 0, 1]), outcomes(shuffled), MONTH, as_of=day(until))
        then = join(made, outcomes([r for r in rows if r["recorded_at"] <= day(until)]), MONTH, as_of=day(until))
        for another in (other, then):
            np.testing.assert_array_equal(one.value, another.value)
            np.testing.assert_array_equal(one.unsettled, another.unsettled)
            np.testing.assert_array_equal(one.recorded_us, another.recorded_us)
            np.testing.assert_array_equal(one.happened_us, another.happened_us)
        counts = {k: n for k, n in one.counts().items() if k not in ("duplicate", "conflicting")}
        again = {k: n for k, n in other.counts().items() if k not in ("duplicate", "conflicting")}
        assert counts == again
