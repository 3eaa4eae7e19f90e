"""What a maker sends out on a day: its output as disruptions leave it, what panels take of it, and when it arrives."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

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


@dataclass(frozen=True, slots=True)
class Shipment:
    """What is on the road to arrive on one day: milligrams by panel and product."""

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
    """A day's dispatch: milligrams by product, and what panels share in it by and take at most, (panels, products)."""

    day: int
    use_mg: Floats
    output_mg: Floats
    share_mg: Floats
    wanted_mg: Floats


@dataclass(slots=True)
class Dispatcher:
    """The makers of one replication.

    Attributes
    ----------
    in_transit_mg
        Milligrams on the road, shape (panels, products); whoever delivers takes them off.
    """

    world: World
    seed: int
    replication: int
    happenings: Happenings
    ledger: Ledger
    state: State
    record: Recorder
    in_transit_mg: Ints = field(init=False)
    _luck: dict[tuple[str, str], np.random.Generator] = field(init=False, default_factory=dict)
    _made_by: dict[str, list[int]] = field(init=False, default_factory=dict)
    _offer: _Offer | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.in_transit_mg = np.zeros(self.world.use_mg.shape, dtype=np.int64)
        for number, product in enumerate(self.world.products.product):
            self._made_by.setdefault(product.maker, []).append(number)

    def send(self, maker: str, day: int, use_mg: Floats) -> list[Shipment]:
        """A maker sends out what it has contracted for the days to its next dispatch, as disruptions leave it.

        All contracts together stay what they were at the start; products, and panels as far as they take it, share in
        them by their use now. Before day 0 only what arrives later counts.
        """
        world, supply = self.world, self.world.scenario.supply
        if self._offer is None or self._offer.day != day or self._offer.use_mg is not use_mg:
            self._offer = self._offered(day, use_mg)
        offer = self._offer
        later = sum(
            one.extra_days for _, one in self.happenings.now(ImportDelay) if not one.makers or maker in one.makers
        )
        # Drawn for every panel at every dispatch, so that one delivery less never changes another's luck.
        lead = lead_days(supply.lead_time_days, self._draw("lead time", maker)[0]) + round(later)
        sent = np.zeros_like(self.in_transit_mg)
        for product in self._made_by[maker]:
            if offer.output_mg[product] <= 0:
                continue
            share, room_mg = offer.share_mg[:, product], offer.wanted_mg[:, product]
            sent[:, product] = share_out(float(offer.output_mg[product]), share, room_mg)
            if day >= 0:
                code = world.places.products[product]
                self.record.log(day, "dispatch", product=code, mg=int(sent[:, product].sum()), text=maker)
        shipments = []
        for days, part in self._parts(maker, lead, sent):
            part[day + days < 0] = 0
            self.in_transit_mg += part
            some = part.any(axis=1)
            shipments += [
                Shipment(day, day + one, np.where((days == one)[:, None], part, 0))
                for one in np.unique(days[some]).tolist()
            ]
        return shipments

    def _offered(self, day: int, use_mg: Floats) -> _Offer:
        """What all makers have to send on a day, and what panels take. No maker's sending changes another's."""
        world, supply = self.world, self.world.scenario.supply
        weeks = supply.dispatch_every_days / DAYS_PER_WEEK
        contract_mg = world.contract_mg.sum() * use_mg.sum(axis=0) / max(use_mg.sum(), 1.0)
        output_mg = self.happenings.output(contract_mg * weeks, contract_mg, world.products, day)
        more_mg = self.happenings.released(contract_mg, world.products, float(world.use_mg.sum()))
        new_mg = self.happenings.new_supply(contract_mg, world.products, day)
        share_mg = use_mg
        if new_mg.any():
            # A panel makes room for its part of what nobody has used before.
            share_mg = use_mg + route_use(use_mg, world.products) * new_mg
        return _Offer(day, use_mg, output_mg + (more_mg + new_mg) * weeks, share_mg, self._wanted(share_mg))

    def _wanted(self, use_mg: Floats) -> Floats:
        """Milligrams of each product that each panel takes at most."""
        world, supply = self.world, self.world.scenario.supply
        held = self.ledger.usable[:-1] + self.in_transit_mg
        if supply.replenishment.policy == "contract_push":
            longest_weeks = supply.highest_cover_weeks + supply.lead_time_days.mean / DAYS_PER_WEEK
            room: Floats = use_mg * longest_weeks + world.largest_mg - held
            return room
        return orders(
            supply.replenishment,
            use_mg=use_mg,
            largest_mg=world.largest_mg,
            position_mg=held + self.ledger.on_hold[:-1] - owed_by_product(world, self.state),
        )

    def _parts(self, maker: str, lead: Ints, sent: Ints) -> list[tuple[Ints, Ints]]:
        """Days to arrival and milligrams of the first parts, and of the rest of deliveries that come in two."""
        rule = self.world.scenario.supply.partial_deliveries
        if not rule.probability:
            return [(lead, sent)]
        luck = self._draw("partial deliveries", maker, 3)
        share = rule.first_share_low + (rule.first_share_high - rule.first_share_low) * luck[1]
        share = np.where(luck[0] < rule.probability, share, 1.0)
        first = np.floor(sent * share[:, None]).astype(np.int64)
        return [(lead, first), (lead + np.maximum(lead_days(rule.rest_days, luck[2]), 1), sent - first)]

    def _draw(self, purpose: str, maker: str, rows: int = 1) -> Floats:
        if (purpose, maker) not in self._luck:
            self._luck[purpose, maker] = stream(self.seed, "replication", self.replication, purpose, maker)
        return self._luck[purpose, maker].random((rows, len(self.world.places.panels)))
