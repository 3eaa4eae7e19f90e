"""Patients of short-term lines: how many come, and who they are.

A short-term row has neither dose nor interval on record, so the rulebook's regimen applies. The simulation
draws its arrivals from the same model as the cohort does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.bodies import BodyDraws, BodyModel
from allocation.cohort.distributions import Pick
from allocation.cohort.epidemiology import Epidemiology
from allocation.cohort.places import FlagTable, PanelTable
from allocation.cohort.schema import COLUMNS
from allocation.rules.models import Rulebook
from allocation.rules.supply import PanelSet

__all__ = ["AcuteModel", "acute_model", "draw_acute", "expected_long_term", "scale_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class AcuteModel:
    """Short-term patients of a country.

    Attributes
    ----------
    keys
        Codes ``indication`` or ``indication/situation``, in the order of the epidemiology.
    panels
        Panel codes.
    rate_per_year
        Courses begun in a year, shape (keys, panels).
    month_factor
        Rate of each month against the year's mean, January first, shape (keys, 12), mean 1.
    indication, situation, route
        Of each key, shape (keys,). The route is that of the rulebook's regimen for a start.
    bodies, flags, decisions, places
        What the patients are drawn from.
    """

    keys: tuple[str, ...]
    panels: tuple[str, ...]
    rate_per_year: Floats
    month_factor: Floats
    indication: Texts
    situation: Texts
    route: Texts
    bodies: BodyModel
    flags: FlagTable
    decisions: Pick
    places: PanelTable


def acute_model(epidemiology: Epidemiology, rulebook: Rulebook, panels: PanelSet) -> AcuteModel:
    """Model of the short-term patients that the epidemiology expects in these panels.

    Multiply ``rate_per_year`` by :func:`scale_of` for a cohort that is not of national size.
    """
    places = [place for place, line in enumerate(epidemiology.line) if line.term == "short"]
    lines = [epidemiology.line[place] for place in places]
    entries = [rulebook.find(line.indication, line.situation) for line in lines]
    table = PanelTable.of(panels, epidemiology)
    courses = np.array([line.courses_per_year for line in lines])
    return AcuteModel(
        keys=tuple(line.code for line in lines),
        panels=tuple(table.codes),
        rate_per_year=np.outer(courses, table.weights),
        month_factor=np.array([epidemiology.season[line.season].factor for line in lines]),
        indication=np.array([line.indication for line in lines], dtype=object),
        situation=np.array([line.situation for line in lines], dtype=object),
        route=np.array([entry.default_regimen("start").route if entry else "IV" for entry in entries], dtype=object),
        bodies=BodyModel.of(epidemiology, tuple(places)),
        flags=FlagTable.of(lines, epidemiology),
        decisions=Pick.of(epidemiology.decision["acute"].by_name),
        places=table,
    )


def draw_acute(
    *,
    rng: np.random.Generator,
    entry_index: npt.NDArray[np.integer],
    panel_index: npt.NDArray[np.integer],
    model: AcuteModel,
    first_number: int = 1,
) -> pd.DataFrame:
    """Cohort frame of short-term patients, one for each pair of entry and panel.

    Parameters
    ----------
    rng
        Stream to draw from; the same stream gives the same patients.
    entry_index, panel_index
        Places in ``model.keys`` and ``model.panels``, shape (n,).
    model
        From :func:`acute_model`.
    first_number
        Number of the first pseudonym, ``A0000001`` for 1.

    Returns
    -------
    DataFrame
        A cohort frame without dates, doses, intervals and products.
    """
    entry, panel = np.asarray(entry_index, dtype=np.int64), np.asarray(panel_index, dtype=np.int64)
    count = len(entry)
    bodies = model.bodies.draw(entry, BodyDraws.of(rng, count))
    trust, decision = rng.random((2, count))
    blank = np.full(count, "", dtype=object)
    none = np.full(count, np.nan)
    never = np.full(count, np.datetime64("NaT"), dtype="datetime64[ns]")
    columns = {
        "patient_id": pseudonyms("A", first_number, count),
        "panel": model.places.codes[panel],
        "trust": model.places.trusts(panel, trust),
        "indication": model.indication[entry],
        "situation": model.situation[entry],
        "age_years": bodies.age_years,
        "sex": bodies.sex,
        "height_cm": bodies.height_cm,
        "weight_kg": bodies.weight_kg,
        "route": model.route[entry],
        "product": blank,
        "dose_g": none,
        "interval_weeks": none,
        "start_date": never,
        "last_review_date": never,
        "last_dose_date": never,
        "next_due_date": never,
        "panel_decision": decided(model.decisions, decision),
        **model.flags.draw(entry, rng),
    }
    return pd.DataFrame({name: columns[name] for name in COLUMNS})


def pseudonyms(letter: str, first: int, count: int) -> Texts:
    """``P0000001`` and so on: a letter and seven digits, which no check takes for an NHS number."""
    return np.array([f"{letter}{number:07d}" for number in range(first, first + count)], dtype=object)


def decided(decisions: Pick, uniform: Floats) -> Texts:
    """Panel decisions, with blank as ``""``."""
    words = np.array(["" if name == "blank" else name for name in decisions.names], dtype=object)
    return words[decisions.draw(uniform)]


def expected_long_term(epidemiology: Epidemiology) -> float:
    """Long-term patients of the whole country on treatment at any one time."""
    return float(sum(line.patients for line in epidemiology.long_lines))


def scale_of(cohort: pd.DataFrame, epidemiology: Epidemiology, panels: PanelSet) -> float:
    """Long-term patients of a cohort against those the epidemiology expects in the panels that occur in it.

    1 for the national cohort, whichever of its panels are looked at.
    """
    long_codes = {(line.indication, line.situation) for line in epidemiology.long_lines}
    codes = zip(cohort["indication"], cohort["situation"], strict=True)
    long_term = sum(code in long_codes for code in codes)
    present = set(cohort["panel"])
    weight = [panel.population * panel.use_index for panel in panels.panel]
    here = sum(size for size, panel in zip(weight, panels.panel, strict=True) if panel.code in present)
    return long_term / (expected_long_term(epidemiology) * here / sum(weight)) if here else 0.0
