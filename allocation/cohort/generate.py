"""The synthetic cohort: a snapshot of everybody on treatment on one day."""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.acute import acute_model, decided, draw_acute, pseudonyms
from allocation.cohort.bodies import BodyDraws, BodyModel
from allocation.cohort.courses import CourseDraws, CourseModel
from allocation.cohort.distributions import Pick, largest_remainder
from allocation.cohort.epidemiology import Epidemiology
from allocation.cohort.places import FlagTable, PanelTable
from allocation.cohort.schema import COLUMNS
from allocation.cohort.timing import TimingModel, acute_starts, month_factor_of_window
from allocation.errors import Fault, InputError
from allocation.quantities import DAYS_PER_YEAR
from allocation.rules.models import Rulebook
from allocation.rules.supply import PanelSet, ProductSet
from allocation.seeds import stream

__all__ = ["generate_cohort", "rows_by_line"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MOST_PATIENTS = 9_999_999


def generate_cohort(
    *,
    patients: int | None,
    seed: int,
    as_of: date,
    rulebook: Rulebook,
    panels: PanelSet,
    products: ProductSet,
    epidemiology: Epidemiology,
    review_share: float | None = None,
) -> pd.DataFrame:
    """Cohort frame of synthetic patients on treatment on the as-of date.

    It holds the long-term patients with their regimens and dates, and the short-term patients who began within
    the last four weeks, for whom no dose is recorded. Rows come in random order.

    Parameters
    ----------
    patients
        Rows; None for the national number. Shares of lines, panels and so on do not depend on it.
    seed
        0 or more. The same seed and inputs give the same frame.
    as_of
        Day of the snapshot.
    rulebook
        Gives dosing weights, the validity of a review and the routes of short-term courses.
    panels, products
        Where patients are treated, and with what.
    epidemiology
        Who they are.
    review_share
        Share of patients beyond their first year whose review is in date; None for the epidemiology's.

    Raises
    ------
    InputError
        Where the number of patients, the seed or the share is out of range, or the epidemiology does not fit the
        products.
    """
    share = epidemiology.of("review_share") if review_share is None else review_share
    _refuse(patients, seed, share)
    rows = rows_by_line(patients, as_of=as_of, epidemiology=epidemiology)
    line = stream(seed, "cohort", "order").permutation(np.repeat(np.arange(len(rows)), rows))
    table = PanelTable.of(panels, epidemiology)
    panel = table.share_out(len(line), stream(seed, "cohort", "panels"))
    lasting = np.array([entry.term == "long" for entry in epidemiology.line])
    position = np.cumsum(lasting) - 1
    long_rows, acute_rows = np.flatnonzero(lasting[line]), np.flatnonzero(~lasting[line])

    long_term = _long_term(
        position[line[long_rows]],
        panel[long_rows],
        seed=seed,
        as_of=as_of,
        rulebook=rulebook,
        products=products,
        epidemiology=epidemiology,
        places=table,
        review_share=share,
    )
    acute = draw_acute(
        rng=stream(seed, "cohort", "acute"),
        entry_index=(np.cumsum(~lasting) - 1)[line[acute_rows]],
        panel_index=panel[acute_rows],
        model=acute_model(epidemiology, rulebook, panels),
    )
    acute["start_date"] = acute_starts(
        len(acute_rows),
        window_days=int(epidemiology.of("acute_window_days")),
        as_of=as_of,
        rng=stream(seed, "cohort", "dates", "acute"),
    )
    return _woven(long_term, acute, long_rows=long_rows, acute_rows=acute_rows)


def rows_by_line(patients: int | None, *, as_of: date, epidemiology: Epidemiology) -> Ints:
    """Rows of each line in a snapshot, shape (lines,).

    A long-term line has its patients; a short-term one the courses begun within the window, by the season of the
    window. Whole numbers are found by largest remainder, so a small cohort keeps the proportions.
    """
    window = int(epidemiology.of("acute_window_days"))
    season = np.array([epidemiology.season[line.season].factor for line in epidemiology.line])
    within = month_factor_of_window(season, window_days=window, as_of=as_of) * window / DAYS_PER_YEAR
    lasting = np.array([line.term == "long" for line in epidemiology.line])
    on_treatment = np.array([line.patients for line in epidemiology.line])
    courses = np.array([line.courses_per_year for line in epidemiology.line])
    expected = np.where(lasting, on_treatment, courses * within)
    return largest_remainder(round(float(expected.sum())) if patients is None else patients, expected)


def _long_term(
    line: Ints,
    panel: Ints,
    *,
    seed: int,
    as_of: date,
    rulebook: Rulebook,
    products: ProductSet,
    epidemiology: Epidemiology,
    places: PanelTable,
    review_share: float,
) -> pd.DataFrame:
    count = len(line)
    lines = epidemiology.long_lines
    order = tuple(place for place, entry in enumerate(epidemiology.line) if entry.term == "long")
    bodies = BodyModel.of(epidemiology, order).draw(line, BodyDraws.of(stream(seed, "cohort", "bodies"), count))
    model = CourseModel.of(epidemiology, rulebook=rulebook, products=products, lines=order)
    courses = model.draw(line, bodies, CourseDraws.of(seed, line))
    dates = TimingModel.of(lines, epidemiology, settings=rulebook.settings, review_share=review_share).draw(
        line, age_years=bodies.age_years, interval_weeks=courses.interval_weeks, as_of=as_of, seed=seed
    )
    decision = stream(seed, "cohort", "panel decision").random(count)
    established, first_year = (
        decided(Pick.of(epidemiology.decision[name].by_name), decision) for name in ("established", "first_year")
    )
    columns = {
        "patient_id": np.full(count, "", dtype=object),
        "panel": places.codes[panel],
        "trust": places.trusts(panel, stream(seed, "cohort", "trusts").random(count)),
        "indication": np.array([entry.indication for entry in lines], dtype=object)[line],
        "situation": np.array([entry.situation for entry in lines], dtype=object)[line],
        "age_years": bodies.age_years,
        "sex": bodies.sex,
        "height_cm": bodies.height_cm,
        "weight_kg": bodies.weight_kg,
        "route": courses.route,
        "product": courses.product,
        "dose_g": courses.dose_g,
        "interval_weeks": courses.interval_weeks,
        "start_date": dates.start,
        "last_review_date": dates.last_review,
        "last_dose_date": dates.last_dose,
        "next_due_date": dates.next_due,
        "panel_decision": np.where(dates.first_year, first_year, established),
        **FlagTable.of(lines, epidemiology).draw(line, stream(seed, "cohort", "flags")),
    }
    return pd.DataFrame({name: columns[name] for name in COLUMNS})


def _woven(long_term: pd.DataFrame, acute: pd.DataFrame, *, long_rows: Ints, acute_rows: Ints) -> pd.DataFrame:
    """Both kinds of patient at their rows of the file, with pseudonyms in the order of the file."""
    count = len(long_rows) + len(acute_rows)
    columns = {}
    for name in COLUMNS:
        lasting, short = long_term[name].to_numpy(), acute[name].to_numpy()
        columns[name] = np.empty(count, dtype=lasting.dtype)
        columns[name][long_rows], columns[name][acute_rows] = lasting, short
    columns["patient_id"] = pseudonyms("P", 1, count)
    return pd.DataFrame(columns)


def _refuse(patients: int | None, seed: int, review_share: float) -> None:
    faults = []
    if patients is not None and not 1 <= patients <= _MOST_PATIENTS:
        faults.append(Fault("--patients", f"a whole number from 1 to {_MOST_PATIENTS:,}", value=str(patients)))
    if seed < 0:
        faults.append(Fault("--seed", "0 or more", value=str(seed)))
    if not 0 <= review_share <= 1:
        faults.append(Fault("--review-share", "a share from 0 to 1", value=str(review_share)))
    if faults:
        raise InputError(faults)
