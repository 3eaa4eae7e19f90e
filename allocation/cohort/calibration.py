"""What a generated cohort comes to in a year, against the published and proposed figures."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.acute import AcuteModel, acute_model, draw_acute
from allocation.cohort.demand import demand_table
from allocation.cohort.epidemiology import Epidemiology
from allocation.errors import Fault, InputError
from allocation.grading import grade_cohort
from allocation.quantities import MG_PER_G, WEEKS_PER_YEAR
from allocation.rules.models import Rulebook
from allocation.rules.supply import PanelSet, ProductSet
from allocation.seeds import stream

__all__ = ["CALIBRATION_COLUMNS", "acute_course_g", "calibration_table"]

CALIBRATION_COLUMNS = (
    "group",
    "target_patients",
    "patients",
    "target_kg",
    "kg",
    "target_share",
    "share",
)

# Enough that a mean course is known within one per cent; the luck is fixed, for it is the model that is measured.
_PATIENTS_PER_LINE = 1500

Floats = npt.NDArray[np.float64]


def acute_course_g(model: AcuteModel, *, rulebook: Rulebook, products: ProductSet, as_of: date) -> Floats:
    """Mean grams in whole vials of one course of each short-term line, shape (keys,)."""
    lines = len(model.keys)
    entry = np.repeat(np.arange(lines), _PATIENTS_PER_LINE)
    patients = draw_acute(
        rng=stream(0, "acute calibration"), entry_index=entry, panel_index=np.zeros_like(entry), model=model
    )
    graded = grade_cohort(rulebook, patients, as_of)
    demand = demand_table(graded, rulebook=rulebook, products=products, as_of=as_of, weeks=1)
    course: Floats = demand["course_mg"].to_numpy(dtype=np.float64).reshape(lines, -1).mean(axis=1) / MG_PER_G
    return course


def calibration_table(
    cohort: pd.DataFrame,
    *,
    epidemiology: Epidemiology,
    rulebook: Rulebook,
    panels: PanelSet,
    products: ProductSet,
    as_of: date,
) -> pd.DataFrame:
    """A cohort of national size against the targets of the epidemiology.

    Long-term patients are those of the cohort, with their recorded doses; a full year of short-term patients comes
    on top, at the rates of the epidemiology and the mean course of the rulebook.

    Returns
    -------
    DataFrame
        One row a group in the order of the targets and a last row ``total``; patients and kilograms a year, and each
        group's share of the kilograms. The targets of the total are the national figures.

    Raises
    ------
    InputError
        Where a long-term patient of the cohort has no dose or interval on record.
    """
    model = acute_model(epidemiology, rulebook, panels)
    group_of = {(line.indication, line.situation): line.group for line in epidemiology.long_lines}
    codes = pd.Series(list(zip(cohort["indication"], cohort["situation"], strict=True)), index=cohort.index)
    lasting = cohort[codes.isin(list(group_of))]
    grams = lasting["dose_g"] * (WEEKS_PER_YEAR / lasting["interval_weeks"])
    if grams.isna().any():
        raise InputError(Fault("cohort", "a dose and an interval for every long-term patient", column="dose_g"))
    groups = codes[lasting.index].map(group_of)
    patients = {str(group): float(count) for group, count in groups.value_counts().items()}
    kilograms = (grams.groupby(groups).sum() / MG_PER_G).to_dict()
    course = acute_course_g(model, rulebook=rulebook, products=products, as_of=as_of)
    for line, mean_g in zip(epidemiology.acute_lines, course, strict=True):
        patients[line.group] = patients.get(line.group, 0) + line.patients
        kilograms[line.group] = kilograms.get(line.group, 0.0) + line.courses_per_year * mean_g / MG_PER_G

    national_kg = epidemiology.national.grams_per_year / MG_PER_G
    rows: list[tuple[str, float, float, float, float]] = [
        (
            target.group,
            target.patients,
            patients.get(target.group, 0),
            target.grams_per_year / MG_PER_G,
            kilograms.get(target.group, 0.0),
        )
        for target in epidemiology.target
    ]
    rows.append(("total", epidemiology.national.patients, sum(patients.values()), national_kg, sum(kilograms.values())))
    table = pd.DataFrame(rows, columns=list(CALIBRATION_COLUMNS[:5]))
    table["target_share"] = table["target_kg"] / national_kg
    table["share"] = table["kg"] / table["kg"].iloc[-1]
    return table
