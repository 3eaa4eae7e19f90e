"""The series of a forecast as charts and tables want them, already fit to be shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.quantities import G_PER_KG
from allocation.reporting.charts_forecast import Fan
from allocation.reporting.disclosure import is_national, protect, shared_grams
from allocation.reporting.load_forecast import ForecastRun
from allocation.reporting.words import panel_name

__all__ = ["UNMAPPED", "ForecastFacts", "forecast_facts"]

UNMAPPED = "UNMAPPED"
"""Stands for a panel where a trust is on no map."""

_BANDS = ("low_80", "high_80", "low_95", "high_95")
_YEAR = 12


@dataclass(frozen=True, slots=True)
class ForecastFacts:
    """What the page of a forecast says, in grams; rounded below national level where it is to be shared.

    Attributes
    ----------
    run, share
        The run, and whether grams below national level are rounded.
    months, ahead
        Months of the history and of the forecast, ascending.
    nation
        ``month``, ``used`` (NaN ahead), ``grams`` (NaN before) and the four ends of the intervals.
    panels
        A row for each panel: ``panel``, ``name``, ``before`` (grams of the last twelve months known, or of as many as
        there are), ``next`` (grams of the months ahead, at most twelve) and ``change`` on the same months a year
        before, NaN where those are not known.
    fan, fans
        The nation and each panel, in kg a month.
    together
        The panels that are in a cohort and in the history, with what the cohort needs; None without a cohort.
    groups
        What the cohort has of each group of conditions; None without a cohort.
    """

    run: ForecastRun
    share: bool
    months: tuple[str, ...]
    ahead: tuple[str, ...]
    nation: pd.DataFrame
    panels: pd.DataFrame
    fan: Fan
    fans: tuple[Fan, ...]
    together: Fan | None
    groups: pd.DataFrame | None


def forecast_facts(run: ForecastRun, *, share: bool) -> ForecastFacts:
    """All that the page of a forecast says."""
    known = [code for code in run.history["panel"].unique() if code]
    exact = not share or is_national(known)
    history, forecast = run.history, run.forecast
    if share:
        below = forecast["level"].ne("nation") if exact else pd.Series(data=True, index=forecast.index)
        for name in ("grams", *_BANDS):
            forecast = forecast.assign(**{name: _rounded(forecast[name], below)})
    months = tuple(sorted(history["month"].unique()))
    ahead = tuple(sorted(forecast["month"].unique()))
    codes = sorted(forecast.loc[forecast["level"] == "panel", "panel"].unique())
    fan = _fan(run, history, forecast[forecast["level"] == "nation"], name="All panels", exact=exact)
    by_panel = {
        code: _fan(
            run,
            history[history["panel"] == code],
            forecast[(forecast["level"] == "panel") & (forecast["panel"] == code)],
            name=code,
            exact=not share,
        )
        for code in codes
    }
    return ForecastFacts(
        run=run,
        share=share,
        months=months,
        ahead=ahead,
        nation=_nation(fan, months, forecast),
        panels=_panels(by_panel),
        fan=fan,
        fans=tuple(by_panel.values()),
        together=_together(run, fan, by_panel, share=share),
        groups=_groups(run, share=share),
    )


def _rounded(values: pd.Series[float], where: pd.Series[bool]) -> pd.Series[float]:
    return values.mask(where, values.map(lambda value: float(shared_grams(float(value)))))


def _fan(run: ForecastRun, history: pd.DataFrame, ahead: pd.DataFrame, *, name: str, exact: bool) -> Fan:
    """One series in kg a month; months that stand out are those of its own level."""
    used = history.groupby("month", sort=True)["grams"].sum()
    if not exact:
        used = _rounded(used, pd.Series(data=True, index=used.index))
    filled = history.assign(filled=history["filled"].eq("yes")).groupby("month", sort=True)["filled"].any()
    months = list(used.index)
    first = ahead.iloc[0]
    own = run.breaks[
        (run.breaks["level"] == first["level"])
        & (run.breaks["panel"] == first["panel"])
        & (run.breaks["group"] == first["group"])
    ]
    outlying = np.zeros(len(months), dtype=np.bool_)
    shifts = []
    for kind, month, length in own[["kind", "first_month", "months"]].itertuples(index=False, name=None):
        if month not in months:
            continue
        start = months.index(month)
        if kind == "outlier":
            outlying[start : start + int(length)] = True
        elif kind == "level shift":
            shifts.append(start)
    ahead = ahead.sort_values("month")
    kg = ahead[["grams", *_BANDS]].to_numpy(dtype=np.float64) / G_PER_KG
    return Fan(
        name=name,
        first_month=months[0],
        history=used.to_numpy(dtype=np.float64) / G_PER_KG,
        filled=filled.to_numpy(dtype=np.bool_),
        outlying=outlying,
        shifts=tuple(shifts),
        mean=kg[:, 0],
        low=np.stack([kg[:, 1], kg[:, 3]]),
        high=np.stack([kg[:, 2], kg[:, 4]]),
    )


def _nation(fan: Fan, months: tuple[str, ...], forecast: pd.DataFrame) -> pd.DataFrame:
    past = pd.DataFrame({"month": months, "used": fan.history * G_PER_KG})
    ahead = forecast.loc[forecast["level"] == "nation", ["month", "grams", *_BANDS]].sort_values("month")
    return pd.concat([past, ahead], ignore_index=True)


def _panels(fans: dict[str, Fan]) -> pd.DataFrame:
    rows = []
    for code, fan in fans.items():
        count = min(len(fan.mean), _YEAR)
        coming = float(fan.mean[:count].sum()) * G_PER_KG
        # The same months a year before, so that the season does not pass for growth.
        back = fan.history[len(fan.history) - _YEAR :][:count] if len(fan.history) >= _YEAR else None
        same = float(back.sum()) * G_PER_KG if back is not None else np.nan
        before = float(fan.history[-_YEAR:].sum()) * G_PER_KG
        change = coming / same - 1 if same > 0 else np.nan
        rows.append((code, "Trusts on no map" if code == UNMAPPED else panel_name(code), before, coming, change))
    return pd.DataFrame(rows, columns=["panel", "name", "before", "next", "change"])


def _together(run: ForecastRun, fan: Fan, fans: dict[str, Fan], *, share: bool) -> Fan | None:
    """The panels in both, with the cohort's need; the forecast's intervals are known where these are all panels."""
    if run.bottom_up is None or run.comparison is None:
        return None
    need = run.bottom_up[run.bottom_up["panel"] == ""].sort_values("month")
    if need.empty:
        return None
    columns = need[["grams", "low_95", "high_95"]]
    if share:
        everything = pd.Series(data=True, index=need.index)
        columns = columns.apply(lambda column: _rounded(column, everything))
    mean, low, high = (columns[name].to_numpy(dtype=np.float64) / G_PER_KG for name in columns)
    both = [code for code in run.comparison["panel"] if code in fans]
    if len(both) == len(fans) or not both:
        return fan.beside(mean, low, high)
    parts = [fans[code] for code in both]
    total = np.sum([one.mean for one in parts], axis=0)
    return Fan(
        name=f"{len(both)} panels in both" if len(both) > 1 else both[0],
        first_month=parts[0].first_month,
        history=np.sum([one.history for one in parts], axis=0),
        filled=np.any([one.filled for one in parts], axis=0),
        outlying=np.zeros(len(parts[0].history), dtype=np.bool_),
        shifts=(),
        mean=total,
        low=np.stack([total, total]),
        high=np.stack([total, total]),
    ).beside(mean, low, high)


def _groups(run: ForecastRun, *, share: bool) -> pd.DataFrame | None:
    if run.groups is None or not share:
        return run.groups
    behind = ("patients",)
    names = [name for name in ("mix_g", "dose_g") if name in run.groups]
    made = protect(
        run.groups,
        counts=behind,
        grams=dict.fromkeys(names, behind),
        resting={"share": behind, "grams_per_patient_year": behind},
    )
    # The shares of all groups sum to one, so that of a single hidden group could be had from the others.
    return made.drop(columns="share")
