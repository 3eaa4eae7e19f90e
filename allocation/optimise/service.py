"""Serving a stage's patients with whole vials; the order is told in :mod:`allocation.optimise.patients`."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from allocation.optimise.levers import even_targets_mg
from allocation.optimise.mix import Patient, PlannedMix, least_mg, vials_worth, without
from allocation.optimise.network import NONE, Ints, Network, Pool
from allocation.optimise.offers import Offers
from allocation.optimise.plan import Plan
from allocation.optimise.rearrange import Rearranging
from allocation.optimise.reasons import given_reason, short_reason, would_help
from allocation.optimise.shelf import Drawn, drawn_mg

__all__ = ["Patient", "Service", "least_mg"]


class Service:
    """Gives vials to patients and keeps count.

    Attributes
    ----------
    given_mg
        Given so far, shape (cells,).
    held
        Vials held as reserve, by pool.
    held_mg, reserve_mg
        Held in vials and planned, shape (pools, products).
    """

    def __init__(self, net: Network, plan: Plan, offers: Offers, rearranging: Rearranging) -> None:
        self.net, self.offers, self._rearranging = net, offers, rearranging
        self._dealt: dict[str, list[Patient]] = {}
        # Under a policy there is no planned mix, and patients are served by a rule.
        self._step_mg = min(size for product in net.problem.products.product for size in product.vial_mg)
        self._mix = None if plan.levers is None else PlannedMix(net, plan.levers)
        self.planned_mg: Ints = plan.cells["planned_mg"].to_numpy(dtype=np.int64)
        self.given_mg: Ints = np.zeros(len(self.planned_mg), dtype=np.int64)
        self.held: list[tuple[str, list[Drawn]]] = []
        shape = (len(net.pools), net.stock_mg.shape[1])
        self.held_mg: Ints = np.zeros(shape, dtype=np.int64)
        self.reserve_mg: Ints = np.zeros(shape, dtype=np.int64)
        self._lines = _lines_by_class(net, plan.given)
        product_of = {code: place for place, code in enumerate(net.product_codes)}
        pool_of = {pool.name: number for number, pool in enumerate(net.pools)}
        for name, product, mg in zip(*(plan.reserve[column] for column in ("pool", "product", "mg")), strict=True):
            self.reserve_mg[pool_of[name], product_of[product]] += mg

    def serve(self, stage: int, patients: Sequence[Patient]) -> None:
        """Serve everyone of one stage as far as vials go."""
        self.offers.promised_mg = self._promised(stage)
        if self._levers_first(patients):
            # What they have is shared to a measure, which other vials on the shelf would upset.
            self._rearranging.stop()
        else:
            self._whole_first(patients)
            self._rearrange(patients)

    def _levers_first(self, patients: Sequence[Patient]) -> bool:
        """Serve with courses reduced, where the tier has that go before others wait; else say that it has not."""
        tier = self.net.problem.tier
        if self._mix is not None and self._mix.reduces(patient.c for patient in patients):
            self._mixed(patients, self._mix)
            return True
        if (
            self._mix is None
            and tier.reduces_first
            and all(max(patient.grade, 1) in tier.reduce_grades for patient in patients)
        ):
            self._reduced(patients)
            return True
        return False

    def _whole_first(self, patients: Sequence[Patient]) -> None:
        """Serve with whole courses as planned, then whole ones of what is left over, then parts of one."""
        by_class: dict[int, list[Patient]] = {}
        for patient in patients:
            by_class.setdefault(patient.c, []).append(patient)
        waiting: list[Patient] = []
        for c in sorted(by_class):
            waiting += self._as_planned(c, sorted(by_class[c], key=lambda patient: patient.rank))
        waiting = self._offer(waiting, lambda p: self.offers.whole(p.c, p.due_mg))
        self._offer(
            waiting, lambda p: self.offers.part(p.c, p.due_mg, least_mg(self.net, p.grade, p.due_mg)), last=True
        )

    def _rearrange(self, patients: Sequence[Patient]) -> None:
        """Give those of a stage who still go short what can be made by dealing vials anew.

        Dealt are those of the stage and, while nobody of an earlier one goes short, those of earlier ones. Where
        somebody does, they keep them: what came back to the shelf might fit who could not be served before.
        """
        if self._rearranging.stopped:
            return
        by_pool: dict[str, list[Patient]] = {}
        for patient in patients:
            by_pool.setdefault(self.offers.pool_of(patient.c).name, []).append(patient)
        self._rearranging.begin()
        for pool in self.net.pools:
            mine = by_pool.get(pool.name, [])
            if not mine or self.net.limited_by_rows(pool):
                continue
            dealt = [*self._dealt.get(pool.name, []), *mine]
            changed = False
            while self._given_more(mine, dealt):
                changed = True
            if changed:
                self._put_in_order(mine)
            short = [patient for patient in mine if patient.given_mg < patient.due_mg]
            for patient in short if changed else ():
                patient.reason = self._why_short(patient)
            self._dealt[pool.name] = [] if short else dealt

    def _given_more(self, patients: Sequence[Patient], dealt: Sequence[Patient]) -> bool:
        """Ask once for everybody who goes short; whether anybody has more. Vials of those dealt may be others then."""

        def by_exchange(patient: Patient) -> list[Drawn]:
            found = self._rearranging.more_for(patient, dealt)
            for other, drawn in found[:-1]:
                self._give(other, drawn)
            # What was put back may fit somebody of whom the program found nothing out.
            return found[-1][1] if found else self._more_of_what_is_left(patient)

        short = [patient for patient in patients if patient.given_mg < patient.due_mg]
        return len(self._offer(short, by_exchange)) < len(short)

    def _more_of_what_is_left(self, patient: Patient) -> list[Drawn]:
        """All that a patient may have with what is left, where that is more than before."""
        if not patient.given_mg:
            return self.offers.part(patient.c, patient.due_mg, least_mg(self.net, patient.grade, patient.due_mg))
        more = self.offers.part(patient.c, patient.due_mg - patient.given_mg, 1, of=self._only(patient))
        return [*patient.drawn, *more] if more else []

    def _reduced(self, patients: Sequence[Patient]) -> None:
        """Serve with courses reduced evenly first: to a cell's share, then to the least, then what still fits."""
        least = [least_mg(self.net, patient.grade, patient.due_mg) for patient in patients]
        even_mg = even_targets_mg(
            cell=[int(self.net.cell[patient.c]) for patient in patients],
            due_mg=[patient.due_mg for patient in patients],
            least_mg=least,
            planned_mg=self.planned_mg.tolist(),
        )
        target = {patient.row: mg for patient, mg in zip(patients, even_mg, strict=True)}
        smallest = {patient.row: mg for patient, mg in zip(patients, least, strict=True)}

        def even(patient: Patient) -> list[Drawn]:
            room = int(self.planned_mg[self.net.cell[patient.c]] - self.given_mg[self.net.cell[patient.c]])
            if room < smallest[patient.row]:
                return []
            return self.offers.part(patient.c, target[patient.row], smallest[patient.row])

        waiting = self._offer(list(patients), even)
        self._offer(waiting, lambda p: self.offers.part(p.c, p.due_mg, smallest[p.row]), last=True)
        self._topped_up(sorted(patients, key=lambda patient: patient.rank))
        self._put_in_order(patients)

    def _mixed(self, patients: Sequence[Patient], mix: PlannedMix) -> None:
        """Serve the planned mix; what vials leave over then spares the levers, the one to be spared most first.

        Everybody for whom the least of a course is planned is given that before anybody is given more of it.
        """
        aims = mix.aims(patients)
        room = dict(mix.given_mg)

        def planned(patient: Patient) -> list[Drawn]:
            aim = aims[patient.row]
            if not aim.planned or room[patient.c] < aim.least_mg:
                return []
            drawn = self._near(patient, aim.least_mg)
            room[patient.c] -= drawn_mg(drawn)
            return drawn

        waiting = list(patients)
        ranked = sorted(patients, key=lambda patient: patient.rank)
        for left_over in (False, True):
            for lever in self.net.problem.tier.levers_spared:
                if lever == "reduce":
                    self._put_in_order(patients)
                    if left_over:
                        self._topped_up(ranked)
                    for patient in [] if left_over else ranked:
                        if 0 < patient.given_mg < aims[patient.row].mg:
                            self._topped(patient, aims[patient.row].mg - patient.given_mg)
                    continue
                asked = [patient for patient in waiting if patient.stretch == (lever == "stretch")]
                self._offer(asked, (lambda p: self._near(p, aims[p.row].least_mg)) if left_over else planned)
                waiting = [patient for patient in waiting if not patient.given_mg]
        least = {patient.row: least_mg(self.net, patient.grade, patient.due_mg) for patient in patients}
        if self.net.rows is None:
            self._shared([p for p in waiting if aims[p.row].least_mg < p.due_mg], patients, least)
            waiting = [patient for patient in waiting if not patient.given_mg]
        self._offer(waiting, lambda p: self.offers.part(p.c, p.due_mg, least[p.row]), last=True)
        self._put_in_order(patients)

    def _shared(self, waiting: Sequence[Patient], patients: Sequence[Patient], least: Mapping[int, int]) -> None:
        """Let one of the same class give back vials that make the least of another's course, if enough is left.

        Small vials may have gone into large courses while those of small courses could use no others.
        """
        alike: dict[int, list[Patient]] = {}
        for patient in patients:
            alike.setdefault(patient.c, []).append(patient)
        for patient in sorted(waiting, key=lambda patient: patient.rank):
            for other in sorted(alike[patient.c], key=lambda other: (least[other.row] - other.given_mg, other.rank)):
                most = min(patient.due_mg, other.given_mg - least[other.row])
                if given := vials_worth(other.drawn, least[patient.row], most):
                    self._give(other, without(other.drawn, given))
                    self._give(patient, given)
                    break

    def _near(self, patient: Patient, least_mg: int) -> list[Drawn]:
        """The least, and as little above it as vials allow."""
        for most in range(least_mg, patient.due_mg + self._step_mg, self._step_mg):
            if drawn := self.offers.part(patient.c, min(most, patient.due_mg), least_mg):
                return drawn
        return []

    def _put_in_order(self, patients: Sequence[Patient]) -> None:
        """Of patients alike, who comes first has most: what vials fit may have turned out the other way."""
        groups: dict[tuple[int, int, int, bool], list[Patient]] = {}
        for patient in sorted(patients, key=lambda patient: patient.rank):
            course_mg = patient.course_mg if self.offers.counts_courses(patient.c) else 0
            groups.setdefault((patient.c, patient.due_mg, course_mg, patient.stretch), []).append(patient)
        for group in groups.values():
            packs = sorted((patient.drawn for patient in group), key=drawn_mg, reverse=True)
            for patient, drawn in zip(group, packs, strict=True):
                if drawn is not patient.drawn:
                    self._give(patient, drawn)

    def _topped_up(self, patients: Sequence[Patient]) -> None:
        """Share what still fits between those who were reduced, in small steps. Who comes first is put right later."""
        sizes = sorted({size for product in self.net.problem.products.product for size in product.vial_mg})
        for step in sizes:
            more_given = True
            while more_given:
                more_given = False
                for patient in patients:
                    missing = patient.due_mg - patient.given_mg
                    if patient.given_mg and missing > 0 and self._topped(patient, min(missing, step)):
                        more_given = True

    def _topped(self, patient: Patient, most_mg: int) -> bool:
        self.offers.meet(patient.c, patient.course_mg or patient.due_mg, patient.drawn)
        more = self.offers.part(patient.c, most_mg, 1, of=self._only(patient))
        if more:
            self._give(patient, [*patient.drawn, *more])
        return bool(more)

    def _promised(self, stage: int) -> Ints:
        """What stages after one are planned to have, and after the first stage the reserve too."""
        promised = self.reserve_mg.copy() if stage == 0 else np.zeros_like(self.reserve_mg)
        for number, pool in enumerate(self.net.pools):
            for c in pool.classes[self.net.stage[pool.classes] > stage].tolist():
                for product, mg in self._lines.get(c, {}).items():
                    promised[number, product] += mg
        return promised

    def _as_planned(self, c: int, patients: list[Patient]) -> list[Patient]:
        lines = self._lines.get(c, {})
        waiting: list[Patient] = []
        for place, patient in enumerate(patients):
            enough = [product for product, mg in lines.items() if mg >= patient.due_mg]
            if not enough:
                # What is left would do for someone with a smaller course, but nobody is passed over for that.
                return waiting + patients[place:]
            self.offers.meet(patient.c, patient.course_mg or patient.due_mg)
            for product in enough:
                if drawn := self.offers.planned(c, product, patient.due_mg):
                    lines[product] -= patient.due_mg
                    self._give(patient, drawn)
                    break
            else:
                waiting.append(patient)
        return waiting

    def _offer(
        self, patients: list[Patient], offer: Callable[[Patient], list[Drawn]], *, last: bool = False
    ) -> list[Patient]:
        """Make everyone one offer, the cell furthest below its plan first; return who took nothing."""
        queues: dict[int, list[Patient]] = {}
        for patient in sorted(patients, key=lambda p: p.rank, reverse=True):
            queues.setdefault(int(self.net.cell[patient.c]), []).append(patient)
        heap = [(self._above_plan(cell), cell) for cell in queues]
        heapq.heapify(heap)
        waiting: list[Patient] = []
        while heap:
            _, cell = heapq.heappop(heap)
            patient = queues[cell].pop()
            self.offers.meet(patient.c, patient.course_mg or patient.due_mg)
            if drawn := offer(patient):
                self._give(patient, drawn)
            else:
                waiting.append(patient)
                if last:
                    patient.reason = self._why_short(patient)
            if queues[cell]:
                heapq.heappush(heap, (self._above_plan(cell), cell))
        return waiting

    def _above_plan(self, cell: int) -> int:
        return int(self.given_mg[cell] - self.planned_mg[cell])

    def _give(self, patient: Patient, drawn: list[Drawn]) -> None:
        """Let a patient have vials, in place of what was given before."""
        before_mg = patient.given_mg
        patient.drawn, patient.given_mg = drawn, drawn_mg(drawn)
        self.given_mg[self.net.cell[patient.c]] += patient.given_mg - before_mg
        if patient.given_mg == patient.due_mg:
            patient.reason = given_reason(self.net, patient.c, drawn, grade=patient.grade)
            patient.change = ""
        else:
            patient.reason = self._why_short(patient)

    def _why_short(self, patient: Patient) -> str:
        pool, products = self.offers.pool_of(patient.c).name, self.offers.products(patient.c)
        held = any(part.product in products for name, drawn in self.held if name == pool for part in drawn)
        self.offers.meet(patient.c, patient.course_mg or patient.due_mg, patient.drawn)
        of = self._only(patient)
        patient.change = would_help(self.offers, patient.c, due_mg=patient.due_mg, given_mg=patient.given_mg, of=of)
        return short_reason(
            *(self.offers, patient.c),
            grade=patient.grade, due_mg=patient.due_mg, given_mg=patient.given_mg, held=held, of=of,
        )  # fmt: skip

    def _only(self, patient: Patient) -> int:
        """The one product of which a patient may have more; ``NONE`` where that is open."""
        return NONE if not patient.drawn or self.offers.mixes(patient.c) else patient.drawn[0].product

    def hold_reserve(self) -> None:
        """Set aside vials for the reserve: the products planned, then others that may be held, until it is full."""
        for number, pool in enumerate(self.net.pools):
            missing = pool.reserve_mg - int(self.reserve_mg[number].sum())
            drawn: list[Drawn] = []
            for product in np.flatnonzero(self.reserve_mg[number]).tolist():
                wanted = int(self.reserve_mg[number, product])
                found = self._hold(pool, product, wanted)
                drawn += found
                missing += wanted - drawn_mg(found)
            for product in np.flatnonzero(self.net.reserve_choice).tolist():
                if missing > 0:
                    found = self._hold(pool, product, missing)
                    drawn += found
                    missing -= drawn_mg(found)
            for part in drawn:
                self.held_mg[number, part.product] += part.vial_mg * part.vials
            if drawn:
                self.held.append((pool.name, drawn))

    def _hold(self, pool: Pool, product: int, wanted_mg: int) -> list[Drawn]:
        """Vials of a product that come to at least what is wanted, with the least above it, as far as they go.

        Those that go off last: nobody may need them for weeks, and what goes off first is given first.
        """
        shelf, drawn = self.offers.shelf, []
        places = pool.locations.tolist()
        free = {place: int(shelf.mg[place, product]) - self.offers.planned_from(place, product) for place in places}
        left = wanted_mg
        # What the plan sends to patients is touched last.
        spare = {place: max(mg, 0) for place, mg in free.items()}
        for limits in (spare, dict.fromkeys(places, wanted_mg)):
            for place in sorted(places, key=lambda place: (-free[place], place)):
                wanted = min(left, limits[place])
                vials = shelf.best(place, product, self.offers.may_hold(place, product, wanted))
                drawn += shelf.draw([(place, product)], vials, last=True)
                left -= sum(size * count for size, count in vials.items())
        if left > 0:
            sizes = [
                (size, place)
                for place in places
                for size in shelf.counts(place, product)
                if size >= left and self.offers.may_hold(place, product, size) == size
            ]
            if sizes:
                size, place = min(sizes)
                drawn += shelf.draw([(place, product)], {size: 1}, last=True)
        return drawn


def _lines_by_class(net: Network, given: pd.DataFrame) -> dict[int, dict[int, int]]:
    """Planned milligrams by class of the network and product, the class's own product first."""
    class_of = {class_id: c for c, class_id in enumerate(net.class_id.tolist())}
    product_of = {code: place for place, code in enumerate(net.product_codes)}
    lines: dict[int, dict[int, int]] = {}
    for class_id, code, mg in zip(*(given[name].tolist() for name in ("class_id", "product", "mg")), strict=True):
        lines.setdefault(class_of[class_id], {})[product_of[code]] = mg
    return {
        c: dict(sorted(line.items(), key=lambda item: (item[0] != net.own[c] or net.own[c] == NONE, item[0])))
        for c, line in lines.items()
    }
