"""What the pages of studies have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from allocation.reporting.disclosure import is_hidden, shared_count
from allocation.reporting.words import NO_VALUE, count, number, plural

__all__ = ["figure_text", "study_facts"]


def study_facts(summary: Mapping[str, Any], *, share: bool) -> tuple[tuple[str, str], ...]:
    """What was played, as names and values."""
    cohort = summary["cohort"]
    people: float | str = float(cohort["patients"])
    if share:
        people = shared_count(float(cohort["patients"]))
    return (
        ("Scenario", str(summary["scenario"])),
        ("Length", plural(int(summary["weeks"]), "week")),
        ("Replications of each", number(summary["replications"], 0)),
        ("Patients in the cohort", count(people)),
        ("Cohort", str(cohort["name"])),
        ("Seed", str(summary["seed"])),
    )


def figure_text(value: object) -> str:
    """A number of any size to four figures."""
    if is_hidden(value):
        return str(value)
    plain = float(value)  # type: ignore[arg-type]
    return NO_VALUE if np.isnan(plain) else f"{plain:,.4g}".replace("-", "−")
