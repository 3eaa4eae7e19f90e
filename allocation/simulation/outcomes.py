"""What a replication comes to, in one number each, and who was affected."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from allocation.quantities import DAYS_PER_WEEK, MG_PER_G
from allocation.simulation.country import Country
from allocation.simulation.demand import Ints
from allocation.simulation.national import NationalWeek, has_died, has_stopped
from allocation.simulation.record import GRADES, MEASURES
from allocation.simulation.stock_outs import NEVER

__all__ = ["OUTCOMES", "Affected", "affected_of", "outcomes_of"]

_LONG_WAIT_DAYS = 14
_HIGH_CENTILE = 0.95
_GRADES_DOWN = (4, 3, 2, 1)
_TIERS = (1, 2, 3, 4)

OUTCOMES: dict[str, tuple[str, str]] = {
    "grams_due_g": ("Grams that fell due", "g"),
    "grams_issued_g": ("Grams given", "g"),
    "unmet_g": ("Grams given up for good", "g"),
    "fill_rate_percent": ("Share of grams due that was given", "%"),
    **{
        f"fill_grade_{grade}_percent": (f"Share of grade {grade} grams due that was given", "%")
        for grade in _GRADES_DOWN
    },
    **{f"unmet_grade_{grade}_g": (f"Grade {grade} grams given up for good", "g") for grade in _GRADES_DOWN},
    "patients_due": ("Patients who fell due at least once", "patients"),
    "patients_late": ("Patients with a course late by a day or more", "patients"),
    **{
        f"patients_late_grade_{grade}": (f"Patients late by a day or more, longest while of grade {grade}", "patients")
        for grade in _GRADES_DOWN
    },
    "patients_late_over_14_days": ("Patients with a course more than 14 days late", "patients"),
    "mean_days_late": ("Mean of late patients' longest delay", "days"),
    "days_late_per_patient": ("Days late of all courses together, mean of patients who fell due", "days"),
    "days_late_per_patient_p95": ("Days late of all courses together, 95th centile of patients who fell due", "days"),
    "patients_switched": ("Patients given another product than their own at least once", "patients"),
    "patients_reduced": ("Patients given less than a whole course at least once", "patients"),
    "patients_interrupted": ("Long-term patients who waited for a course as long as a whole interval", "patients"),
    "patients_missed_grade_4": ("Grade 4 patients of whose need something was given up for good", "patients"),
    "grams_lost_to_delay_g": ("Grams not given because late courses moved later ones back", "g"),
    "peak_deferred_g": ("Most grams owed at the end of a week", "g"),
    "end_deferred_g": ("Grams still owed at the end", "g"),
    **{f"weeks_tier_{tier}": (f"Weeks at tier {tier}", "weeks") for tier in _TIERS},
    "highest_tier": ("Highest tier reached", "tier"),
    "first_tier_2_week": ("First week at tier 2 or above, where reached", "week"),
    "first_tier_3_week": ("First week at tier 3 or above, where reached", "week"),
    "first_stock_out_panel_week": ("First week a product ran out at a panel that uses it, where one did", "week"),
    "first_stock_out_week": ("First week a product in use ran out in all the country, where one did", "week"),
    "products_out": ("Products that ran out in all the country", "products"),
    "recovery_weeks": ("Weeks from the first above tier 1 to tier 1 for good and nobody waiting, if ever", "weeks"),
    "lowest_cover_weeks": ("Lowest weeks of cover", "weeks"),
    "grams_moved_g": ("Grams moved between places", "g"),
    "grams_switched_g": ("Grams given of another product than the patient's own", "g"),
    "grams_expired_g": ("Grams expired", "g"),
    "grams_destroyed_g": ("Grams destroyed in recalls", "g"),
    "grams_delivered_g": ("Grams delivered", "g"),
    "acute_patients": ("Acute patients who came", "patients"),
    "acute_lost_patients": ("Acute patients lost to treatment after waiting", "patients"),
    "patients_stopped": ("Long-term patients whose treatment stopped", "patients"),
    "patients_died": ("Long-term patients who died", "patients"),
    "patients_lost_waiting": ("Patients lost, stopped or dead while a course was owed to them", "patients"),
    "mean_reviews_overdue": ("Patients on treatment whose annual review is overdue, mean of all weeks", "patients"),
    "infusions": ("Intravenous courses begun, where chairs are modelled", "courses"),
    "infusions_waiting_at_end": ("Intravenous courses still waiting for a chair at the end", "courses"),
    "chair_wait_share_percent": ("Share of infusions that waited for a chair", "%"),
    "mean_chair_wait_hours": ("Mean wait for a chair, in hours that chairs are open", "hours"),
    "mean_chair_queue": ("Mean number of patients waiting for a chair", "patients"),
}
"""Label and unit of every outcome, by the name of its column."""


@dataclass(frozen=True, slots=True)
class Affected:
    """Who fell due, who waited and what it came to: sums for each panel, entry and grade with anybody due."""

    panel: Ints
    entry: Ints
    grade: Ints
    patients: Ints
    patients_late: Ints
    patients_reduced: Ints
    patients_interrupted: Ints
    days_late_total: Ints
    deferred_mg_weeks: Ints
    unmet_mg: Ints


def outcomes_of(country: Country) -> dict[str, float]:
    """Every outcome of :data:`OUTCOMES`, in its order; NaN where there is none."""
    values = (
        _grams(country)
        | _waits(country)
        | _tiers(country.national)
        | _shelves(country)
        | {"recovery_weeks": _recovery(country)}
        | country.chairs.outcomes(country.world.days)
    )
    return {name: float(values[name]) for name in OUTCOMES}


def affected_of(country: Country) -> Affected:
    """Sums over patients, so that nobody can be told from them but by a count of one.

    Each patient counts once, under the grade held during the longest wait: reviews lapse and are made up for.
    """
    state, people = country.state, country.state.people
    places = country.world.places
    key = (people.panel * len(places.entries) + people.entry) * GRADES + state.told_grade
    size = len(places.panels) * len(places.entries) * GRADES
    due = state.ever_due
    patients = np.bincount(key[due], minlength=size)
    cells = np.flatnonzero(patients)

    def total(amount: npt.NDArray[np.generic]) -> Ints:
        sums = np.zeros(size, dtype=np.int64)
        np.add.at(sums, key, amount.astype(np.int64))
        return sums[cells]

    return Affected(
        panel=cells // (GRADES * len(places.entries)),
        entry=cells // GRADES % len(places.entries),
        grade=cells % GRADES,
        patients=patients[cells],
        patients_late=total(state.longest_wait_days > 0),
        patients_reduced=total(state.reduced),
        patients_interrupted=total(state.interrupted),
        days_late_total=total(state.longest_wait_days),
        deferred_mg_weeks=total(state.deferred_mg_weeks),
        unmet_mg=total(state.unmet_mg),
    )


def _grams(country: Country) -> dict[str, float]:
    record, ledger = country.record, country.ledger
    due, issued, unmet = (record.total_mg(name, by_grade=True) for name in ("due", "issued", "unmet"))
    owed = record.cube[..., MEASURES.index("deferred")].sum(axis=(1, 2, 3))
    values = {
        "grams_due_g": due.sum() / MG_PER_G,
        "grams_issued_g": issued.sum() / MG_PER_G,
        "unmet_g": unmet.sum() / MG_PER_G,
        "fill_rate_percent": _percent(issued.sum(), due.sum()),
        "peak_deferred_g": owed.max() / MG_PER_G,
        "end_deferred_g": owed[-1] / MG_PER_G,
        "grams_moved_g": record.total_mg("moved") / MG_PER_G,
        "grams_switched_g": record.total_mg("switched") / MG_PER_G,
        "grams_expired_g": ledger.expired.sum() / MG_PER_G,
        "grams_destroyed_g": ledger.destroyed.sum() / MG_PER_G,
        "grams_delivered_g": ledger.delivered.sum() / MG_PER_G,
    }
    for grade in _GRADES_DOWN:
        values[f"fill_grade_{grade}_percent"] = _percent(issued[grade], due[grade])
        values[f"unmet_grade_{grade}_g"] = unmet[grade] / MG_PER_G
    return values


def _waits(country: Country) -> dict[str, float]:
    state, people = country.state, country.state.people
    late = state.longest_wait_days > 0
    weekly_mg = people.weekly_mg
    days = state.total_wait_days[state.ever_due]
    grade_told = state.told_grade
    missed = (state.unmet_mg > 0) & (grade_told == 4)
    values = {
        "patients_due": state.ever_due.sum(),
        "patients_late": late.sum(),
        "patients_late_over_14_days": (state.longest_wait_days > _LONG_WAIT_DAYS).sum(),
        "mean_days_late": state.longest_wait_days[late].mean() if late.any() else np.nan,
        "days_late_per_patient": days.mean() if days.size else np.nan,
        "days_late_per_patient_p95": np.quantile(days, _HIGH_CENTILE) if days.size else np.nan,
        "patients_switched": state.switched.sum(),
        "patients_reduced": state.reduced.sum(),
        "patients_interrupted": state.interrupted.sum(),
        "patients_missed_grade_4": missed.sum(),
        "grams_lost_to_delay_g": (state.total_wait_days * weekly_mg).sum() / (DAYS_PER_WEEK * MG_PER_G),
        "acute_patients": people.acute.sum(),
        "acute_lost_patients": (state.lost & people.acute).sum(),
        "patients_stopped": has_stopped(state, country.world.days).sum(),
        "patients_died": has_died(state, country.world.days).sum(),
        "patients_lost_waiting": state.lost.sum(),
        "mean_reviews_overdue": np.mean([week.reviews_overdue for week in country.national]),
    }
    for grade in _GRADES_DOWN:
        values[f"patients_late_grade_{grade}"] = (late & (grade_told == grade)).sum()
    return values


def _tiers(national: list[NationalWeek]) -> dict[str, float]:
    tier = np.array([week.tier for week in national])
    values: dict[str, float] = {f"weeks_tier_{number}": (tier == number).sum() for number in _TIERS}
    for number in (2, 3):
        reached = np.flatnonzero(tier >= number)
        values[f"first_tier_{number}_week"] = reached[0] if reached.size else np.nan
    values["highest_tier"] = tier.max()
    known = [week.cover_weeks for week in national if not np.isnan(week.cover_weeks)]
    values["lowest_cover_weeks"] = min(known, default=np.nan)
    return values


def _shelves(country: Country) -> dict[str, float]:
    outs = country.stock_outs
    panel, national = (first[first != NEVER] for first in (outs.first_panel_week, outs.first_week))
    return {
        "first_stock_out_panel_week": panel.min() if panel.size else np.nan,
        "first_stock_out_week": national.min() if national.size else np.nan,
        "products_out": national.size,
    }


def _recovery(country: Country) -> float:
    """Weeks from the first above tier 1 to one, after the last above it, at whose end nobody waits.

    A single late course long before or after has nothing to do with the shortage. NaN where no other tier is reached,
    or where it does not end in time.
    """
    owed = country.record.cube[..., MEASURES.index("deferred")].sum(axis=(1, 2, 3))
    above = np.flatnonzero(np.array([week.tier for week in country.national]) > 1)
    if not above.size:
        return np.nan
    well = np.flatnonzero(owed[above[-1] + 1 :] == 0)
    return float(above[-1] + 1 + well[0] - above[0]) if well.size else np.nan


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else np.nan
