"""The mix of levers checked from first principles; what a tier allows is read again here.

A class's mix is checked against its limits, and against the best that its grams allow: those served last of all are
found by giving milligrams one after the other to whoever spares most with them. That no other class of the cell should
have had them is shown, as all is, by the changes that are left: no circle of changes uses a lever less without using
one more that is to be spared before it (:mod:`allocation.optimise.verify_optimum`). Within side limits circles prove
nothing, and only the mix of each class is checked.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import ceil, lcm

from allocation.optimise.plan import Plan
from allocation.optimise.problem import Problem
from allocation.optimise.verify_people import People, Person
from allocation.optimise.verify_rules import Amounts, DemandClass, Rules

__all__ = ["avoidable", "lever_levels", "levers_planned", "limits_kept", "mix_best", "pieces"]

Piece = tuple[int, dict[str, Fraction]]
"""Milligrams, and what each of them adds to the use of each lever."""

_NEVER = "never"
_ROUNDING_MG = 2
_DIGITS = 6


def levers_planned(problem: Problem) -> bool:
    """Whether a plan must say how its levers are mixed: where the tier orders them and no policy has its own rounds."""
    return bool(problem.tier.lever_order) and "stage" not in problem.classes


def _order(rules: Rules) -> list[str]:
    """Levers, the one to be spared most first."""
    order = list(rules.tier.lever_order)
    return [_NEVER, *reversed([*order, *(["defer"] if "defer" not in order else [])])]


def _share(rules: Rules, grade: int) -> Fraction:
    """The least share of a course, where levers may reduce it."""
    if "reduce" not in rules.tier.lever_order or (grade or 1) not in rules.tier.reduce_grades:
        return Fraction(1)
    return Fraction(str(rules.tier.smallest_share(grade or 1)))


def _if_nothing(rules: Rules, grade: int) -> str:
    return "defer" if (grade or 1) in rules.tier.defer_grades else _NEVER


def pieces(rules: Rules, item: DemandClass) -> list[Piece]:
    """What milligrams given to a class do, the most sparing first."""
    order, share = _order(rules), _share(rules, item.grade)
    stretched = item.stretch_mg if "stretch" in order else 0
    found: list[Piece] = []
    for due, lever in ((item.due_mg - stretched, _if_nothing(rules, item.grade)), (stretched, "stretch")):
        if not due:
            continue
        if share < 1 and order.index(lever) < order.index("reduce"):
            small = ceil(round(float(due * share), _DIGITS))
            found.append((small, {lever: -1 / share, "reduce": 1 / share - 1}))
            found.append((due - small, {"reduce": Fraction(-1)}))
        else:
            found.append((due, {lever: Fraction(-1)}))
    return sorted(found, key=lambda piece: [piece[1].get(lever, Fraction(0)) for lever in order])


def lever_levels(rules: Rules, cells: Iterable[tuple[object, ...]]) -> list[tuple[int, str]]:
    """Stage and lever of each use that is made least, in order, for stages of which cells are served in part."""
    stages = sorted({int(str(cell[0])) for cell in cells})
    return [(stage, lever) for stage in stages for lever in _order(rules)]


def scale(rules: Rules) -> int:
    """What makes costs of all pieces whole numbers."""
    return lcm(1, *(_share(rules, grade).numerator for grade in range(5)))


def limits_kept(rules: Rules, plan: Plan, given: Amounts) -> list[str]:
    """Classes whose mix does not add up, or goes beyond a limit of their grade."""
    if plan.levers is None:
        return ["the plan tells no mix"]
    total: dict[int, int] = defaultdict(int)
    for (class_id, _), mg in given.items():
        total[class_id] += mg
    rows = {int(row["class_id"]): row for row in plan.levers.to_dict("records")}
    wanted = {c.id for c in rules.classes.values() if c.stage >= 0 and c.due_mg > 0}
    if set(rows) != wanted or len(rows) != len(plan.levers):
        return ["the mix is not told once of each class"]
    return [f"class {c}" for c, row in rows.items() if _row_broken(rules, rules.classes[c], row, total[c])]


def _row_broken(rules: Rules, item: DemandClass, row: Mapping[object, object], given_mg: int) -> bool:
    due, told, full, reduced, part, stretched, deferred = (
        int(str(row[name]))
        for name in ("due_mg", "given_mg", "full_mg", "reduced_mg", "reduced_given_mg", "stretched_mg", "deferred_mg")
    )
    if min(full, reduced, part, stretched, deferred) < 0 or (row["stage"], row["panel"]) != (item.stage, item.panel):
        return True
    adds_up = due == item.due_mg == full + reduced + stretched + deferred and told == given_mg == full + part
    may_stretch = item.stretch_mg if "stretch" in rules.tier.lever_order else 0
    within = stretched <= may_stretch and part <= reduced and part >= reduced * _share(rules, item.grade)
    return not (adds_up and within)


def mix_best(rules: Rules, plan: Plan) -> list[str]:
    """Classes whose grams would have made a better mix."""
    broken = []
    for row in [] if plan.levers is None else plan.levers.to_dict("records"):
        item = rules.classes[int(row["class_id"])]
        left, order = int(row["given_mg"]), _order(rules)
        stretched = item.stretch_mg if "stretch" in order else 0
        lever = _if_nothing(rules, item.grade)
        use = dict.fromkeys(order, Fraction(0)) | {"reduce": Fraction(0), "stretch": Fraction(stretched)}
        use[lever] += item.due_mg - stretched
        for mg, costs in pieces(rules, item):
            put = min(left, mg)
            left -= put
            for name, cost in costs.items():
                use[name] += cost * put
        told = {
            lever: int(row["deferred_mg"]),
            "reduce": int(row["reduced_mg"]) - int(row["reduced_given_mg"]),
            "stretch": int(row["stretched_mg"]),
        }
        play = _ROUNDING_MG * (1 + 1 / _share(rules, item.grade))
        if any(abs(told[name] - use[name]) > play for name in told):
            broken.append(f"class {item.id}")
    return broken


def avoidable(rules: Rules, people: People) -> list[str]:
    """Patients given nothing though another alike could have been reduced or stretched, within limits, to serve them.

    What another could give back are whole vials; without these that one must keep the least of the course, or nothing
    where the interval can be stretched and that is used up first.
    """
    groups: dict[tuple[object, ...], list[Person]] = defaultdict(list)
    for person in people.values():
        if person.funded and person.stage >= 0 and not rules.limited(rules.pool_of(person.panel)):
            groups[person.alike[:7]].append(person)
    wrong = 0
    for group in groups.values():
        waiting = {(p.due_mg, p.stretched): p for p in group if not p.given_mg}
        wrong += sum(_could_serve(rules, person, group) for person in waiting.values())
    return [f"{wrong} classes"] * bool(wrong)


def _could_serve(rules: Rules, person: Person, others: Iterable[Person]) -> bool:
    order = _order(rules)
    lever = _lever_of(rules, person)
    reducible = "reduce" in order and order.index(lever) < order.index("reduce")
    wanted = _least(rules, person) if reducible else person.due_mg
    for other in others:
        keeps = other.given_mg
        if reducible:
            keeps = min(keeps, _least(rules, other))
        if order.index(lever) < order.index(_lever_of(rules, other)):
            keeps = 0
        most = min(other.given_mg - keeps, person.due_mg)
        if most >= wanted and _most_back(other, most) >= wanted:
            return True
    return False


def _lever_of(rules: Rules, person: Person) -> str:
    if person.stretched and "stretch" in rules.tier.lever_order:
        return "stretch"
    return _if_nothing(rules, person.grade)


def _least(rules: Rules, person: Person) -> int:
    return max(ceil(round(float(_share(rules, person.grade) * person.due_mg), _DIGITS)), 1)


def _most_back(person: Person, most: int) -> int:
    """The most, up to a limit, that some of a patient's vials come to."""
    totals = {0}
    for (_, _, size), count in person.vials:
        totals |= {total + size * n for total in totals for n in range(count + 1) if total + size * n <= most}
    return max(totals)
