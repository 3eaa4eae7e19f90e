"""Grams a year that stewardship could free."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest

from allocation.cohort.guideline import guideline_of
from allocation.cohort.stewardship import KINDS, SavingsOptions, savings_of, stewardship_table
from allocation.cohort.stewardship_settings import load_stewardship
from allocation.errors import InputError
from allocation.quantities import WEEKS_PER_YEAR
from allocation.rules import load_products, load_rulebook

AS_OF = date(2026, 11, 1)
OFF = SavingsOptions(packs="none", weaning="none")


def savings(frame, options=OFF) -> pd.DataFrame:
    book, products = load_rulebook("nhs"), load_products()
    guideline = guideline_of(frame, rulebook=book, products=products, as_of=AS_OF)
    return savings_of(frame, guideline, rulebook=book, products=products, as_of=AS_OF, options=options)


def freed(frame, options=OFF) -> dict[str, float]:
    """Kinds of the first patient that free anything, in grams a course of its own interval."""
    row = savings(frame, options).iloc[0]
    courses = WEEKS_PER_YEAR / frame["interval_weeks"].iloc[0]
    found = {kind: row[f"saving_{kind}_mg"] / 1000 / courses for kind in KINDS}
    assert row["saving_mg"] == sum(row[f"saving_{kind}_mg"] for kind in KINDS)
    assert row["now_mg"] == row["saving_mg"] + row["left_mg"]
    return {kind: round(grams, 3) for kind, grams in found.items() if grams}


# 1 g/kg every 3 to 4 weeks: 73.2 g by dosing weight, 84 g by actual weight. Vials of 5 g.
@pytest.mark.parametrize(
    ("dose", "weeks", "kinds"),
    [
        (70, 3, {}),
        (60, 4, {}),
        (85, 3, {"dosing_weight": 10, "rounding": 5}),
        (80, 3, {"dosing_weight": 5, "rounding": 5}),
        (100, 3, {"dose": 15, "dosing_weight": 10, "rounding": 5}),
        (100, 4, {"dosing_weight": 0, "rounding": 5}),
        (72, 3, {"rounding": 5}),
        (140, 6, {}),
    ],
)
def test_each_gram_belongs_to_one_kind(graded_cohort, dose, weeks, kinds) -> None:
    found = freed(graded_cohort({"dose_g": dose, "interval_weeks": weeks}))
    assert found == {kind: grams for kind, grams in kinds.items() if grams}


def test_a_course_too_often_goes_back_to_the_shortest_interval(graded_cohort) -> None:
    """84 g every two weeks: the dose is right by actual weight, and three weeks is the shortest printed."""
    frame = graded_cohort({"dose_g": 85, "interval_weeks": 2})
    row = savings(frame).iloc[0]
    assert row["proposed_interval_weeks"] == 3
    assert row["saving_interval_mg"] / 1000 == pytest.approx(85 * WEEKS_PER_YEAR * (1 / 2 - 1 / 3), abs=0.01)
    assert row["proposed_course_mg"] == 70_000


def test_often_but_little_is_left_alone(graded_cohort) -> None:
    assert freed(graded_cohort({"dose_g": 20, "interval_weeks": 1})) == {}


def test_only_as_far_as_the_guideline_allows(graded_cohort) -> None:
    """65 g every two weeks: at 2.32 weeks it is the 28 g a week that 84 kg allow, so it goes no further."""
    row = savings(graded_cohort({"dose_g": 65, "interval_weeks": 2}), SavingsOptions("dosing", "none", "none")).iloc[0]
    assert row["proposed_interval_weeks"] == pytest.approx(65 * 3 / 84)


def test_another_route_than_the_printed_keeps_its_interval(graded_cohort) -> None:
    weekly = {"route": "SC", "product": "hizentra_20", "dose_g": 40, "interval_weeks": 1}
    row = savings(graded_cohort(weekly)).iloc[0]
    assert row["saving_interval_mg"] == 0
    assert row["saving_dose_mg"] > 0
    assert row["proposed_interval_weeks"] == 1


def test_by_which_weight_the_doses_were_reckoned(graded_cohort) -> None:
    """70 g may be 0.83 g/kg of 84 kg or 0.96 g/kg of 73.2 kg; who knows that it is the former frees 9 g."""
    frame = graded_cohort({"dose_g": 70, "interval_weeks": 3})
    for recorded_by, dosing_weight in (("unknown", 0), ("dosing", 0), ("actual", 5)):
        found = freed(frame, SavingsOptions(recorded_by, "none", "none"))
        assert found.get("dosing_weight", 0) == dosing_weight
    above = graded_cohort({"dose_g": 80, "interval_weeks": 3})
    assert freed(above, SavingsOptions("dosing", "none", "none")) == {"dose": 5, "rounding": 5}


def test_packs_that_fit_come_before_rounding(graded_cohort) -> None:
    """72 g in vials of 5 g opens 75 g; Octagam 10 % has vials of 2, 5, 6, 10 and 20 g, which make 72 g."""
    row = savings(graded_cohort({"dose_g": 72, "interval_weeks": 3}), SavingsOptions(weaning="none")).iloc[0]
    a_year = WEEKS_PER_YEAR / 3
    assert row["saving_packs_mg"] / 1000 == pytest.approx(3 * a_year, abs=0.01)
    assert row["saving_rounding_mg"] == 0
    assert row["proposed_product"] in load_products().by_code
    assert row["proposed_course_mg"] == 72_000


def test_a_facilitated_product_is_no_pack_for_another(graded_cohort) -> None:
    products = load_products()
    row = savings(
        graded_cohort({"indication": "pid", "route": "SC", "product": "subgam_16", "dose_g": 7.6, "interval_weeks": 1}),
        SavingsOptions(weaning="none"),
    ).iloc[0]
    assert not products.by_code[row["proposed_product"] or "subgam_16"].facilitated


def test_the_other_route_only_where_it_is_printed_and_saves(graded_cohort) -> None:
    """0.1 g/kg a week under the skin is one course of four weeks by vein."""
    weekly = {"indication": "pid", "route": "SC", "product": "hizentra_20", "dose_g": 7.4, "interval_weeks": 1}
    same = savings(graded_cohort(weekly), SavingsOptions("unknown", "same_route", "none")).iloc[0]
    either = savings(graded_cohort(weekly), SavingsOptions("unknown", "any_route", "none")).iloc[0]
    assert either["saving_packs_mg"] >= same["saving_packs_mg"]
    if either["proposed_interval_weeks"] == 4:
        assert load_products().by_code[either["proposed_product"]].route == "IV"
    cidp = savings(
        graded_cohort({"route": "SC", "product": "hizentra_20", "dose_g": 17.4, "interval_weeks": 1}),
        SavingsOptions("unknown", "any_route", "none"),
    ).iloc[0]
    assert cidp["proposed_interval_weeks"] == 1


def test_weaning_in_the_year_ahead(graded_cohort) -> None:
    """70 g every four weeks: 50 g for 20 weeks, then 35 g, below 0.5 g/kg of 73.2 kg; off from week 40 on."""
    frame = graded_cohort({"indication": "multifocal_motor_neuropathy", "dose_g": 70, "interval_weeks": 4})
    found = savings(frame, SavingsOptions(packs="none")).iloc[0]
    given = (50 * 20 + 35 * (WEEKS_PER_YEAR - 20)) / 4
    assert found["saving_weaning_mg"] / 1000 == pytest.approx(70 * WEEKS_PER_YEAR / 4 - given, abs=0.01)
    assert found["saving_trial_off_mg"] / 1000 == pytest.approx(35 * (WEEKS_PER_YEAR - 40) / 4, abs=0.01)


def test_a_trial_off_is_told_apart(graded_cohort) -> None:
    """30 g every four weeks for 73.2 kg lies below half a gram a kg: not cut, and treatment may end."""
    frame = graded_cohort({"indication": "multifocal_motor_neuropathy", "dose_g": 30, "interval_weeks": 4})
    found = savings(frame, SavingsOptions(packs="none")).iloc[0]
    assert found["saving_weaning_mg"] == 0
    assert found["saving_trial_off_mg"] == found["now_mg"]


@pytest.mark.parametrize(
    ("patient", "weaned"),
    [
        ({}, True),
        ({"start_date": AS_OF - timedelta(days=363)}, False),
        ({"start_date": AS_OF - timedelta(days=364)}, True),
        ({"start_date": None}, False),
        ({"last_review_date": AS_OF - timedelta(days=366)}, False),
        ({"ongoing_need_proven": "yes"}, False),
        ({"life_threatening": "yes"}, False),
        ({"indication": "pid"}, False),
        ({"indication": "gbs"}, False),
        ({"panel_decision": "declined"}, False),
        ({"height_cm": None}, False),
    ],
)
def test_who_may_be_weaned(graded_cohort, patient, weaned) -> None:
    frame = graded_cohort({"dose_g": 70, "interval_weeks": 4, **patient})
    found = savings(frame, SavingsOptions(packs="none")).iloc[0]
    assert bool(found["saving_weaning_mg"] + found["saving_trial_off_mg"]) is weaned


def test_weaning_by_interval(graded_cohort) -> None:
    frame = graded_cohort({"indication": "multifocal_motor_neuropathy", "dose_g": 70, "interval_weeks": 4})
    found = savings(frame, SavingsOptions("unknown", "none", "interval")).iloc[0]
    given = 70 * (24 / 6 + 24 / 8 + (WEEKS_PER_YEAR - 48) / 10)
    assert found["left_mg"] / 1000 == pytest.approx(given, abs=0.01)


@pytest.mark.parametrize(
    ("patient", "grams"),
    [
        ({"indication": "gbs"}, 145),
        ({"indication": "gbs", "last_dose_date": "2026-10-30"}, 0),
        ({"indication": "gbs", "panel_decision": "declined"}, 0),
        ({"indication": "unlisted", "dose_g": 40, "interval_weeks": 4}, 0),
        ({"indication": "unlisted", "dose_g": 40, "interval_weeks": 4, "ifr_approved": "yes"}, 40 * WEEKS_PER_YEAR / 4),
        (
            {"indication": "alloimmune_thrombocytopenia", "situation": "fmait", "dose_g": 55, "interval_weeks": 1},
            55 * 18,
        ),
        ({"dose_g": 70, "interval_weeks": 3}, 70 * WEEKS_PER_YEAR / 3),
        ({}, 70 * WEEKS_PER_YEAR / 3),
        ({"dose_g": 71, "interval_weeks": 3}, 75 * WEEKS_PER_YEAR / 3),
    ],
)
def test_what_is_used_now(graded_cohort, patient, grams) -> None:
    assert savings(graded_cohort(patient)).iloc[0]["now_mg"] / 1000 == pytest.approx(grams, abs=0.001)


def test_the_table_a_panel_asks_for_first(graded_cohort) -> None:
    frame = graded_cohort(
        {"dose_g": 100, "interval_weeks": 3},
        {"dose_g": 70, "interval_weeks": 3, "panel": "SRIAP02", "last_review_date": None},
        {"indication": "pid", "dose_g": 100, "interval_weeks": 4, "panel": "SRIAP02"},
    )
    found = pd.concat([frame[["panel", "indication", "review_overdue"]], savings(frame)], axis=1)
    for by in (["panel"], ["indication"], ["panel", "indication"], []):
        table = stewardship_table(found, by)
        assert table["patients"].sum() == 3
        for column in ("now_mg", "saving_mg", "left_mg", *(f"saving_{kind}_mg" for kind in KINDS)):
            assert table[column].sum() == found[column].sum(), column
            assert table[column].dtype == "int64"
        assert table["saving_mg"].is_monotonic_decreasing
    panels = stewardship_table(found, ["panel"]).set_index("panel")
    assert panels["reviews_overdue"].to_dict() == {"SRIAP01": 0, "SRIAP02": 1}
    assert panels["patients_with_savings"].to_dict() == {"SRIAP01": 1, "SRIAP02": 1}
    assert panels.loc["SRIAP01", "share"] == pytest.approx(0.30)


def test_nobody_and_nothing_used(graded_cohort) -> None:
    nobody = graded_cohort({}).iloc[:0]
    found = pd.concat([nobody[["panel"]], savings(nobody)], axis=1)
    assert stewardship_table(found, ["panel"]).empty
    assert stewardship_table(found, [])["now_mg"].tolist() == [0]


def test_a_missing_column_is_named(graded_cohort) -> None:
    frame = graded_cohort({})
    guideline = guideline_of(frame, rulebook=load_rulebook("nhs"), products=load_products(), as_of=AS_OF)
    with pytest.raises(InputError, match="review_overdue"):
        savings_of(
            frame.drop(columns="review_overdue"),
            guideline,
            rulebook=load_rulebook("nhs"),
            products=load_products(),
            as_of=AS_OF,
        )


def test_the_settings_say_what_each_kind_is() -> None:
    settings = load_stewardship()
    assert tuple(settings.kind) == KINDS
    assert all(kind.title and kind.text.endswith(".") for kind in settings.kind.values())
    specialties = {entry.specialty for entry in load_rulebook("nhs").entry}
    assert set(settings.weaning.replacement_specialties) < specialties
