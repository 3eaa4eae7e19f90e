"""From planned grams to people: whole courses inside each class, what is left offered again, then one reduced course.

Inside a class acute patients come first, then those waiting longest, then a lottery. Courses are given in
that order while the class's grams last; the first that does not fit ends it, so a large course is never passed over
for smaller ones behind it. What the classes of a panel leave of a product is offered once more, in the order of
the tier's stages, to patients whose own product it is, then to those the plan would switch to it. The course of
somebody who may be given several products at once, and whom none alone serves, is then gathered from what is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocation.rules.supply import Tier
from allocation.simulation.demand import NO_PRODUCT, Bools, Ints
from allocation.simulation.record import GRADES

__all__ = ["Issue", "Queue", "serve_plan", "stage_of"]

# In the place of a product, for a course gathered from all that is left.
_GATHERED = NO_PRODUCT - 1


@dataclass(frozen=True, slots=True)
class Issue:
    """Courses to give, one element for each product of a course: position in the queue, product, milligrams."""

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
        Place of each in the order of all, 0 first; inside a class it decides.
    owed_mg
        Milligrams of the course owed.
    reducible
        Whether the course may be given in part.
    mixes
        Whether the course may be made of several products where no single one makes it.
    """

    group: Ints
    panel: Ints
    product: Ints
    stage: Ints
    rank: Ints
    owed_mg: Ints
    reducible: Bools
    mixes: Bools


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
    """All that is given so far. Every line of patients stands in the order of rank, by class or by panel."""

    def __init__(self, queue: Queue, given_mg: Ints, panels: int) -> None:
        self.queue = queue
        self.left = given_mg.astype(np.int64)
        self.panels = panels
        self.taken_product = np.full(len(queue.group), NO_PRODUCT, dtype=np.int64)
        self.taken_mg = np.zeros(len(queue.group), dtype=np.int64)
        # Of those whose course is gathered in the end: what it is made of, product and milligrams.
        self.gathered: dict[int, list[tuple[int, int]]] = {}
        by_rank = np.empty(len(queue.rank), dtype=np.int64)
        by_rank[queue.rank] = np.arange(len(by_rank))
        self.by_group = _gathered(by_rank, queue.group)
        self.by_panel = _gathered(by_rank, queue.panel)
        # Of each class: its panel, its own product, and shape (classes, products) whether it is planned, and the own.
        classes, products = given_mg.shape
        self.panel, own_product = np.full((2, classes), NO_PRODUCT, dtype=np.int64)
        self.panel[queue.group], own_product[queue.group] = queue.panel, queue.product
        self.product = np.arange(products)
        self.may: Bools = given_mg > 0
        self.own: Bools = np.asarray(own_product[:, None] == self.product)

    def run(self, smallest_share: float, vial_mg: Ints) -> Issue:
        queue, line = self.queue, self.by_group
        # Courses of the own product wait for no other, so all are given at once.
        planned: Bools = np.asarray((self.may & self.own).any(axis=1))
        mine = line[planned[queue.group[line]]]
        cell = queue.group[mine] * len(self.product) + queue.product[mine]
        self._fill(mine, cell, queue.product[mine], self.left.reshape(-1))
        line = line[self.taken_mg[line] == 0]
        group = queue.group[line]
        others = (self.may & ~self.own & (self.left > 0))[group]
        for product in np.flatnonzero(others.any(axis=0)).tolist():
            some = others[:, product] & (self.taken_mg[line] == 0)
            self._fill(line[some], group[some], product, self.left[:, product])
        own_left, switch_left = self._pooled()
        self._offer_again(own_left, switch_left)
        self._reduce(own_left + switch_left, smallest_share, vial_mg)
        person = np.flatnonzero(self.taken_mg)
        issue = Issue(person, self.taken_product[person], self.taken_mg[person])
        return self._with_gathered(issue) if self.gathered else issue

    def _with_gathered(self, issue: Issue) -> Issue:
        """The same with a line for each product of the courses gathered in the end."""
        lines = [(person, *part) for person, parts in sorted(self.gathered.items()) for part in parts]
        person, product, mg = (np.array(column, dtype=np.int64) for column in zip(*lines, strict=True))
        single = issue.product != _GATHERED
        return Issue(
            person=np.append(issue.person[single], person),
            product=np.append(issue.product[single], product),
            mg=np.append(issue.mg[single], mg),
        )

    def _fill(self, index: Ints, group: Ints, product: Ints | int, budget: Ints) -> None:
        """Whole courses in line while each group's budget lasts; the budget is drawn down in place.

        Patients of one group stand together.
        """
        some = budget[group] > 0
        if not some.any():
            return
        index, groups = index[some], group[some]
        owed = self.queue.owed_mg[index]
        running = np.cumsum(owed)
        first = np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]]))
        size = np.diff(np.append(first, len(index)))
        before = np.repeat(running[first] - owed[first], size)
        fits = running - before <= budget[groups]
        served = index[fits]
        self.taken_product[served] = product if isinstance(product, int) else product[some][fits]
        self.taken_mg[served] = owed[fits]
        np.subtract.at(budget, groups[fits], owed[fits])

    def _pooled(self) -> tuple[Ints, Ints]:
        """What classes leave, by panel and product: of their own product, and of products they would switch to."""
        own, switch = np.zeros((2, self.panels, len(self.product)), dtype=np.int64)
        group, product = np.nonzero(np.where(self.panel[:, None] >= 0, self.left, 0))
        is_own = self.own[group, product]
        for pooled, part in ((own, is_own), (switch, ~is_own)):
            np.add.at(pooled, (self.panel[group[part]], product[part]), self.left[group[part], product[part]])
        return own, switch

    def _offer_again(self, own_left: Ints, switch_left: Ints) -> None:
        queue, last = self.queue, len(self.product)
        asks = self.own | self.may
        blocked = np.zeros(own_left.shape, dtype=np.bool_)
        waits = self.by_panel[self.taken_mg[self.by_panel] == 0]
        stages = queue.stage[waits]
        for stage in np.unique(stages).tolist():
            one = waits[stages == stage]
            group, panel = queue.group[one], queue.panel[one]
            smallest_mg = np.full(len(self.left), np.iinfo(np.int64).max)
            np.minimum.at(smallest_mg, group, queue.owed_mg[one])
            # Where no single course fits, nobody is served; who waits there still comes before later stages.
            within = np.where(self.own, own_left[self.panel], 0) + switch_left[self.panel]
            fits = asks & (within >= smallest_mg[:, None]) & ~blocked[self.panel]
            for product in np.flatnonzero(fits.any(axis=0)).tolist():
                some = np.zeros(self.panels, dtype=np.bool_)
                some[self.panel[fits[:, product]]] = True
                here = one[some[panel] & asks[group, product]]
                self._offer(here, product, own_left[:, product], switch_left[:, product])
            if queue.mixes[one].any():
                self._gather(one, asks & ~blocked[self.panel], own_left, switch_left)
            # Nobody of a later stage takes what somebody of this one still waited for after its turn. A course gathered
            # after all turns is waited for no more, and counts as before the first product.
            got = self.taken_product[one]
            until = np.full(len(self.left), NO_PRODUCT, dtype=np.int64)
            np.maximum.at(until, group, np.where(got == NO_PRODUCT, last, got))
            waiting, what = np.nonzero(asks & (self.product < until[:, None]))
            blocked[self.panel[waiting], what] = True

    def _offer(self, index: Ints, product: int, own_left: Ints, switch_left: Ints) -> None:
        """Offer what is left of a product to those whose own it is, then to the others; it is drawn down in place."""
        panel = self.queue.panel
        index = index[self.taken_mg[index] == 0]
        is_own = self.queue.product[index] == product
        both = own_left + switch_left
        left = both.copy()
        self._fill(index[is_own], panel[index[is_own]], product, left)
        used = both - left
        from_own = np.minimum(used, own_left)
        own_left -= from_own
        switch_left -= used - from_own
        self._fill(index[~is_own], panel[index[~is_own]], product, switch_left)

    def _gather(self, line: Ints, asks: Bools, own_left: Ints, switch_left: Ints) -> None:
        """Courses made of several products for those of a line who may have them, from what is left at their panel.

        Whoever waits in vain keeps what the class asks for from those behind. Of its own product a class may have all
        that is left, of others what classes of the panel would switch to. A course is made of one product where it can
        be, now that those ahead wait no more; else of the own first, then of those of which most is left.
        """
        queue = self.queue
        line = line[self.taken_mg[line] == 0]
        mixing = line[queue.mixes[line]]
        smallest_mg = np.full(self.panels, np.iinfo(np.int64).max)
        np.minimum.at(smallest_mg, queue.panel[mixing], queue.owed_mg[mixing])
        enough = (own_left + switch_left).sum(axis=1) >= smallest_mg
        kept = np.zeros(own_left.shape, dtype=np.bool_)
        for person in line[enough[queue.panel[line]]].tolist():
            group, panel, need = int(queue.group[person]), int(queue.panel[person]), int(queue.owed_mg[person])
            may, own = asks[group] & ~kept[panel], self.own[group]
            left = np.where(may, switch_left[panel] + np.where(own, own_left[panel], 0), 0)
            order = np.lexsort((-left, ~own))
            whole = order[left[order] >= need][:1]
            if not whole.size and not (queue.mixes[person] and left.sum() >= need):
                kept[panel] |= asks[group]
                continue
            parts = self.gathered[person] = []
            self.taken_product[person], self.taken_mg[person] = _GATHERED, need
            for product in (whole if whole.size else order).tolist():
                mg = min(need, int(left[product]))
                if mg:
                    parts.append((product, mg))
                    from_own = min(mg, int(own_left[panel, product])) if own[product] else 0
                    own_left[panel, product] -= from_own
                    switch_left[panel, product] -= mg - from_own
                    need -= mg

    def _reduce(self, left: Ints, smallest_share: float, vial_mg: Ints) -> None:
        """A part of a course for the first of each panel and product who still waits, if that may be."""
        queue = self.queue
        waits = self.by_panel[(self.taken_mg == 0)[self.by_panel] & (queue.product != NO_PRODUCT)[self.by_panel]]
        waits = waits[left[queue.panel[waits], queue.product[waits]] >= vial_mg[queue.product[waits]]]
        waits = waits[np.argsort(queue.stage[waits], kind="stable")]
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


def _gathered(line: Ints, key: Ints) -> Ints:
    """A line put in the order of a key, each key's part in the order of the line."""
    # Short whole numbers are sorted in one pass over them.
    short = key[line].astype(np.min_scalar_type(int(key.max(initial=0))))
    return np.asarray(line[np.argsort(short, kind="stable")])
