"""The simulation as one writes it at first: a SimPy process for every patient, a program stated anew in PuLP each week.

Supply, tiers and acute patients are those of the package, so what is compared is patients as processes against patients
in arrays, and the plain program, solved by CBC stage by stage every week, against ours. Policy and luck are the
same: a long-term patient's course falls due in the week of its day, everybody who waits is in a class, the plan is
the optimum in the tier's order, and inside a class those who have waited longest come first. The plain program's
fairness is the least share alone, so single courses may go elsewhere; totals must agree.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pulp
import simpy
from bench_allocation import Plain

from allocation.optimise.problem import Problem
from allocation.quantities import DAYS_PER_WEEK
from allocation.rules import NATIONAL
from allocation.simulation.country import Country, Shipment
from allocation.simulation.demand import NO_PRODUCT, ROUTES
from allocation.simulation.record import MEASURES
from allocation.simulation.world import World

_ASKS = 0.55
"""Within its day a patient asks after the tier is reviewed and before stock is allocated."""
_DUE = MEASURES.index("due")


@dataclass(slots=True)
class CountryOfProcesses(Country):
    """A country in which every long-term patient is a process that waits for its next course."""

    clock: simpy.Environment = field(init=False)
    asking: dict[int, simpy.Event] = field(init=False, default_factory=dict)

    def begin_lives(self, clock: simpy.Environment) -> None:
        self.clock = clock
        for person in np.flatnonzero(~self.state.people.acute).tolist():
            clock.process(self._live(person))

    def _live(self, person: int) -> Generator[simpy.Event, Any, None]:
        state, clock = self.state, self.clock
        while True:
            due = float(state.due_day[person])
            if not np.isfinite(due):
                return
            # Makers start before day 0, patients do not.
            asks = max(due // DAYS_PER_WEEK * DAYS_PER_WEEK, 0.0) + _ASKS
            while asks < clock.now:
                asks += DAYS_PER_WEEK
            yield clock.timeout(asks - clock.now)
            if due >= state.leaves_day[person]:
                return
            self._fall_due(person)
            given = clock.event()
            self.asking[person] = given
            yield given

    def _fall_due(self, person: int) -> None:
        state, people = self.state, self.state.people
        mg = int(state.course_mg[person])
        state.owed_mg[person] = mg
        state.ever_due[person] = True
        week = int(self.clock.now // DAYS_PER_WEEK)
        self.record.cube[week, people.panel[person], state.grade[person], people.product[person], _DUE] += mg

    def allocate(self, day: int) -> None:
        state, people = self.state, self.state.people
        waiting = [one for one in (*self.asking, *self._acute_waiting.tolist()) if state.owed_mg[one] > 0]
        waiting = [one for one in waiting if state.grade[one] not in self.tier.suspend_grades]
        if not waiting:
            return
        week = day // DAYS_PER_WEEK
        lottery = dict(zip(waiting, self.luck.lottery(np.array(waiting), week).tolist(), strict=True))
        waiting.sort(key=lambda one: (not people.acute[one], state.due_day[one], lottery[one]))
        classes = self._classes(waiting)
        keys = list(classes)
        problem = self._problem(keys, classes)
        given, flows = solved(problem)
        left = {key: mg for key, mg in given.items() if mg > 0}
        served: list[tuple[int, int, int]] = []
        products = self.world.places.products
        for class_id, key in enumerate(keys):
            for person in classes[key]:
                owed = int(state.owed_mg[person])
                fits = [p for p in products if left.get((class_id, p), 0) >= owed]
                if not fits:
                    break
                own = int(people.product[person])
                best = products[own] if own != NO_PRODUCT and products[own] in fits else fits[0]
                left[class_id, best] -= owed
                served.append((person, products.index(best), owed))
        self._issue(served, flows, day)

    def _classes(self, waiting: list[int]) -> dict[tuple[Any, ...], list[int]]:
        people, state = self.state.people, self.state
        classes: dict[tuple[Any, ...], list[int]] = defaultdict(list)
        for one in waiting:
            key = (people.panel[one], state.grade[one], people.route[one], people.product[one])
            classes[(*key, people.emergency[one], people.locked[one])].append(one)
        return classes

    def _problem(self, keys: list[tuple[Any, ...]], classes: dict[tuple[Any, ...], list[int]]) -> Problem:
        world, state = self.world, self.state
        places = world.places
        rows = [
            {
                "class_id": number,
                "panel": places.panels[panel],
                "grade": int(grade),
                "emergency": bool(emergency),
                "route": ROUTES[route],
                "product": "" if product == NO_PRODUCT else places.products[product],
                "locked": bool(locked),
                "patients": len(classes[keys[number]]),
                "due_mg": sum(int(state.owed_mg[one]) for one in classes[keys[number]]),
            }
            for number, (panel, grade, route, product, emergency, locked) in enumerate(keys)
        ]
        names = [*places.panels, NATIONAL]
        stock = [
            {"location": names[place], "product": places.products[product], "mg": int(mg)}
            for (place, product), mg in np.ndenumerate(self.ledger.usable)
            if mg
        ]
        pools, _ = world.pools(self.tier)
        held = [{"pool": pool, "mg": int(mg)} for pool, mg in zip(pools, self.held_mg, strict=True) if mg]
        return Problem(
            tier=self.tier,
            panels=places.panels,
            region_of=tuple(panel.region for panel in world.panels.panel),
            products=world.products,
            classes=pd.DataFrame(rows),
            stock=pd.DataFrame(stock, columns=["location", "product", "mg"]),
            reserve_mg=pd.DataFrame(held) if held else None,
        )

    def _issue(self, served: list[tuple[int, int, int]], flows: dict[tuple[str, str, str], int], day: int) -> None:
        """Take courses from stock along the plan's flows, the own panel's first, and let the patients go on."""
        people, week = self.state.people, day // DAYS_PER_WEEK
        places = self.world.places
        names = [*places.panels, NATIONAL]
        done = []
        for person, product, mg in served:
            panel = int(people.panel[person])
            sources = [panel, *(place for place in range(len(names)) if place != panel)]
            draws, need = [], mg
            for place in sources:
                flow = flows.get((names[place], names[panel], places.products[product]), 0)
                part = min(need, flow, int(self.ledger.usable[place, product]))
                if part > 0:
                    draws.append((place, part))
                    need -= part
                if not need:
                    break
            if need:
                continue
            for place, part in draws:
                self.ledger.issue(place, product, part)
                flows[names[place], names[panel], places.products[product]] -= part
            done.append((person, product, mg))
        if not done:
            return
        who, product_given, grams = (np.array(column) for column in zip(*done, strict=True))
        self.state.serve(who, product=product_given, mg=grams, day=day, week=week)
        for person in who.tolist():
            given = self.asking.pop(person, None)
            if given is not None:
                given.succeed()


def solved(problem: Problem) -> tuple[dict[tuple[int, str], int], dict[tuple[str, str, str], int]]:
    """The plain program stated anew for CBC at each stage; milligrams given and moved, rounded down."""
    plain = Plain(problem)
    found: dict[str, float] = {}
    for name in plain.order():
        # CBC now and then finds what it has just found a little out of reach, and is let off a little more.
        for slack in (1, 10, 100, 1000):
            prob, totals, levels = plain.stated()
            goals = {**totals, **{key: -1 * var for key, var in levels.items()}}
            for earlier, value in found.items():
                prob += goals[earlier] <= value + slack * (1e-6 + 2e-7 * abs(value))
            prob.setObjective(pulp.LpAffineExpression(goals[name]))
            prob.solve(pulp.COIN_CMD(path=pulp.PULP_CBC_CMD.pulp_cbc_path, msg=False))
            if prob.sol_status == pulp.LpSolutionOptimal:
                break
        else:
            raise RuntimeError(pulp.LpStatus[prob.status])
        found[name] = float(pulp.value(goals[name]))
    values = {var.name: var.value() or 0.0 for var in prob.variables()}
    # CBC tells eight digits, so a course may lack a little that the plan has.
    given = {
        (c.id, product): int(values.get(f"g_{c.id}_{product}", 0.0) * 1000 + 2)
        for c in plain.classes
        for product in c.allowed
    }
    flows = {
        (place, panel, product): int(values.get(f"m_{place}_{panel}_{product}", 0.0) * 1000 + 2)
        for place, product in plain.rules.stock
        for panel in problem.panels
    }
    return given, flows


def play_processes(world: World, *, seed: int, replication: int, until_day: int | None = None) -> CountryOfProcesses:
    """One replication, every long-term patient a process; to the end of the run, or of an earlier day."""
    country = CountryOfProcesses(world, seed, replication)
    supply = world.scenario.supply
    first = -int(np.ceil(4 * supply.lead_time_days.mean / supply.dispatch_every_days)) * supply.dispatch_every_days
    clock = simpy.Environment(initial_time=first)
    for number, one in enumerate(country.happenings.every):
        clock.process(_happening(clock, country, number, one))
    for maker in dict.fromkeys(product.maker for product in world.products.product):
        clock.process(_maker(clock, country, maker, first))
    clock.process(_days(clock, country))
    clock.process(_weeks(clock, country))
    country.begin_lives(clock)
    clock.run(until=until_day or world.days)
    return country


Process = Generator[simpy.Event, Any, None]


def _happening(clock: simpy.Environment, country: Country, number: int, one: Any) -> Process:
    day = one.from_week * DAYS_PER_WEEK
    yield clock.timeout(day - clock.now)
    country.begin(number, one, day)
    if one.weeks is not None:
        yield clock.timeout(one.weeks * DAYS_PER_WEEK)
        country.end(number, day + one.weeks * DAYS_PER_WEEK)


def _maker(clock: simpy.Environment, country: Country, maker: str, first: int) -> Process:
    every = country.world.scenario.supply.dispatch_every_days
    for day in range(first, country.world.days, every):
        yield clock.timeout(day + 0.1 - clock.now)
        for shipment in country.dispatch(maker, day):
            clock.process(_shipment(clock, country, shipment))


def _shipment(clock: simpy.Environment, country: Country, shipment: Shipment) -> Process:
    yield clock.timeout(shipment.arrival_day + 0.2 - clock.now)
    country.deliver([shipment])


def _days(clock: simpy.Environment, country: Country) -> Process:
    for day in range(country.world.days):
        yield clock.timeout(day + 0.3 - clock.now)
        country.expire(day)
        yield clock.timeout(0.1)
        country.serve_acute(day)


def _weeks(clock: simpy.Environment, country: Country) -> Process:
    for week in range(country.world.scenario.run.weeks):
        day = week * DAYS_PER_WEEK
        yield clock.timeout(day + 0.5 - clock.now)
        country.leave(day)
        country.review_patients(day)
        country.review_tier(day)
        yield clock.timeout(day + 0.6 - clock.now)
        country.allocate(day)
        yield clock.timeout(day + DAYS_PER_WEEK - 0.1 - clock.now)
        country.state.close_week(week)
