"""The cases a clinician can read, run through the dosing."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from allocation.cohort.demand import courses_in_vials
from allocation.cohort.dosed import DOSED_COLUMNS, dosed_table
from allocation.cohort.guideline import compare, guideline_of
from allocation.cohort.schema import COLUMNS, typed
from allocation.cohort.stewardship import SavingsOptions, savings_of
from allocation.dosing import dose_patient
from allocation.dosing.equivalence import switched_phase
from allocation.dosing.parameters import weaning_of
from allocation.dosing.plans import course_mg, entry_schedule, path_of, stop_rule
from allocation.dosing.trough import dose_for_trough_g
from allocation.dosing.weaning import weaning_phases
from allocation.grading import grade_cohort
from allocation.quantities import WEEKS_PER_YEAR, to_mg
from allocation.rules import load_products, load_rulebook

CASES: dict[str, list[dict[str, Any]]] = tomllib.loads(
    (Path(__file__).parent / "cases" / "dosing.toml").read_text(encoding="utf-8")
)
AS_OF = date(2026, 11, 1)
MAN = {"sex": "M", "age_years": 45, "height_cm": 170, "weight_kg": 84}
COMMON = (5000, 10000, 20000)
# A patient in every other respect ordinary, so that a case says only what matters.
USUAL = {**MAN, "patient_id": "P1", "panel": "SRIAP01", "product": "gammaplex_10", "start_date": "2020-01-06"}


def cases(kind: str) -> Any:
    return pytest.mark.parametrize("case", CASES[kind], ids=lambda case: case["name"])


def test_the_cases_are_many_and_each_has_a_name_of_its_own() -> None:
    assert set(CASES) == {"dose", "record", "schedule", "weaning", "switch", "trough"}
    names = [case["name"] for kind in CASES.values() for case in kind]
    assert len(names) >= 15
    assert len(names) == len(set(names))


@cases("dose")
def test_a_dose(case: dict[str, Any]) -> None:
    patient, course = case["patient"], case["course"]
    dose = dose_patient(
        load_rulebook(case["rulebook"]),
        sex=patient["sex"],
        age_years=patient["age_years"],
        height_cm=patient.get("height_cm"),
        weight_kg=patient["weight_kg"],
        g_per_kg=course["g_per_kg"],
        days=course["days"],
        vial_mg=tuple(to_mg(size) for size in course["vials_g"]),
        child_method=case.get("child_method"),
    )
    found = {
        "ideal_kg": dose.ideal_weight_kg,
        "dosing_kg": dose.dosing_weight_kg,
        "exact_g": dose.exact_g,
        "course_g": dose.course_mg / 1000,
        "daily_g": [mg / 1000 for mg in dose.daily_mg],
        "warnings": [warning.code for warning in dose.warnings],
    }
    for name, expected in case["expect"].items():
        if name == "warnings":
            assert found[name] == expected
        else:
            assert found[name] == pytest.approx(expected, abs=1e-3), name


def dosed(case: dict[str, Any]) -> pd.Series:
    cells = {name: str(value) for name, value in {**USUAL, **case["patient"]}.items()}
    raw = pd.DataFrame([cells])
    raw = raw.reindex(columns=[*COLUMNS, *(name for name in raw if name not in COLUMNS)]).fillna("")
    book, products = load_rulebook("nhs"), load_products()
    frame = grade_cohort(book, typed(raw), AS_OF)
    guideline = guideline_of(frame, rulebook=book, products=products, as_of=AS_OF)
    options = SavingsOptions(packs=case.get("packs", "same_route"))
    saved = savings_of(frame, guideline, rulebook=book, products=products, as_of=AS_OF, options=options)
    course, _ = courses_in_vials(frame, rulebook=book, products=products, as_of=AS_OF)
    comparison = compare(frame, guideline)
    return dosed_table(frame, guideline, comparison, saved, course_mg=course, rulebook=book).iloc[0]


@cases("record")
def test_a_record(case: dict[str, Any]) -> None:
    row = dosed(case)
    for name, expected in case["expect"].items():
        if name.endswith("_a_course"):
            a_year = row[name.removesuffix("_a_course") + "_a_year"]
            assert a_year * row["recorded_interval_weeks"] / WEEKS_PER_YEAR == pytest.approx(expected, abs=1e-3)
        else:
            assert name in DOSED_COLUMNS
            assert row[name] == expected, name


@cases("schedule")
def test_a_schedule(case: dict[str, Any]) -> None:
    book = load_rulebook("nhs")
    entry = book.find(*case["entry"].split("/"))
    assert entry is not None
    schedule = entry_schedule(
        path_of(entry),
        lambda regimen: course_mg(book, regimen, **MAN, vial_mg=COMMON),
        weeks=case["weeks"],
        gestation_week=case.get("gestation_week"),
        stop=stop_rule(book, entry, benefit=case.get("benefit")),
    )
    weeks = [course.week for course in schedule.courses]
    found = {
        "weeks": weeks,
        "grams": [course.mg / 1000 for course in schedule.courses],
        "courses": len(weeks),
        "first_week": weeks[0],
        "last_week": weeks[-1],
        "ended": schedule.ended_because,
    }
    assert {name: found[name] for name in case["expect"]} == case["expect"]


@cases("weaning")
def test_a_weaning(case: dict[str, Any]) -> None:
    phases = weaning_phases(
        to_mg(case["course_g"]),
        interval_weeks=case["interval_weeks"],
        dosing_kg=case["dosing_kg"],
        vial_mg=COMMON,
        rule=weaning_of(),
        method=case["method"],
    )
    found = {
        "grams": [phase.mg[0] / 1000 for phase in phases],
        "courses": [phase.courses for phase in phases],
        "intervals": [phase.interval_weeks[0] for phase in phases],
    }
    assert {name: found[name] for name in case["expect"]} == case["expect"]


@cases("switch")
def test_a_switch(case: dict[str, Any]) -> None:
    phase = switched_phase(
        to_mg(case["course_g"]),
        from_weeks=case["from_weeks"],
        to_weeks=case["to_weeks"],
        from_route=case.get("from_route", "IV"),
        to_route=case.get("to_route", "SC"),
        vial_mg=tuple(to_mg(size) for size in case["vials_g"]),
    )
    assert [mg / 1000 for mg in phase.mg] == case["expect"]["grams"]


@cases("trough")
def test_a_titration(case: dict[str, Any]) -> None:
    asked = ("interval_weeks", "weight_kg", "trough_g_per_l", "target_g_per_l")
    grams = dose_for_trough_g(case["course_g"], **{name: case[name] for name in asked})
    assert grams[0] == pytest.approx(case["expect"]["grams"])
