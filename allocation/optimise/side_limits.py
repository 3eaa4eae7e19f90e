"""Side limits put to the stock and the patients they speak of: milligrams by place, and whose stock is fenced off."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.errors import Fault
from allocation.quantities import to_mg
from allocation.rules import NATIONAL
from allocation.rules.limits import LimitSet, Lock, RingFence

__all__ = ["FENCE_SEPARATOR", "Fence", "SideLimits", "limits_in_use", "locked_by", "mark_patients", "switch_limits_mg"]

FENCE_SEPARATOR = " "


@dataclass(frozen=True, slots=True)
class Fence:
    """Milligrams of a product at each place that only one indication may have."""

    product: str
    indication: str
    situation: str
    mg: dict[str, int]

    @property
    def whose(self) -> str:
        """The indication in words."""
        return f"{self.indication}/{self.situation}" if self.situation else self.indication


@dataclass(frozen=True, slots=True)
class SideLimits:
    """Side limits of one allocation, in milligrams by panel or place. What is not named is not limited."""

    into_mg: dict[str, int] = field(default_factory=dict)
    out_of_mg: dict[str, int] = field(default_factory=dict)
    switch_mg: dict[str, int] = field(default_factory=dict)
    switch_share: dict[str, float] = field(default_factory=dict)
    infused_mg: dict[str, int] = field(default_factory=dict)
    infused_courses: dict[str, int] = field(default_factory=dict)
    fences: tuple[Fence, ...] = ()


def limits_in_use(
    limits: LimitSet, stock: pd.DataFrame, *, panels: Sequence[str], source: str
) -> tuple[SideLimits, tuple[Fault, ...]]:
    """Side limits in milligrams, fences put to the stock that is there.

    Parameters
    ----------
    stock
        ``location``, ``product`` and ``mg``.
    source
        What to call the limits in messages.

    Returns
    -------
    tuple
        The limits, and a fault for each fence around more than the stock holds beside the fences before it: it is cut
        to what is there, and the rest of it holds.
    """
    free: dict[tuple[str, str], int] = {}
    for place, product, mg in zip(*(stock[name].tolist() for name in ("location", "product", "mg")), strict=True):
        free[place, product] = free.get((place, product), 0) + mg
    fences, faults = [], []
    for ring in limits.ring_fence:
        fence, missing = _fence(ring, free, (*panels, NATIONAL))
        fences.append(fence)
        if missing:
            held = sum(fence.mg.values()) / 1000
            expected = (
                f"no more than the stock of {ring.product} that is there and not fenced off already ({held:,.15g} g)"
            )
            remedy = "The fence is cut to that."
            value = f"{ring.grams:,.15g} g for {fence.whose}"
            faults.append(Fault(source, expected, column="ring_fence.grams", value=value, remedy=remedy))
    return (
        SideLimits(
            into_mg={item.into: _mg(item.grams) for item in limits.delivery if item.into},
            out_of_mg={item.out_of: _mg(item.grams) for item in limits.delivery if item.out_of},
            switch_mg={item.panel: _mg(item.grams) for item in limits.switch_quota if item.grams is not None},
            switch_share={item.panel: item.share for item in limits.switch_quota if item.share is not None},
            infused_mg={item.panel: _mg(item.grams) for item in limits.infusion if item.grams is not None},
            infused_courses={item.panel: item.courses for item in limits.infusion if item.courses is not None},
            fences=tuple(fences),
        ),
        tuple(faults),
    )


def _mg(grams: float) -> int:
    return int(to_mg(grams))


def _fence(ring: RingFence, free: dict[tuple[str, str], int], places: tuple[str, ...]) -> tuple[Fence, bool]:
    """A fence by place, taken off what is free; and whether it asked for more than that."""
    inside = [place for place in places if ring.location in (None, place) and free.get((place, ring.product), 0)]
    held = [free[place, ring.product] for place in inside]
    total = sum(held)
    wanted = total if ring.grams is None else _mg(ring.grams)
    fenced = min(wanted, total)
    mg: dict[str, int] = {}
    before = 0
    for place, amount in zip(inside, held, strict=True):
        # Differences of running totals rounded down: whole milligrams that sum exactly, none above what is there.
        part = (before + amount) * fenced // total - before * fenced // total
        before += amount
        if part:
            mg[place] = part
            free[place, ring.product] -= part
    return Fence(ring.product, ring.indication, ring.situation or "", mg), wanted > total


def mark_patients(demand: pd.DataFrame, limits: LimitSet) -> pd.DataFrame:
    """The demand table with ``fences`` (numbers of the fences a patient is inside, joined) and ``locked`` filled in.

    A patient is locked by the table's own column ``locked``, or by a lock that holds for them; but only one with a
    product on record can be.
    """
    fences = np.full(len(demand), "", dtype=object)
    for number, ring in enumerate(limits.ring_fence):
        inside = _concerns(demand, ring.indication, ring.situation)
        fences[inside] = fences[inside] + np.where(fences[inside] == "", "", FENCE_SEPARATOR) + str(number)
    locked = np.zeros(len(demand), dtype=np.bool_)
    if "locked" in demand.columns:
        locked |= demand["locked"].isin([True, "yes"]).to_numpy(dtype=np.bool_)
    for lock in limits.lock:
        locked |= locked_by(demand, lock)
    return demand.assign(fences=fences, locked=locked & (demand["product"] != "").to_numpy())


def _concerns(demand: pd.DataFrame, indication: str | None, situation: str | None) -> npt.NDArray[np.bool_]:
    inside = np.ones(len(demand), dtype=np.bool_)
    if indication is not None:
        inside &= (demand["indication"] == indication).to_numpy(dtype=np.bool_)
    if situation is not None:
        inside &= (demand["situation"] == situation).to_numpy(dtype=np.bool_)
    return inside


def locked_by(demand: pd.DataFrame, lock: Lock) -> npt.NDArray[np.bool_]:
    """Patients whom a lock is about, whether or not they have a product on record."""
    inside = _concerns(demand, lock.indication, lock.situation)
    for column, wanted in (("product", lock.product), ("route", lock.route)):
        if wanted is not None:
            inside &= (demand[column] == wanted).to_numpy(dtype=np.bool_)
    return inside


def switch_limits_mg(
    panels: Sequence[str], due_mg: Sequence[int], capacity: float | None, limits: SideLimits | None, *, no_limit: int
) -> list[int] | None:
    """What each panel may switch: its own quota, or else the tier's share of its grams due; None for no limit at all.

    Parameters
    ----------
    due_mg
        Milligrams due at each panel.
    no_limit
        What stands for no limit where only some panels have one.
    """
    if capacity is None and (limits is None or not (limits.switch_mg or limits.switch_share)):
        return None
    allowed = []
    for panel, due in zip(panels, due_mg, strict=True):
        share = capacity if limits is None else limits.switch_share.get(panel, capacity)
        usual = no_limit if share is None else int(np.floor(float(due) * share))
        allowed.append(usual if limits is None else limits.switch_mg.get(panel, usual))
    return allowed
