"""Small rulebooks for the dosing tests, valid as they stand."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from allocation.rules.models import (
    AdultWeightRule,
    ChildWeightRule,
    DosingRules,
    MeanWeight,
    Regimen,
    Rulebook,
    Settings,
    Source,
)

SOURCE = Source(document="a test", confidence="P")

NHS_ADULT = {
    "base_kg_male": 50.0,
    "base_kg_female": 45.5,
    "slope_kg_per_cm": 0.91,
    "reference_height_cm": 152.4,
    "adjustment_fraction": 0.4,
    "height_range_low_cm": 152.4,
}
TABLE = (
    MeanWeight(age_years=0, weight_kg=3.5, height_cm=51),
    MeanWeight(age_years=1, weight_kg=9, height_cm=75),
    MeanWeight(age_years=10, weight_kg=32, height_cm=138),
    MeanWeight(age_years=14, sex="M", weight_kg=49, height_cm=163),
    MeanWeight(age_years=14, sex="F", weight_kg=50, height_cm=159),
)


def build_dosing_rules(
    *, adult: dict[str, Any] | None = None, child: dict[str, Any] | None = None, **rules: Any
) -> DosingRules:
    young: dict[str, Any] = {"basis": "ideal", "below_age_years": 18, "mean_weight": TABLE, "source": SOURCE}
    return DosingRules(
        rounding=rules.pop("rounding", "down"),
        adult=AdultWeightRule(**{**NHS_ADULT, "source": SOURCE, **(adult or {})}),
        child=ChildWeightRule(**{**young, **(child or {})}),
        **rules,
    )


@pytest.fixture
def dosing_rules():
    """Builder: the NHS adult formula and a short table for children, unless told otherwise."""
    return build_dosing_rules


@pytest.fixture
def rulebook():
    """Builder of a rulebook without entries."""

    def build(**rules: Any) -> Rulebook:
        return Rulebook(
            id="small",
            title="A small rulebook",
            version="1",
            document="a test",
            effective_from=date(2021, 1, 1),
            settings=Settings(review_valid_days=365, first_year_counts_if_approved=True, initiation_weeks=8),
            dosing=build_dosing_rules(**rules),
        )

    return build


@pytest.fixture
def regimen():
    """Builder of a single course of 1 g/kg, unless told otherwise."""

    def build(**values: Any) -> Regimen:
        return Regimen(**{"id": "course", "purpose": "single", "basis": "g_per_kg", "dose_use": 1.0, **values})

    return build
