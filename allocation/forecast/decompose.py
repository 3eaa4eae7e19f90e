"""Why the patients' demand and the forecast of past use differ: growth, number of patients, mix and dose.

Either total is a level times growth over the months; a level is patients times grams of a patient; and those are the
shares of groups of indications times the grams of each. A change of one factor is weighed with the mean of the other
(Bennet's indicator), so nothing is left over and neither side is favoured. Past use says nothing of patients, so on its
side mix and dose are those of the reference, and patients what its grams then come to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.forecast.bottom_up import BottomUp, Reference
from allocation.forecast.history import History
from allocation.forecast.models import LEVELS
from allocation.forecast.months import days_in, ordinal
from allocation.forecast.project import Forecast
from allocation.quantities import DAYS_PER_YEAR, MG_PER_G

__all__ = ["ALL", "PARTS", "Comparison", "compare", "parts_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PARTS = ("growth", "patients", "mix", "dose")
"""What a difference is made of, in the order of the tables."""

ALL = "All panels"
_YEAR = 12
_NAMED = 3
_NEW = 10.0
"""A panel whose forecast is so many times its use of the year before is new."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The forecast of past use and the demand of the cohort, side by side.

    Attributes
    ----------
    months
        By level, panel and month: what the cohort needs with its interval, and what is forecast.
    panels
        By panel and for all together: both totals over the months, the difference and its parts.
    groups
        By group of indications over all panels: patients, shares and grams against the reference, and what each adds
        to the parts mix and dose.
    compared
        Panels that both sides have.
    only_forecast, only_cohort
        Panels that one side alone has; they are in no total.
    """

    months: pd.DataFrame
    panels: pd.DataFrame
    groups: pd.DataFrame
    compared: tuple[str, ...]
    only_forecast: tuple[str, ...]
    only_cohort: tuple[str, ...]


def parts_of(
    *,
    forecast_g: float,
    past_g: float,
    cohort_g: float,
    level_g: Floats,
    patients: Floats,
    share: Floats,
    reference_g: Floats,
) -> tuple[dict[str, float], Floats, Floats]:
    """Parts of ``cohort_g - forecast_g``, in grams.

    Parameters
    ----------
    forecast_g, past_g
        Forecast over some months, and the use of the same calendar months in the last year known.
    cohort_g
        What the cohort needs over the months.
    level_g, patients
        What it would need without growth, and patients, by group.
    share, reference_g
        Share of patients and grams of a patient over the months by group, in the reference; NaN grams where the
        reference has none, which then takes the cohort's.

    Returns
    -------
    tuple
        Parts by name, and what each group adds to the parts mix and dose.
    """
    level, count = float(level_g.sum()), float(patients.sum())
    own_share = patients / count
    known = np.where(patients > 0, level_g / np.where(patients > 0, patients, 1.0), np.nan)
    reference = np.where(np.isnan(reference_g), known, reference_g)
    reference = np.nan_to_num(reference)
    own = np.where(np.isnan(known), reference, known)
    a_patient, usual = level / count, float((share * reference).sum())
    # A panel that hardly used any in the last year has no growth to speak of, only a level.
    past_level = past_g if past_g > forecast_g / _NEW else forecast_g
    past_growth = forecast_g / past_level if past_level > 0 else 1.0
    own_growth = cohort_g / level
    implied = past_level / usual

    mean_growth = (own_growth + past_growth) / 2
    growth = (own_growth - past_growth) * (level + past_level) / 2
    number = (count - implied) * (a_patient + usual) / 2 * mean_growth
    weight = (count + implied) / 2 * mean_growth
    middle = (a_patient + usual) / 2
    # Shares gained are shares lost elsewhere, so a group counts by how far its grams are from the mean.
    mix = (own_share - share) * ((own + reference) / 2 - middle) * weight
    dose = (own - reference) * (own_share + share) / 2 * weight
    parts = {"growth": growth, "patients": number, "mix": float(mix.sum()), "dose": float(dose.sum())}
    return parts, mix, dose


def compare(history: History, forecast: Forecast, cohort: BottomUp, reference: Reference) -> Comparison:
    """Put a forecast and a cohort's demand side by side over the months of the forecast.

    Raises
    ------
    InputError
        Where they have no panel in common.
    """
    panels = list(dict.fromkeys(panel for panel, _ in history.labels))
    columns = {name: [i for i, (panel, _) in enumerate(history.labels) if panel == name] for name in panels}
    compared = tuple(name for name in cohort.panels if name in columns)
    if not compared:
        value = f"{', '.join(panels[:_NAMED])} in the history, {', '.join(cohort.panels[:_NAMED])} in the cohort"
        remedy = "Use the cohort's panel codes in the history; --trusts maps trusts to them."
        raise InputError(Fault("--cohort", "a panel of the history", column="panel", value=value, remedy=remedy))
    past_g = _same_months_a_year_before(history, forecast.months)
    days = days_in(forecast.months)
    rows, kinds = [], np.zeros((2, len(cohort.groups)))
    for name in compared:
        at = cohort.panels.index(name)
        node = _node(forecast, name)
        parts, mix, dose = parts_of(
            forecast_g=float(forecast.mean[node].sum()),
            past_g=float(past_g[:, columns[name]].sum()),
            cohort_g=float(cohort.mean[at].sum()),
            level_g=cohort.level_g[at],
            patients=cohort.patients[at],
            share=reference.share,
            reference_g=reference.grams_a_year * days.sum() / DAYS_PER_YEAR,
        )
        kinds += np.stack([mix, dose])
        rows.append(_row(name, forecast, node, cohort.mean[at], parts))
    by_panel = pd.DataFrame(rows, columns=_columns())
    totals = pd.concat([_total(by_panel, forecast, cohort, compared), by_panel], ignore_index=True)
    return Comparison(
        _months(forecast, cohort, compared),
        _in_grams(totals),
        _groups(cohort, reference, compared, days=float(days.sum()), kinds=kinds),
        compared,
        tuple(name for name in panels if name not in compared),
        tuple(name for name in cohort.panels if name not in compared),
    )


def _same_months_a_year_before(history: History, months: tuple[str, ...]) -> Floats:
    """Use of the last month known of the same name, at the days that the month ahead has: shape (months, series)."""
    first, last = ordinal(history.months[0]), ordinal(history.months[-1])
    at = [ordinal(month) - first for month in months]
    back = [place - _YEAR * -(-(place + first - last) // _YEAR) for place in at]
    return history.grams[back] / history.days[back, None] * days_in(months)[:, None]


def _node(forecast: Forecast, panel: str) -> int:
    """Place of a panel among the series; that of the nation where the history has one panel only."""
    for place, node in enumerate(forecast.hierarchy.nodes):
        if node.level == "panel" and node.panel == panel:
            return place
    return 0


def _columns() -> list[str]:
    return [
        "panel", "from_month", "to_month", "top_down_mg", "bottom_up_mg", "difference_mg",
        *(f"{part}_mg" for part in PARTS), "months", "months_within_80", "months_within_95",
    ]  # fmt: skip


def _row(name: str, forecast: Forecast, node: int, mean_g: Floats, parts: dict[str, float]) -> list[object]:
    top, bottom = round(float(forecast.mean[node].sum()) * MG_PER_G), round(float(mean_g.sum()) * MG_PER_G)
    whole = {part: round(parts[part] * MG_PER_G) for part in PARTS}
    # Rounded one by one, parts may miss the difference by a milligram or two; the largest takes it.
    largest = max(PARTS, key=lambda part: abs(whole[part]))
    whole[largest] += bottom - top - sum(whole.values())
    within = [int(((mean_g >= low) & (mean_g <= high)).sum()) for low, high in _ends(forecast, node)]
    return [
        name, forecast.months[0], forecast.months[-1], top, bottom, bottom - top, *whole.values(), len(mean_g), *within
    ]  # fmt: skip


def _ends(forecast: Forecast, node: int) -> list[tuple[Floats, Floats]]:
    return [(forecast.low[node, j], forecast.high[node, j]) for j in range(len(LEVELS))]


def _total(totals: pd.DataFrame, forecast: Forecast, cohort: BottomUp, compared: tuple[str, ...]) -> pd.DataFrame:
    """All panels compared: the sums, and the nation's intervals where no panel is left out of them."""
    row: dict[str, object] = {
        name: int(totals[name].sum()) if name.endswith("_mg") else totals[name].iloc[0] for name in _columns()
    }
    row["panel"] = ALL
    everyone = {panel for _, panel in _panel_nodes(forecast)} or set(compared)
    mean_g = cohort.mean[[cohort.panels.index(name) for name in compared]].sum(axis=0)
    for level, (low, high) in zip(LEVELS, _ends(forecast, 0), strict=True):
        inside = int(((mean_g >= low) & (mean_g <= high)).sum())
        row[f"months_within_{level}"] = inside if set(compared) == everyone else pd.NA
    return pd.DataFrame([row])


def _panel_nodes(forecast: Forecast) -> list[tuple[int, str]]:
    return [(place, node.panel) for place, node in enumerate(forecast.hierarchy.nodes) if node.level == "panel"]


def _in_grams(totals: pd.DataFrame) -> pd.DataFrame:
    """Milligrams as grams with three digits, which are whole milligrams still."""
    shown = {
        name: totals[name].to_numpy(dtype=np.int64) / MG_PER_G if name.endswith("_mg") else totals[name]
        for name in _columns()
    }
    return pd.DataFrame({name.replace("_mg", "_g"): values for name, values in shown.items()})


def _months(forecast: Forecast, cohort: BottomUp, compared: tuple[str, ...]) -> pd.DataFrame:
    """Each panel of the cohort by month, and the sum of those compared."""
    low, high = cohort.interval()
    rows = [cohort.panels.index(name) for name in compared]
    nodes = sorted({_node(forecast, name) for name in compared})
    parts = [
        _month_rows(
            "all panels", "", cohort, cohort.long_term[rows].sum(axis=0), cohort.acute[rows].sum(axis=0),
            ends=cohort.interval(rows), forecast_g=forecast.mean[nodes].sum(axis=0),
        )
    ]  # fmt: skip
    for at, name in enumerate(cohort.panels):
        ahead = forecast.mean[_node(forecast, name)] if name in compared else np.full(len(cohort.months), np.nan)
        parts.append(
            _month_rows(
                "panel", name, cohort, cohort.long_term[at], cohort.acute[at], ends=(low[:, at], high[:, at]),
                forecast_g=ahead,
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _month_rows(
    level: str,
    panel: str,
    cohort: BottomUp,
    long_term: Floats,
    acute: Floats,
    *,
    ends: tuple[Floats, Floats],
    forecast_g: Floats,
) -> pd.DataFrame:
    columns: dict[str, object] = {
        "month": list(cohort.months), "level": level, "panel": panel, "grams": np.round(long_term + acute, 3),
        "long_term_g": np.round(long_term, 3), "acute_g": np.round(acute, 3),
    }  # fmt: skip
    for j, share in enumerate(LEVELS):
        columns[f"low_{share}"], columns[f"high_{share}"] = np.round(ends[0][j], 3), np.round(ends[1][j], 3)
    return pd.DataFrame({**columns, "top_down_g": np.round(forecast_g, 3)})


def _groups(
    cohort: BottomUp, reference: Reference, compared: tuple[str, ...], *, days: float, kinds: Floats
) -> pd.DataFrame:
    rows = [cohort.panels.index(name) for name in compared]
    patients, level = cohort.patients[rows].sum(axis=0), cohort.level_g[rows].sum(axis=0) * DAYS_PER_YEAR / days
    total = patients.sum() or 1.0
    frame = pd.DataFrame(
        {
            "group": cohort.groups,
            "patients": np.round(patients, 1),
            "share": np.round(patients / total, 4),
            "grams_per_patient_year": np.round(np.where(patients > 0, level / np.maximum(patients, 1e-12), np.nan), 1),
            "reference_share": np.round(reference.share, 4),
            "reference_grams_per_patient_year": reference.grams_a_year,
            "mix_g": np.round(kinds[0], 3),
            "dose_g": np.round(kinds[1], 3),
        }
    )
    return frame[(frame["patients"] > 0) | (frame["reference_share"] > 0)].reset_index(drop=True)
