"""The clock of one replication. SimPy owns time, in days; what each event does is told by the country.

Within a day things happen in one order, by fractions of a day: disruptions begin and end, makers send out,
deliveries arrive, stock expires, acute patients are served, the tier is reviewed, the week's courses are allocated.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any
from weakref import WeakSet

import numpy as np
import simpy

from allocation.quantities import DAYS_PER_WEEK
from allocation.scenario import BatchRecall, Disruption, Mitigation
from allocation.simulation.allocate import Watch
from allocation.simulation.chairs import Infusion
from allocation.simulation.country import Country
from allocation.simulation.dispatch import Shipment
from allocation.simulation.world import World

__all__ = ["play"]

Process = Generator[simpy.Event, Any, None]
Rooms = list[simpy.Resource | None]
Road = dict[tuple[int, int], list[Shipment]]

_DISRUPTION, _DISPATCH, _ARRIVAL, _EXPIRY, _ACUTE, _REVIEW, _ALLOCATION = (step / 10 for step in range(7))
_WEEK_END = DAYS_PER_WEEK - 0.1
# Hardly a delivery takes longer than this many mean lead times, so makers start that long before day 0.
_HEAD_START_LEADS = 4


def play(world: World, *, seed: int, replication: int, watch: Watch | None = None) -> Country:
    """Play one replication to its end.

    Parameters
    ----------
    world
        What all replications share.
    seed, replication
        Root seed and number of the replication: together they are its luck.
    watch
        Told of the plan of each week that needed the program; changes nothing.

    Returns
    -------
    Country
        As it stands at the end, its books proved.

    Raises
    ------
    VerificationError
        Where stock is not conserved to the milligram, or demand does not add up.
    """
    country = Country(world, seed, replication, watch)
    head_start = _head_starts(world)
    clock = _Clock(initial_time=min(head_start.values()))
    for number, one in enumerate(country.happenings.every):
        clock.process(_happen(clock, country, number, one))
    road: Road = {}
    for maker, first_day in head_start.items():
        clock.process(_supply(clock, country, maker, road, first_day=first_day))
    rooms = [simpy.Resource(clock, capacity=number) if number else None for number in world.chairs.tolist()]
    clock.process(_daily(clock, country, rooms))
    clock.process(_weekly(clock, country, rooms))
    clock.run(until=world.days)
    clock.close()
    country.close()
    return country


class _Clock(simpy.Environment):
    """A clock that lets go of what waits for it when its time is over.

    Processes that still wait, for a delivery after the last day for example, would keep the country in a ring of
    references with the clock. Only the garbage collector takes such rings apart, and it comes the more rarely the more
    the program holds: dozens of countries would lie about between two of its rounds.
    """

    def __init__(self, initial_time: float) -> None:
        super().__init__(initial_time)
        self._begun: WeakSet[Process] = WeakSet()

    def process(self, generator: Process) -> simpy.Process:
        self._begun.add(generator)
        return simpy.Process(self, generator)

    def close(self) -> None:
        """End every process that still waits, without a further step of it."""
        for generator in list(self._begun):
            generator.close()


def _head_starts(world: World) -> dict[str, int]:
    """Day on which each maker first sends out, so that day 0 finds as much on the road as any later day."""
    supply = world.scenario.supply
    every = supply.dispatch_every_days
    leads = {product.maker: supply.lead_time_of(product.maker).expected for product in world.products.product}
    return {maker: -int(np.ceil(days * _HEAD_START_LEADS / every)) * every for maker, days in leads.items()}


def _until(clock: simpy.Environment, day: float) -> simpy.Event:
    return clock.timeout(day - clock.now)


def _happen(clock: simpy.Environment, country: Country, number: int, one: Disruption | Mitigation) -> Process:
    first_day = one.from_week * DAYS_PER_WEEK
    yield _until(clock, first_day + _DISRUPTION)
    country.begin(number, one, first_day)
    if one.weeks is None or isinstance(one, BatchRecall):
        return
    end_day = first_day + one.weeks * DAYS_PER_WEEK
    yield _until(clock, end_day + _DISRUPTION)
    country.end(number, end_day)


def _supply(clock: simpy.Environment, country: Country, maker: str, road: Road, *, first_day: int) -> Process:
    every = country.world.scenario.supply.dispatch_every_days
    for day in range(first_day, country.world.days, every):
        yield _until(clock, day + _DISPATCH)
        for shipment in country.dispatch(maker, day):
            days = (shipment.sent_day, shipment.arrival_day)
            if days not in road:
                clock.process(_travel(clock, country, road, days))
            # What all makers send on one day to arrive on one day travels together.
            road.setdefault(days, []).append(shipment)


def _travel(clock: simpy.Environment, country: Country, road: Road, days: tuple[int, int]) -> Process:
    yield _until(clock, days[1] + _ARRIVAL)
    country.deliver(road.pop(days))


def _infuse_all(clock: simpy.Environment, country: Country, rooms: Rooms) -> None:
    for infusion in country.chairs.booked():
        room = rooms[infusion.panel]
        if room is not None:
            clock.process(_infuse(clock, country, room, infusion))


def _infuse(clock: simpy.Environment, country: Country, room: simpy.Resource, infusion: Infusion) -> Process:
    yield _until(clock, infusion.asked_day)
    country.chairs.asked(infusion, clock.now)
    with room.request() as chair:
        yield chair
        country.chairs.seated(infusion, clock.now)
        yield clock.timeout(infusion.days)


def _daily(clock: simpy.Environment, country: Country, rooms: Rooms) -> Process:
    for day in range(country.world.days):
        yield _until(clock, day + _EXPIRY)
        country.expire(day)
        yield _until(clock, day + _ACUTE)
        country.serve_acute(day)
        _infuse_all(clock, country, rooms)


def _weekly(clock: simpy.Environment, country: Country, rooms: Rooms) -> Process:
    for week in range(country.world.scenario.run.weeks):
        day = week * DAYS_PER_WEEK
        yield _until(clock, day + _REVIEW)
        country.leave(day)
        country.review_patients(day)
        country.review_tier(day)
        yield _until(clock, day + _ALLOCATION)
        country.allocate(day)
        _infuse_all(clock, country, rooms)
        yield _until(clock, day + _WEEK_END)
        country.state.close_week(week)
