"""Whole cases that a clinician can read: grade, dose and reasons, run through the grading and the demand."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from allocation.cohort.demand import demand_table
from allocation.cohort.dosed import day_limits_mg, spread
from allocation.cohort.guideline import guideline_of
from allocation.cohort.load import check_cohort
from allocation.cohort.schema import COLUMNS
from allocation.dosing import dosing_weights
from allocation.dosing.days import daily_limit_mg
from allocation.dosing.plans import course_days, course_mg, entry_schedule, path_of
from allocation.dosing.regimens import exact_course_g
from allocation.grading import grade_cohort
from allocation.quantities import MG_PER_G, to_g
from allocation.rules import load_panels, load_products, load_rulebook
from allocation.rules.table import CATEGORY_WORDS, describe_entry

FOLDER = Path(__file__).parent / "cases"
NHS, PRAIRIE = (
    tomllib.loads((FOLDER / f"doses_{name}.toml").read_text(encoding="utf-8"))["case"] for name in ("nhs", "prairie")
)
BODY: dict[str, Any] = {"age_years": 45, "sex": "M", "height_cm": 172, "weight_kg": 75}
USUAL = {"patient_id": "P1", "panel": "SRIAP01", **BODY, "product": "privigen_10"}
KEYS = {"name", "words", "as_of", "patient", "arithmetic", "expect"}
GRADES = {"grade", "base_grade"}
DOSE = {"dosing_kg", "exact_g", "course_g", "days_g", "interval_weeks", "courses", "weeks"}


def named(cases: list[dict[str, Any]]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=lambda case: case["name"])


def test_the_cases_are_whole_and_many() -> None:
    assert len(NHS) + len(PRAIRIE) >= 80
    assert len(NHS) >= 70
    assert len(PRAIRIE) >= 6
    names = [case["name"] for case in (*NHS, *PRAIRIE)]
    assert len(names) == len(set(names))
    for case in NHS:
        assert set(case) == KEYS, case["name"]
        assert set(case["patient"]) <= set(COLUMNS), case["name"]
        assert set(case["expect"]) <= GRADES | DOSE | {"reasons"}, case["name"]
    for case in PRAIRIE:
        assert set(case) == KEYS | {"entry", "regimen"}, case["name"]
        assert set(case["expect"]) <= DOSE | {"category", "reasons"}, case["name"]
    for case in (*NHS, *PRAIRIE):
        assert case["words"].endswith("."), case["name"]
        assert case["expect"]["reasons"], case["name"]
        assert "course_g" in case["expect"], case["name"]


def test_every_indication_of_the_plan_has_a_whole_case() -> None:
    assert {case["patient"]["indication"] for case in NHS} == {
        *(entry.indication for entry in load_rulebook("nhs").entry),
        "unlisted",
    }


@named(NHS)
def test_a_case_has_the_grade_the_grams_and_the_reasons_that_were_worked_out_by_hand(case: dict[str, Any]) -> None:
    rulebook, products, as_of = load_rulebook("nhs"), load_products(), case["as_of"]
    cells = {name: str(value) for name, value in {**USUAL, **case["patient"]}.items()}
    raw = pd.DataFrame([cells]).reindex(columns=list(COLUMNS)).fillna("")
    read = check_cohort(raw, "case", rulebook=rulebook, panels=load_panels(), products=products)
    assert read.faults == ()
    graded = grade_cohort(rulebook, read.good, as_of)
    row = demand_table(graded, rulebook=rulebook, products=products, as_of=as_of, weeks=4).iloc[0]
    for word in case["expect"]["reasons"]:
        assert word in row["reason"]
    found = {name: int(row[name]) for name in GRADES if not pd.isna(row[name])}
    found["course_g"] = row["course_mg"] / MG_PER_G
    if not pd.isna(row["cycle_weeks"]):
        found["interval_weeks"] = row["cycle_weeks"]

    guideline = guideline_of(graded, rulebook=rulebook, products=products, as_of=as_of)
    place = int(guideline.regimen[0])
    regimen = guideline.regimens[place] if place >= 0 else None
    recorded = "dose_g" in case["patient"]
    assert row["regimen_source"] == ("recorded" if recorded else "rulebook" if regimen else "unknown")
    if regimen and not recorded:
        found["exact_g"] = round(float(guideline.exact_g[0]), 3)
        if regimen.basis == "g_per_kg":
            weight = guideline.dosing_kg[0] if regimen.weight_basis == "rulebook" else row["weight_kg"]
            found["dosing_kg"] = round(float(weight), 2)
        if not regimen.open_ended and regimen.courses_use is not None and regimen.courses_use > 1:
            found["courses"] = regimen.courses_use
        if regimen.gestation_weeks or regimen.weekly_from_gestation_week:
            found["weeks"] = weeks_of_pregnancy(case)
    if row["course_mg"]:
        limit = int(day_limits_mg(guideline, rulebook)[0])
        sizes = guideline.sizes[guideline.vials[0]]
        days = regimen.days_use if regimen and not recorded else 1
        split = spread(int(row["course_mg"]), days, sizes, None if limit < 0 else limit)
        found["days_g"] = [sum(size * count for size, count in day.items()) / MG_PER_G for day in split]
    assert found == {name: value for name, value in case["expect"].items() if name != "reasons"}


def weeks_of_pregnancy(case: dict[str, Any]) -> list[int]:
    patient, book = case["patient"], load_rulebook("nhs")
    entry = book.find(patient["indication"], patient.get("situation", ""))
    assert entry is not None
    schedule = entry_schedule(path_of(entry), lambda _regimen: 1000, weeks=42, gestation_week=0)
    return [round(course.week) for course in schedule.courses]


@named(PRAIRIE)
def test_a_case_of_the_prairie_criteria(case: dict[str, Any]) -> None:
    book, patient, expected = load_rulebook("prairie"), {**BODY, **case["patient"]}, dict(case["expect"])
    entry = book.find(*case["entry"].split("/"))
    assert entry is not None
    facts = describe_entry(book, case["entry"])
    told = str({name: facts[name] for name in ("strength", "selection", "exclusion", "notes", "review", "harms")})
    for word in expected.pop("reasons"):
        assert word in told
    category = CATEGORY_WORDS[entry.category or ""]
    if not case["regimen"]:
        assert entry.regimen == ()
        assert expected == {"category": category, "course_g": 0}
        return
    sizes = load_products().by_code[patient.pop("product", "privigen_10")].vial_mg
    [regimen] = [regimen for regimen in entry.regimen if regimen.id == case["regimen"]]
    weights = dosing_weights(book.dosing, **patient)
    exact = exact_course_g(
        regimen,
        dosing_kg=weights.dosing_kg,
        actual_kg=patient["weight_kg"],
        age_years=patient["age_years"],
        ideal_kg=weights.ideal_kg,
    )
    course = course_mg(book, regimen, **patient, vial_mg=sizes)
    most = regimen.max_g_per_kg_per_day or book.dosing.max_g_per_kg_per_day
    limit = daily_limit_mg(most, dosing_kg=float(weights.dosing_kg[0]), cap_g_per_day=regimen.cap_g_per_day)
    days = course_days(regimen, course, sizes, max_daily_mg=limit)
    found: dict[str, Any] = {
        "category": category,
        "exact_g": round(float(exact[0]), 3),
        "course_g": float(to_g(course)),
        "days_g": [sum(size * count for size, count in day.items()) / MG_PER_G for day in days],
    }
    if regimen.basis == "g_per_kg":
        weighed = weights.dosing_kg[0] if regimen.weight_basis in ("rulebook", "booking_adjusted") else None
        found["dosing_kg"] = round(float(patient["weight_kg"] if weighed is None else weighed), 2)
    if regimen.interval_weeks_use is not None:
        found["interval_weeks"] = regimen.interval_weeks_use
    if not regimen.open_ended and regimen.courses_use is not None and regimen.courses_use > 1:
        found["courses"] = regimen.courses_use
    assert found == expected
