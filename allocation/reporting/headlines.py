"""The answer in sentences, made from the numbers of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from allocation.reporting.frames import lowest, records
from allocation.reporting.words import (
    HIDDEN,
    count,
    days,
    grade_name,
    grams,
    joined,
    number,
    percent,
    plural,
    times,
)

__all__ = [
    "ahead_sentence",
    "allocation_sentences",
    "cover_finding",
    "cover_sentence",
    "fill_finding",
    "fill_sentence",
    "late_sentence",
    "precision_sentences",
    "tier_finding",
    "tier_sentence",
    "unplayed_sentence",
]

_NONE = 1e-9


def cover_sentence(lows: pd.DataFrame, start: float) -> str:
    """How low national cover falls and when.

    Parameters
    ----------
    lows
        For each replication ``cover_weeks`` and ``week`` of its lowest point.
    start
        Median weeks of cover in the first week.
    """
    if lows.empty:
        return "Weeks of cover cannot be told: the run has no expected demand."
    low, middle, high = (float(value) for value in np.quantile(lows["cover_weeks"], [0.05, 0.5, 0.95]))
    first, week, last = (number(float(at), 0) for at in np.quantile(lows["week"], [0.05, 0.5, 0.95]))
    spread = f" (weeks {first} to {last})" if first != last else ""
    text = f"Cover is lowest in week {week}{spread}, at {number(middle)} weeks of demand"
    if len(lows) > 1:
        digits = 1 if number(low) != number(high) else 2
        text += f" (90% of replications: {number(low, digits)} to {number(high, digits)})"
    return f"{text}; it starts at {number(start)}."


def cover_finding(lows: pd.DataFrame, start: float) -> str:
    """Heading of the chart of cover."""
    middle = float(np.median(lows["cover_weeks"]))
    if number(middle) == number(start):
        least = number(float(lows["cover_weeks"].min()))
        if least == number(start):
            return f"Cover never falls below the {number(start)} weeks it starts with"
        return f"Cover mostly stays at the {number(start)} weeks it starts with; {least} at worst"
    return f"Cover falls from {number(start)} to {number(middle)} weeks"


def tier_sentence(reached: pd.DataFrame, replications: int) -> str:
    """Which tiers are reached, how often and when; the two highest met are enough to act on."""
    if reached.empty:
        return f"Tier 2 or above is reached in {times(0, replications)}."
    parts: list[str] = []
    highest = int(reached["tier"].max())
    for row in records(reached.sort_values("tier", ascending=False).head(2)):
        first = f"week {number(row['first_median'], 0)}"
        hits = int(row["replications"])
        spread = ""
        if hits > 1 and round(row["first_p05"]) != round(row["first_p95"]):
            spread = f" (weeks {number(row['first_p05'], 0)} to {number(row['first_p95'], 0)})"
        verb = "" if parts else " is reached"
        above = " or above" if int(row["tier"]) < highest else ""
        parts.append(f"tier {row['tier']}{above}{verb} in {times(hits, replications)}, first in {first}{spread}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."


def tier_finding(reached: pd.DataFrame, replications: int) -> str:
    """Heading of the tier chart."""
    if reached.empty:
        return "No tier above 1 is reached"
    top = records(reached.sort_values("tier").tail(1))[0]
    often = times(int(top["replications"]), replications)
    held = plural(round(float(top["weeks_at_or_above"])), "week")
    if 2 * int(top["replications"]) >= replications:
        return f"Tier {int(top['tier'])} is reached in {often} and typically holds for {held}"
    return f"Tier {int(top['tier'])} is reached in {often}"


def fill_sentence(grades: pd.DataFrame) -> str:
    """Share of grams given, grade by grade, 4 first."""
    parts = [
        f"{_share_or_hidden(row['fill'])} for grade {row['grade']}"
        for row in records(grades)
        if row["grade"] and _has_value(row["fill"])
    ]
    return f"Share of the grams owed that is given by the end of the run: {', '.join(parts)}." if parts else ""


def _has_value(value: float | str) -> bool:
    return isinstance(value, str) or not math.isnan(value)


def _share_or_hidden(value: float | str) -> str:
    return "a hidden share" if value == HIDDEN else percent(value)


def fill_finding(weekly: pd.DataFrame) -> str:
    """Heading of the chart of fill: the worst week of the worst grade, and how grade 4 fares."""
    graded = weekly[(weekly["grade"] > 0) & weekly["median"].notna()]
    if graded.empty:
        return "Nothing was owed to graded patients"
    worst = lowest(graded, graded["median"])
    if worst["median"] >= 1 - _NONE:
        low = lowest(graded, graded["least"])
        if low["least"] >= 1 - _NONE:
            return "Every grade is served in full in every week of every replication"
        fall = f"{grade_name(int(low['grade'])).lower()} falls to {percent(low['least'])} at worst"
        return f"In each week most replications serve every grade in full; {fall}"
    given = "nothing is" if worst["median"] <= _NONE else f"{percent(worst['median'], 0)} of the grams owed are"
    text = f"{grade_name(int(worst['grade']))} falls lowest: {given} given in week {int(worst['week'])}"
    four = graded.loc[graded["grade"] == 4, "median"]
    if four.empty or int(worst["grade"]) == 4:
        return text
    least = float(graded.loc[graded["grade"] == 4, "least"].min())
    if least >= 1 - _NONE:
        return f"{text}; grade 4 is served in full in every week of every replication"
    if four.min() >= 1 - _NONE:
        return f"{text}; grade 4 in full in most replications in each week, {percent(least)} at worst"
    return f"{text}; grade 4 to {percent(float(four.min()))}, {percent(least)} at worst"


def late_sentence(everybody: Mapping[str, float | str]) -> str:
    """How many patients wait, how long, and what is given up for good.

    Parameters
    ----------
    everybody
        ``patients``, ``late``, ``days_each``, ``unmet_g`` of all patients together, as they may be shown.
    """
    patients, late, unmet_g = everybody["patients"], everybody["late"], everybody["unmet_g"]
    if isinstance(late, str):
        first = "Fewer than 8 patients get a course late"
    elif late == 0:
        first = "No patient gets a course late"
    else:
        of = "" if isinstance(patients, str) else f" of the {count(patients)}"
        share = "" if isinstance(patients, str) or not patients else f" ({percent(late / patients)})"
        first = f"{count(late)}{of} patients{share} get at least one course late"
        if not isinstance(everybody["days_each"], str):
            first += f", their longest delay {days(everybody['days_each'])} days on average"
    if isinstance(unmet_g, str):
        return f"{first}."
    if unmet_g == 0:
        return f"{first}; nothing due is given up for good."
    return f"{first}; {grams(unmet_g)} are given up for good."


def precision_sentences(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """What the replications left open of the precision that was asked for, one sentence an outcome.

    Parameters
    ----------
    summary
        Of a run or a study, with ``precision`` where something was asked, and ``replications``.
    """
    told = []
    for name, asked in (summary.get("precision") or {}).items():
        if asked["reached"]:
            continue
        played = plural(int(summary["replications"]), "replication")
        if asked["half_width"] is None:
            told.append(
                f"The precision asked of {name} is not reached: after {played} it has no interval, "
                "as fewer than two of them have a value of it."
            )
            continue
        half = f"is {number(asked['half_width'], 2)} to each side"
        wanted, pilot = number(asked["half_width_wanted"], 2), count(asked["pilot_replications"])
        told.append(
            f"The precision asked of {name} is not reached: after {played} its interval {half} and was to be {wanted}; "
            f"the first {pilot} said that about {count(asked['replications_needed_by_pilot'])} are needed "
            "(--most-replications)."
        )
    return tuple(told)


def unplayed_sentence(summary: Mapping[str, Any]) -> str:
    """What of the scenario begins only after the run has ended; blank where all of it is played."""
    late = [one for one in summary.get("disruptions") or () if one["start_week"] >= summary["weeks"]]
    if not late:
        return ""
    named = "; ".join(f"{str(one['text']).rstrip('.')} (from week {one['start_week']})" for one in late)
    return f"Not played, as the run ends after {plural(int(summary['weeks']), 'week')}: {named}."


def allocation_sentences(
    grades: pd.DataFrame, statuses: pd.DataFrame, *, lowest_panel: tuple[str, float | str] | None
) -> tuple[str, ...]:
    """An allocation in sentences: all grams, each grade, and what becomes of the patients.

    Parameters
    ----------
    grades
        :func:`~allocation.reporting.allocation_measures.fill_by_grade`, as it may be shown.
    statuses
        Patients in all and by status, one row, as it may be shown.
    lowest_panel
        Panel with the lowest share of grade 4 grams given, and that share; None where all are alike.
    """
    sentences = []
    due, given = _total(grades, "due_g"), _total(grades, "given_g")
    if due is not None and given is not None and due > 0:
        sentences.append(f"{grams(given)} of {grams(due)} due are given ({percent(given / due)}).")
    parts = [
        f"{_share_or_hidden(row['fill_rate'])} for {grade_name(int(row['grade'])).lower()}"
        for row in records(grades)
        if _has_value(row["fill_rate"])
    ]
    if parts:
        sentences.append(f"By grade: {', '.join(parts)}.")
    row = records(statuses)[0]
    named = [
        f"{count(row[name])} {word}"
        for name, word in (
            ("treated", "are treated in full"),
            ("reduced", "get a smaller dose"),
            ("deferred", "are deferred"),
            ("suspended", "are suspended"),
            ("not_funded", "lack individual funding"),
        )
        if row[name] != 0
    ]
    if named:
        sentences.append(f"Of {count(row['patients'])} patients, {joined(named)}.")
    if lowest_panel is not None:
        name, share = lowest_panel
        sentences.append(f"Grade 4 fares worst in {name}, where {percent(share)} of the grams due are given.")
    return tuple(sentences)


def ahead_sentence(ahead: Mapping[str, Any]) -> str:
    """What a look-ahead keeps back, and what it knows to come.

    Parameters
    ----------
    ahead
        ``horizon`` of the record of an allocation.
    """
    weeks = plural(int(ahead["weeks"]), "week")
    coming = float(ahead["deliveries_counted_g"])
    known = f"deliveries known: {grams(coming)}" if coming else "no delivery known"
    kept = float(ahead["kept_for_later_g"])
    if not kept:
        return f"Looking {weeks} ahead, nothing is kept for later ({known})."
    return f"Looking {weeks} ahead, {grams(kept)} are kept for later weeks ({known})."


def _total(frame: pd.DataFrame, column: str) -> float | None:
    """A sum, or None where a part of it is hidden."""
    values = list(frame[column])
    return None if any(value == HIDDEN for value in values) else float(sum(values))
