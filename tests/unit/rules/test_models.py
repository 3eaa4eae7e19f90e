"""What a rulebook may say, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pydantic import ValidationError

from allocation.rules.models import CONDITIONS, FLAGS, Entry, Regimen, Rulebook, Upgrade, entry_key

APPROVAL = {"start": "required", "ongoing": "required"}
SOURCE = {"document": "a plan"}


def regimen(**changes: Any) -> dict[str, Any]:
    return {
        "id": "course",
        "purpose": "single",
        "basis": "g_per_kg",
        "dose_use": 1.0,
        "default_for": ["start"],
        **changes,
    }


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "indication": "gbs",
        "title": "A row",
        "specialty": "neurology",
        "section": "Neurology table: a row",
        "term": "short",
        "base_grade": 2,
        "prior_approval": APPROVAL,
        "regimen": [regimen()],
        **changes,
    }


def rulebook(*entries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    adult = {
        "base_kg_male": 50,
        "base_kg_female": 45.5,
        "slope_kg_per_cm": 0.91,
        "reference_height_cm": 152.4,
        "adjustment_fraction": 0.4,
        "height_range_low_cm": 152.4,
        "source": SOURCE,
    }
    return {
        "id": "own",
        "title": "Own",
        "version": "1",
        "document": "a plan",
        "effective_from": "2021-07-01",
        "settings": {"review_valid_days": 365, "first_year_counts_if_approved": True, "initiation_weeks": 8},
        "dosing": {
            "rounding": "down",
            "adult": adult,
            "child": {"basis": "actual", "below_age_years": 18, "source": SOURCE},
        },
        "entry": list(entries),
        **changes,
    }


def test_conditions_are_the_flags_and_the_review() -> None:
    assert set(CONDITIONS) - set(FLAGS) == {"annual_review_complete"}
    assert len(FLAGS) == len(set(FLAGS)) == 13


def test_the_key_joins_indication_and_situation() -> None:
    assert entry_key("itp", "vitt") == "itp/vitt"
    assert entry_key("gbs") == Entry.model_validate(entry()).key == "gbs"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"basis": "g_by_age"}, "bands go with"),
        ({"bands": [{"from": 0, "dose": 1}]}, "bands go with"),
        ({"dose_use": None}, "dose_use is needed"),
        ({"basis": "ml_per_kg"}, "needs concentration_g_per_ml"),
        ({"dose_low": 2, "dose_high": 1}, "dose_low is above dose_high"),
        ({"dose_low": 1.5}, "dose_use lies outside"),
        ({"dose_high": 0.5}, "dose_use lies outside"),
        ({"days_low": 3, "days_high": 2}, "days_low is above days_high"),
        ({"days_low": 2, "days_high": 5, "days_use": 6}, "days_use lies outside"),
        ({"courses_use": 2}, "needs interval_weeks_use"),
        ({"open_ended": True}, "needs interval_weeks_use"),
        ({"interval_weeks_low": 4, "interval_weeks_use": 3}, "interval_weeks_use lies outside"),
        ({"dose_use": 0}, "greater than 0"),
        ({"dose_use": math.nan}, "finite number"),
        ({"frequency": 3}, "Extra inputs are not permitted"),
        ({"route": "oral"}, "'IV', 'SC', 'IM' or 'ORAL'"),
    ],
)
def test_a_regimen_that_cannot_be_meant_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Regimen.model_validate(regimen(**changes))


@pytest.mark.parametrize(
    "bands",
    [
        [{"from": 0, "below": 10, "dose": 1}, {"from": 11, "dose": 2}],
        [{"from": 0, "below": 10, "dose": 1}, {"from": 9, "dose": 2}],
        [{"from": 0, "dose": 1}, {"from": 9, "dose": 2}],
    ],
)
def test_bands_with_a_gap_or_an_overlap_are_refused(bands: list[dict[str, float]]) -> None:
    with pytest.raises(ValidationError, match="without gap or overlap"):
        Regimen.model_validate(regimen(basis="g_by_age", dose_use=None, bands=bands))


def test_a_schedule_in_pregnancy_needs_no_interval() -> None:
    assert Regimen.model_validate(regimen(courses_use=2, gestation_weeks=[14, 18])).gestation_weeks == (14, 18)
    assert Regimen.model_validate(regimen(open_ended=True, weekly_from_gestation_week=20)).open_ended


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"all_of": []}, "needs a condition"),
        ({"all_of": ["rich"]}, "unknown condition rich"),
        ({"any_of": ["bleeding", "tall"]}, "unknown condition tall"),
        ({"to": 5}, "less than or equal to 4"),
    ],
)
def test_an_upgrade_needs_known_conditions_and_a_grade(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Upgrade.model_validate({"to": 3, "all_of": ["bleeding"], "reason": "bleeding", **changes})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"regimen": []}, "at least 1 item"),
        ({"regimen": [regimen(), regimen(default_for=[])]}, "ids repeat"),
        ({"regimen": [regimen(default_for=[])]}, "default for 'start'"),
        ({"regimen": [regimen(), regimen(id="other")]}, "default for 'start'"),
        ({"term": "long"}, "default for 'ongoing'"),
        ({"term": "either"}, "default for 'ongoing'"),
        ({"upgrade": [{"to": 2, "all_of": ["bleeding"], "reason": "x"}]}, "does not raise base grade 2"),
        ({"base_grade": 0}, "greater than or equal to 1"),
        ({"indication": "Guillain Barre"}, "pattern"),
    ],
)
def test_an_entry_that_cannot_be_meant_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Entry.model_validate(entry(**changes))


def test_a_short_entry_has_one_regimen_for_both_phases() -> None:
    short = Entry.model_validate(entry())
    assert short.default_regimen("ongoing") is short.default_regimen("start")


def test_a_long_entry_has_a_regimen_for_each_phase() -> None:
    on = regimen(id="on", purpose="maintenance", default_for=["ongoing"], open_ended=True, interval_weeks_use=4)
    long = Entry.model_validate(entry(term="long", regimen=[regimen(), on]))
    assert (long.default_regimen("start").id, long.default_regimen("ongoing").id) == ("course", "on")


def by_age(*ranges: tuple[float | None, float | None]) -> dict[str, Any]:
    return entry(
        regimen=[
            regimen(id=f"r{number}", age_from_years=low, age_below_years=high)
            for number, (low, high) in enumerate(ranges)
        ]
    )


@pytest.mark.parametrize(
    ("age", "expected"), [(0.0, "r1"), (17.99, "r1"), (18.0, "r0"), (90.0, "r0"), (None, "r0"), (math.nan, "r0")]
)
def test_several_defaults_are_told_apart_by_age(age: float | None, expected: str) -> None:
    split = Entry.model_validate(by_age((18, None), (None, 18)))
    assert split.default_regimen("start", age).id == expected
    assert [each.id for each in split.default_regimens("start")] == ["r0", "r1"]


@pytest.mark.parametrize(
    "ranges",
    [
        ((18, None), (None, 17)),
        ((18, None), (None, 19)),
        ((18, 65), (None, 18)),
        ((18, None), (1, 18)),
        ((18, None),),
        ((None, 18),),
    ],
)
def test_defaults_that_leave_an_age_without_or_with_two_are_refused(
    ranges: tuple[tuple[float | None, float | None], ...],
) -> None:
    with pytest.raises(ValidationError, match="without gap or overlap"):
        Entry.model_validate(by_age(*ranges))


def test_a_rulebook_finds_entries_and_situations() -> None:
    book = Rulebook.model_validate(rulebook(entry(situation="a"), entry(situation="b"), entry(indication="pid")))
    found = book.find("gbs", "b")
    assert found is not None
    assert found.key == "gbs/b"
    assert book.find("gbs") is None
    assert book.find("flu") is None
    assert book.situations("gbs") == ("a", "b")
    assert book.situations("pid") == ()


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([entry(), entry()], "more than once: gbs"),
        ([entry(), entry(situation="a")], "with and without situation: gbs"),
        ([entry(assumptions=["N01"])], "gbs names unknown assumption N01"),
        ([entry(regimen=[regimen(assumption="N02")])], "gbs names unknown assumption N02"),
    ],
)
def test_entries_must_agree_with_each_other(entries: list[dict[str, Any]], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Rulebook.model_validate(rulebook(*entries))


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Entry.model_validate(entry()).base_grade = 4  # type: ignore[misc]
