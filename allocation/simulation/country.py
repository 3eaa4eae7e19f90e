"""The country of one replication: what each event does to stock, patients and tier. It knows nothing of a clock."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from allocation.errors import VerificationError
from allocation.quantities import DAYS_PER_WEEK
from allocation.rules import NATIONAL
from allocation.rules.supply import Tier
from allocation.scenario import (
    BatchRecall,
    DemandSurge,
    Disruption,
    IntervalStretch,
    Mitigation,
    NewIndication,
    PlasmaExchange,
    QualityHold,
    TitrationTrial,
    Weaning,
)
from allocation.simulation.allocate import Waiting, Watch, allocate_week
from allocation.simulation.bedside import serve_acute
from allocation.simulation.chairs import Chairs
from allocation.simulation.controller import TierController
from allocation.simulation.cover import cover_weeks, need_of, owed_of, trigger_limits
from allocation.simulation.demand import Bools, Floats, Ints, draw_arrivals, join
from allocation.simulation.dispatch import Dispatcher, Shipment
from allocation.simulation.happenings import Happenings, draw_failures, draw_happenings, has_indication
from allocation.simulation.long_term import draw_long_term
from allocation.simulation.luck import Luck
from allocation.simulation.national import NationalWeek, with_leavers
from allocation.simulation.record import Recorder
from allocation.simulation.reviews import review_week
from allocation.simulation.state import State
from allocation.simulation.stock import Ledger
from allocation.simulation.stock_outs import StockOuts
from allocation.simulation.supply import tied_use
from allocation.simulation.world import World

__all__ = ["Country"]


@dataclass(slots=True)
class Country:
    """State of one replication and the events that change it.

    Parameters
    ----------
    world
        What all replications share.
    seed, replication
        Which luck it meets.
    watch
        Told of every plan; changes nothing.
    """

    world: World
    seed: int
    replication: int
    watch: Watch | None = None
    ledger: Ledger = field(init=False)
    record: Recorder = field(init=False)
    state: State = field(init=False)
    luck: Luck = field(init=False)
    controller: TierController = field(init=False)
    tier: Tier = field(init=False)
    stock_outs: StockOuts = field(init=False)
    national: list[NationalWeek] = field(init=False, default_factory=list)
    dispatcher: Dispatcher = field(init=False)
    chairs: Chairs = field(init=False)
    _held: dict[int, Ints] = field(init=False, default_factory=dict)
    happenings: Happenings = field(init=False)
    _use: dict[int, Floats] = field(init=False, default_factory=dict)
    _arrivals: Ints = field(init=False)
    _acute_waiting: Ints = field(init=False)

    def __post_init__(self) -> None:
        world, scenario = self.world, self.world.scenario
        panels, products = len(world.places.panels), len(world.places.products)
        self.ledger = Ledger(panels + 1, products)
        self.record = Recorder(scenario.run.weeks, panels, products)
        limits = trigger_limits(scenario.controller, world.places.products, world.use_mg.sum(axis=0))
        self.controller = TierController(scenario.controller, limits)
        self.tier = world.tiers.of(self.controller.tier)
        smallest_vial_mg = np.array([product.vial_mg[0] for product in world.products.product])
        self.stock_outs = StockOuts(smallest_vial_mg, world.use_mg > 0)
        opening = world.opening
        columns = (opening.place, opening.product, opening.mg, opening.expiry_day)
        for place, product, mg, expiry_day in zip(*(column.tolist() for column in columns), strict=True):
            self.ledger.open_with(place, product, expiry_day=expiry_day, mg=mg)
        every = draw_happenings(scenario, seed=self.seed, replication=self.replication)
        down = draw_failures(every, seed=self.seed, replication=self.replication, weeks=scenario.run.weeks)
        self.happenings = Happenings(every, disruptions=len(scenario.disruption), down=down)
        surges = list(self.happenings.of(DemandSurge))
        new = list(self.happenings.of(NewIndication))
        drawn = {"seed": self.seed, "replication": self.replication, "days": world.days}
        follow = None if world.follow is None else world.follow.draw(seed=self.seed, replication=self.replication)
        long_term = draw_long_term(
            world.start, scenario.demand, surges, **drawn, new=new, entries=world.places.entries, follow=follow
        )
        acute = draw_arrivals(world.acute, world.places, scenario.demand, surges, **drawn, follow=follow)
        self.state = State(join(long_term, acute), self.record)
        self.luck = Luck(self.seed, self.replication, self.state.people.luck)
        self.dispatcher = Dispatcher(
            world, self.seed, self.replication, self.happenings, self.ledger, self.state, self.record
        )
        self.chairs = Chairs(scenario.panels, world.chairs, self.state, self.luck)
        if scenario.consequences.enabled:
            self.state.doses = []
        self._arrivals = len(long_term) + np.searchsorted(acute.first_due_day, np.arange(world.days + 1))
        self._acute_waiting = np.empty(0, dtype=np.int64)

    # -------------------------------------------------------------- supply

    def begin(self, number: int, one: Disruption | Mitigation, day: int) -> None:
        """Something of the scenario begins."""
        self.record.log(day, f"{self.happenings.role(number)}_start", text=one.describe())
        self.happenings.active[number] = one
        if isinstance(one, BatchRecall | QualityHold):
            for code in one.products:
                product = self.world.places.products.index(code)
                for place in range(len(self.ledger.usable)):
                    if isinstance(one, QualityHold):
                        self.ledger.hold(number, place, product, one.fraction)
                    else:
                        self._log_destroyed(day, place, product, self.ledger.destroy(place, product, one.fraction))
        if isinstance(one, Weaning):
            self._wean(number, one, day)
        if isinstance(one, TitrationTrial):
            self._try_smaller_doses(number, one, day)
        self._measures_changed(day)

    def end(self, number: int, day: int) -> None:
        """Something of the scenario ends."""
        one = self.happenings.active.pop(number)
        self.record.log(day, f"{self.happenings.role(number)}_end", text=one.describe())
        if isinstance(one, QualityHold):
            self.ledger.release(number)
        self._measures_changed(day)

    def _measures_changed(self, day: int) -> None:
        """What falls due, and what is ordered for it, follows what is in force."""
        state, world = self.state, self.world
        state.course_mg = self.happenings.courses(
            state.people, world.products, world.places.entries, luck=self.luck, day=day
        )
        state.interval_days = self.happenings.intervals(state.people, state.grade)
        self._use = {}
        self.tier = self.happenings.tier(world.tiers.of(self.controller.tier))

    def _wean(self, number: int, one: Weaning, day: int) -> None:
        state = self.state
        luck = self.luck.draw_all(self.happenings.names[number], "weaned", "stop day")
        named = has_indication(state.people, self.world.places.entries, one.indications) & ~state.people.acute
        chosen = named & self._on_treatment(day) & (luck[0] < one.fraction)
        stops = day + np.floor(luck[1] * one.weeks * DAYS_PER_WEEK)
        state.leaves_day = np.where(chosen, np.minimum(state.leaves_day, stops), state.leaves_day)

    def _try_smaller_doses(self, number: int, one: TitrationTrial, day: int) -> None:
        state = self.state
        named = has_indication(state.people, self.world.places.entries, one.indications) & ~state.people.acute
        luck = self.luck.draw_all(self.happenings.names[number], "inside", "first day", "outcome")
        trial = self.happenings.begin_trial(number, one, state.people, named & (state.leaves_day > day), luck)
        state.leaves_day = np.where(trial.stops, np.minimum(state.leaves_day, trial.last_day), state.leaves_day)

    def dispatch(self, maker: str, day: int) -> list[Shipment]:
        """A maker sends out what panels take of its output."""
        return self.dispatcher.send(maker, day, self._use_mg(day))

    def _use_mg(self, day: int) -> Floats:
        """Milligrams a week that each panel now uses of each product: orders follow patients who come and go."""
        if day not in self._use:
            weekly_mg = np.where(self._on_treatment(day), self.state.weekly_mg, 0.0)
            tied = tied_use(self.state.people, weekly_mg, *self.world.untied_mg.shape)
            # Makers send out on the same days, so the day before is not asked for again.
            self._use = {day: tied + self.world.untied_mg}
        return self._use[day]

    def _on_treatment(self, day: int) -> Bools:
        here = self.state.people.first_due_day <= day
        here[: len(self.world.start)] = True
        return here & (self.state.leaves_day > day)

    def deliver(self, shipments: Sequence[Shipment]) -> None:
        """Shipments of one day's dispatch arrive together; what a recall since then has called in is destroyed."""
        world, day = self.world, shipments[0].arrival_day
        expiry_day = day + (world.life_days * world.scenario.supply.shelf_life_left_share).astype(np.int64)
        reached = [self._reached(shipment) for shipment in shipments]
        plain_mg = np.zeros_like(self.dispatcher.in_transit_mg)
        for shipment, found in zip(shipments, reached, strict=True):
            self.dispatcher.arrived(shipment)
            plain_mg += shipment.mg
            for product in found:
                plain_mg[:, product] -= shipment.mg[:, product]
        self.ledger.receive_all(plain_mg, expiry_day)
        for shipment, found in zip(shipments, reached, strict=True):
            if found:
                self._deliver_reached(shipment, found, expiry_day)

    def _deliver_reached(
        self, shipment: Shipment, reached: dict[int, tuple[float, int, float]], expiry_day: Ints
    ) -> None:
        """What a recall or a hold reaches of a shipment is destroyed or put aside on arrival."""
        for place, product in np.argwhere(shipment.mg).tolist():
            if product not in reached:
                continue
            mg, until = int(shipment.mg[place, product]), int(expiry_day[product])
            recalled, number, share = reached[product]
            gone = min(mg, math.ceil(mg * recalled))
            aside = min(mg - gone, math.ceil((mg - gone) * share))
            self.ledger.receive(place, product, expiry_day=until, mg=mg - aside, destroyed_mg=gone)
            self.ledger.receive_on_hold(number, place, product, expiry_day=until, mg=aside)
            self._log_destroyed(shipment.arrival_day, place, product, gone)

    def _reached(self, shipment: Shipment) -> dict[int, tuple[float, int, float]]:
        """Products of a shipment that a recall or a hold reaches: share recalled, number of the hold, share on hold."""
        if not any(True for _ in self.happenings.of(BatchRecall, QualityHold)):
            return {}
        sent = np.flatnonzero(shipment.mg.any(axis=0)).tolist()
        every = {product: (self._recalled(product, shipment), *self._on_hold(product, shipment)) for product in sent}
        return {product: (gone, number, held) for product, (gone, number, held) in every.items() if gone or held}

    def _on_hold(self, product: int, shipment: Shipment) -> tuple[int, float]:
        """Which quality hold reaches a product sent before it began, and how much of it."""
        code = self.world.places.products[product]
        holds = [
            (one.fraction, number)
            for number, one in self.happenings.now(QualityHold)
            if code in one.products and shipment.sent_day < one.start_week * DAYS_PER_WEEK
        ]
        share, number = max(holds, default=(0.0, 0))
        return number, share

    def _recalled(self, product: int, shipment: Shipment) -> float:
        code = self.world.places.products[product]
        shares = [
            one.fraction
            for one in self.happenings.of(BatchRecall)
            if code in one.products and shipment.sent_day < one.start_week * DAYS_PER_WEEK <= shipment.arrival_day
        ]
        return max(shares, default=0.0)

    def _log_destroyed(self, day: int, place: int, product: int, mg: int) -> None:
        if mg:
            self.record.log(
                day, "destroyed", place=self._place_name(place), product=self.world.places.products[product], mg=mg
            )

    def _place_name(self, place: int) -> str:
        panels = self.world.places.panels
        return panels[place] if place < len(panels) else NATIONAL

    def expire(self, day: int) -> None:
        """Stock whose expiry day has come is removed."""
        for place, product, mg in self.ledger.expire(day):
            self.record.add("expired", week=day // DAYS_PER_WEEK, panel=place, grade=0, product=product, mg=mg)
            code = self.world.places.products[product]
            self.record.log(day, "expired", place=self._place_name(place), product=code, mg=mg)

    # -------------------------------------------------------------- demand

    def serve_acute(self, day: int) -> None:
        """Those still waiting and the newcomers are served as stock allows; who has waited too long is lost."""
        state, week = self.state, day // DAYS_PER_WEEK
        new = self._not_exchanged(np.arange(self._arrivals[day], self._arrivals[day + 1], dtype=np.int64))
        state.fall_due(new, week)
        waiting = np.concatenate([self._acute_waiting[state.owed_mg[self._acute_waiting] > 0], new])
        serve_acute(
            self.world, state, waiting, ledger=self.ledger, tier=self.tier, held_mg=self.held_mg, day=day, week=week
        )
        self.chairs.book(waiting[state.owed_mg[waiting] == 0], day, "acute")
        waiting = waiting[state.owed_mg[waiting] > 0]
        gone = waiting[state.leaves_day[waiting] <= day]
        if gone.size:
            mg = int(state.owed_mg[gone].sum())
            self.record.log(day, "acute_lost", mg=mg, text="Acute patients lost to treatment after waiting")
            state.lose(gone, day=day, week=week)
        self._acute_waiting = waiting

    def _not_exchanged(self, new: Ints) -> Ints:
        """Newcomers but for those treated by plasma exchange."""
        for number, one in self.happenings.now(PlasmaExchange):
            luck = self.luck.draw(new, *self.happenings.names[number])
            named = has_indication(self.state.people.take(new), self.world.places.entries, one.indications)
            new = new[~(named & (luck < one.fraction))]
        return new

    @property
    def held_mg(self) -> Ints:
        """Milligrams of each pool held back before grade 3 at the tier in force."""
        if self.tier.tier not in self._held:
            self._held[self.tier.tier] = self.world.held_mg(self.tier)
        return self._held[self.tier.tier]

    def leave(self, day: int) -> None:
        """Long-term patients who have stopped while waiting wait no longer; doses on trial move on."""
        state = self.state
        if self.happenings.trials:
            self._measures_changed(day)
        gone = np.flatnonzero((state.leaves_day <= day) & (state.owed_mg > 0) & ~state.people.acute)
        # They left during the week before, and had not waited longer than that.
        state.lose(gone, day=state.leaves_day[gone], week=day // DAYS_PER_WEEK)

    def review_patients(self, day: int) -> None:
        """Annual reviews are done or lapse, and grades follow."""
        state, demand = self.state, self.world.scenario.demand
        share = self.happenings.reviews_per_week(demand.overdue_reviews_done_per_week)
        due = np.flatnonzero(state.review_due_day <= day)
        here = (due < len(self.world.start)) | (state.people.first_due_day[due] <= day)
        here &= state.leaves_day[due] > day
        changed = review_week(state, demand, due[here], done_share=share, luck=self.luck, day=day)
        if changed and any(True for _ in self.happenings.now(IntervalStretch)):
            state.interval_days = self.happenings.intervals(state.people, state.grade)
            self._use = {}

    def review_tier(self, day: int) -> None:
        """Weigh stock against need and let the tier change."""
        usable, before, week = self.ledger.usable.sum(axis=0), self.controller.tier, day // DAYS_PER_WEEK
        need = need_of(self.world, self.state, self._on_treatment(day), self._use_mg(day), week)
        weeks = left = cover_weeks(usable, need)
        share = self.world.scenario.controller.backlog_share_in_recovery
        if before > 1 and share:
            # The country leaves a tier by what would be left once the backlog is served.
            left = cover_weeks(usable, need, share * owed_of(self.world, self.state))
        after = self.controller.step(week, weeks, left)
        self.tier = self.happenings.tier(self.world.tiers.of(after))
        overdue = int(np.count_nonzero(self.state.review_open & self._on_treatment(day)))
        self.national.append(NationalWeek.of(after, usable, need, weeks, reviews_overdue=overdue))
        if after != before:
            direction = "up" if after > before else "down"
            self.record.log(day, "tier", text=f"Tier {after} in force, {direction} from tier {before}")

    def allocate(self, day: int) -> None:
        """Courses of the week fall due, and stock is allocated to all who wait and are not suspended."""
        state, people, week = self.state, self.state.people, day // DAYS_PER_WEEK
        newly = (state.due_day < day + DAYS_PER_WEEK) & (state.owed_mg == 0) & ~people.acute
        state.fall_due(np.flatnonzero(newly & (state.due_day < state.leaves_day)), week)
        index = np.flatnonzero((state.owed_mg > 0) & ~np.isin(state.grade, self.tier.suspend_grades))
        lottery = self.luck.lottery(index, week)
        waiting = Waiting(index, state.grade[index], state.owed_mg[index], state.due_day[index], lottery)
        done = allocate_week(
            self.world,
            people,
            waiting,
            tier=self.tier,
            usable_mg=self.ledger.usable,
            held_mg=self.held_mg,
            day=day,
            watch=self.watch,
        )
        drawn = np.zeros_like(self.ledger.usable)
        np.add.at(drawn, (done.place, done.product), done.mg)
        self.ledger.issue_all(drawn)
        who, product, mg = done.issue.person, done.issue.product, done.issue.mg
        self.record.add(
            "moved", week=week, panel=people.panel[who], grade=state.grade[who], product=product, mg=done.moved_mg
        )
        given = state.serve(who, product=product, mg=mg, day=day, week=week)
        self.chairs.book(given, day, "planned")
        self.stock_outs.note(week, self.ledger.usable)
        self.national[-1] = replace(self.national[-1], solved=done.solved)

    def close(self) -> None:
        """End the run and prove its books.

        Raises
        ------
        VerificationError
            Where stock, or what makers sent out, is not conserved to the milligram, or demand does not add up.
        """
        self.chairs.close(self.world.days)
        self.state.close_run(self.world.scenario.run.weeks)
        self.national = with_leavers(self.national, self.state)
        self.dispatcher.close()
        self.ledger.check()
        self.dispatcher.check()
        self.record.check()
        given = int(self.record.total_mg("issued"))
        if given != int(self.ledger.issued.sum()):
            raise VerificationError(f"patients were given {given} mg, stock issued {int(self.ledger.issued.sum())} mg")
