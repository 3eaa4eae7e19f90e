"""From a rulebook's regimens to the phases of a schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from allocation.dosing.days import daily_limit_mg, fewest_days, split_as_printed, split_days
from allocation.dosing.parameters import load_parameters
from allocation.dosing.regimens import exact_course_g
from allocation.dosing.schedule import Phase, Schedule, StopRule, make_schedule
from allocation.dosing.vials import round_to_vials
from allocation.dosing.weights import dosing_weights
from allocation.errors import Fault, InputError
from allocation.quantities import DAYS_PER_WEEK
from allocation.rules.models import Entry, Regimen, Rulebook

__all__ = ["course_days", "course_mg", "entry_schedule", "path_of", "regimen_phase", "stop_rule"]


def course_mg(
    rulebook: Rulebook,
    regimen: Regimen,
    *,
    sex: str,
    age_years: float,
    height_cm: float | None,
    weight_kg: float,
    vial_mg: tuple[int, ...],
) -> int:
    """One course of a regimen for one patient in whole vials, rounded as the rulebook rounds; one vial at least.

    Raises
    ------
    InputError
        Where the regimen has no dose for the patient: no height for the dosing weight, or an age outside its bands.
    """
    height = np.nan if height_cm is None else height_cm
    weights = dosing_weights(rulebook.dosing, sex=sex, age_years=age_years, height_cm=height, weight_kg=weight_kg)
    exact = exact_course_g(
        regimen,
        dosing_kg=weights.dosing_kg,
        actual_kg=weight_kg,
        age_years=age_years,
        ideal_kg=weights.ideal_kg,
    )
    if np.isnan(exact[0]):
        raise InputError(Fault(regimen.id, "a height and an age that the regimen has a dose for"))
    whole = int(round_to_vials(exact, vial_mg, rulebook.dosing.rounding)[0])
    return max(whole, min(vial_mg)) if exact[0] > 0 else 0


def course_days(
    regimen: Regimen, total_mg: int, vial_mg: tuple[int, ...], *, max_daily_mg: int | None = None
) -> list[dict[int, int]]:
    """Vials of each day of a regimen's course: as its days are printed, else as even as can be.

    Over the regimen's days, or over more where a day would pass ``max_daily_mg``.

    Raises
    ------
    InputError
        Where whole vials do not make the course, or no number of days keeps to the maximum.
    """
    if regimen.doses_by_day:
        return split_as_printed(total_mg, regimen.doses_by_day, vial_mg)
    days = fewest_days(total_mg, regimen.days_use, vial_mg, max_daily_mg=max_daily_mg)
    return split_days(total_mg, days or regimen.days_use, vial_mg, max_daily_mg=max_daily_mg)


def regimen_phase(
    regimen: Regimen,
    mg: int | Sequence[int],
    *,
    gestation_week: int | None = None,
    exchange_days: Sequence[int] = (),
    interval_weeks: Sequence[float] = (),
) -> Phase:
    """The phase that a regimen makes of a course.

    Parameters
    ----------
    regimen
        Courses, interval, weeks of gestation.
    mg
        A course, or several taken in turn.
    gestation_week
        Completed weeks of pregnancy on day 0. With it, repeats end with the pregnancy: at the regimen's own last week
        or else at term. Listed weeks that lie before day 0 are not made up for.
    exchange_days
        Days of plasma exchange, for a regimen that follows each of them.
    interval_weeks
        Instead of the regimen's own; several alternate.

    Raises
    ------
    InputError
        Where the regimen goes by weeks of gestation or by exchanges and these are not given.
    """
    doses = (mg,) if isinstance(mg, int) else tuple(mg)
    if regimen.after_each_plasma_exchange:
        if not exchange_days:
            raise InputError(Fault(regimen.id, "the days of plasma exchange", column="exchange_days"))
        return Phase(regimen.purpose, doses, days=tuple(sorted(exchange_days)), courses=None)
    own = () if regimen.interval_weeks_use is None else (regimen.interval_weeks_use,)
    weeks = tuple(interval_weeks) or own
    by_week = bool(regimen.gestation_weeks or regimen.weekly_from_gestation_week)
    if gestation_week is None:
        if by_week or regimen.throughout_pregnancy:
            raise InputError(Fault(regimen.id, "the week of gestation at the start", column="gestation_week"))
        courses = None if regimen.open_ended else regimen.courses_use
        return Phase(regimen.purpose, doses, interval_weeks=weeks, courses=courses)
    last_week = regimen.until_gestation_week or load_parameters().pregnancy.term_weeks
    last_day = (last_week - gestation_week) * DAYS_PER_WEEK
    if by_week:
        listed = list(regimen.gestation_weeks)
        if regimen.weekly_from_gestation_week is not None:
            listed += range(regimen.weekly_from_gestation_week, last_week + 1)
        days = tuple((week - gestation_week) * DAYS_PER_WEEK for week in sorted(set(listed)))
        return Phase(regimen.purpose, doses, interval_weeks=weeks, courses=None, days=days, last_day=last_day)
    ongoing = regimen.open_ended or regimen.throughout_pregnancy or regimen.courses_use is None
    courses = None if ongoing else regimen.courses_use
    # Weekly is what the documents print wherever treatment lasts throughout a pregnancy.
    weeks = weeks or ((1.0,) if regimen.throughout_pregnancy else ())
    return Phase(regimen.purpose, doses, interval_weeks=weeks, courses=courses, last_day=last_day)


def path_of(
    entry: Entry,
    *,
    ids: Sequence[str] = (),
    route: Literal["IV", "SC", "IM"] | None = None,
    age_years: float | None = None,
    started: bool = False,
) -> tuple[Regimen, ...]:
    """Regimens of an entry one after the other: as named, or the default start and then the default for ongoing.

    Parameters
    ----------
    ids
        Regimens by name, for example ``("stepwise_first", "stepwise_next", "maintenance")``.
    route
        Take the entry's regimen by this route for ongoing treatment.
    started
        Leave the start out: the patient is past it.

    Raises
    ------
    InputError
        Where the entry has no such regimen.
    """
    by_id = {regimen.id: regimen for regimen in entry.regimen}
    if ids:
        unknown = [name for name in ids if name not in by_id]
        if unknown:
            raise InputError([Fault(entry.key, f"one of {', '.join(by_id)}", value=name) for name in unknown])
        return tuple(by_id[name] for name in ids)
    first = entry.default_regimen("start", age_years)
    then = entry.default_regimen("ongoing", age_years)
    if route is not None and then.route != route:
        other = [regimen for regimen in entry.regimen if regimen.route == route]
        if not other:
            raise InputError(Fault(entry.key, f"a regimen given {route}", column="route", value=route))
        then = other[0]
    if started or first == then:
        return (then,)
    return (first, then) if entry.term != "short" else (first,)


def stop_rule(
    rulebook: Rulebook,
    entry: Entry,
    *,
    regimens: Sequence[Regimen] = (),
    dosing_kg: float | None = None,
    benefit: bool | None = None,
) -> StopRule:
    """When treatment of an entry ends early: by its regimens' courses to judge after, or by what the plan prints.

    A regimen in use that prints a most for each kg in all ends at that, for which ``dosing_kg`` is needed.
    """
    in_all = [regimen.max_g_per_kg_in_all for regimen in regimens if regimen.max_g_per_kg_in_all]
    if in_all and dosing_kg is None:
        raise InputError(Fault(entry.key, "the dosing weight", column="dosing_kg"))
    printed = load_parameters().stop_of(rulebook.id, entry.key)
    judged = [regimen.cycles_to_judge_high for regimen in entry.regimen if regimen.cycles_to_judge_high]
    after = printed.without_benefit_after_courses if printed else None
    return StopRule(
        most_courses=printed.most_courses if printed else None,
        without_benefit_after=after or (min(judged) if judged else None),
        benefit=benefit,
        most_mg=daily_limit_mg(min(in_all), dosing_kg=dosing_kg or 0.0) if in_all else None,
    )


def entry_schedule(
    regimens: Sequence[Regimen],
    mg_of: Callable[[Regimen], int | Sequence[int]],
    *,
    weeks: float,
    gestation_week: int | None = None,
    exchange_days: Sequence[int] = (),
    stop: StopRule | None = None,
) -> Schedule:
    """Courses of a path of regimens, each phase following the one before.

    Parameters
    ----------
    regimens
        See :func:`path_of`.
    mg_of
        Course of a regimen in milligrams, as from :func:`course_mg`.

    Notes
    -----
    The documents do not say how long after the last course of an induction maintenance begins; it is one interval of
    the maintenance here.
    """
    phases = [
        regimen_phase(regimen, mg_of(regimen), gestation_week=gestation_week, exchange_days=exchange_days)
        for regimen in regimens
    ]
    return make_schedule(phases, weeks=weeks, stop=stop)
