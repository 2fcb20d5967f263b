"""sternpost.toml: every mistake is named with its section, key, value and the nearest known name."""

from __future__ import annotations

import datetime as dt

import pytest

from sternpost.errors import UsageError
from sternpost.project.settings import read_settings
from tests.project.loans_project import TOML


@pytest.fixture
def read(tmp_path):
    def read(text):
        (tmp_path / "sternpost.toml").write_text(text)
        return read_settings(tmp_path)

    return read


def test_a_complete_file_is_read(read):
    settings = read(TOML)
    assert settings.project.name == "loans"
    assert settings.split.time == "applied_at"
    assert settings.split.holdout_every_days == 4
    assert settings.gates.min_auc == 0.6
    assert settings.policy == {
        "bands": [{"below": 0.5, "action": "grant"}, {"below": None, "action": "look"}],
        "refused": "review",
    }


def test_what_an_outcome_is_is_read(read):
    outcome = read(f'{TOML}\n[outcome]\nhorizon = "90d"\nabsence = "censored"\npositive = ["late"]\n').outcome
    assert (outcome.horizon, outcome.absence, outcome.positive) == (dt.timedelta(days=90), "censored", ("late",))
    assert read(TOML).outcome is None


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ('horizon = "soon"', "[outcome]: horizon: 'soon' is no length of time"),
        ('grace = "1d"', "[outcome]: horizon is missing"),
        ('horizon = "1d"\nabsense = "explicit"', "[outcome]: absense is not a known key; did you mean absence?"),
        ('horizon = "1d"\npositive = 1', "[outcome]: positive = 1 must be a list"),
    ],
)
def test_an_outcome_that_is_none_is_refused(read, section, words):
    with pytest.raises(UsageError) as error:
        read(f"{TOML}\n[outcome]\n{section}\n")
    assert words in str(error.value)


def test_only_the_project_section_is_needed(read):
    settings = read(TOML.split("[split]")[0])
    assert settings.policy is None
    assert settings.split.time is None
    assert settings.split.holdout_share == 0.25


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2024-02-01T00:00:00Z", dt.datetime(2024, 2, 1, tzinfo=dt.UTC)),
        ("2024-02-01", dt.datetime(2024, 2, 1, tzinfo=dt.UTC)),
        ("2024-02-01T01:00:00+01:00", dt.datetime(2024, 2, 1, tzinfo=dt.UTC)),
    ],
)
def test_train_before_is_a_moment_or_a_day(read, written, moment):
    assert read(TOML.replace("[gates]", f"train_before = {written}\n[gates]")).split.train_before == moment


@pytest.mark.parametrize(
    ("change", "fragments"),
    [
        (('owner = "credit@example.com"\n', ""), ["[project] owner is missing"]),
        (("owner =", "ownr ="), ["[project] ownr is not a known key", "did you mean owner?", "known: name, owner"]),
        (("[gates]", "[gate]"), ["[gate] is not a known section", "did you mean gates?"]),
        (("min_auc", "min_auk"), ["[gates] min_auk", "did you mean min_auc?"]),
        (("min_auc = 0.6", 'min_auc = "high"'), ["[gates] min_auc = 'high'", "valid number"]),
        (("[gates]", "holdout_every_days = 1\n[gates]"), ["[split] holdout_every_days = 1", "or equal to 2"]),
        (("[gates]", "holdout_every_day = 5\n[gates]"), ["holdout_every_day", "did you mean holdout_every_days?"]),
        (("[gates]", "train_before = 2024-02-01T00:00:00\n[gates]"), ["no time zone", "2024-02-01T00:00:00Z"]),
        (("[gates]", "holdout_share = 0.3\n[gates]"), ["holdout_share is for rows without a time"]),
        (('time = "applied_at"', "train_before = 2024-02-01"), ["train_before needs a time column"]),
        (('name = "loans"', 'name = "my loans"'), ["[project] name = 'my loans'"]),
        (('module = "loans"', 'module = "loans.py"'), ["[project] module = 'loans.py'"]),
        (("below = 0.5,", ""), ["[policy]", "below"]),
        (("below = 0.5", "under = 0.5"), ["[policy]", "below"]),
        (('refused = "review"', 'refuse = "review"'), ["[policy]", "refuse", "known are bands and refused"]),
        (('[project]', '[project'), ["not TOML", "line 1"]),
        (('decision = "A', 'decision = "\\qA'), ["not TOML", "line 4"]),
    ],
)  # fmt: skip
def test_a_mistake_is_named(read, change, fragments):
    assert change[0] in TOML
    with pytest.raises(UsageError) as told:
        read(TOML.replace(*change))
    for fragment in ["sternpost.toml", *fragments]:
        assert fragment in str(told.value)
    assert "pydantic" not in str(told.value)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "sternpost.toml").write_bytes(b"[project]\n\xff\xfe")
    with pytest.raises(UsageError, match=r"byte 10 is not UTF-8"):
        read_settings(tmp_path)


def test_a_folder_that_is_no_project_says_how_to_make_one(tmp_path):
    with pytest.raises(UsageError, match=r"has no sternpost\.toml.*sternpost init"):
        read_settings(tmp_path)
    with pytest.raises(UsageError, match=r"does not exist.*sternpost init"):
        read_settings(tmp_path / "nothing")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(UsageError, match="is a file"):
        read_settings(file)
