"""Pages of a comparison, a breaking point and a sensitivity analysis, from values written by hand."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pytest

from allocation.reporting.comparison_page import comparison_page, shareable
from allocation.reporting.load import StudyRun
from allocation.reporting.page import page_html
from allocation.reporting.study_page import STUDY_PAGES

HEAD: dict[str, Any] = {
    "scenario": "x",
    "title": "Two makers stop",
    "description": "A test.",
    "weeks": 52,
    "replications": 4,
    "seed": 1,
    "cohort": {"patients": 400, "name": "c.csv", "long_term": 300, "left_out": 100},
    "assumptions": [{"id": "A01", "title": "t", "text": "x", "source": "S01", "confidence": "P"}],
    "sources": [{"id": "S01", "document": "d", "confidence": "P"}],
    "tiers": [],
}
CUT = {"key": "disruption.0.fraction", "label": "output cut: fraction", "low": 0.1, "high": 0.5, "base": 0.14}
COVER = {"key": "supply.opening_cover_weeks", "label": "supply: opening cover weeks", "low": 2, "high": 6, "base": 4}
LATE = {"name": "patients_late", "label": "Patients with a course late", "unit": "patients"}


def study(kind: str, summary: dict[str, Any], **tables: pd.DataFrame) -> StudyRun:
    return StudyRun(kind, {**HEAD, "kind": kind, **summary}, {"command": kind}, (), tables)


def breaking(*, mapped: bool = False, status: str = "found") -> StudyRun:
    seconds = [2.0, 6.0] if mapped else [float("nan")]
    points = pd.DataFrame(
        {
            "second_value": seconds,
            "status": [status, "never"][: len(seconds)],
            "holds_at": [0.25, 0.5][: len(seconds)],
            "breaks_at": [0.26, float("nan")][: len(seconds)],
        }
    )
    tried = pd.DataFrame(
        {
            "second_value": seconds[0],
            "value": [0.1, 0.25, 0.26, 0.5],
            "replications": 4.0,
            "broken": [0.0, 1.0, 2.0, 4.0],
            "share_broken": [0.0, 0.25, 0.5, 1.0],
            "share_low": [0.0, 0.05, 0.15, 0.51],
            "share_high": [0.49, 0.7, 0.85, 1.0],
            "outcome_mean": [2.0, 40.0, 60.0, 90.0],
            "outcome_low": [1.0, 35.0, 50.0, 80.0],
            "outcome_high": [3.0, 45.0, 70.0, 99.0],
        }
    )
    summary = {
        "vary": [CUT, COVER] if mapped else [CUT],
        "outcome": LATE,
        "limit": {"side": "above", "number": 50.0},
        "share_of_replications": 0.5,
        "contradictions": 1,
    }
    return study("breaking_point", summary, breaking_points=points, tried=tried)


def sensitivity(method: str = "one_way") -> StudyRun:
    if method == "one_way":
        rows = pd.DataFrame(
            {
                "outcome": ["patients_late"] * 4,
                "key": [COVER["key"]] * 2 + [CUT["key"]] * 2,
                "end": ["low", "high"] * 2,
                "value": [2.0, 6.0, 0.1, 0.5],
                "base_value": [4.0, 4.0, 0.14, 0.14],
                "difference": [40.0, -12.0, -3.0, 20.0],
                "low": [30.0, -20.0, -5.0, 10.0],
                "high": [50.0, -4.0, -1.0, 30.0],
                "replications": 4.0,
                "swing": [52.0, 52.0, 23.0, 23.0],
            }
        )
    else:
        rows = pd.DataFrame({"outcome": ["patients_late"] * 2, "key": [CUT["key"], COVER["key"]]}).assign(
            first_order=[0.7, 0.1],
            first_order_low=[0.5, 0.0],
            first_order_high=[0.9, 0.2],
            total=[0.8, 0.2],
            total_low=[0.6, 0.1],
            total_high=[1.0, 0.3],
        )
    summary = {"method": method, "vary": [CUT, COVER], "outcomes": [LATE], "left_out": []}
    return study("sensitivity", summary, sensitivity=rows)


def differences(**more: object) -> pd.DataFrame:
    rows = [
        (
            "talmud",
            "grade_order",
            "fill_grade_4_percent",
            "Share given",
            "%",
            90.0,
            99.0,
            -9.0,
            -12.0,
            -6.0,
            4.0,
            "yes",
        ),
        ("talmud", "grade_order", "patients_late", LATE["label"], "patients", 33.0, 30.0, 3.0, 1.0, 5.0, 4.0, "yes"),
        ("talmud", "grade_order", "unmet_g", "Grams given up", "g", 9.0, 9.0, 0.0, 0.0, 0.0, 4.0, "no"),
    ]
    names = "policy against outcome label unit mean mean_against difference low high replications clear".split()
    return pd.DataFrame(rows, columns=names).assign(**more)


def comparison() -> StudyRun:
    named = differences().rename(columns={"outcome": "measure"})
    policies = [
        {"name": "grade_order", "title": "Grade order", "rule": "r", "assumptions": []},
        {"name": "talmud", "title": "Talmud", "rule": "r", "assumptions": ["a"]},
    ]
    by_grade = named.assign(grade="1", measure=["fill_percent", "patients_late", "unmet_g"])
    by_panel = named.assign(panel="SRIAP01", measure=["fill_percent", "patients_late", "unmet_g"])
    summary = {
        "policies": policies,
        "against": "grade_order",
        "headlines": ["Four replications.", "3.0 patients more."],
    }
    return study(
        "comparison",
        summary,
        differences=differences(),
        by_grade=by_grade,
        by_panel=by_panel,
        levels=pd.DataFrame(),
    )


RUNS = [
    breaking(),
    breaking(mapped=True),
    breaking(status="already"),
    sensitivity(),
    sensitivity("sobol"),
    comparison(),
]


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.kind)
def test_every_page_is_whole_and_the_same_each_time(run: StudyRun, share: bool) -> None:
    html = page_html(STUDY_PAGES[run.kind](run, share=share))
    assert html == page_html(STUDY_PAGES[run.kind](run, share=share))
    assert "nan" not in re.sub(r"<svg.*?</svg>", "", html, flags=re.DOTALL).lower().replace("finance", "")
    assert ("Internal" in html) != share


def test_the_breaking_point_is_the_first_thing_said() -> None:
    page = STUDY_PAGES["breaking_point"](breaking(), share=False)
    assert page.headlines[0] == (
        "The scenario breaks with “output cut: fraction” at 0.26 and holds at 0.25 (as written it is 0.14)."
    )
    assert "In 1 case" in page.headlines[-1]


def test_the_map_says_where_it_holds_throughout() -> None:
    page = STUDY_PAGES["breaking_point"](breaking(mapped=True), share=False)
    assert "does not break" in page.headlines[1]
    assert page.lead is not None
    assert "holds throughout" in page.lead.wide


def test_the_input_with_the_largest_swing_leads() -> None:
    page = STUDY_PAGES["sensitivity"](sensitivity(), share=False)
    assert "“supply: opening cover weeks” (+40 patients at 2, −12 patients at 6)" in page.headlines[0]
    assert page.lead is not None
    assert page.lead.finding.endswith("depends most on “supply: opening cover weeks”")


def test_small_counts_are_not_in_a_shared_sensitivity() -> None:
    page = STUDY_PAGES["sensitivity"](sensitivity(), share=True)
    assert page.lead is not None
    cells = [row[3].text for row in page.lead.data.rows] if page.lead.data else []
    assert cells == ["40", "−10", "–", "20"]
    assert page.lead.data is not None
    assert {row[place].text for row in page.lead.data.rows for place in (4, 5)} == {"–"}


def test_a_shared_comparison_hides_a_small_difference_and_what_stands_beside_it() -> None:
    rows = shareable(comparison().tables["by_panel"], share=True)
    assert rows["difference"].isna().all()
    whole = shareable(differences(), share=True)
    assert whole["difference"].isna().tolist() == [False, True, True], "grams of the few are hidden with them"
    assert shareable(differences().iloc[:0], share=True).empty


def test_an_outcome_that_no_policy_changes_is_not_drawn() -> None:
    page = comparison_page(comparison(), share=False)
    more = next(section for section in page.sections if section.key == "outcomes-section")
    assert page.lead is not None
    assert page.lead.finding.startswith("Against “Grade order”, Talmud lowers")
    assert more.parts
