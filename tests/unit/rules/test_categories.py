"""Rulebooks of categories: what they may say, what is refused, and how they read."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from allocation.errors import InputError
from allocation.rules import load_rulebook
from allocation.rules.dosing import AdultWeightRule
from allocation.rules.general import FollowUp, MaximumDose, WeaningByDose, WeaningByInterval
from allocation.rules.models import STRENGTHS, Entry, Regimen, Rulebook
from allocation.rules.table import (
    CATEGORY_COLUMNS,
    CATEGORY_WORDS,
    COLUMNS,
    STRENGTH_WORDS,
    columns_of,
    criteria_table,
    describe_entry,
    describe_general,
    describe_regimen,
    find_entry,
)

PRAIRIE = load_rulebook("prairie")
NHS = load_rulebook("nhs")
APPROVAL = {"start": "required", "ongoing": "required"}
ADULT = {
    "base_kg_male": 50,
    "base_kg_female": 45.5,
    "reference_height_cm": 152.4,
    "adjustment_fraction": 0.4,
    "height_range_low_cm": 152.4,
    "source": {"document": "criteria"},
}


def regimen(**changes: Any) -> dict[str, Any]:
    return {"id": "course", "purpose": "single", "basis": "g_per_kg", "dose_use": 2.0, "days_use": 2, **changes}


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "indication": "gbs",
        "title": "A row",
        "specialty": "neurology",
        "section": "Section 7: a row, page 1",
        "category": "do",
        "strength": "recommended",
        "term": "short",
        "evidence": ["SR (G1)"],
        "regimen": [regimen()],
        **changes,
    }


def rulebook(*entries: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "own",
        "title": "Own",
        "kind": "categories",
        "version": "1",
        "document": "criteria",
        "effective_from": "2022-02-01",
        "dosing": {
            "rounding": "nearest",
            "adult": {**ADULT, "slope_kg_per_inch": 2.3},
            "child": {"basis": "actual", "below_age_years": 18, "source": {"document": "criteria"}},
        },
        "evidence_code": {"SR": "systematic review", "G1": "a guideline"},
        "entry": list(entries),
        **changes,
    }


def faults_of(changes: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        Entry.model_validate(entry(**changes))
    return {".".join(str(part) for part in error["loc"]): error["msg"] for error in caught.value.errors()}


def test_a_row_of_a_category_needs_no_default_and_no_grade() -> None:
    row = Entry.model_validate(entry())
    assert (row.base_grade, row.prior_approval, row.default_regimens("start")) == (None, None, ())
    with pytest.raises(InputError, match="default regimen for 'start'"):
        row.default_regimen("start")
    with pytest.raises(InputError, match="an entry with a grade"):
        _ = row.graded


@pytest.mark.parametrize(
    ("changes", "key", "told"),
    [
        ({"base_grade": 2}, "base_grade", "has none"),
        ({"prior_approval": APPROVAL}, "prior_approval", "has none"),
        ({"upgrade": [{"to": 3, "all_of": ["bleeding"], "reason": "x"}]}, "", "does not raise"),
        ({"strength": None}, "strength", "has one of recommended, may_be_considered"),
        ({"strength": "discouraged"}, "strength", "category do has one of"),
        ({"category": "do_not_do", "strength": "not_recommended"}, "", "has no regimen"),
        ({"category": "perhaps"}, "category", "'do', 'do_not_know' or 'do_not_do'"),
        ({"evidence": []}, "", "names its evidence"),
        ({"regimen": [], "term": None}, "", "no_regimen_because"),
        ({"no_regimen_because": "none_printed"}, "", "not both"),
        ({"term": None}, "", "term goes with regimens"),
        ({"see": ["Nothing Like It"]}, "see.0", "pattern"),
        ({"regimen": [regimen(), regimen()]}, "", "ids repeat"),
        (
            {"regimen": [regimen(default_for=["start"]), regimen(id="other", default_for=["start"])]},
            "",
            "without gap or overlap",
        ),
    ],
)
def test_a_row_of_a_category_that_cannot_be_meant_is_refused(changes: dict[str, Any], key: str, told: str) -> None:
    assert told in faults_of(changes)[key]


def test_a_row_without_category_or_grade_is_told_what_it_lacks() -> None:
    bare = {key: value for key, value in entry().items() if key not in ("category", "strength", "term", "regimen")}
    with pytest.raises(ValidationError) as caught:
        Entry.model_validate(bare)
    assert {error["loc"][0] for error in caught.value.errors()} == {"base_grade", "prior_approval", "term", "regimen"}


def test_a_graded_row_has_no_strength() -> None:
    graded = {**entry(base_grade=2, prior_approval=APPROVAL, category=None), "strength": "recommended"}
    with pytest.raises(ValidationError, match="category None has one of none"):
        Entry.model_validate(graded)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (rulebook(entry(), kind="grades"), "settings go with kind 'grades'"),
        (
            rulebook(settings={"review_valid_days": 365, "first_year_counts_if_approved": True, "initiation_weeks": 8}),
            "settings go with kind 'grades'",
        ),
        (rulebook(entry(evidence=["RCT (G1)"])), "gbs names unknown evidence code RCT"),
        (rulebook(entry(see=["cidp"])), "gbs refers to unknown code cidp"),
        (
            rulebook(entry(), cross_reference=[{"name": "A name", "see": ["gbs/acute"], "section": "Index"}]),
            "A name refers to unknown code gbs/acute",
        ),
    ],
)
def test_a_rulebook_of_categories_must_agree_with_itself(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Rulebook.model_validate(given)


def test_a_rulebook_is_of_one_kind() -> None:
    graded = entry(base_grade=2, prior_approval=APPROVAL, category=None, strength=None, regimen=[])
    graded["regimen"] = [regimen(default_for=["start"])]
    with pytest.raises(ValidationError, match="each entry has a category; not so gbs"):
        Rulebook.model_validate(rulebook(graded))


def test_see_may_name_a_situation_or_the_whole_indication() -> None:
    one, two = entry(situation="acute", see=["gbs"]), entry(situation="chronic", see=["gbs/acute"])
    assert len(Rulebook.model_validate(rulebook(one, two)).entry) == 2


def test_settings_of_a_rulebook_that_does_not_grade_are_refused() -> None:
    with pytest.raises(InputError, match="this rulebook does not grade"):
        _ = PRAIRIE.settings
    assert NHS.settings.review_valid_days == 365


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"doses_by_day": [1.0, 0.5]}, "add up"),
        ({"doses_by_day": [1.0, 0.5, 0.5]}, "add up"),
        ({"doses_by_day": [1.0, 1.0], "per": "day"}, "add up"),
        ({"doses_per_day": 4}, "per = "),
        ({"max_g_per_kg_per_day": 0.9}, "comes to 1 g/kg, above max_g_per_kg_per_day"),
        ({"days_use": 3, "doses_by_day": [1.0, 0.5, 0.5], "max_g_per_kg_per_day": 0.9}, "above max_g_per_kg_per_day"),
        ({"interval_weeks_use": 2, "open_ended": True, "max_g_per_kg_per_4_weeks": 2}, "comes to 4 g/kg"),
        ({"interval_weeks_use": 4, "courses_use": 2, "max_g_per_kg_in_all": 2}, "comes to 4 g/kg"),
        ({"basis": "g", "max_g_per_kg_in_all": 2}, "goes with basis g_per_kg only"),
        ({"cycles_to_judge_low": 6, "cycles_to_judge_high": 3}, "cycles_to_judge_low is above"),
        ({"months_to_judge_low": 6, "months_to_judge_high": 3}, "months_to_judge_low is above"),
        ({"hours_low": 12, "hours_high": 10}, "hours_low is above"),
        ({"weaning": ["weight"]}, "'dose' or 'interval'"),
        ({"weight_basis": "adjusted"}, "weight_basis"),
    ],
)
def test_a_regimen_that_breaks_its_own_limits_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Regimen.model_validate(regimen(**changes))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"doses_by_day": [1.0, 0.5, 0.5], "days_use": 3}, "2 g/kg over 3 days (1, 0.5 and 0.5), intravenously"),
        ({"days_use": 1, "hours_low": 10, "hours_high": 12}, "2 g/kg over 10 to 12 hours, intravenously"),
        (
            {
                "route": "ORAL",
                "basis": "g",
                "dose_low": 0.025,
                "dose_high": 0.045,
                "dose_use": 0.035,
                "per": "dose",
                "doses_per_day": 4,
                "cap_g_per_course": 0.36,
            },
            "0.025 to 0.045 g (0.035 used) 4 times a day for 2 days, at most 0.36 g at a time, by mouth",
        ),
        ({"cap_g_per_day": 140}, "2 g/kg over 2 days, at most 140 g a day, intravenously"),
        (
            {"max_g_per_kg_per_day": 1, "max_g_per_kg_per_4_weeks": 2},
            "2 g/kg over 2 days, at most 1 g/kg a day and 2 g/kg in four weeks, intravenously",
        ),
        (
            {
                "dose_use": 0.1,
                "days_use": 1,
                "max_g_per_kg_in_all": 2,
                "open_ended": True,
                "after_each_plasma_exchange": True,
            },
            "0.1 g/kg, at most 2 g/kg in all, intravenously, after each plasma exchange",
        ),
        (
            {"dose_use": 1, "days_use": 1, "open_ended": True, "interval_weeks_use": 1, "throughout_pregnancy": True},
            "1 g/kg, intravenously, every week throughout pregnancy",
        ),
        ({"weight_basis": "booking_adjusted"}, "2 g/kg of dosing weight at booking over 2 days, intravenously"),
        (
            {
                "open_ended": True,
                "interval_weeks_use": 4,
                "months_to_judge_low": 3,
                "months_to_judge_high": 6,
                "cycles_to_judge_high": 6,
                "weaning": ["dose", "interval"],
            },
            (
                "2 g/kg over 2 days, intravenously, every 4 weeks for as long as it helps, "
                "judged after 3 to 6 months or up to 6 courses, once stable lower or further apart"
            ),
        ),
    ],
)
def test_what_the_criteria_need_reads_as_a_sentence(changes: dict[str, Any], expected: str) -> None:
    assert describe_regimen(Regimen.model_validate(regimen(**changes))) == expected


def test_a_slope_is_given_once_by_cm_or_by_inch() -> None:
    assert AdultWeightRule.model_validate({**ADULT, "slope_kg_per_cm": 0.91}).slope == (0.91, 1.0)
    assert AdultWeightRule.model_validate({**ADULT, "slope_kg_per_inch": 2.3}).slope == (2.3, 2.54)
    for slopes in ({}, {"slope_kg_per_cm": 0.91, "slope_kg_per_inch": 2.3}):
        with pytest.raises(ValidationError, match="exactly one of"):
            AdultWeightRule.model_validate({**ADULT, **slopes})


@pytest.mark.parametrize(
    ("model", "figures"),
    [
        (
            MaximumDose,
            {
                "usual_g_per_kg_per_day": 2,
                "exceptional_g_per_kg_per_day": 1,
                "single_infusion_g_per_kg": 1.6,
                "single_infusion_replaces_g_per_kg": 2,
                "single_infusion_replaces_days": 2,
            },
        ),
        (
            FollowUp,
            {"first_from_months": 4, "first_to_months": 3, "first_at_latest_months": 6, "then_every_months": 12},
        ),
        (
            WeaningByDose,
            {
                "cut_low": 0.3,
                "cut_high": 0.2,
                "round_down_to_g": 5,
                "hold_months_low": 4,
                "hold_months_high": 6,
                "stop_below_g_per_kg_per_month": 0.5,
            },
        ),
        (
            WeaningByInterval,
            {"interval_weeks": [6, 6, 8], "hold_months": 6, "stop_after_longest_intervals": 2},
        ),
    ],
)
def test_general_statements_out_of_order_are_refused(model: Any, figures: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"must rise|must lie|above its high"):
        model.model_validate({"section": "Section 1", "notes": ["A note."], **figures})


def test_each_kind_has_its_own_columns() -> None:
    assert columns_of(NHS) == COLUMNS
    assert columns_of(PRAIRIE) == CATEGORY_COLUMNS
    table = criteria_table(PRAIRIE).set_index("code")
    assert list(table.index) == [row.key for row in PRAIRIE.entry]
    assert not table.isna().to_numpy().any()
    assert table.loc["hlh/primary", ["category", "strength", "term", "regimens"]].tolist() == [
        "do not do",
        "not recommended",
        "",
        "",
    ]
    assert table.loc["psoriasis", "strength"] == "generally discouraged"
    assert table.loc["thrombotic_thrombocytopenic_purpura", "regimens"] == "no dose: the evidence is insufficient"
    assert table.loc["netherton_syndrome", "see"] == "secondary_antibody_deficiency"
    assert table.loc["sepsis_prophylaxis", "evidence"] == "RCT (G1)"


def test_every_category_and_strength_has_words() -> None:
    assert set(CATEGORY_WORDS) == set(STRENGTHS)
    assert set(STRENGTH_WORDS) == {strength for allowed in STRENGTHS.values() for strength in allowed}


@pytest.mark.parametrize("row", PRAIRIE.entry, ids=lambda row: row.key)
def test_every_row_can_be_told(row: Any) -> None:
    told = describe_entry(PRAIRIE, row.key)
    assert json.loads(json.dumps(told)) == told
    assert "base_grade" not in told
    assert told["category"]["code"] == row.category
    assert [each["code"] for each in told["evidence"]] == list(row.evidence)
    assert all(each["words"] for each in told["evidence"])
    assert {each["id"] for each in told["assumptions"]} == set(row.assumptions)


def test_the_meaning_of_evidence_codes_is_told() -> None:
    (evidence,) = describe_entry(PRAIRIE, "mycoplasma_rash_mucositis")["evidence"]
    assert evidence["code"] == "EO (GDG-qSR)"
    assert list(evidence["words"]) == ["EO", "GDG", "qSR"]


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("lyell", "toxic_epidermal_necrolysis"),
        ("evans syndrome", "autoimmune_haemolytic_anaemia"),
        ("WHIM", "pid"),
        ("pemphigus", "autoimmune_blistering_disease"),
        ("itp", "itp_adult/refractory"),
    ],
)
def test_other_names_lead_to_the_code(wanted: str, near: str) -> None:
    with pytest.raises(InputError, match=near):
        find_entry(PRAIRIE, wanted)


def test_general_statements_are_ready_for_json() -> None:
    told = describe_general(PRAIRIE)
    assert json.loads(json.dumps(told)) == told
    assert told["weaning"]["by_interval"]["interval_weeks"] == [6, 8, 10, 12]
    assert describe_general(NHS) == {}


def test_the_numbers_of_both_rulebooks_are_finite() -> None:
    for book in (NHS, PRAIRIE):
        for row in book.entry:
            for each in row.regimen:
                numbers = [value for value in each.model_dump().values() if isinstance(value, float)]
                assert np.isfinite(numbers).all()
