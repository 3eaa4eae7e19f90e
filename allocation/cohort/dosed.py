"""The dosed cohort as people read it: a row a patient in grams, with vials, days, comparison, savings, warnings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.guideline import Comparison, Guideline
from allocation.cohort.stewardship_settings import KINDS
from allocation.dosing import WeightWarning, fewest_days, split_days
from allocation.dosing.days import daily_limits_mg
from allocation.dosing.parameters import load_parameters
from allocation.dosing.vials import in_grams
from allocation.dosing.words import is_pregnancy, note_warning, together, total_mg, vials_text
from allocation.grading import codes_of, entries_of, is_value
from allocation.quantities import MG_PER_G, to_g, to_mg
from allocation.rules import Rulebook

__all__ = ["DOSED_COLUMNS", "WEIGHT_NOTE", "day_limits_mg", "dosed_table", "spread"]

WEIGHT_NOTE = "weight_note"
"""Optional column of a cohort file: a code of ``dosing/data/parameters.toml`` about the weight."""

DOSED_COLUMNS = (
    *("patient_id", "panel", "indication", "situation", "grade", "route", "product"),
    *("ideal_weight_kg", "dosing_weight_kg"),
    *("guideline_regimen", "guideline_g", "guideline_interval_weeks", "guideline_low_g", "guideline_high_g"),
    *("recorded_g", "recorded_interval_weeks"),
    *("course_g", "vials", "days", "per_day_g"),
    *("difference_g", "difference_g_per_4_weeks", "against_guideline"),
    "used_g_a_year",
    *(f"saving_{kind}_g_a_year" for kind in KINDS),
    "saving_g_a_year",
    *("proposed_course_g", "proposed_interval_weeks", "proposed_product"),
    "warnings",
)
"""Columns of :func:`dosed_table`, in their order."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_WEIGHT_DECIMALS = 1
_GRAM_DECIMALS = 3


def dosed_table(
    graded: pd.DataFrame,
    guideline: Guideline,
    comparison: Comparison,
    savings: pd.DataFrame,
    *,
    course_mg: Ints,
    rulebook: Rulebook,
) -> pd.DataFrame:
    """Everything about each patient's dose, in the order of the cohort.

    Parameters
    ----------
    course_mg
        The course to give, as the demand table has it: recorded before guideline, whole vials.

    Returns
    -------
    DataFrame
        The columns of :data:`DOSED_COLUMNS`. Weights to a tenth of a kilogram, grams to the milligram; nothing was
        reckoned with rounded weights. ``warnings`` are codes with ``; `` between.
    """
    regimens = [*guideline.regimens, None]
    days_use = np.array([regimen.days_use if regimen else 1 for regimen in regimens])[guideline.regimen]
    limits = day_limits_mg(guideline, rulebook)
    split = [
        spread(course, days, guideline.sizes[vials], None if limit < 0 else limit)
        for course, days, vials, limit in zip(
            course_mg.tolist(), days_use.tolist(), guideline.vials.tolist(), limits.tolist(), strict=True
        )
    ]
    days = np.array([len(by_day) for by_day in split], dtype=np.int64)
    over = (limits >= 0) & (np.array([total_mg(by_day[0]) if by_day else 0 for by_day in split]) > limits)
    columns: dict[str, object] = {
        **{name: graded[name] for name in DOSED_COLUMNS[:7]},
        "ideal_weight_kg": np.round(guideline.ideal_kg, _WEIGHT_DECIMALS),
        "dosing_weight_kg": np.round(guideline.dosing_kg, _WEIGHT_DECIMALS),
        "guideline_regimen": np.array([r.id if r else "" for r in regimens], dtype=object)[guideline.regimen],
        "guideline_g": np.where(guideline.known, to_g(guideline.course_mg), np.nan),
        "guideline_interval_weeks": guideline.interval_weeks,
        "guideline_low_g": np.round(guideline.low_g, _GRAM_DECIMALS),
        "guideline_high_g": np.round(guideline.high_g, _GRAM_DECIMALS),
        "recorded_g": graded["dose_g"],
        "recorded_interval_weeks": graded["interval_weeks"],
        "course_g": to_g(course_mg),
        "vials": [vials_text(together(by_day)) for by_day in split],
        "days": np.where(course_mg > 0, days, 0),
        "per_day_g": ["/".join(in_grams(total_mg(day)) for day in by_day) for by_day in split],
        "difference_g": np.round(comparison.difference_g, _GRAM_DECIMALS),
        "difference_g_per_4_weeks": np.round(comparison.difference_g_per_4_weeks, _GRAM_DECIMALS),
        "against_guideline": comparison.text,
        "used_g_a_year": savings["now_mg"] / MG_PER_G,
        **{f"saving_{kind}_g_a_year": savings[f"saving_{kind}_mg"] / MG_PER_G for kind in KINDS},
        "saving_g_a_year": savings["saving_mg"] / MG_PER_G,
        "proposed_course_g": savings["proposed_course_mg"] / MG_PER_G,
        "proposed_interval_weeks": np.round(savings["proposed_interval_weeks"], _GRAM_DECIMALS),
        "proposed_product": savings["proposed_product"],
        "warnings": _warnings(
            graded, guideline, comparison, course_mg=course_mg, rulebook=rulebook, more_days=days > days_use, over=over
        ),
    }
    return pd.DataFrame(columns, index=graded.index)[list(DOSED_COLUMNS)]


def day_limits_mg(guideline: Guideline, rulebook: Rulebook) -> Ints:
    """Most milligrams in a day of each patient, by the regimen's own limits or else the rulebook's; -1 for none."""
    usual = rulebook.dosing.max_g_per_kg_per_day
    each = [regimen.max_g_per_kg_per_day or usual or np.nan for regimen in guideline.regimens]
    caps = [regimen.cap_g_per_day or np.nan for regimen in guideline.regimens]
    # Whoever has no regimen is held to the rulebook's usual limit all the same.
    return daily_limits_mg(
        np.array([*each, usual or np.nan])[guideline.regimen],
        dosing_kg=guideline.dosing_kg,
        cap_g_per_day=np.array([*caps, np.nan])[guideline.regimen],
    )


@lru_cache(maxsize=65_536)
def spread(course_mg: int, days: int, vial_mg: tuple[int, ...], limit_mg: int | None) -> tuple[Mapping[int, int], ...]:
    """Vials of each day: over as many days as asked for, or over more where a day would pass the limit.

    A course that no number of days brings below the limit, since a vial holds more than that, keeps its days.
    """
    if course_mg == 0:
        return ()
    enough = fewest_days(course_mg, days, vial_mg, max_daily_mg=limit_mg)
    if enough is None:
        return tuple(split_days(course_mg, days, vial_mg))
    return tuple(split_days(course_mg, enough, vial_mg, max_daily_mg=limit_mg))


def _warnings(
    graded: pd.DataFrame,
    guideline: Guideline,
    comparison: Comparison,
    *,
    course_mg: Ints,
    rulebook: Rulebook,
    more_days: Bools,
    over: Bools,
) -> npt.NDArray[np.object_]:
    """Codes of each patient: those of the weight first."""
    names = ["; ".join(str(flag.name) for flag in WeightWarning if flag and bits & flag) for bits in range(256)]
    texts = np.array(names, dtype=object)[guideline.flags]
    notes = _notes(graded)
    booked = np.zeros(len(graded), dtype=bool) if notes is None else is_value(graded[WEIGHT_NOTE], "booking")
    smallest = np.array([sizes[0] for sizes in guideline.sizes], dtype=np.int64)[guideline.vials]
    exact_mg = np.where(np.isnan(guideline.exact_g), np.inf, guideline.exact_g * MG_PER_G)
    recorded = graded["dose_g"].to_numpy(dtype=np.float64)
    by_guideline = np.isnan(recorded)
    more: list[tuple[str, Bools]] = [
        ("BOOKING_WEIGHT", _pregnancies(graded, guideline, rulebook) & ~booked),
        ("DOSE_UNKNOWN", course_mg == 0),
        ("COURSE_BELOW_SMALLEST_VIAL", by_guideline & (exact_mg > 0) & (exact_mg < smallest)),
        ("MORE_DAYS_THAN_USUAL", more_days & (course_mg > 0)),
        ("DAILY_ABOVE_USUAL_MAXIMUM", over & (course_mg > 0)),
        ("ABOVE_GUIDELINE", comparison.beyond_g > 0),
        ("PART_VIAL", ~by_guideline & (to_mg(np.nan_to_num(recorded)) != course_mg)),
    ]
    for code, rows in more:
        texts[rows] = _joined(texts[rows], code)
    for place, code in enumerate(notes or ()):
        if code:
            rows = codes_of(graded[WEIGHT_NOTE])[0] == place
            texts[rows] = _joined(texts[rows], code)
    return texts


def _notes(graded: pd.DataFrame) -> list[str] | None:
    """Warning code of each weight note in use, in the order of ``codes_of``; None without the column."""
    if WEIGHT_NOTE not in graded:
        return None
    found = [note_warning(text) for text in codes_of(graded[WEIGHT_NOTE])[1]]
    return [warning.code if warning else "" for warning in found]


def _joined(texts: npt.NDArray[np.object_], code: str) -> list[str]:
    return [f"{text}; {code}" if text else code for text in texts]


def _pregnancies(graded: pd.DataFrame, guideline: Guideline, rulebook: Rulebook) -> Bools:
    named = load_parameters().pregnancy_rows.entries
    by_entry = np.array([*(entry.key in named for entry in rulebook.entry), False])
    by_regimen = np.array([*map(is_pregnancy, guideline.regimens), False])
    return np.asarray(by_entry[entries_of(rulebook, graded)] | by_regimen[guideline.regimen])
