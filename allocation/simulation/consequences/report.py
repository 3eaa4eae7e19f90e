"""From a replication that has been played to the expected numbers of the layer, and their summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np

from allocation.simulation.consequences.parameters import Parameters, draw_parameters, load_parameters
from allocation.simulation.consequences.relapse import weeks_without
from allocation.simulation.consequences.trough import play_troughs
from allocation.simulation.country import Country
from allocation.simulation.demand import Bools, Floats, Ints
from allocation.simulation.happenings import has_indication
from allocation.simulation.statistics import interval

__all__ = ["consequence_labels", "consequences_of", "consequences_summary"]

_BAND = (0.05, 0.95)


def consequence_labels(parameters: Parameters | None = None) -> dict[str, tuple[str, str]]:
    """Label and unit of every column of ``consequences.parquet`` but the replication; drawn numbers come last."""
    known = parameters or load_parameters()
    relapses = {
        f"relapses_expected_{one.group}": (f"Expected patients with {one.label} who relapse for waiting", "patients")
        for one in known.relapse
    }
    return {
        "replacement_patient_years": ("Time on replacement", "patient-years"),
        "mean_trough_g_per_l": ("Mean IgG trough on replacement", "g/L"),
        "trough_fall_g_per_l": ("Mean fall of the IgG trough below the usual one", "g/L"),
        "pneumonias_expected": ("Expected pneumonias on replacement", "pneumonias"),
        "pneumonias_extra": ("Of these, more than with every course on time", "pneumonias"),
        "infections_expected": ("Expected infections of any kind on replacement", "infections"),
        "infections_extra": ("Of these, more than with every course on time", "infections"),
        "neuropathy_patients": ("Patients with one of the neuropathies reckoned with", "patients"),
        "weeks_without_treatment": ("Their weeks without treatment beyond the usual interval", "patient-weeks"),
        "relapses_expected": ("Expected patients with a neuropathy who relapse for waiting", "patients"),
        **relapses,
        **{f"drawn_{one.name}": (one.label, one.unit) for one in known.parameter},
    }


def consequences_of(country: Country) -> dict[str, float]:
    """Every number of :func:`consequence_labels`, for the whole cohort; never for a person.

    Raises
    ------
    ValueError
        Where the replication was played without keeping its courses.
    """
    if country.state.doses is None:
        raise ValueError("the scenario does not ask for consequences")
    parameters = load_parameters()
    drawn = draw_parameters(parameters, seed=country.seed, replication=country.replication)
    values = _replacement(country, parameters, drawn) | _relapses(country, parameters, drawn)
    values |= {f"drawn_{name}": value for name, value in drawn.items()}
    return {name: float(values[name]) for name in consequence_labels(parameters)}


def _replacement(country: Country, parameters: Parameters, drawn: dict[str, float]) -> dict[str, float]:
    people, days = country.state.people, country.world.days
    who = np.flatnonzero(_lasting(country, parameters.replacement.indications))
    began = who < len(country.world.start)
    first_due = np.maximum(people.first_due_day[who], 0.0)
    found = play_troughs(
        drawn,
        interval_days=people.interval_days[who],
        first_due_day=first_due,
        begins_day=np.where(began, 0.0, first_due),
        leaves_day=country.state.leaves_day[who],
        doses=_doses_of(country, who),
        days=days,
    )
    return {
        "replacement_patient_years": found.patient_years,
        "mean_trough_g_per_l": found.trough_g_per_l,
        "trough_fall_g_per_l": found.fall_g_per_l,
        "pneumonias_expected": found.pneumonias,
        "pneumonias_extra": found.pneumonias_extra,
        "infections_expected": found.infections,
        "infections_extra": found.infections_extra,
    }


def _relapses(country: Country, parameters: Parameters, drawn: dict[str, float]) -> dict[str, float]:
    people = country.state.people
    values = {"neuropathy_patients": 0.0, "weeks_without_treatment": 0.0, "relapses_expected": 0.0}
    for group in parameters.relapse:
        who = np.flatnonzero(_lasting(country, group.indications))
        weeks = weeks_without(
            interval_days=people.interval_days[who],
            first_due_day=np.maximum(people.first_due_day[who], 0.0),
            leaves_day=country.state.leaves_day[who],
            doses=_doses_of(country, who),
            days=country.world.days,
            reduced_weight=drawn["reduced_course_weight"],
        )
        relapses = float(-np.expm1(-drawn[group.parameter] * weeks).sum())
        values[f"relapses_expected_{group.group}"] = relapses
        values["neuropathy_patients"] += len(who)
        values["weeks_without_treatment"] += float(weeks.sum())
        values["relapses_expected"] += relapses
    return values


def _lasting(country: Country, indications: tuple[str, ...]) -> Bools:
    """Long-term patients with one of these indications who are on treatment at some time of the run."""
    state, people = country.state, country.state.people
    here = (state.leaves_day > np.maximum(people.first_due_day, 0.0)) & (people.first_due_day < country.world.days)
    named = has_indication(people, country.world.places.entries, indications)
    lasting: Bools = named & here & ~people.acute & np.isfinite(people.interval_days)
    return lasting


def _doses_of(country: Country, who: Ints) -> tuple[Ints, Floats, Floats]:
    """Courses of these patients in the order of their days: place in ``who``, day, grams over the usual course."""
    people, log = country.state.people, country.state.doses or []
    person, day, mg = (
        np.concatenate([np.asarray(one[column]) for one in log]) if log else np.zeros(0) for column in range(3)
    )
    place = np.full(len(people), -1, dtype=np.int64)
    place[who] = np.arange(len(who))
    person = person.astype(np.int64)
    # What is planned for a day after the run has not been given in it.
    inside = (place[person] >= 0) & (day < country.world.days)
    person, day, mg = person[inside], day[inside], mg[inside]
    order = np.argsort(day, kind="stable")
    share: Floats = mg / people.course_mg[person]
    return place[person][order], day[order].astype(np.float64), share[order]


def consequences_summary(values: Mapping[str, Floats]) -> dict[str, object]:
    """The layer's part of ``summary.json``: the caveat, every outcome with its interval, every number with its source.

    Parameters
    ----------
    values
        Value of each replication by the names of :func:`consequence_labels`.

    Notes
    -----
    ``low`` and ``high`` are of the mean; ``p05`` and ``p95`` are of the replications, whose numbers are drawn anew, so
    these hold how unsure the numbers are.
    """
    parameters = load_parameters()
    outcomes: dict[str, object] = {}
    for name, (label, unit) in consequence_labels(parameters).items():
        if name.startswith("drawn_"):
            continue
        known = values[name][~np.isnan(values[name])]
        low, high = np.quantile(known, _BAND).tolist() if len(known) else (None, None)
        lowest = 0.0 if name not in ("trough_fall_g_per_l",) else -np.inf
        outcomes[name] = {
            "label": label,
            "unit": unit,
            **asdict(interval(values[name], lowest=lowest)),
            "p05": low,
            "p95": high,
        }
    return {
        "caveat": " ".join(parameters.caveat.split()),
        "outcomes": outcomes,
        "parameters": [one.model_dump() for one in parameters.parameter],
    }
