"""Checking whole vials for patients from first principles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

import pandas as pd

from allocation.optimise.certificate import Check, check
from allocation.optimise.patients import PatientResult
from allocation.optimise.problem import Problem
from allocation.optimise.verify_exchange import exchange_broken
from allocation.optimise.verify_levers import avoidable, levers_planned
from allocation.optimise.verify_limits import fence_broken, limits_broken
from allocation.optimise.verify_people import People, Person, fill_people, read_people, vial_totals
from allocation.optimise.verify_rules import Rules
from allocation.quantities import DAYS_PER_WEEK

__all__ = ["verify_patients"]

_NO_DATE = "9999"


def verify_patients(problem: Problem, demand: pd.DataFrame, stock: pd.DataFrame, result: PatientResult) -> list[Check]:
    """Every check of a patient list.

    Parameters
    ----------
    demand, stock
        What :func:`allocation.optimise.patients.serve_patients` was given.
    """
    rules = Rules(problem)
    people = read_people(rules, demand, result)
    listed = check("patients: everyone who is due is listed once", _listed_broken(people, result), "nobody is missing")
    if not listed.ok:
        return [listed]
    fill_people(people, result)
    served = [person for person in people.values() if person.vials]
    found: tuple[tuple[str, list[str]], ...] = (
        ("patients: every vial of the stock is given, held or left", _vials_broken(stock, result)),
        ("patients: of vials that last until they are due, those that go off first", _expiry_broken(demand, result)),
        ("patients: given is what the vials hold, at most what is due", _sums_broken(people)),
        ("patients: status says what was given", _status_broken(rules, people)),
        ("patients: products allowed by the tier", _products_broken(served)),
        ("patients: one product each, where the tier mixes none", _mixed_broken(rules, served)),
        ("patients: vials only from within reach", _reach_broken(rules, served)),
        ("patients: switching within its limit", _switch_broken(rules, served)),
        ("patients: nobody waits for what a later stage has", _priority_broken(rules, people, result)),
        (
            "patients: nobody goes short whom one exchange would help",
            exchange_broken(rules, people, result),
        ),
        ("patients: longest overdue first, then the lottery", _order_broken(people)),
        ("patients: reserve held as far as it was there", _reserve_broken(rules, people, result)),
        ("patients: rounding loss within its bound", _rounding_broken(people, result)),
    )
    if "stretched_days" in result.patients:
        found += (("patients: no interval stretched beyond its limit", _stretch_broken(rules, demand, result)),)
    if levers_planned(problem) and "priority" not in demand:
        found += (("patients: nobody put off whom the levers could have spared", avoidable(rules, people)),)
    if problem.limits is not None:
        found += (
            ("patients: fenced stock only to those inside", _fences_broken(rules, served, result)),
            ("patients: side limits are kept", _limits_broken(rules, served)),
        )
    return [listed, *(check(name, broken, f"{len(people)} patients") for name, broken in found)]


def _listed_broken(people: People, result: PatientResult) -> list[str]:
    listed = result.patients["patient_id"]
    broken = ["a patient is listed twice"] if listed.duplicated().any() else []
    if set(listed) != set(people):
        broken.append(f"{len(set(people) - set(listed))} missing, {len(set(listed) - set(people))} too many")
    if not set(result.issues["patient_id"]) <= set(people):
        broken.append("vials are given to somebody unknown")
    return broken


def _batches(frame: pd.DataFrame) -> dict[tuple[object, ...], int]:
    """Vials by place, product, size and expiry (as text, empty where unknown)."""
    counted: dict[tuple[object, ...], int] = defaultdict(int)
    names = ("location", "product", "vial_mg", "vials")
    columns = (frame[name].tolist() for name in names)
    for place, product, size, count, day in zip(*columns, _day_texts(frame), strict=True):
        counted[place, product, size, day] += count
    return counted


def _day_texts(frame: pd.DataFrame) -> list[str]:
    """Expiry dates as text, empty where unknown."""
    expiry = frame["expiry_date"] if "expiry_date" in frame else pd.Series(pd.NaT, index=frame.index)
    return list(expiry.astype(str).replace("NaT", ""))


def _vials_broken(stock: pd.DataFrame, result: PatientResult) -> list[str]:
    balance = _batches(stock)
    for frame in (result.issues, result.held, result.left):
        for batch, count in _batches(frame).items():
            balance[batch] = balance.get(batch, 0) - count
            if count < 0:
                return ["a negative number of vials"]
    return [f"{batch[1]} of {batch[2]} mg at {batch[0]}" for batch, count in balance.items() if count]


def _expiry_broken(demand: pd.DataFrame, result: PatientResult) -> list[str]:
    """Lots of which a better vial was left: one that lasts where none was given, or one that lasts and goes off sooner.

    A lot is what is alike but for its expiry. Vials without a date come after all others; who has no due date may be
    given any usable vial.
    """
    left: dict[tuple[object, ...], list[str]] = defaultdict(list)
    for (*lot, day), count in _batches(result.left).items():
        if count:
            left[tuple(lot)].append(str(day) or _NO_DATE)
    span = _due_span(demand)
    frame = result.issues
    names = ("patient_id", "location", "product", "vial_mg")
    broken = set()
    for day, patient, *lot in zip(_day_texts(frame), *(frame[name].tolist() for name in names), strict=True):
        given, (first, last) = day or _NO_DATE, span.get(patient, ("", ""))
        for there in left.get(tuple(lot), ()):
            if (there < given and (there >= last or given < first)) or (given < first and there >= last):
                broken.add(f"{lot[1]} of {lot[2]} mg at {lot[0]}")
    return sorted(broken)


def _due_span(demand: pd.DataFrame) -> dict[str, tuple[str, str]]:
    """First and last day on which each patient with a due date is due in the window, the last at the latest."""
    if "next_due_date" not in demand:
        return {}
    first = pd.to_datetime(demand["next_due_date"])
    weeks = demand["cycle_weeks"].fillna(0.0) if "cycle_weeks" in demand else pd.Series(0.0, index=demand.index)
    overdue = demand["days_overdue"] if "days_overdue" in demand else pd.Series(0, index=demand.index)
    course_mg = demand["course_mg"] if "course_mg" in demand else demand["due_mg"]
    courses = -(-demand["due_mg"] // course_mg.clip(lower=1))
    # Courses overdue together count as one, so the last may be as many days later as they are overdue.
    more = ((courses - 1).clip(lower=0) * weeks * DAYS_PER_WEEK + overdue.where(courses > 1, 0)).round()
    last = first + pd.to_timedelta(more, unit="D")
    days = zip(demand["patient_id"], first, last, strict=True)
    return {patient: (str(a.date()), str(b.date())) for patient, a, b in days if not pd.isna(a)}


def _sums_broken(people: People) -> list[str]:
    wrong = sum(person.given_mg != person.told_mg for person in people.values())
    above = sum(person.given_mg > person.due_mg for person in people.values())
    return [f"{wrong} differ"] * bool(wrong) + [f"{above} above what is due"] * bool(above)


def _status_broken(rules: Rules, people: People) -> list[str]:
    wrong = sum(person.status != _status_of(rules, person) for person in people.values())
    short = sum(
        person.status == "reduced" and person.given_mg < rules.least_mg(person.grade, person.due_mg)
        for person in people.values()
    )
    return [f"{wrong} wrong"] * bool(wrong) + [f"{short} reduced further than the tier allows"] * bool(short)


def _status_of(rules: Rules, person: Person) -> str:
    if not person.funded:
        return "not_funded" if not person.given_mg else "given though not funded"
    if person.given_mg == person.due_mg:
        return "treated"
    if person.given_mg:
        return "reduced"
    return "suspended" if person.grade in rules.tier.suspend_grades else "deferred"


def _products_broken(served: Iterable[Person]) -> list[str]:
    wrong = [v[1] for person in served for v, _ in person.vials if v[1] not in person.allowed]
    return [f"{product} where it is not allowed" for product in wrong]


def _mixed_broken(rules: Rules, served: Iterable[Person]) -> list[str]:
    wrong = sum(len({v[1] for v, _ in p.vials}) > 1 for p in served if not rules.tier.mixes_products(p.grade))
    return [f"{wrong} patients of several products"] * bool(wrong)


def _reach_broken(rules: Rules, served: Iterable[Person]) -> list[str]:
    return [
        f"{v[0]} to {person.panel}"
        for person in served
        for v, _ in person.vials
        if not rules.in_reach(v[0], person.panel)
    ]


def _switched(served: Iterable[Person]) -> dict[str, int]:
    total: dict[str, int] = defaultdict(int)
    for person in served:
        total[person.panel] += person.switched_mg
    return total


def _switch_broken(rules: Rules, served: Iterable[Person]) -> list[str]:
    limit = rules.switch_limit
    return [] if limit is None else [panel for panel, mg in _switched(served).items() if mg > limit[panel]]


def _stretch_broken(rules: Rules, demand: pd.DataFrame, result: PatientResult) -> list[str]:
    """Patients who wait longer than their grade's interval may be stretched, or are said to wait and do not."""
    frame = result.patients[result.patients["stretched_days"] != 0]
    cycle = dict(zip(demand["patient_id"], demand["cycle_weeks"], strict=True))
    wrong = 0
    for patient_id, grade, given_g, days, overdue in frame[
        ["patient_id", "grade", "given_g", "stretched_days", "days_overdue"]
    ].itertuples(index=False, name=None):
        lever = rules.tier.lever_of(grade or 1)
        share = 0.0 if lever is None else lever.longest_stretch_share
        allowed = share * cycle[patient_id] * DAYS_PER_WEEK
        wrong += given_g > 0 or not overdue <= days <= allowed
    return [f"{wrong} patients"] * bool(wrong)


def _fences_broken(rules: Rules, served: Iterable[Person], result: PatientResult) -> list[str]:
    used: dict[str, dict[tuple[str, frozenset[int]], int]] = defaultdict(lambda: defaultdict(int))
    for person in served:
        for (place, product, size), count in person.vials:
            used[place][product, person.inside] += size * count
    names = ("location", "product", "vial_mg", "vials")
    for place, product, size, count in zip(*(result.held[n].tolist() for n in names), strict=True):
        used[place][product, frozenset()] += size * count
    return [line for place, of in used.items() for line in fence_broken(rules, of, [place], f"at {place}")]


def _infused_mg(rules: Rules, person: Person) -> int:
    routes = rules.routes
    return sum(
        v[2] * n
        for v, n in person.vials
        if "IV" in routes[v[1]] and (person.route == "IV" or person.route not in routes[v[1]])
    )


def _limits_broken(rules: Rules, served: Iterable[Person]) -> list[str]:
    flows: dict[tuple[str, str, str], int] = defaultdict(int)
    infused: dict[tuple[str], int] = defaultdict(int)
    courses: dict[str, float] = defaultdict(float)
    for person in served:
        for (place, product, size), count in person.vials:
            flows[place, person.panel, product] += size * count
        mg = _infused_mg(rules, person)
        infused[(person.panel,)] += mg
        courses[person.panel] += -(-mg // max(person.course_mg, 1))
    return limits_broken(rules, flows, infused, courses)


def _priority_broken(rules: Rules, people: People, result: PatientResult) -> list[str]:
    """Stages of whom somebody could use what is left, or what later stages were given."""
    broken = []
    staged = [person for person in people.values() if person.funded and person.stage >= 0]
    pool_of = {place: name for name, places in rules.pools.items() for place in places}
    for stage, rule in enumerate(rules.tier.stage):
        free: dict[str, dict[tuple[str, int], int]] = defaultdict(lambda: defaultdict(int))
        sources = [result.left] if stage else [result.left, result.held]
        for frame in sources:
            for (place, product, size, _), count in _batches(frame).items():
                if place in pool_of:
                    free[pool_of[str(place)]][str(product), int(str(size))] += count
        later = [person for person in staged if person.stage > stage]
        for person in later:
            for (place, product, size), count in person.vials:
                if place in pool_of:
                    free[pool_of[place]][product, size] += count
        switched = _switched(person for person in staged if person.stage <= stage)
        waiting = [person for person in staged if person.stage == stage and person.lacking_mg]
        pools = {person.panel: rules.pool_of(person.panel) for person in waiting}
        # Within side limits only the checks of the limits and of the plan speak.
        waiting = [person for person in waiting if not rules.limited(pools[person.panel])]
        could = sum(_could_use(rules, person, free[pools[person.panel]], switched) for person in waiting)
        if could:
            broken.append(f"{could} of {rule.name}")
    return broken


def _could_use(rules: Rules, person: Person, free: Mapping[tuple[str, int], int], switched: Mapping[str, int]) -> bool:
    limit = rules.switch_limit
    room = person.lacking_mg if limit is None else limit[person.panel] - switched.get(person.panel, 0)
    if not rules.tier.mixes_products(person.grade):
        return any(
            _could_use_of(rules, person, product, free, room)
            for product in ({v[1] for v, _ in person.vials} or person.allowed)
        )
    own = [(size, n) for (p, size), n in free.items() if n and p == person.own and size <= person.lacking_mg]
    others = [
        (size, n)
        for (product, size), n in free.items()
        if n and product in person.allowed and product != person.own and size <= person.lacking_mg
    ]
    if person.own:
        others = [(size, n) for size, n in others if size <= room]
    if person.given_mg:
        # Where courses are reduced first, a part of one is what was wanted.
        return bool(own or others) and not rules.reduces(person.grade)
    least = rules.least_mg(person.grade, person.due_mg)
    if sum(size * n for size, n in own + others) < least:
        return False
    most_other = person.due_mg if not person.own else min(room, person.due_mg)
    return vial_totals(own, person.due_mg, vial_totals(others, most_other)).bit_length() - 1 >= least


def _could_use_of(rules: Rules, person: Person, product: str, free: Mapping[tuple[str, int], int], room: int) -> bool:
    """Whether a single product makes what a person may be given, or more of what was given."""
    room = person.lacking_mg if person.own in ("", product) else min(room, person.lacking_mg)
    vials = [(size, n) for (p, size), n in free.items() if n and p == product and size <= room]
    if person.given_mg:
        # Where courses are reduced first, a part of one is what was wanted.
        return bool(vials) and not rules.reduces(person.grade)
    return vial_totals(vials, max(room, 0)).bit_length() - 1 >= rules.least_mg(person.grade, person.due_mg)


def _order_broken(people: People) -> list[str]:
    """Of patients alike in all but how long they have waited, those who come first get no less."""
    groups: dict[tuple[object, ...], list[Person]] = defaultdict(list)
    for person in people.values():
        if person.funded:
            groups[person.alike].append(person)
    wrong = 0
    for group in groups.values():
        given = [person.given_mg for person in sorted(group, key=lambda person: person.rank)]
        wrong += any(later > earlier for earlier, later in pairwise(given))
    return [f"{wrong} groups out of order"] * bool(wrong)


def _reserve_broken(rules: Rules, people: People, result: PatientResult) -> list[str]:
    broken = []
    held: dict[str, int] = defaultdict(int)
    names = ("pool", "location", "product", "vial_mg", "vials")
    for pool, place, product, size, count in zip(*(result.held[n].tolist() for n in names), strict=True):
        held[pool] += size * count
        if place not in rules.pools[pool] or "IV" not in rules.routes[product]:
            broken.append(f"{product} of {place} held for {pool}")
    for pool, wanted in rules.reserve.items():
        if held[pool] >= wanted:
            continue
        left = [
            (str(p), n)
            for (at, p, _, _), n in _batches(result.left).items()
            if at in rules.pools[pool] and not rules.fenced(str(at), str(p))
        ]
        left += [
            (v[1], n)
            for person in people.values()
            if person.stage > 0
            for v, n in person.vials
            if v[0] in rules.pools[pool] and not rules.fenced(v[0], v[1])
        ]
        if any(n and "IV" in rules.routes[product] for product, n in left):
            broken.append(f"{pool} holds {held[pool]} mg of {wanted} mg though more was there")
    return broken


def _rounding_broken(people: People, result: PatientResult) -> list[str]:
    broken = []
    lost = 0
    for stage, told in enumerate(result.rounding):
        given = sum(person.given_mg for person in people.values() if person.funded and person.stage == stage)
        lost += told.planned_mg - given
        if told.given_mg != given or told.lost_mg != lost:
            broken.append(f"{told.stage} is told wrongly")
        if lost > told.bound_mg:
            broken.append(f"{told.stage} loses {lost} mg, more than {told.bound_mg} mg")
    return broken
