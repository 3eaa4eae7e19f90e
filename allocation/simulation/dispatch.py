"""What a maker sends out on a day: its output as disruptions leave it, what panels take of it, and when it arrives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from allocation.errors import VerificationError
from allocation.quantities import DAYS_PER_WEEK, MG_PER_G
from allocation.scenario import ImportDelay, Replenishment
from allocation.seeds import stream
from allocation.simulation.demand import NO_PRODUCT, Floats, Ints
from allocation.simulation.happenings import Happenings, route_use
from allocation.simulation.record import Recorder
from allocation.simulation.state import State
from allocation.simulation.stock import Ledger
from allocation.simulation.supply import lead_days, share_out
from allocation.simulation.world import World

__all__ = ["Dispatcher", "Shipment", "orders", "owed_by_product"]


@dataclass(frozen=True, slots=True, eq=False)
class Shipment:
    """What is on the road to arrive on one day: milligrams by panel and product. Each is itself, not its amounts."""

    sent_day: int
    arrival_day: int
    mg: Ints


def orders(rule: Replenishment, *, use_mg: Floats, largest_mg: Floats, position_mg: Floats) -> Floats:
    """Milligrams that each panel orders of each product, by a policy with levels.

    Parameters
    ----------
    use_mg
        Milligrams a week that each panel uses, shape (panels, products); where it uses none it orders none.
    largest_mg
        Largest course, which a level in weeks holds besides.
    position_mg
        Stock and what is on the road, less what is owed to patients.
    """

    def level(weeks: float, grams: float) -> Floats:
        mg = use_mg * weeks + largest_mg if weeks else np.full_like(use_mg, grams * MG_PER_G)
        return np.asarray(mg)

    wanted: Floats = np.maximum(level(rule.up_to_weeks, rule.up_to_g) - position_mg, 0.0) * (use_mg > 0)
    if rule.policy == "s_S":
        wanted = np.where(position_mg < level(rule.reorder_below_weeks, rule.reorder_below_g), wanted, 0.0)
    return wanted


def owed_by_product(world: World, state: State) -> Floats:
    """Milligrams owed to patients now, shape (panels, products).

    What is owed to patients without a product of their own is spread as the panel is expected to use products for them.
    """
    people = state.people
    who = np.flatnonzero(state.owed_mg)
    tied = people.product[who] != NO_PRODUCT
    owed = np.zeros_like(world.use_mg)
    np.add.at(owed, (people.panel[who[tied]], people.product[who[tied]]), state.owed_mg[who[tied]])
    free = np.zeros((len(owed), len(world.gives)))
    np.add.at(free, (people.panel[who[~tied]], people.route[who[~tied]]), state.owed_mg[who[~tied]])
    for route, fits in enumerate(world.gives):
        part = world.untied_mg * fits
        total = part.sum(axis=1, keepdims=True)
        owed += free[:, [route]] * part / np.where(total > 0, total, 1.0)
    return owed


@dataclass(frozen=True, slots=True, eq=False)
class _Offer:
    """A day's dispatch: milligrams by product, and what panels share in it by and take at most, (panels, products).

    Attributes
    ----------
    output_mg, released_mg
        Of the makers, old and new, and out of each contingency stock, by its number.
    """

    day: int
    use_mg: Floats
    output_mg: Floats
    released_mg: dict[int, Floats]
    share_mg: Floats
    wanted_mg: Floats


@dataclass(slots=True)
class Dispatcher:
    """The makers of one replication.

    Attributes
    ----------
    dispatched_mg, in_transit_mg
        Milligrams sent out in all and now on the road, shape (panels, products).
    """

    world: World
    seed: int
    replication: int
    happenings: Happenings
    ledger: Ledger
    state: State
    record: Recorder
    dispatched_mg: Ints = field(init=False)
    in_transit_mg: Ints = field(init=False)
    _road: set[Shipment] = field(init=False, default_factory=set)
    # Milligrams of each contingency stock that panels had no room for so far, by its number, and by product.
    _kept: dict[int, Floats] = field(init=False, default_factory=dict)
    _made_by: dict[str, list[int]] = field(init=False, default_factory=dict)
    _offer: _Offer | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.dispatched_mg = np.zeros(self.world.use_mg.shape, dtype=np.int64)
        self.in_transit_mg = np.zeros_like(self.dispatched_mg)
        for number, product in enumerate(self.world.products.product):
            self._made_by.setdefault(product.maker, []).append(number)

    def send(self, maker: str, day: int, use_mg: Floats) -> list[Shipment]:
        """A maker sends out what it has contracted for the days to its next dispatch, as disruptions leave it.

        All contracts together stay what they were at the start, but for makers with a share of their own; products, and
        panels as far as they take it, share in them by their use now. Before day 0 only what arrives later counts.
        """
        world, supply = self.world, self.world.scenario.supply
        if self._offer is None or self._offer.day != day or self._offer.use_mg is not use_mg:
            self._offer = self._offered(day, use_mg)
        offer = self._offer
        later = self.happenings.extra_days(maker, np.array([day]))
        # Drawn for every panel at every dispatch, so that one delivery less never changes another's luck.
        lead = lead_days(supply.lead_time_of(maker), self._draw("lead time", maker, day)[0]) + later
        sent = np.zeros_like(self.in_transit_mg)
        for product in self._made_by[maker]:
            output_mg = float(offer.output_mg[product])
            offered_mg = output_mg + sum(float(mg[product]) for mg in offer.released_mg.values())
            if offered_mg <= 0:
                continue
            share, room_mg = offer.share_mg[:, product], offer.wanted_mg[:, product]
            sent[:, product] = share_out(offered_mg, share, room_mg)
            if offered_mg > output_mg:
                # What makers make would be lost, what is in store is not: it goes out last.
                left_mg = min(offered_mg - float(sent[:, product].sum()), offered_mg - output_mg)
                # A milligram each is lost to rounding, not for want of room.
                left = left_mg / (offered_mg - output_mg) if left_mg > len(share) + 1 else 0.0
                for number, mg in offer.released_mg.items():
                    self._kept[number][product] = mg[product] * left
            if day >= 0:
                code = world.places.products[product]
                self.record.log(day, "dispatch", product=code, mg=int(sent[:, product].sum()), text=maker)
        shipments = []
        for days, part in self._parts(maker, day, lead, sent):
            part[day + days < 0] = 0
            self.dispatched_mg += part
            self.in_transit_mg += part
            some = part.any(axis=1)
            shipments += [
                Shipment(day, day + one, np.where((days == one)[:, None], part, 0))
                for one in np.unique(days[some]).tolist()
            ]
        self._road.update(shipments)
        return shipments

    def arrived(self, shipment: Shipment) -> None:
        """A shipment is on the road no longer."""
        self._road.remove(shipment)
        self.in_transit_mg -= shipment.mg

    def close(self) -> None:
        """Say what is left of contingency stock when the run ends."""
        for number in sorted(self._kept):
            self._log_left(number, self.world.days - 1)

    def check(self) -> None:
        """Prove that all sent out was delivered or is still on the road, to arrive after the run, to the milligram.

        What a recall destroyed of a shipment was delivered first.

        Raises
        ------
        VerificationError
            Where it does not hold.
        """
        road = sum((shipment.mg for shipment in self._road), np.zeros_like(self.in_transit_mg))
        late = [shipment for shipment in self._road if shipment.arrival_day < self.world.days]
        delivered = self.ledger.delivered
        balances = np.array_equal(self.dispatched_mg, delivered[:-1] + self.in_transit_mg)
        if not balances or late or delivered[-1].any() or not np.array_equal(road, self.in_transit_mg):
            raise VerificationError("what makers sent out was neither delivered nor is on the road")

    def _offered(self, day: int, use_mg: Floats) -> _Offer:
        """What all makers have to send on a day, and what panels take. No maker's sending changes another's."""
        world, supply = self.world, self.world.scenario.supply
        contract_mg = world.contracts(use_mg)
        output_mg, new_mg = np.zeros_like(contract_mg), np.zeros_like(contract_mg)
        for first_day, days in _periods(day, supply.dispatch_every_days):
            weeks = days / DAYS_PER_WEEK
            output_mg += self.happenings.output(contract_mg, world.products, first_day) * weeks
            new_mg += self.happenings.new_supply(contract_mg, world.products, first_day) * weeks
        last = self._offer
        released_mg = last.released_mg if last and last.day == day else self._released(day, contract_mg)
        share_mg = use_mg
        if new_mg.any():
            # A panel makes room for its part of what nobody has used before.
            weekly_mg = new_mg * (DAYS_PER_WEEK / supply.dispatch_every_days)
            share_mg = use_mg + route_use(use_mg, world.products) * weekly_mg
        return _Offer(day, use_mg, output_mg + new_mg, released_mg, share_mg, self._wanted(share_mg, day))

    def _released(self, day: int, contract_mg: Floats) -> dict[int, Floats]:
        """Milligrams that come out of each contingency stock, with what panels had no room for before."""
        world = self.world
        found: dict[int, Floats] = {}
        for first_day, days in _periods(day, world.scenario.supply.dispatch_every_days):
            released = self.happenings.released(contract_mg, world.products, float(world.use_mg.sum()), first_day)
            for number, mg in released.items():
                found[number] = found.get(number, 0.0) + mg * (days / DAYS_PER_WEEK)
        for number in sorted(self._kept):
            if number in found:
                found[number] = found[number] + self._kept[number]
            else:
                self._log_left(number, day)
        self._kept = {number: mg.copy() for number, mg in found.items()}
        return found

    def _log_left(self, number: int, day: int) -> None:
        mg = int(self._kept[number].sum())
        if mg:
            what = self.happenings.every[number].describe()
            self.record.log(day, "contingency_stock_left", mg=mg, text=f"No panel had room for it: {what}")

    def _road_days(self, day: int) -> Floats:
        """Days of use that are expected to be on the road, by product.

        What was sent out during an import delay is expected later. So the road grows by a day a day from the beginning
        of a delay, and shrinks again only as what was delayed comes in, whenever the delay itself has ended.
        """
        rule = self.world.scenario.supply.partial_deliveries
        rest_days = rule.probability * (1 - (rule.first_share_low + rule.first_share_high) / 2)
        road: Floats = self.world.lead_days + rest_days * max(rule.rest_days.expected, 1.0)
        longest = round(sum(one.extra_days for one in self.happenings.of(ImportDelay)))
        for maker, made in self._made_by.items() if longest else ():
            usual = int(np.ceil(self.world.lead_days[made[0]]))
            ago = np.arange(usual, usual + longest)
            later = self.happenings.extra_days(maker, day - ago)
            road[made] += np.count_nonzero(ago < usual + later)
        return road

    def _wanted(self, use_mg: Floats, day: int) -> Floats:
        """Milligrams of each product that each panel takes at most."""
        world, supply = self.world, self.world.scenario.supply
        held = self.ledger.usable[:-1] + self.in_transit_mg
        if supply.replenishment.policy == "contract_push":
            longest_weeks = supply.highest_cover_weeks + self._road_days(day) / DAYS_PER_WEEK
            room: Floats = use_mg * longest_weeks + world.largest_mg - held
            return room
        return orders(
            supply.replenishment,
            use_mg=use_mg,
            largest_mg=world.largest_mg,
            position_mg=held + self.ledger.on_hold[:-1] - owed_by_product(world, self.state),
        )

    def _parts(self, maker: str, day: int, lead: Ints, sent: Ints) -> list[tuple[Ints, Ints]]:
        """Days to arrival and milligrams of the first parts, and of the rest of deliveries that come in two."""
        rule = self.world.scenario.supply.partial_deliveries
        if not rule.probability:
            return [(lead, sent)]
        luck = self._draw("partial deliveries", maker, day, rows=3)
        share = rule.first_share_low + (rule.first_share_high - rule.first_share_low) * luck[1]
        share = np.where(luck[0] < rule.probability, share, 1.0)
        first = np.floor(sent * share[:, None]).astype(np.int64)
        return [(lead, first), (lead + np.maximum(lead_days(rule.rest_days, luck[2]), 1), sent - first)]

    def _draw(self, purpose: str, maker: str, day: int, *, rows: int = 1) -> Floats:
        """Draws for each panel, the same whenever the maker began to send out, and however often it does."""
        luck = stream(self.seed, "replication", self.replication, purpose, maker, day)
        return luck.random((rows, len(self.world.places.panels)))


def _periods(day: int, every: int) -> list[tuple[int, int]]:
    """The days whose output is sent out on a day: the first of those in each week, and how many of it there are.

    They are those to the next dispatch, or where that is more than a week ahead, the week to come and those before it
    that the last dispatch did not reach. So what lasts less than from one dispatch to the next is felt for as long as
    it lasted, and nobody sends out in advance what a later week may bring.
    """
    first, end = day - max(every - DAYS_PER_WEEK, 0), day + min(every, DAYS_PER_WEEK)
    starts = [first, *range((first // DAYS_PER_WEEK + 1) * DAYS_PER_WEEK, end, DAYS_PER_WEEK)]
    return [(one, until - one) for one, until in zip(starts, [*starts[1:], end], strict=True)]
