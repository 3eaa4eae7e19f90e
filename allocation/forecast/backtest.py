"""How each model would have done: forecasts from several past months, held against what came.

Every origin sees only the months before it, breaks included. What was filled in for want of data is not scored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.forecast.hierarchy import Hierarchy, Level, hierarchy_of
from allocation.forecast.history import History
from allocation.forecast.models import LEVELS, MODELS, NAIVE
from allocation.forecast.project import Factors, Forecast, project
from allocation.forecast.settings import Settings

__all__ = ["Backtest", "backtest", "plan_origins"]

Array = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Tries:
    """All forecasts of one model: shape (origins, nodes, months), ends (origins, nodes, levels, months).

    ``windows`` is how many spans of that many months, without overlap, the origins look at together.
    """

    mean: Array
    low: Array
    high: Array
    windows: float


@dataclass(frozen=True, slots=True)
class Backtest:
    """What the back-test found.

    Attributes
    ----------
    horizon_months, origins
        Months ahead that were tried, and the last month known at each origin.
    series
        One row for each model and node: ``model, level, panel, group, mase, wape, coverage_80, coverage_95,
        width_80, width_95, loses_to_naive``. Width is the mean of the interval over the mean of what came.
    summary
        The same by model and level, with ``level`` "all" for the mean over all series, and the coverage after
        correction, each origin corrected by the others only.
    factors
        For each model the corrections of intervals whose coverage missed.
    chosen
        The model with the least MASE.
    why
        The choice in a sentence.
    """

    horizon_months: int
    origins: tuple[str, ...]
    series: pd.DataFrame
    summary: pd.DataFrame
    factors: dict[str, Factors]
    chosen: str
    why: str


def plan_origins(months: int, *, horizon_months: int, settings: Settings) -> tuple[int, list[int]]:
    """Months ahead to try, and the number of months known at each origin.

    Raises
    ------
    InputError
        Where the history is too short to be tried on.
    """
    rules = settings.backtest
    least = settings.series.shortest_months
    horizon = min(horizon_months, months - least - (rules.origins - 1))
    if horizon < min(rules.shortest_horizon_months, horizon_months):
        needed = least + rules.origins - 1 + min(rules.shortest_horizon_months, horizon_months)
        remedy = "Add earlier months, or leave --backtest out: the forecast then rests on no trial."
        raise InputError(
            Fault("--backtest", f"a history of {needed} months or more", value=f"{months} months", remedy=remedy)
        )
    step = rules.step_months
    while step > 1 and months - horizon - step * (rules.origins - 1) < least:
        step -= 1
    return horizon, [months - horizon - step * back for back in range(rules.origins - 1, -1, -1)]


def backtest(
    history: History,
    *,
    horizon_months: int,
    adjust_breaks: bool,
    settings: Settings,
    models: tuple[str, ...] = MODELS,
    progress: Progress | None = None,
) -> Backtest:
    """Try the models on the past.

    Parameters
    ----------
    history
        Grams a month.
    horizon_months
        Months ahead wanted; fewer are tried where the history is short.
    adjust_breaks
        As in the forecast itself.
    settings
        Origins, and the miss in coverage that calls for a correction.
    models
        Names; the naive one is always among them.
    progress
        Called with series fitted and series in all.

    Raises
    ------
    InputError
        Where the history is too short.
    """
    hierarchy = hierarchy_of(history.labels)
    horizon, origins = plan_origins(len(history.months), horizon_months=horizon_months, settings=settings)
    names = tuple(dict.fromkeys((*models, NAIVE)))
    total = len(names) * len(origins) * len(hierarchy.nodes)
    done = 0

    def one_more() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    truth = np.where(history.filled, np.nan, history.grams) @ hierarchy.sums.T
    came = np.stack([truth[at : at + horizon].T for at in origins])
    scale = np.stack([_naive_error(truth[:at], settings.series.season_months) for at in origins])
    windows = (origins[-1] - origins[0]) / horizon + 1
    tried: dict[str, _Tries] = {}
    for name in names:
        made: list[Forecast] = [
            project(
                history.grams[:at], history.months[:at], hierarchy, model=name, horizon_months=horizon,
                adjust_breaks=adjust_breaks, settings=settings, progress=one_more,
            )
            for at in origins
        ]  # fmt: skip
        mean, low, high = (np.stack([getattr(one, part) for one in made]) for part in ("mean", "low", "high"))
        tried[name] = _Tries(mean, low, high, windows)
    series = pd.concat([_by_series(name, tried[name], came, scale, hierarchy) for name in names], ignore_index=True)
    bar = series[series["model"] == NAIVE].set_index(["level", "panel", "group"])["mase"]
    own = pd.MultiIndex.from_frame(series[["level", "panel", "group"]])
    series["loses_to_naive"] = (series["mase"].to_numpy() > bar.loc[own].to_numpy()) & (series["model"] != NAIVE)
    factors = {name: _corrections(tried[name], came, hierarchy, settings) for name in names}
    summary = _summary(series, tried, came, hierarchy, settings)
    chosen, why = _choice(summary, len(origins), horizon)
    return Backtest(horizon, tuple(history.months[at - 1] for at in origins), series, summary, factors, chosen, why)


def _naive_error(known: Array, season: int) -> Array:
    """Mean error of repeating the same month of the year before, within the months known; shape (nodes,)."""
    error = np.nanmean(np.abs(known[season:] - known[:-season]), axis=0)
    return np.where(error > 0, error, np.nan)


def _by_series(name: str, tries: _Tries, came: Array, scale: Array, hierarchy: Hierarchy) -> pd.DataFrame:
    rows = []
    known = ~np.isnan(came)
    error = np.abs(came - tries.mean)
    for i, node in enumerate(hierarchy.nodes):
        at = known[:, i]
        total = float(np.abs(came[:, i][at]).sum())
        scaled = (error[:, i] / scale[:, i, None])[at]
        row: dict[str, object] = {
            "model": name, "level": node.level, "panel": node.panel, "group": node.group,
            "mase": float(np.nanmean(scaled)) if np.isfinite(scaled).any() else np.nan,
            "wape": float(error[:, i][at].sum()) / total if total > 0 else np.nan,
        }  # fmt: skip
        for j, level in enumerate(LEVELS):
            inside = (came[:, i] >= tries.low[:, i, j]) & (came[:, i] <= tries.high[:, i, j])
            row[f"coverage_{level}"] = float(inside[at].mean()) if at.any() else np.nan
        for j, level in enumerate(LEVELS):
            width = (tries.high[:, i, j] - tries.low[:, i, j])[at]
            row[f"width_{level}"] = float(width.sum()) / total if total > 0 else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def _scores(tries: _Tries, came: Array, chosen: list[int], place: int) -> Array:
    """Error over the half of the interval on its side, by origin; NaN where nothing can be said."""
    mean, truth = tries.mean[:, chosen], came[:, chosen]
    above = tries.high[:, chosen, place] - mean
    below = mean - tries.low[:, chosen, place]
    half = np.where(truth >= mean, above, below)
    # Cut at zero, the lower end says nothing of how wide the interval was.
    half = np.where((truth < mean) & (tries.low[:, chosen, place] <= 0), above, half)
    return np.where(half > 0, np.abs(truth - mean) / np.where(half > 0, half, 1.0), np.nan)


def _quantile(scores: Array, level: int, windows: float, settings: Settings) -> float | None:
    """Split-conformal quantile of scores, within bounds; None where there are too few."""
    known = np.sort(scores[np.isfinite(scores)])
    if len(known) < settings.backtest.fewest_scores:
        return None
    # Months of one series that several origins look at are the same luck: only whole windows count as tries.
    tries = max(float(np.isfinite(scores).any(axis=(0, 2)).sum()) * windows, 1.0)
    # With very few tries the allowance would end at the largest error; it goes half of the way at most.
    share = min(level / 100 * (tries + 1) / tries, (level / 100 + 1) / 2)
    rank = max(int(np.ceil(share * len(known))), 1)
    return max(float(known[rank - 1]), settings.backtest.narrowest_factor)


def _levels(hierarchy: Hierarchy) -> dict[Level, list[int]]:
    found: dict[Level, list[int]] = {}
    for i, node in enumerate(hierarchy.nodes):
        found.setdefault(node.level, []).append(i)
    return found


def _corrections(tries: _Tries, came: Array, hierarchy: Hierarchy, settings: Settings) -> Factors:
    factors: Factors = {}
    for level, nodes in _levels(hierarchy).items():
        for place, per_cent in enumerate(LEVELS):
            scores = _scores(tries, came, nodes, place)
            before, after = _coverage(scores), _after(scores, per_cent, tries.windows, settings)
            nominal = per_cent / 100
            if not _misses(before, per_cent, settings):
                continue
            # A few origins share their luck, so narrowing must prove itself on the origin it has not seen.
            if before > nominal and abs(after - nominal) >= before - nominal:
                continue
            factor = _quantile(scores, per_cent, tries.windows, settings)
            if factor is not None:
                factors[level, per_cent] = factor
        narrow = factors.get((level, LEVELS[0]), 1.0)
        # An interval of 95 % must hold that of 80 %.
        needed = narrow * _least_ratio(tries, nodes)
        if needed > factors.get((level, LEVELS[1]), 1.0):
            factors[level, LEVELS[1]] = needed
    return factors


def _coverage(scores: Array) -> float:
    known = scores[np.isfinite(scores)]
    return float((known <= 1).mean()) if len(known) else float("nan")


def _misses(coverage: float, per_cent: int, settings: Settings) -> bool:
    return abs(coverage - per_cent / 100) > settings.backtest.largest_coverage_miss + 1e-9


def _least_ratio(tries: _Tries, nodes: list[int]) -> float:
    """Largest share of the 95 % interval that the 80 % one takes up above the mean."""
    narrow, wide = (tries.high[:, nodes, j] - tries.mean[:, nodes] for j in range(2))
    known = wide > 0
    return float((narrow[known] / wide[known]).max()) if known.any() else 1.0


def _after(scores: Array, per_cent: int, windows: float, settings: Settings) -> float:
    """Coverage that a correction would have had, each origin corrected by what the others show."""
    inside: list[float] = []
    for at in range(len(scores)):
        others = np.delete(scores, at, axis=0)
        factor = 1.0
        if _misses(_coverage(others), per_cent, settings):
            factor = _quantile(others, per_cent, windows, settings) or 1.0
        own = scores[at][np.isfinite(scores[at])]
        inside += (own <= factor).astype(float).tolist()
    return float(np.mean(inside)) if inside else float("nan")


def _summary(
    series: pd.DataFrame, tried: dict[str, _Tries], came: Array, hierarchy: Hierarchy, settings: Settings
) -> pd.DataFrame:
    measures = ["mase", "wape", *(f"{what}_{level}" for what in ("coverage", "width") for level in LEVELS)]
    levels: dict[str, list[int]] = {
        **{str(k): v for k, v in _levels(hierarchy).items()},
        "all": list(range(len(hierarchy.nodes))),
    }
    rows = []
    for name, tries in tried.items():
        own = series[series["model"] == name].reset_index(drop=True)
        for level, nodes in levels.items():
            part = own.loc[nodes]
            row: dict[str, object] = {"model": name, "level": level, "series": len(nodes)}
            row.update({measure: float(part[measure].mean()) for measure in measures})
            for place, per_cent in enumerate(LEVELS):
                row[f"coverage_{per_cent}_corrected"] = _after(
                    _scores(tries, came, nodes, place), per_cent, tries.windows, settings
                )
            row["series_losing_to_naive"] = int(part["loses_to_naive"].sum())
            rows.append(row)
    found = pd.DataFrame(rows)
    bar = found[found["model"] == NAIVE].set_index("level")["mase"]
    found["loses_to_naive"] = (found["mase"].to_numpy() > bar.loc[found["level"]].to_numpy()) & (
        found["model"] != NAIVE
    )
    return found


def _choice(summary: pd.DataFrame, origins: int, horizon: int) -> tuple[str, str]:
    every = summary[summary["level"] == "all"].set_index("model")["mase"]
    if bool(every.isna().any()):
        return NAIVE, f"{NAIVE} is used: the history repeats itself exactly, so no error could be compared."
    # Ties go to the simpler model, which stands later.
    chosen = str(every[::-1].idxmin())
    said = ", ".join(f"{name} {value:.2f}" for name, value in every.items())
    how = f"over {origins} origins and {horizon} months ahead"
    if chosen == NAIVE:
        return chosen, f"No model beat the seasonal naive one {how} (MASE: {said}), so the naive one is used."
    losing = [str(name) for name, value in every.items() if value > every[NAIVE]]
    lost = f" {' and '.join(losing)} lost to the naive one." if losing else ""
    return chosen, f"{chosen} is used: least mean scaled error {how} (MASE: {said}).{lost}"
