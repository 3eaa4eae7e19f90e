"""The rulebook in words."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from allocation.errors import InputError
from allocation.rules import load_rulebook
from allocation.rules.models import CONDITIONS, Regimen, Upgrade
from allocation.rules.table import COLUMNS, criteria_table, describe_entry, describe_regimen, find_entry

RULEBOOK = load_rulebook("nhs")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return criteria_table(RULEBOOK).set_index("code")


def words(**fields: Any) -> str:
    given = {"id": "x", "purpose": "single", "basis": "g_per_kg", "dose_use": 2.0, **fields}
    return describe_regimen(Regimen.model_validate(given))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "2 g/kg, intravenously"),
        ({"weight_basis": "booking"}, "2 g/kg of weight at booking, intravenously"),
        ({"days_use": 5}, "2 g/kg over 5 days, intravenously"),
        ({"days_low": 2, "days_high": 5, "days_use": 2}, "2 g/kg over 2 to 5 days (2 used), intravenously"),
        ({"dose_use": 0.4, "per": "day", "days_use": 5}, "0.4 g/kg a day for 5 days, intravenously"),
        ({"dose_use": 0.4, "per": "day"}, "0.4 g/kg a day for 1 day, intravenously"),
        ({"dose_low": 1, "dose_high": 2, "dose_use": 1.5}, "1 to 2 g/kg (1.5 used), intravenously"),
        ({"dose_high": 2, "dose_use": 1}, "up to 2 g/kg (1 used), intravenously"),
        ({"dose_low": 2, "dose_high": 2}, "2 g/kg, intravenously"),
        ({"basis": "g", "dose_use": 3, "route": "IM"}, "3 g, intramuscularly"),
        ({"basis": "iu", "dose_use": 250, "route": "IM"}, "250 IU of a specific immunoglobulin, intramuscularly"),
        (
            {"basis": "ml_per_kg", "dose_use": 0.6, "concentration_g_per_ml": 0.16, "cap_g_per_course": 1},
            "0.6 ml/kg of a 16 % product, at most 1 g at a time, intravenously",
        ),
        (
            {
                "basis": "g_by_age",
                "dose_use": None,
                "bands": [
                    {"from": 0, "below": 1, "dose": 0.25},
                    {"from": 1, "below": 3, "dose": 0.5},
                    {"from": 3, "dose": 0.75},
                ],
            },
            "0.25 g below 1 year; 0.5 g from 1 to below 3 years; 0.75 g from 3 years, intravenously",
        ),
        (
            {"dose_use": 0.1, "route": "SC", "open_ended": True, "interval_weeks_use": 1},
            "0.1 g/kg, subcutaneously, every week for as long as it helps",
        ),
        (
            {"open_ended": True, "interval_weeks_low": 4, "interval_weeks_high": 6, "interval_weeks_use": 5},
            "2 g/kg, intravenously, every 4 to 6 weeks (5 used) for as long as it helps",
        ),
        (
            {"courses_low": 2, "courses_high": 3, "courses_use": 2, "interval_weeks_use": 6},
            "2 g/kg, intravenously, 2 to 3 courses (2 used) 6 weeks apart",
        ),
        (
            {"courses_use": 2, "gestation_weeks": [14, 18]},
            "2 g/kg, intravenously, in weeks 14 and 18 of pregnancy",
        ),
        (
            {
                "dose_use": 1,
                "cap_g_per_week": 60,
                "weekly_from_gestation_week": 18,
            },
            "1 g/kg, at most 60 g a week, intravenously, weekly from week 18 of pregnancy to delivery",
        ),
        ({"age_below_years": 18}, "2 g/kg, intravenously, aged below 18 years"),
        ({"age_from_years": 1, "age_below_years": 18}, "2 g/kg, intravenously, aged from 1 and below 18 years"),
        ({"when": "worse again"}, "2 g/kg, intravenously (when: worse again)"),
    ],
)
def test_a_regimen_reads_as_a_sentence(fields: dict[str, Any], expected: str) -> None:
    assert words(**fields) == expected


def test_every_regimen_of_the_rulebook_has_words_with_its_figures() -> None:
    for entry in RULEBOOK.entry:
        for regimen in entry.regimen:
            text = describe_regimen(regimen)
            assert "None" not in text
            if regimen.dose_use is not None:
                assert f"{regimen.dose_use:g}" in text


def test_the_table_has_a_row_for_each_code(table: pd.DataFrame) -> None:
    assert list(criteria_table(RULEBOOK).columns) == list(COLUMNS)
    assert list(table.index) == [entry.key for entry in RULEBOOK.entry]
    assert not table.isna().to_numpy().any()
    assert (table["highest_grade"] >= table["base_grade"]).all()


@pytest.mark.parametrize(
    ("code", "base", "highest", "upgrades", "approval"),
    [
        ("gbs", 3, 4, "4 if plasma exchange unavailable", "not required"),
        (
            "cidp",
            2,
            3,
            "3 if annual review complete and found dependent on immunoglobulin",
            "not required at the start, required once ongoing",
        ),
        ("inflammatory_myopathy", 2, 4, "3 if annual review complete; 4 if life-threatening", "required"),
        ("hlh", 3, 4, "4 if acute emergency or alternatives exhausted", "required"),
        ("toxic_shock_syndrome", 4, 4, "", "retrospective"),
    ],
)
def test_rows_say_what_the_rules_say(
    table: pd.DataFrame, code: str, base: int, highest: int, upgrades: str, approval: str
) -> None:
    row = table.loc[code]
    assert (row["base_grade"], row["highest_grade"]) == (base, highest)
    assert (row["upgrades"], row["prior_approval"]) == (upgrades, approval)


def test_the_default_regimen_tells_start_from_ongoing_and_adult_from_child(table: pd.DataFrame) -> None:
    assert table.loc["cidp", "default_regimen"].startswith("start: 2 g/kg over 2 to 5 days")
    assert "; ongoing: 1 g/kg" in table.loc["cidp", "default_regimen"]
    surgery = table.loc["itp/planned_surgery", "default_regimen"]
    assert "aged from 18 years" in surgery
    assert "aged below 18 years" in surgery
    assert not table.loc["pid", "default_regimen"].startswith("start:")


def test_an_entry_is_told_in_full_and_is_ready_for_json() -> None:
    told = describe_entry(RULEBOOK, "haemolytic_disease_newborn")
    assert json.loads(json.dumps(told)) == told
    assert told["code"] == "haemolytic_disease_newborn"
    assert told["source"]["rulebook"] == RULEBOOK.id
    assert [regimen["id"] for regimen in told["regimens"]] == [
        "newborn",
        "newborn_second_dose",
        "mother_weekly",
        "as_printed",
    ]
    assert told["regimens"][0]["source"]["document"] == "Prairie criteria 2022"
    texts = {assumption["id"]: assumption for assumption in told["assumptions"]}
    assert texts["N05"]["kind"] == "source_conflict"
    assert "Prairie" in texts["N05"]["ruling"]


@pytest.mark.parametrize("entry", RULEBOOK.entry, ids=lambda entry: entry.key)
def test_every_entry_can_be_told(entry: Any) -> None:
    told = describe_entry(RULEBOOK, entry.key)
    json.dumps(told)
    assert len(told["upgrades"]) == len(entry.upgrade)
    assert {each["id"] for each in told["assumptions"]} == set(entry.assumptions)


def test_every_condition_has_words() -> None:
    for condition in CONDITIONS:
        entry = RULEBOOK.entry[0].model_copy(
            update={"upgrade": (Upgrade(to=4, all_of=(condition,), any_of=("bleeding",), reason="x"),)}
        )
        book = RULEBOOK.model_copy(update={"entry": (entry,)})
        text = criteria_table(book)["upgrades"][0]
        assert text.startswith("4 if ")
        assert text.endswith(" and (bleeding)")
        assert "_" not in text


def test_a_code_is_found_with_and_without_situation() -> None:
    assert find_entry(RULEBOOK, "gbs").key == "gbs"
    assert find_entry(RULEBOOK, " itp/vitt ").key == "itp/vitt"


@pytest.mark.parametrize(
    ("code", "near"),
    [
        ("measels", "measles/immunosuppressed"),
        ("cipd", "cidp"),
        ("Myasthenia-gravis", "myasthenia_gravis/crisis"),
        ("vitt", "itp/vitt"),
        ("itp/vit", "itp/vitt"),
        ("Guillain-Barre syndrome", "gbs"),
        ("headache", "All codes"),
    ],
)
def test_an_unknown_code_is_refused_with_near_ones(code: str, near: str) -> None:
    with pytest.raises(InputError) as caught:
        find_entry(RULEBOOK, code)
    (fault,) = caught.value.faults
    assert fault.value == code
    assert near in fault.remedy


def test_an_indication_without_its_situation_is_refused_with_the_choices() -> None:
    with pytest.raises(InputError) as caught:
        describe_entry(RULEBOOK, "tetanus")
    (fault,) = caught.value.faults
    assert fault.expected == "the situation as well"
    assert "tetanus/suspected_case, tetanus/prone_injury" in fault.remedy
