"""A small rulebook and cohorts, valid as they stand, for the grading tests."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocation.rules import FLAGS
from allocation.rules.models import (
    AdultWeightRule,
    ChildWeightRule,
    DosingRules,
    Entry,
    PriorApproval,
    Regimen,
    Rulebook,
    Settings,
    Source,
    Upgrade,
)

SOURCE = Source(document="a test", confidence="P")
ADULT = AdultWeightRule(
    base_kg_male=50.0,
    base_kg_female=45.5,
    slope_kg_per_cm=0.91,
    reference_height_cm=152.4,
    adjustment_fraction=0.4,
    height_range_low_cm=152.4,
    source=SOURCE,
)


def build_entry(indication: str, **values: Any) -> Entry:
    regimens = (
        Regimen(id="first", purpose="single", basis="g_per_kg", dose_use=2.0, default_for=("start",)),
        Regimen(
            id="next",
            purpose="maintenance",
            basis="g_per_kg",
            dose_use=1.0,
            default_for=("ongoing",),
            open_ended=True,
            interval_weeks_use=4,
        ),
    )
    return Entry(
        **{
            "indication": indication,
            "title": indication.upper(),
            "specialty": "neurology",
            "section": "a table",
            "term": "long",
            "base_grade": 2,
            "prior_approval": PriorApproval(start="required", ongoing="not_required"),
            "regimen": regimens,
            **values,
        }
    )


def build_rulebook(**settings: Any) -> Rulebook:
    reviewed = Upgrade(
        to=3,
        all_of=("annual_review_complete", "ig_dependent"),
        reason="the annual review is complete and the patient depends on immunoglobulin",
    )
    return Rulebook(
        id="small",
        title="A small rulebook",
        version="1",
        document="a test",
        effective_from=date(2021, 1, 1),
        settings=Settings(
            **{
                "review_valid_days": 365,
                "first_year_counts_if_approved": True,
                "initiation_weeks": 8,
                **settings,
            }
        ),
        dosing=DosingRules(
            rounding="down",
            adult=ADULT,
            child=ChildWeightRule(basis="actual", below_age_years=18, source=SOURCE),
        ),
        entry=(
            build_entry("cidp", title="CIDP", upgrade=(reviewed,)),
            build_entry("gbs", term="short", base_grade=4),
            build_entry(
                "myositis",
                term="either",
                upgrade=(
                    Upgrade(to=3, all_of=("annual_review_complete",), reason="the annual review is complete"),
                    Upgrade(to=4, all_of=("life_threatening",), reason="it threatens life"),
                ),
            ),
            build_entry(
                "myasthenia",
                situation="crisis",
                term="short",
                base_grade=3,
                upgrade=(
                    Upgrade(
                        to=4,
                        any_of=("plex_unavailable", "alternatives_exhausted"),
                        reason="plasma exchange is unavailable or the alternatives are exhausted",
                    ),
                ),
            ),
            build_entry("myasthenia", situation="long_term"),
            build_entry("old", effective_until=date(2025, 12, 31)),
        ),
    )


def build_cohort(*patients: dict[str, Any]) -> pd.DataFrame:
    blank: dict[str, Any] = {
        "patient_id": "",
        "panel": "SRIAP01",
        "trust": "",
        "indication": "cidp",
        "situation": "",
        "age_years": 45.0,
        "sex": "M",
        "height_cm": 170.0,
        "weight_kg": 84.0,
        "route": "IV",
        "product": "",
        "dose_g": np.nan,
        "interval_weeks": np.nan,
        "start_date": None,
        "last_review_date": None,
        "last_dose_date": None,
        "next_due_date": None,
        "panel_decision": "",
        **dict.fromkeys(FLAGS, ""),
    }
    rows = [{**blank, "patient_id": f"P{number:04}", **patient} for number, patient in enumerate(patients)]
    frame = pd.DataFrame(rows, columns=list(dict.fromkeys([*blank, *(key for row in rows for key in row)])))
    for column in ("start_date", "last_review_date", "last_dose_date", "next_due_date"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[ns]")
    for column in ("age_years", "height_cm", "weight_kg", "dose_g", "interval_weeks"):
        frame[column] = frame[column].astype("float64")
    return frame


@pytest.fixture
def small_rulebook():
    """Builder of the small rulebook; settings may be changed."""
    return build_rulebook


@pytest.fixture
def cohort():
    """Builder of a cohort frame: one dict a patient, with what differs from a man with CIDP and nothing recorded."""
    return build_cohort
