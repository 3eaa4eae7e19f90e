"""What a planner should know of an allocation before reading it: inputs that are sound, and yet serve nobody."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.dosing.vials import in_grams
from allocation.optimise.network import NONE, Bools, Ints, Network
from allocation.quantities import to_g
from allocation.rules import NATIONAL
from allocation.rules.supply import Tier

__all__ = ["Notice", "due_and_served", "expiry_notices", "may_take", "stock_notices", "unusable_mg"]


# So many places, and panels with their grams, are named; of more only the number is told.
_NAMED = 3
_PANELS_NAMED = 21


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to know.

    Attributes
    ----------
    kind
        What kind of thing: ``no_stock_row``, ``nobody_may_take``, ``out_of_reach``, ``goes_off_before_due`` or
        ``limit_without_effect``.
    about
        The panel, product or limit; blank where it is several.
    mg
        Milligrams concerned.
    text
        The same in a sentence, with why.
    """

    kind: str
    about: str
    mg: int
    text: str

    def record(self) -> dict[str, object]:
        """For the record of a run."""
        return {"kind": self.kind, "about": self.about, "grams": to_g(self.mg), "text": self.text}


def _patients(number: int) -> str:
    return "1 patient" if number == 1 else f"{number:,} patients"


def may_take(net: Network) -> Bools:
    """Which products each class may be given, shape (classes, products)."""
    takes = np.zeros((len(net.own), len(net.product_codes)), dtype=np.bool_)
    chosen, own = np.flatnonzero(net.choice != NONE), np.flatnonzero(net.own != NONE)
    takes[chosen] = net.choices[net.choice[chosen]]
    takes[own, net.own[own]] = True
    return takes


def due_and_served(net: Network) -> Bools:
    """Classes that are due something and that a stage of the tier serves."""
    served: Bools = (net.due_mg > 0) & (net.stage != NONE)
    return served


def stock_notices(net: Network, *, rows_at: Collection[str]) -> list[Notice]:
    """Panels with demand and no row of the stock, products nobody may take, and stock out of the tier's reach.

    Parameters
    ----------
    rows_at
        Places with a sound row in the stock file, whether or not it holds a vial.
    """
    return [*_no_row(net, rows_at), *_nobodys(net), *_out_of_reach(net)]


def _no_row(net: Network, rows_at: Collection[str]) -> list[Notice]:
    problem = net.problem
    sums = problem.classes.groupby("panel")[["patients", "due_mg"]].sum()
    due = {panel: (int(number), int(mg)) for panel, number, mg in sums.itertuples(name=None)}
    found = []
    for panel, region in zip(problem.panels, problem.region_of, strict=True):
        number, mg = due.get(panel, (0, 0))
        if panel in rows_at or not mg:
            continue
        then = {
            "panel": f"tier {problem.tier.tier} brings them nothing from elsewhere",
            "region": f"they depend on what others in {region} hold",
            "national": "they depend on what the national pool holds",
        }[problem.tier.stock_reach]
        text = (
            f"{panel}: {in_grams(mg)} g are due to {_patients(number)}, and the stock has no sound row of this panel; "
            f"{then}. If it holds stock, add its rows; if not, a row of 0 vials says so."
        )
        found.append(Notice("no_stock_row", panel, mg, text))
    return found


def _idle_mg(net: Network) -> Ints:
    """Stock within the tier's reach that no class of its pool may be given, shape (places, products)."""
    takes, served = may_take(net), due_and_served(net)
    idle = np.zeros_like(net.stock_mg)
    for pool in net.pools:
        members = pool.classes[served[pool.classes]]
        idle[pool.locations] = net.stock_mg[pool.locations] * ~takes[members].any(axis=0)
    return idle


def _nobodys(net: Network) -> list[Notice]:
    tier, idle = net.problem.tier, _idle_mg(net)
    places = (*net.problem.panels, NATIONAL)
    found = []
    for product in np.flatnonzero(idle.any(axis=0)).tolist():
        code, mg = net.product_codes[product], int(idle[:, product].sum())
        at = [places[place] for place in np.flatnonzero(idle[:, product]).tolist()]
        more = f" and {len(at) - _NAMED} other places" if len(at) > _NAMED else ""
        routes = " or ".join(net.problem.products.by_code[code].routes)
        why = (
            "it is the recorded product of nobody due within reach, and the tier lets nobody change"
            if tier.product_reach == "same"
            else f"nobody due within reach takes it now, or may change to a product given {routes}"
        )
        rest = ", but for the emergency reserve," if _held_as_reserve(net, product) else ""
        text = (
            f"{code}: {in_grams(mg)} g in stock at {', '.join(at[:_NAMED])}{more} may be given to nobody{rest} at tier "
            f"{tier.tier}: {why}."
        )
        found.append(Notice("nobody_may_take", code, mg, text))
    return found


def _held_as_reserve(net: Network, product: int) -> bool:
    return bool(net.reserve_choice[product]) and any(pool.reserve_mg for pool in net.pools)


def _reaches_national(tier: Tier) -> bool:
    return tier.stock_reach == "national"


def _out_of_reach(net: Network) -> list[Notice]:
    tier, mg = net.problem.tier, int(net.stock_mg[-1].sum())
    if _reaches_national(tier) or not mg:
        return []
    where = "a panel" if tier.stock_reach == "panel" else "a region"
    text = (
        f"{NATIONAL}: {in_grams(mg)} g that no panel holds are out of reach at tier {tier.tier}, which shares stock "
        f"within {where} only."
    )
    return [Notice("out_of_reach", NATIONAL, mg, text)]


def unusable_mg(net: Network, left: pd.DataFrame) -> int:
    """Of the vials left, milligrams that nobody may take or that lie out of reach.

    Parameters
    ----------
    left
        ``location``, ``product``, ``vial_mg``, ``vials``.
    """
    places, idle = (*net.problem.panels, NATIONAL), _idle_mg(net)
    shut = {(places[place], net.product_codes[product]) for place, product in np.argwhere(idle).tolist()}
    if not _reaches_national(net.problem.tier):
        shut |= {(NATIONAL, code) for code in net.product_codes}
    names = ("location", "product", "vial_mg", "vials")
    lines = zip(*(left[name].tolist() for name in names), strict=True)
    return sum(size * count for place, product, size, count in lines if (place, product) in shut)


def expiry_notices(off: pd.DataFrame, *, ahead: bool) -> list[Notice]:
    """What is given that goes off before the day of the course it is for, panel by panel in one sentence.

    Parameters
    ----------
    off
        As :func:`allocation.optimise.expiry.gone_off` gives it.
    ahead
        Whether the allocation looked ahead.
    """
    if off.empty:
        return []
    most_first = off.sort_values(["mg", "panel"], ascending=[False, True])
    told = [
        f"{panel} {in_grams(mg)} g to {_patients(number)}"
        for panel, number, mg in most_first[["panel", "patients", "mg"]].itertuples(index=False, name=None)
    ]
    more = f" and {len(told) - _PANELS_NAMED} other panels" if len(told) > _PANELS_NAMED else ""
    mg = int(off["mg"].sum())
    help_with = "Fewer weeks at a time" if ahead else "Fewer weeks at a time, or --horizon-weeks,"
    text = (
        f"{in_grams(mg)} g were given that go off before the day they are due, and nothing alike lasts longer: "
        f"{', '.join(told[:_PANELS_NAMED])}{more}. {help_with} may give them to whoever is due before."
    )
    return [Notice("goes_off_before_due", "", mg, text)]
