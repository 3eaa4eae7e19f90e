"""Policies side by side: differences paired by replication, as all meet the same patients and the same luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from allocation.simulation.demand import Floats
from allocation.simulation.statistics import interval

__all__ = [
    "GROUP_MEASURES",
    "PairedDifference",
    "by_replication",
    "difference_rows",
    "group_measures",
    "level_rows",
    "paired",
]

GROUP_MEASURES: dict[str, tuple[str, str]] = {
    "due_g": ("Grams that fell due", "g"),
    "issued_g": ("Grams given", "g"),
    "fill_percent": ("Share of grams due that was given", "%"),
    "unmet_g": ("Grams given up for good", "g"),
    "patients_due": ("Patients who fell due at least once", "patients"),
    "patients_late": ("Patients with a course late by a day or more", "patients"),
    "late_percent": ("Share of patients with a course late by a day or more", "%"),
    "days_late_total": ("Days late of all patients, each by the longest delay", "days"),
    "deferred_g_weeks": ("Grams owed at the end of a week, summed over weeks", "g weeks"),
}
"""Label and unit of what is told of a grade or a panel."""

_SUMS = ("patients_due", "patients_late", "days_late_total", "deferred_g_weeks", "unmet_g")


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """Mean difference of pairs with its 95 % interval; None where there is none.

    Attributes
    ----------
    mean, mean_against
        Means of the two over the same pairs.
    difference, low, high
        Mean of the first less the second, and its interval, which needs two pairs.
    replications
        Pairs of which both have a value.
    """

    mean: float | None
    mean_against: float | None
    difference: float | None
    low: float | None
    high: float | None
    replications: int

    @property
    def clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def paired(values: Floats, against: Floats) -> PairedDifference:
    """Difference of two policies over their replications, shape (replications,) each; NaN where there is no value.

    >>> paired(np.array([2.0, 4.0]), np.array([1.0, 3.0])).difference
    1.0
    """
    both = ~np.isnan(values) & ~np.isnan(against)
    found = interval(values[both] - against[both])
    if not found.replications:
        return PairedDifference(None, None, None, None, None, 0)
    means = float(values[both].mean()), float(against[both].mean())
    return PairedDifference(*means, found.mean, found.low, found.high, found.replications)


def group_measures(weeks: pd.DataFrame, affected: pd.DataFrame, by: str) -> pd.DataFrame:
    """What a replication came to for each grade or panel.

    Parameters
    ----------
    weeks, affected
        Tables of one replication, as a run writes them.
    by
        ``grade`` or ``panel``.

    Returns
    -------
    DataFrame
        Columns :data:`GROUP_MEASURES`, indexed by ``by``; NaN for a share of nothing.
    """
    grams = weeks.groupby(by)[["due_g", "issued_g"]].sum()
    people = affected.rename(columns={"patients": "patients_due"}).groupby(by)[list(_SUMS)].sum()
    table = grams.join(people, how="outer").fillna(0.0).astype(np.float64)
    table = table[(table["due_g"] > 0) | (table["patients_due"] > 0)]
    table["fill_percent"] = 100 * table["issued_g"] / table["due_g"].where(table["due_g"] > 0)
    table["late_percent"] = 100 * table["patients_late"] / table["patients_due"].where(table["patients_due"] > 0)
    return table[list(GROUP_MEASURES)]


Measured = Mapping[tuple[object, ...], Floats]
"""Value of each replication, by what it is a value of; the last part of the key names the measure."""


def difference_rows(
    policy: str, against: str, values: Measured, base: Measured, words: Mapping[str, tuple[str, str]]
) -> list[dict[str, object]]:
    """A row for each thing measured under both policies: its key, label, unit and paired difference."""
    rows = []
    for key, mine in values.items():
        if key not in base:
            continue
        found = paired(mine, base[key])
        label, unit = words[str(key[-1])]
        clear = "yes" if found.clear else "no"
        rows.append(
            {"policy": policy, "against": against, "key": key, "label": label, "unit": unit}
            | asdict(found)
            | {"clear": clear}
        )
    return rows


def level_rows(
    policy: str, group: str, values: Measured, words: Mapping[str, tuple[str, str]]
) -> list[dict[str, object]]:
    """A row for each thing measured under one policy: its mean over replications and the interval of it."""
    rows = []
    for key, mine in values.items():
        label, unit = words[str(key[-1])]
        found = interval(mine, lowest=0.0, highest=100.0 if unit == "%" else np.inf)
        rows.append(
            {
                "policy": policy,
                "group": group,
                "key": "" if len(key) == 1 else str(key[0]),
                "measure": str(key[-1]),
                "label": label,
                "unit": unit,
            }
            | asdict(found)
        )
    return rows


def by_replication(tables: Sequence[pd.DataFrame], keys: Sequence[object]) -> dict[tuple[object, ...], Floats]:
    """Measures of groups over replications: tables of :func:`group_measures`, one a replication.

    A group that a replication does not have counts 0 there, and NaN for a share.
    """
    values: dict[tuple[object, ...], Floats] = {}
    known = set().union(*(table.index for table in tables)) if tables else set()
    for key in keys:
        if key not in known:
            continue
        for measure, (_, unit) in GROUP_MEASURES.items():
            missing = np.nan if unit == "%" else 0.0
            values[key, measure] = np.array(
                [table.at[key, measure] if key in table.index else missing for table in tables], dtype=np.float64
            )
    return values
