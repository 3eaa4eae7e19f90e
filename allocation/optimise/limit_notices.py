"""Side limits that cannot do what they are for: fences nobody inside can draw on, and limits the tier makes idle.

Such a limit is kept as it was given, for the planner may mean those who have yet to come; but it is told.
"""

from __future__ import annotations

import pandas as pd

from allocation.dosing.vials import in_grams
from allocation.optimise.network import Bools, Network, SideRows
from allocation.optimise.notices import Notice, due_and_served, may_take
from allocation.optimise.problem import is_funded
from allocation.optimise.side_limits import locked_by
from allocation.quantities import to_mg
from allocation.rules import NATIONAL
from allocation.rules.limits import Delivery, Infusion, LimitSet, Lock, RingFence, SwitchQuota

__all__ = ["limit_notices"]


def limit_notices(limits: LimitSet, net: Network, demand: pd.DataFrame, *, source: str) -> list[Notice]:
    """A notice for each limit without effect, or that keeps stock from everybody.

    Parameters
    ----------
    limits
        The limits that are in use.
    net
        The network of the problem they were put to.
    demand
        The demand table that the problem was built from.
    source
        What to call the limits.
    """
    if net.rows is None:
        return []
    idle = _Idle(net, net.rows, demand)
    found = [
        *(idle.delivery(item) for item in limits.delivery),
        *(idle.switch(item) for item in limits.switch_quota),
        *(idle.infusion(item) for item in limits.infusion),
        *(idle.fence(number, ring) for number, ring in enumerate(limits.ring_fence)),
        *(idle.lock(lock) for lock in limits.lock),
    ]
    return [
        Notice("limit_without_effect", name, mg, f"{source}: {name} {words}.") for name, mg, words in found if words
    ]


Told = tuple[str, int, str]
"""Name of a limit, milligrams concerned, and what is wrong with it; blank where nothing is."""


def _limited(name: str, grams: float | None, why: str) -> Told:
    """A limit on an amount, and why it limits nothing."""
    mg = 0 if grams is None else int(to_mg(grams))
    amount = "" if grams is None else f"of {in_grams(mg)} g "
    return name, mg, f"{amount}limits nothing: {why}" if why else ""


class _Idle:
    """What may be wrong with each kind of limit."""

    def __init__(self, net: Network, rows: SideRows, demand: pd.DataFrame) -> None:
        self.net, self.rows, self.tier = net, rows, net.problem.tier
        self.demand = demand[is_funded(demand) & (demand["due_mg"] > 0).to_numpy()]
        self.due = due_and_served(net)
        self.takes = may_take(net)
        self.place_of = {code: place for place, code in enumerate((*net.problem.panels, NATIONAL))}

    def _at(self, panel: str) -> Bools:
        """Classes of a panel that are due something."""
        here: Bools = self.due & (self.net.panel == self.place_of[panel])
        return here

    def _reaches(self, place: int) -> int:
        """How many other places of its pool share with a place; -1 for one out of every pool."""
        return next((len(pool.locations) - 1 for pool in self.net.pools if place in pool.locations), -1)

    def delivery(self, item: Delivery) -> Told:
        """Nothing moves to or from the place at this tier, or nobody is due there."""
        place = item.into or item.out_of
        others = self._reaches(self.place_of[place])
        why = ""
        if self.tier.stock_reach == "panel":
            why = f"tier {self.tier.tier} moves no stock between places"
        elif others < 1:
            why = f"tier {self.tier.tier} moves no stock to or from {place}"
        elif item.into and not self._at(place).any():
            why = f"nobody is due at {place}"
        return _limited(f"delivery {'into' if item.into else 'out of'} {place}", item.grams, why)

    def switch(self, item: SwitchQuota) -> Told:
        """The tier lets nobody switch, or nobody of the panel could."""
        own = self.net.own >= 0
        why = ""
        if self.tier.product_reach == "same":
            why = f"tier {self.tier.tier} lets nobody change product"
        elif not (self._at(item.panel) & own & (self.takes.sum(axis=1) > 1)).any():
            why = f"nobody due at {item.panel} has a product on record and may change it"
        return _limited(f"switch_quota of {item.panel}", item.grams, why)

    def infusion(self, item: Infusion) -> Told:
        """Nobody of the panel is infused."""
        infused = self._at(item.panel) & (self.takes & self.rows.infuses).any(axis=1)
        why = "" if infused.any() else f"nobody due at {item.panel} is infused"
        return _limited(f"infusion at {item.panel}", item.grams, why)

    def fence(self, number: int, ring: RingFence) -> Told:
        """No stock to fence off, nobody inside, or nobody inside who may take the product from where it is."""
        whose = f"{ring.indication}/{ring.situation}" if ring.situation else ring.indication
        at = f" at {ring.location}" if ring.location else ""
        name = f"ring_fence of {ring.product}{at} for {whose}"
        places = self.rows.fence_mg[number]
        mg = int(places.sum())
        if not mg:
            # A fence around more than there is has been told as cut already.
            return name, 0, "" if ring.grams else f"fences nothing off: no stock of {ring.product}{at} is free for it"
        inside = self.due & self.rows.member[:, number]
        product = self.rows.fence_product[number]
        able = inside & self.takes[:, product]
        tier = f"at tier {self.tier.tier}"
        why = ""
        if not inside.any():
            why = "nobody who is due has this indication"
        elif not able.any():
            why = f"nobody with this indication may be given {ring.product} {tier}"
        elif not (able & self._drawn_on(places > 0)).any():
            why = f"it lies where nobody with this indication is reached {tier}"
        # The fence stands: those it is for may come before the next allocation.
        keeps = f"keeps {in_grams(mg)} g from everybody: {why}. The fence stands; leave it out to free them"
        return name, mg, keeps if why else ""

    def _drawn_on(self, places: Bools) -> Bools:
        """Classes that some of the places serve."""
        reached = [panel for pool in self.net.pools if places[pool.locations].any() for panel in pool.panels.tolist()]
        drawn: Bools = pd.Series(self.net.panel).isin(reached).to_numpy()
        return drawn

    def lock(self, lock: Lock) -> Told:
        """It fits nobody with a product on record, or the tier keeps everybody on it anyway."""
        parts = (lock.indication, lock.situation, lock.product, lock.route)
        name = f"lock of {' '.join(part for part in parts if part)}"
        fits = self.demand[locked_by(self.demand, lock) & (self.demand["product"] != "").to_numpy()]
        if fits.empty:
            return name, 0, "holds for nobody: nobody who is due fits it and has a product on record (0 g due)"
        mg = int(fits["due_mg"].sum())
        idle = f"changes nothing for {in_grams(mg)} g due: tier {self.tier.tier} lets nobody change product"
        return name, mg, idle if self.tier.product_reach == "same" else ""
