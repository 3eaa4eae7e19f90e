"""What happens in one replication, and what is being done about it: its numbers drawn, and what is in force now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from allocation.quantities import DAYS_PER_WEEK
from allocation.rules import ProductSet
from allocation.rules.supply import Tier
from allocation.scenario import (
    ContingencyStockRelease,
    Disruption,
    DoseOptimisation,
    Grade1Suspension,
    ImportDelay,
    IntervalStretch,
    Mitigation,
    NewSupplier,
    OutputCut,
    OutputRise,
    PlasmaFall,
    ProductSwitchLimit,
    ReviewDrive,
    Scenario,
    SupplierWithdrawal,
    SupplyFailures,
    TitrationTrial,
    UkPlasma,
    VialRounding,
)
from allocation.seeds import stream
from allocation.simulation.demand import ROUTES, Bools, Floats, Ints, People
from allocation.simulation.luck import Luck
from allocation.simulation.names import Name, named
from allocation.simulation.supply import can_give, output_factor

__all__ = ["Happenings", "Trial", "draw_failures", "draw_happenings"]

Kind = TypeVar("Kind")


def draw_happenings(scenario: Scenario, *, seed: int, replication: int) -> tuple[Disruption | Mitigation, ...]:
    """Disruptions, then mitigations, each with its own draw of every number that has a spread."""
    drawn: list[Disruption | Mitigation] = []
    for role in ("disruption", "mitigation"):
        for name, one in named(getattr(scenario, role)):
            path = ("replication", replication, *name, "spread")
            luck = {key: float(stream(seed, *path, key).random()) for key in one.spread}
            drawn.append(one.drawn(luck))
    return tuple(drawn)


def draw_failures(
    every: tuple[Disruption | Mitigation, ...], *, seed: int, replication: int, weeks: int
) -> dict[int, Bools]:
    """For each supply failure, by its place in ``every``: in which weeks from its start the maker is down."""
    found = {}
    for number, (name, one) in enumerate(named(every)):
        if not isinstance(one, SupplyFailures):
            continue
        luck = stream(seed, "replication", replication, *name, "failures").random(min(one.weeks, weeks))
        down = np.zeros(len(luck), dtype=np.bool_)
        is_down = bool(luck[0] < one.size)
        for week, draw in enumerate(luck.tolist()):
            if week:
                is_down = draw >= one.recovers_per_week if is_down else draw < one.fails_per_week
            down[week] = is_down
        found[number] = down
    return found


@dataclass(frozen=True, slots=True)
class Trial:
    """A titration trial, one element a patient: who is in it, from which day to which, and what it comes to."""

    inside: Bools
    first_day: Floats
    last_day: Floats
    back: Bools
    stops: Bools


@dataclass(slots=True)
class Happenings:
    """All of a replication, by number, and which of them are in force.

    Attributes
    ----------
    every
        From :func:`draw_happenings`.
    disruptions
        How many of them are disruptions; these come first.
    active
        Those in force, by their place in ``every``.
    down
        From :func:`draw_failures`.
    trials
        Titration trials that have begun, by their place in ``every``.
    names
        From which the streams of each are named.
    """

    every: tuple[Disruption | Mitigation, ...]
    disruptions: int
    active: dict[int, Disruption | Mitigation] = field(default_factory=dict)
    down: dict[int, Bools] = field(default_factory=dict)
    trials: dict[int, Trial] = field(default_factory=dict)
    names: tuple[Name, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.names = tuple(name for name, _ in named(self.every))

    def role(self, number: int) -> str:
        """Whether one is a disruption or a mitigation."""
        return "disruption" if number < self.disruptions else "mitigation"

    def of(self, *kinds: type[Kind]) -> Iterator[Kind]:
        """All of some kinds, in force or not."""
        return (one for one in self.every if isinstance(one, kinds))

    def now(self, *kinds: type[Kind]) -> Iterator[tuple[int, Kind]]:
        """Numbers and happenings of some kinds that are in force."""
        return ((number, one) for number, one in sorted(self.active.items()) if isinstance(one, kinds))

    def on(self, day: int, *kinds: type[Kind]) -> Iterator[tuple[int, Kind]]:
        """Numbers and happenings of some kinds that are in force on a day, be it past, present or to come."""
        for number, one in enumerate(self.every):
            first_day, end_day = _days_of(one)
            if isinstance(one, kinds) and first_day <= day < end_day:
                yield number, one

    # -------------------------------------------------------------- supply

    def extra_days(self, maker: str, days: Ints) -> Ints:
        """Days that what a maker sends out on each of some days takes longer than usual."""
        later = np.zeros(len(days))
        for one in self.of(ImportDelay):
            if not one.makers or maker in one.makers:
                first_day, end_day = _days_of(one)
                later[(first_day <= days) & (days < end_day)] += one.extra_days
        return np.rint(later).astype(np.int64)

    def output(self, contract_mg: Floats, products: ProductSet, day: int) -> Floats:
        """Milligrams a week that disruptions leave of the output of the makers on a day, by product.

        Parameters
        ----------
        contract_mg
            Milligrams that all makers contract a week, by product.
        """
        output_mg = contract_mg
        plasma = np.ones(len(contract_mg))
        for _, one in self.on(day, OutputCut, OutputRise, PlasmaFall, SupplierWithdrawal):
            factor = output_factor(one, contract_mg, products)
            if factor is not None and isinstance(one, PlasmaFall):
                plasma = plasma * factor
            elif factor is not None:
                output_mg = output_mg * factor
        for number, failing in self.on(day, SupplyFailures):
            week = day // DAYS_PER_WEEK - failing.from_week
            if self.down[number][min(week, len(self.down[number]) - 1)]:
                output_mg = np.where([product.maker == failing.maker for product in products.product], 0.0, output_mg)
        for _, uk in self.on(day, UkPlasma):
            share = uk.fraction * _grown(uk, day)
            plasma = plasma * (1.0 - share * (1.0 - uk.added)) + share
        return output_mg * plasma

    def released(self, contract_mg: Floats, products: ProductSet, use_mg: float, day: int) -> dict[int, Floats]:
        """Milligrams a week of each product that come out of each contingency stock on a day, by its number."""
        return {
            number: _share_of(one.products, contract_mg, products) * (use_mg * one.cover_weeks / one.weeks)
            for number, one in self.on(day, ContingencyStockRelease)
        }

    def new_supply(self, contract_mg: Floats, products: ProductSet, day: int) -> Floats:
        """Milligrams a week of each product from new suppliers on a day."""
        total = np.zeros(len(contract_mg))
        for _, one in self.on(day, NewSupplier):
            share = _share_of(one.products, contract_mg, products)
            total += share * (contract_mg.sum() * one.fraction * _grown(one, day))
        return total

    # -------------------------------------------------------------- policy

    def tier(self, tier: Tier) -> Tier:
        """The regime in force: the tier's, but for what is suspended or limited meanwhile."""
        changed: dict[str, object] = {}
        if any(True for _ in self.now(Grade1Suspension)) and 1 not in tier.suspend_grades:
            changed["suspend_grades"] = (*tier.suspend_grades, 1)
        limits = [one.fraction for _, one in self.now(ProductSwitchLimit)]
        if limits:
            own = 1.0 if tier.switch_capacity is None else tier.switch_capacity
            changed["switch_capacity"] = min(own, *limits)
        return tier.model_copy(update=changed) if changed else tier

    def reviews_per_week(self, usual: float) -> float:
        """Share of overdue reviews done this week."""
        return max([usual, *(one.done_per_week for _, one in self.now(ReviewDrive))])

    # -------------------------------------------------------------- demand

    def begin_trial(self, number: int, one: TitrationTrial, people: People, reached: Bools, luck: Floats) -> Trial:
        """Who tries a smaller dose, when, and what comes of it.

        Parameters
        ----------
        reached
            Long-term patients with an indication of the trial.
        luck
            Uniform draws, shape (3, patients).
        """
        first = one.from_week * DAYS_PER_WEEK + np.floor(luck[1] * one.starting_weeks * DAYS_PER_WEEK)
        inside = reached & (luck[0] < one.patients_share) & (people.first_due_day <= first)
        back = inside & (luck[2] < one.back_share)
        stops = inside & ~back & (luck[2] < one.back_share + one.stop_share)
        self.trials[number] = Trial(inside, first, first + one.trial_weeks * DAYS_PER_WEEK, back, stops)
        return self.trials[number]

    def courses(
        self,
        people: People,
        products: ProductSet,
        entries: tuple[tuple[str, str], ...],
        *,
        luck: Luck,
        day: int,
    ) -> Ints:
        """Milligrams of a course that falls due now: whole smallest vials, and at least one, where it is cut.

        Parameters
        ----------
        luck
            Tells which patients a measure reaches that does not reach all, and whose vials are rounded up.

        Notes
        -----
        A patient's vials are rounded up or down by a draw of the patient's own, so that all together save what the
        measure says. Rounded to the nearest vial, a small cut would change only the largest courses. A course is never
        larger than before, and never less than a vial, so who has a single vial saves nothing.
        """
        factor = np.ones(len(people))
        for number, one in self.now(VialRounding, DoseOptimisation):
            reached = ~people.acute & has_indication(people, entries, one.indications)
            if one.patients_share < 1:
                draw = luck.draw(slice(None), *self.names[number], "reached")
                reached &= draw < one.patients_share
            factor = np.where(reached, factor * (1.0 - one.fraction), factor)
        for number, trial in self.trials.items():
            one_trial = self.every[number]
            smaller = trial.inside & (trial.first_day <= day) & ((day < trial.last_day) | ~trial.back)
            factor = np.where(smaller, factor * (1.0 - float(one_trial.size or 0.0)), factor)
        smallest = np.array([product.vial_mg[0] for product in products.product])
        vial = np.where(people.product >= 0, smallest[people.product], smallest.min())
        cut = factor < 1
        if not cut.any():
            return people.course_mg
        meant_mg = people.course_mg * factor
        low_mg = np.floor(meant_mg / vial) * vial
        high_mg = np.minimum(low_mg + vial, people.course_mg)
        is_high = luck.draw(slice(None), "vials rounded up") * (high_mg - low_mg) < meant_mg - low_mg
        course_mg = np.where(is_high | (low_mg == 0), high_mg, low_mg).astype(np.int64)
        return np.where(cut, course_mg, people.course_mg)

    def intervals(self, people: People, grade: Ints) -> Floats:
        """Days from a course given now to the next."""
        days = people.interval_days
        for _, one in self.now(IntervalStretch):
            days = np.where(np.isin(grade, one.grades) & ~people.acute, days * (1.0 + one.fraction), days)
        return days


def has_indication(people: People, entries: tuple[tuple[str, str], ...], indications: tuple[str, ...]) -> Bools:
    """Who has one of some indications; everybody where none is named."""
    if not indications:
        return np.ones(len(people), dtype=np.bool_)
    known: Bools = np.array([indication in indications for indication, _ in entries])[people.entry]
    return known


def route_use(use_mg: Floats, products: ProductSet) -> Floats:
    """For each product, what each panel uses of its route over what the country does, shape (panels, products)."""
    gives = can_give(products)
    routes = [ROUTES.index(product.route) for product in products.product]
    by_route = np.stack([use_mg[:, fits].sum(axis=1) for fits in gives], axis=1)
    total = by_route.sum(axis=0)
    share: Floats = by_route / np.where(total > 0, total, 1.0)
    return share[:, routes]


def _days_of(one: Disruption | Mitigation) -> tuple[float, float]:
    """First day on which it is in force, and the one on which it is no longer."""
    first_day = one.from_week * DAYS_PER_WEEK
    return first_day, np.inf if one.weeks is None else first_day + one.weeks * DAYS_PER_WEEK


def _grown(one: NewSupplier | UkPlasma, day: int) -> float:
    weeks = day // DAYS_PER_WEEK - one.from_week + 1
    return min(1.0, weeks / one.ramp_weeks) if one.ramp_weeks else 1.0


def _share_of(named: tuple[str, ...], contract_mg: Floats, products: ProductSet) -> Floats:
    """Share of each product in an amount of the named ones: as contracted, or evenly where none of them is."""
    chosen = np.array([not named or code in named for code in products.by_code])
    weight = np.where(chosen, contract_mg, 0.0)
    weight = weight if weight.sum() > 0 else chosen.astype(np.float64)
    share: Floats = weight / weight.sum()
    return share
