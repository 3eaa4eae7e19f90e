"""From planned grams to people: whole courses inside each class, what is left offered again, then one reduced course.

Inside a class acute patients come first, then those waiting longest, then a lottery. Courses are given in
that order while the class's grams last; the first that does not fit ends it, so a large course is never passed over
for smaller ones behind it. What the classes of a panel leave of a product is offered once more, in the order of
the tier's stages, to patients whose own product it is, then to those the plan would switch to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocation.rules.supply import Tier
from allocation.simulation.demand import NO_PRODUCT, Bools, Ints
from allocation.simulation.record import GRADES

__all__ = ["Issue", "Queue", "serve_plan", "stage_of"]


@dataclass(frozen=True, slots=True)
class Issue:
    """Courses to give, one element each: position in the queue, product, milligrams."""

    person: Ints
    product: Ints
    mg: Ints


@dataclass(frozen=True, slots=True)
class Queue:
    """Patients who wait, one element each.

    Attributes
    ----------
    group
        Demand class of the patient, a row of the plan.
    panel, product
        Where, and on which product (:data:`NO_PRODUCT` for none).
    stage
        Stage of the tier that serves the patient, 0 first.
    rank
        Place in the order inside a class, 0 first; all different.
    owed_mg
        Milligrams of the course owed.
    reducible
        Whether the course may be given in part.
    """

    group: Ints
    panel: Ints
    product: Ints
    stage: Ints
    rank: Ints
    owed_mg: Ints
    reducible: Bools


def stage_of(tier: Tier, grade: Ints, emergency: Bools) -> Ints:
    """The first stage of a tier that serves each patient; one beyond the last where none does."""
    stage = np.full(len(grade), len(tier.stage), dtype=np.int64)
    for number in reversed(range(len(tier.stage))):
        rule = tier.stage[number]
        fits = np.array([one in rule.grades or (rule.include_ungraded and one == 0) for one in range(GRADES)])
        stage[emergency if rule.emergencies_only else fits[grade]] = number
    return stage


def serve_plan(queue: Queue, given_mg: Ints, *, smallest_share: float, vial_mg: Ints, panels: int) -> Issue:
    """Whole courses, and a few reduced ones, within the grams of a plan.

    Parameters
    ----------
    queue
        Patients who wait.
    given_mg
        The plan: milligrams by class and product, shape (classes, products).
    smallest_share
        Smallest share of a course that may be given where it may be reduced.
    vial_mg
        Smallest vial of each product; reduced courses are whole numbers of it.
    panels
        How many panels there are.

    Returns
    -------
    Issue
        Never more of a product in a panel than the plan gives its classes.
    """
    return _Server(queue, given_mg, panels).run(smallest_share, vial_mg)


class _Server:
    def __init__(self, queue: Queue, given_mg: Ints, panels: int) -> None:
        self.queue = queue
        self.left = given_mg.astype(np.int64)
        self.planned = given_mg > 0
        self.panels = panels
        self.taken_product = np.full(len(queue.group), NO_PRODUCT, dtype=np.int64)
        self.taken_mg = np.zeros(len(queue.group), dtype=np.int64)
        # Shape (patients, products): what the plan gives the patient's class, and what is the patient's own.
        self.may: Bools = self.planned[queue.group]
        self.own: Bools = queue.product[:, None] == np.arange(given_mg.shape[1])

    def run(self, smallest_share: float, vial_mg: Ints) -> Issue:
        queue = self.queue
        products = self.left.shape[1]
        # Courses of the own product wait for no other, so all are given at once.
        mine = np.flatnonzero((self.may & self.own).any(axis=1))
        whole = self.left.reshape(-1)
        self._fill(mine, queue.group[mine] * products + queue.product[mine], queue.product[mine], whole)
        others = self.may & ~self.own
        for product in np.flatnonzero(others.any(axis=0)).tolist():
            index = np.flatnonzero(others[:, product] & (self.taken_mg == 0))
            self._fill(index, queue.group[index], product, self.left[:, product])
        own_left, switch_left = self._pooled()
        self._offer_again(own_left, switch_left)
        self._reduce(own_left + switch_left, smallest_share, vial_mg)
        person = np.flatnonzero(self.taken_mg)
        return Issue(person, self.taken_product[person], self.taken_mg[person])

    def _fill(self, index: Ints, group: Ints, product: Ints | int, budget: Ints) -> None:
        """Whole courses in the order of rank while each group's budget lasts; the budget is drawn down in place."""
        if not index.size:
            return
        order = np.lexsort((self.queue.rank[index], group))
        index, groups = index[order], group[order]
        owed = self.queue.owed_mg[index]
        running = np.cumsum(owed)
        first = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
        size = np.diff(np.append(first, len(index)))
        before = np.repeat(running[first] - owed[first], size)
        fits = running - before <= budget[groups]
        served = index[fits]
        self.taken_product[served] = product if isinstance(product, int) else product[order][fits]
        self.taken_mg[served] = owed[fits]
        np.subtract.at(budget, groups[fits], owed[fits])

    def _pooled(self) -> tuple[Ints, Ints]:
        """What classes leave, by panel and product: of their own product, and of products they would switch to."""
        queue = self.queue
        classes, products = self.left.shape
        panel, product = np.zeros((2, classes), dtype=np.int64)
        panel[queue.group], product[queue.group] = queue.panel, queue.product
        left = np.where(np.isin(np.arange(classes), queue.group)[:, None], self.left, 0)
        is_own = product[:, None] == np.arange(products)
        own, switch = np.zeros((2, self.panels, products), dtype=np.int64)
        np.add.at(own, panel, np.where(is_own, left, 0))
        np.add.at(switch, panel, np.where(is_own, 0, left))
        return own, switch

    def _offer_again(self, own_left: Ints, switch_left: Ints) -> None:
        queue = self.queue
        blocked = np.zeros(own_left.shape, dtype=np.bool_)
        waits = np.flatnonzero(self.taken_mg == 0)
        for stage in np.unique(queue.stage[waits]).tolist():
            one = waits[queue.stage[waits] == stage]
            panel, owed = queue.panel[one], queue.owed_mg[one]
            both = own_left + switch_left
            asks = self.own[one] | self.may[one]
            # Where no single course fits, nobody is served; who waits there still comes before later stages.
            fits = (asks & (both[panel] >= owed[:, None])).any(axis=0)
            for product in np.flatnonzero(both.any(axis=0)).tolist():
                if fits[product]:
                    here = one[asks[:, product] & ~blocked[panel, product]]
                    self._offer(here, product, own_left[:, product], switch_left[:, product])
                # Nobody of a later stage takes what an earlier one still waits for.
                waiting = asks[:, product] & (self.taken_mg[one] == 0)
                blocked[panel[waiting], product] = True

    def _offer(self, index: Ints, product: int, own_left: Ints, switch_left: Ints) -> None:
        """Offer what is left of a product to those whose own it is, then to the others; it is drawn down in place."""
        panel = self.queue.panel
        index = index[self.taken_mg[index] == 0]
        is_own = self.own[index, product]
        both = own_left + switch_left
        left = both.copy()
        self._fill(index[is_own], panel[index[is_own]], product, left)
        used = both - left
        from_own = np.minimum(used, own_left)
        own_left -= from_own
        switch_left -= used - from_own
        self._fill(index[~is_own], panel[index[~is_own]], product, switch_left)

    def _reduce(self, left: Ints, smallest_share: float, vial_mg: Ints) -> None:
        """A part of a course for the first of each panel and product who still waits, if that may be."""
        queue = self.queue
        waits = np.flatnonzero((self.taken_mg == 0) & (queue.product != NO_PRODUCT))
        waits = waits[np.lexsort((queue.rank[waits], queue.stage[waits]))]
        cell = queue.panel[waits] * left.shape[1] + queue.product[waits]
        _, first = np.unique(cell, return_index=True)
        head = waits[first]
        head = head[queue.reducible[head]]
        product = queue.product[head]
        part = left[queue.panel[head], product] // vial_mg[product] * vial_mg[product]
        part = np.minimum(part, queue.owed_mg[head])
        enough = (part > 0) & (part >= smallest_share * queue.owed_mg[head])
        self.taken_product[head[enough]] = product[enough]
        self.taken_mg[head[enough]] = part[enough]
