"""Where a patient stands with the panel: the two figures of the plan as a truth table."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pytest

from allocation.grading import PATHWAY_COLUMN, grade_cohort, panel_status, with_panel_status
from allocation.rules import load_rulebook
from allocation.rules.models import PanelRule, Rulebook
from allocation.rules.pathway import PATHWAY_FACTS, every_case

NHS = load_rulebook("nhs")
RULES = NHS.panel_rule
AS_OF = date(2026, 6, 1)

STATUSES = {
    "declined",
    "not_commissioned",
    "individual_funding_request_needed",
    "individual_funding_request_pending",
    "individual_funding_approved",
    "annual_review_due",
    "approved",
    "prior_approval_needed",
    "prior_approval_pending",
    "retrospective_approval_needed",
    "retrospective_approval_pending",
}


def expected(case: dict[str, str]) -> str:
    """The two figures, read a second time: first treatment, then the yearly review."""
    if case["decision"] == "declined":
        return "declined"
    if case["commissioned"] == "no":
        if case["trial"] == "yes":
            return "not_commissioned"
        pending = case["decision"] == "pending"
        return "individual_funding_request_pending" if pending else "individual_funding_request_needed"
    if case["commissioned"] == "ifr":
        return "individual_funding_approved"
    long_term, review = case["term"] == "long", case["review"]
    if case["decision"] == "approved":
        return "annual_review_due" if long_term and review in ("lapsed", "unknown") else "approved"
    if case["decision"] == "none" and long_term and review == "lapsed":
        return "annual_review_due"
    if case["decision"] == "none" and long_term and review == "in_date":
        return "approved"
    when = "prior" if case["approval"] == "required" else "retrospective"
    return f"{when}_approval_{'pending' if case['decision'] == 'pending' else 'needed'}"


def test_every_case_has_the_status_of_the_figures() -> None:
    cases = list(every_case())
    assert len(cases) == 3 * 4 * 3 * 2 * 4 * 2
    found = panel_status(RULES, **{fact: [case[fact] for case in cases] for fact in PATHWAY_FACTS})
    assert found.tolist() == [expected(case) for case in cases]
    assert set(found) == STATUSES


def test_one_patient_and_many_go_the_same_way() -> None:
    cases = list(every_case())[::7]
    together = panel_status(RULES, **{fact: [case[fact] for case in cases] for fact in PATHWAY_FACTS})
    assert together.tolist() == [str(panel_status(RULES, **case)) for case in cases]


def test_a_fact_broadcasts_over_the_others() -> None:
    facts: dict[str, Any] = {**next(every_case()), "decision": np.array(["declined", "approved"], dtype=object)}
    assert panel_status(RULES, **facts).tolist() == ["declined", "approved"]


def test_a_value_that_is_none_of_the_fact_is_refused() -> None:
    case = dict(next(every_case()))
    with pytest.raises(ValueError, match="decision is one of none, pending, approved, declined, not maybe"):
        panel_status(RULES, **{**case, "decision": "maybe"})


ROWS = [
    # in words; patient; status
    ("declined", {"panel_decision": "declined"}, "declined"),
    ("unlisted, nothing approved", {"indication": "unlisted"}, "individual_funding_request_needed"),
    (
        "unlisted, the panel is asked",
        {"indication": "unlisted", "panel_decision": "pending"},
        "individual_funding_request_pending",
    ),
    ("unlisted, funded", {"indication": "unlisted", "ifr_approved": "yes"}, "individual_funding_approved"),
    ("unlisted, in a trial", {"indication": "unlisted", "clinical_trial": "yes"}, "not_commissioned"),
    ("emergency that needs no prior approval", {"indication": "gbs"}, "retrospective_approval_needed"),
    ("the same, applied for", {"indication": "gbs", "panel_decision": "pending"}, "retrospective_approval_pending"),
    ("toxic shock", {"indication": "toxic_shock_syndrome"}, "retrospective_approval_needed"),
    ("needs prior approval", {"indication": "hepatitis_a"}, "prior_approval_needed"),
    ("the same, applied for", {"indication": "hepatitis_a", "panel_decision": "pending"}, "prior_approval_pending"),
    ("the same, approved", {"indication": "hepatitis_a", "panel_decision": "approved"}, "approved"),
    (
        "long-term, approved, in its first year",
        {"indication": "cidp", "panel_decision": "approved", "start_date": "2026-01-05", "interval_weeks": 4.0},
        "approved",
    ),
    (
        "long-term, approved, and not reviewed for more than a year",
        {
            "indication": "cidp",
            "panel_decision": "approved",
            "start_date": "2022-01-05",
            "last_review_date": "2025-05-31",
            "interval_weeks": 4.0,
        },
        "annual_review_due",
    ),
    (
        "reviewed on the last day that counts",
        {"indication": "cidp", "start_date": "2022-01-05", "last_review_date": "2025-06-01", "interval_weeks": 4.0},
        "approved",
    ),
    (
        "a review in the future does not count",
        {"indication": "cidp", "start_date": "2022-01-05", "last_review_date": "2026-06-02", "interval_weeks": 4.0},
        "annual_review_due",
    ),
    ("long-term, approved, and no date recorded", {"panel_decision": "approved"}, "annual_review_due"),
    ("long-term, nothing recorded, started without approval", {"indication": "pid"}, "retrospective_approval_needed"),
    (
        "either term and repeated: reviewed like long-term",
        {"indication": "inflammatory_myopathy", "start_date": "2023-01-05", "interval_weeks": 4.0},
        "annual_review_due",
    ),
    (
        "either term, one course: not reviewed yearly",
        {"indication": "inflammatory_myopathy", "start_date": "2023-01-05"},
        "prior_approval_needed",
    ),
]


@pytest.mark.parametrize(("patient", "status"), [pytest.param(p, s, id=words) for words, p, s in ROWS])
def test_a_patient_of_a_cohort(cohort: Any, patient: dict[str, Any], status: str) -> None:
    frame = cohort(patient)
    told = with_panel_status(NHS, grade_cohort(NHS, frame, AS_OF), AS_OF)
    assert told[PATHWAY_COLUMN].tolist() == [status]
    assert list(told.columns)[-1] == PATHWAY_COLUMN
    assert PATHWAY_COLUMN not in frame.columns


def test_an_overdue_review_is_never_called_approved(cohort: Any) -> None:
    dates = (None, "2026-05-01", "2026-01-05", "2024-02-05", "2026-07-01")
    patients = [
        {"indication": code, "start_date": start, "last_review_date": review, "panel_decision": decision, **every}
        for code in ("cidp", "pid", "inflammatory_myopathy", "gbs", "specific_antibody_deficiency")
        for start in dates
        for review in dates
        for decision in ("", "pending", "approved")
        for every in ({}, {"interval_weeks": 4.0})
    ]
    told = with_panel_status(NHS, grade_cohort(NHS, cohort(*patients), AS_OF), AS_OF)
    overdue = told["review_overdue"] == "yes"
    assert overdue.any()
    assert "approved" not in set(told.loc[overdue, PATHWAY_COLUMN])
    assert not overdue[told[PATHWAY_COLUMN] == "approved"].any()


def test_a_rulebook_without_a_pathway_gives_blanks(cohort: Any, small_rulebook: Any) -> None:
    book = small_rulebook()
    told = with_panel_status(book, grade_cohort(book, cohort({}, {}), AS_OF), AS_OF)
    assert told[PATHWAY_COLUMN].tolist() == ["", ""]


def test_no_patients_have_no_status(cohort: Any) -> None:
    frame = cohort({}).iloc[:0]
    assert with_panel_status(NHS, grade_cohort(NHS, frame, AS_OF), AS_OF)[PATHWAY_COLUMN].tolist() == []


def rulebook_with(*rules: dict[str, Any]) -> Rulebook:
    data = NHS.model_dump(mode="json", by_alias=True)
    return Rulebook.model_validate({**data, "panel_rule": [{"meaning": "m", "section": "s", **rule} for rule in rules]})


@pytest.mark.parametrize(
    ("rules", "complaint"),
    [
        ([{"status": "declined", "decision": ["declined"]}], "no rule speaks of this case: commissioned routine"),
        ([{"status": "all"}, {"status": "declined", "decision": ["declined"]}], "leave nothing to: number 2"),
        (
            [{"status": "all", "trial": ["yes"]}, {"status": "all", "meaning": "another"}],
            "status all has more than one meaning",
        ),
        ([{"status": "all", "assumption": "N99"}], "panel rule all names unknown assumption N99"),
        ([{"status": "all", "decision": ["perhaps"]}], "Input should be 'none', 'pending', 'approved' or 'declined'"),
    ],
)
def test_rules_that_leave_something_open_are_refused(rules: list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        rulebook_with(*rules)


def test_rules_of_ones_own_are_used() -> None:
    (rule,) = rulebook_with({"status": "all"}).panel_rule
    assert isinstance(rule, PanelRule)
    assert {str(panel_status((rule,), **case)) for case in every_case()} == {"all"}
