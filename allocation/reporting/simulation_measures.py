"""A simulation run to the small tables its report shows.

Bands are over replications: they say how much luck matters in this scenario, not how sure its assumptions are.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.quantities import DAYS_PER_WEEK
from allocation.reporting.load import SimulationRun
from allocation.reporting.words import GRADE_ORDER, indication_name, panel_name

__all__ = [
    "BAND",
    "COUNTED",
    "SUMMED",
    "counts_people",
    "cover_by_week",
    "everybody",
    "fill_by_week",
    "first_cover",
    "grade_in",
    "grade_totals",
    "grade_totals_of",
    "indication_totals",
    "is_share",
    "lowest_cover",
    "outcome_table",
    "panel_totals",
    "rests_on_people",
    "start_cover",
    "tier_by_week",
    "tier_reached",
    "tiers_met",
]

BAND = {"p05": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
"""Columns of a band and the quantile over replications each one is."""

SUMMED = ("due_g", "issued_g", "unmet_g", "deferred_g_weeks", "deferred_end_g")
COUNTED = ("patients", "patients_late", "days_late_total")
"""Grams and counts of people that the totals of a group are made of."""

QUANTILE_COLUMNS = ("p05", "median", "p95")
"""Those of them that an outcome is told with."""

_LATE_BAND = ("late_p05", "late_p95")
_ALL = 1e-9
_GRADE = re.compile(r"grade[_ ]?([0-4])", re.IGNORECASE)
_SUPPLY_UNITS = ("week", "weeks", "tier")


def counts_people(unit: str) -> bool:
    """Whether an outcome in this unit is a number of people."""
    return unit.strip().lower() in ("patient", "patients", "people", "persons")


def is_share(unit: str) -> bool:
    """Whether an outcome in this unit is a share of something that rests on all patients, not on those who lost."""
    return unit.strip().lower() in ("%", "percent", "per cent", "share", "fraction", "proportion")


def rests_on_people(unit: str) -> bool:
    """Whether an outcome in this unit could tell of few people: anything but weeks and tiers of the whole supply."""
    return unit.strip().lower() not in _SUPPLY_UNITS


def grade_in(name: str) -> int | None:
    """The grade an outcome is about, by its name; None for an outcome of all."""
    found = _GRADE.search(name)
    return int(found.group(1)) if found else None


def _quantiles(values: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.float64]]:
    """Quantiles of each column of (replications, columns), leaving out NaN; NaN where a column has no value."""
    result = {name: np.full(values.shape[1], np.nan) for name in BAND}
    some = ~np.isnan(values).all(axis=0)
    if some.any():
        found = np.nanquantile(values[:, some], list(BAND.values()), axis=0)
        for name, row in zip(BAND, found, strict=True):
            result[name][some] = row
    return result


def _by_week(national: pd.DataFrame, frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """One row a replication, one column a week of the nation; NaN where the frame has no row."""
    weeks = range(int(national["week"].min()), int(national["week"].max()) + 1)
    wide = frame.set_index(["replication", "week"])[column].unstack("week")
    return wide.reindex(index=sorted(national["replication"].unique().tolist()), columns=list(weeks)).astype("float64")


def _cover(national: pd.DataFrame) -> pd.DataFrame:
    return _by_week(national, national.replace([np.inf, -np.inf], np.nan), "cover_weeks")


def cover_by_week(run: SimulationRun) -> pd.DataFrame:
    """Weeks of national cover: week, the five quantiles, median stock and demand in grams."""
    national = run.national.replace([np.inf, -np.inf], np.nan)
    wide = _by_week(national, national, "cover_weeks")
    medians = national.groupby("week")[["stock_g", "demand_g"]].median()
    frame = pd.DataFrame({"week": wide.columns.astype(int), **_quantiles(wide.to_numpy())})
    return frame.merge(medians, left_on="week", right_index=True, how="left")


def lowest_cover(national: pd.DataFrame) -> pd.DataFrame:
    """For each replication the lowest weeks of cover and the first week in which it is reached.

    Parameters
    ----------
    national
        Weeks of the nation of whole replications, as in the run.
    """
    wide = _cover(national).dropna(how="all")
    return pd.DataFrame({"cover_weeks": wide.min(axis=1), "week": wide.idxmin(axis=1).astype("int64")})


def first_cover(national: pd.DataFrame) -> pd.Series[float]:
    """For each replication the weeks of cover in the first week."""
    return _cover(national).iloc[:, 0]


def start_cover(first: npt.NDArray[np.float64]) -> float:
    """Median over replications of :func:`first_cover`; NaN where none has one."""
    return float(_quantiles(first[:, None])["median"][0])


def tier_by_week(run: SimulationRun) -> pd.DataFrame:
    """Share of replications in each tier: week, tier, share; every tier from the lowest to the highest met."""
    tiers = run.national["tier"].astype(int)
    shares = pd.crosstab(run.national["week"].astype(int), tiers, normalize="index")
    every = list(range(min(1, int(tiers.min())), max(4, int(tiers.max())) + 1))
    shares = shares.reindex(columns=every, fill_value=0.0).rename_axis(index="week", columns="tier")
    return shares.reset_index().melt(id_vars="week", var_name="tier", value_name="share").astype({"tier": "int64"})


def tiers_met(national: pd.DataFrame) -> pd.DataFrame:
    """For each replication and each tier from 2 on that it reaches: the ``first`` week, and how many at it or above.

    Parameters
    ----------
    national
        As for :func:`lowest_cover`.
    """
    parts = [pd.DataFrame({"tier": [], "first": [], "weeks": []}, dtype="int64")]
    for tier in range(2, int(national["tier"].max()) + 1):
        weeks = national[national["tier"] >= tier].groupby("replication")["week"]
        parts.append(pd.DataFrame({"tier": tier, "first": weeks.min().astype("int64"), "weeks": weeks.size()}))
    return pd.concat(parts, ignore_index=True)


def tier_reached(met: pd.DataFrame, replications: int) -> pd.DataFrame:
    """For each tier above the first week's lowest: replications that reach it, when, and for how many weeks.

    Columns: tier, replications, first_p05, first_median, first_p95 (weeks, over the replications that reach it),
    weeks_at_or_above (median over all replications).

    Parameters
    ----------
    met
        From :func:`tiers_met`, of all replications.
    replications
        How many there are.
    """
    rows = []
    for tier, at in met.groupby("tier"):
        low, middle, high = np.quantile(at["first"], [0.05, 0.5, 0.95])
        held = np.zeros(replications)
        held[: len(at)] = at["weeks"]
        rows.append((tier, len(at), low, middle, high, float(np.median(held))))
    names = ["tier", "replications", "first_p05", "first_median", "first_p95", "weeks_at_or_above"]
    return pd.DataFrame(rows, columns=names)


def fill_by_week(run: SimulationRun) -> pd.DataFrame:
    """Share of the grams owed in a week that is given in it: week, grade, the five quantiles and the ``least``.

    Owed is what is newly due and what was waiting, which is what was given, given up or still waits. The least over
    all replications is there because only it can say "never".
    """
    weekly = run.weekly.assign(owed_g=run.weekly[["issued_g", "unmet_g", "deferred_g"]].sum(axis=1))
    weekly = weekly[weekly["owed_g"] > _ALL]
    weekly = weekly.assign(fill=weekly["issued_g"] / weekly["owed_g"])
    parts = []
    for grade in GRADE_ORDER:
        one = weekly[weekly["grade"] == grade]
        if one.empty:
            continue
        wide = _by_week(run.national, one, "fill")
        band = {"week": wide.columns.astype(int), "grade": grade, **_quantiles(wide.to_numpy())}
        parts.append(pd.DataFrame({**band, "least": wide.min(axis=0).to_numpy()}))
    if not parts:
        return pd.DataFrame({"week": [], "grade": [], **{name: [] for name in BAND}, "least": []})
    return pd.concat(parts, ignore_index=True)


def _people(run: SimulationRun, keys: list[str]) -> pd.DataFrame:
    """Means over all replications of the counts in ``affected``, with the band of patients late."""
    names = ["patients", "patients_late", "days_late_total", "deferred_g_weeks", "unmet_g"]
    counts = run.affected_by_indication if "indication" in keys else run.affected
    each = counts.groupby([*keys, "replication"], observed=True)[names].sum().astype("float64")
    if each.empty:
        return pd.DataFrame(columns=[*keys, *names, "late_p05", "late_p95"])
    means = each.groupby(level=keys).sum() / len(run.replications)
    late = each["patients_late"].unstack("replication").reindex(columns=list(run.replications)).fillna(0.0)
    means["late_p05"] = late.quantile(0.05, axis=1)
    means["late_p95"] = late.quantile(0.95, axis=1)
    return means.reset_index()


def _ratio(part: pd.Series[float], whole: pd.Series[float]) -> pd.Series[float]:
    return part.where(whole > 0).div(whole.where(whole > 0))


def _with_shares(sums: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    frame = sums.join(people, how="outer").fillna(0.0).reset_index()
    fill = _ratio(frame["issued_g"], frame["issued_g"] + frame["unmet_g"] + frame["deferred_end_g"])
    return frame.assign(
        fill=fill.where(fill < 1 - _ALL, fill.round()),
        unmet_share=_ratio(frame["unmet_g"], frame["due_g"]),
        wait_days=_ratio(frame["deferred_g_weeks"], frame["due_g"]) * DAYS_PER_WEEK,
        late_share=_ratio(frame["patients_late"], frame["patients"]),
        days_each=_ratio(frame["days_late_total"], frame["patients_late"]),
    )


def _totals(run: SimulationRun, keys: list[str]) -> pd.DataFrame:
    sums = run.panels.groupby(keys, observed=True)[list(SUMMED)].sum() / len(run.replications)
    people = _people(run, keys).set_index(keys)[[*COUNTED, *_LATE_BAND]].astype("float64")
    return _with_shares(sums, people)


def grade_totals(run: SimulationRun) -> pd.DataFrame:
    """Means over replications by grade, grade 4 first: people, grams due, given, given up, and waits.

    ``fill`` is the share of grams owed that is given by the end of the run, ``wait_days`` the mean wait of a gram
    due (backlog summed over weeks divided by grams due), ``days_each`` the mean days late of a patient who is late.
    """
    return _from_grade_4(_totals(run, ["grade"]))


def grade_totals_of(grams: pd.DataFrame, people: pd.DataFrame, replications: int) -> pd.DataFrame:
    """As :func:`grade_totals`, from sums over replications by grade, without the band of patients late.

    Parameters
    ----------
    grams, people
        :data:`SUMMED` and :data:`COUNTED`, the grade as index.
    replications
        How many were summed.
    """
    return _from_grade_4(_with_shares(grams / replications, people / replications))


def _from_grade_4(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values("grade", ascending=False, ignore_index=True)


def everybody(grades: pd.DataFrame) -> pd.DataFrame:
    """One row for all patients together: the sums of :func:`grade_totals`, and days late of a patient who is late."""
    names = ["patients", "patients_late", "days_late_total", "deferred_g_weeks", "unmet_g"]
    totals = grades[names].sum().to_frame().T.astype("float64")
    return totals.assign(days_each=_ratio(totals["days_late_total"], totals["patients_late"]))


def panel_totals(run: SimulationRun) -> pd.DataFrame:
    """As :func:`grade_totals`, by panel and grade."""
    frame = _totals(run, ["panel", "grade"])
    frame["panel_name"] = [panel_name(code) for code in frame["panel"]]
    return frame.sort_values(["panel", "grade"], ascending=[True, False], ignore_index=True)


def indication_totals(run: SimulationRun) -> pd.DataFrame:
    """Means over replications by indication and situation, most patients late first."""
    frame = _people(run, ["indication", "situation"])
    for name in ("patients", "patients_late", "days_late_total", "unmet_g", "late_p05", "late_p95"):
        frame[name] = frame[name].astype("float64")
    frame["name"] = [indication_name(i, s) for i, s in zip(frame["indication"], frame["situation"], strict=True)]
    frame["late_share"] = _ratio(frame["patients_late"], frame["patients"])
    frame["days_each"] = _ratio(frame["days_late_total"], frame["patients_late"])
    return frame.sort_values(["patients_late", "name"], ascending=[False, True], ignore_index=True)


def outcome_table(run: SimulationRun) -> pd.DataFrame:
    """Outcomes as the run summed them up, with quantiles of the replications where these are on file."""
    rows = []
    for name, outcome in run.summary["outcomes"].items():
        spread = dict.fromkeys(QUANTILE_COLUMNS, np.nan)
        if name in run.outcomes.columns:
            values = pd.to_numeric(run.outcomes[name], errors="coerce").replace([np.inf, -np.inf], np.nan).dropna()
            if len(values):
                found = np.quantile(values.to_numpy(dtype=np.float64), [BAND[column] for column in QUANTILE_COLUMNS])
                spread = dict(zip(QUANTILE_COLUMNS, found.tolist(), strict=True))
        rows.append(
            {
                "name": name,
                "label": outcome.get("label", name),
                "unit": outcome.get("unit", ""),
                "mean": _number(outcome.get("mean")),
                "low": _number(outcome.get("low")),
                "high": _number(outcome.get("high")),
                **spread,
                "replications": outcome.get("replications", len(run.replications)),
            }
        )
    names = ["name", "label", "unit", "mean", "low", "high", *QUANTILE_COLUMNS, "replications"]
    return pd.DataFrame(rows, columns=names)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else np.nan
