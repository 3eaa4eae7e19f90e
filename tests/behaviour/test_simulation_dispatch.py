"""What is on the road, what is sent out for days between dispatches, and whose luck, vials and days are whose."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pytest

from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.rules import PanelSet, load_panels, load_products, load_rulebook, load_tiers
from allocation.scenario import Scenario, VialRounding, load_scenario
from allocation.simulation import World, prepare
from allocation.simulation.country import Country
from allocation.simulation.engine import play
from allocation.simulation.happenings import Happenings
from allocation.simulation.luck import Luck

AS_OF = date(2026, 11, 1)
ROOM = {"highest_cover_weeks": 500.0}
ALL_STOP = {"kind": "output_cut", "start_week": 0, "weeks": 40, "fraction": 1.0}

Make = Callable[..., World]


@pytest.fixture(scope="module")
def make() -> Make:
    """World of the baseline, 150 patients in two panels, with some keys changed."""
    every = load_panels()
    panels = PanelSet(source=every.source, panel=every.panel[:2])
    given: dict[str, Any] = {"rulebook": load_rulebook(), "panels": panels, "products": load_products()}
    given["epidemiology"] = load_epidemiology()
    cohort = generate_cohort(patients=150, seed=7, as_of=AS_OF, **given)

    def build(*, weeks: int = 20, **changes: Any) -> World:
        data = load_scenario("baseline").model_dump()
        data["run"] |= {"weeks": weeks, "replications": 1}
        for part, value in changes.items():
            data[part] = value if isinstance(value, list) else data[part] | value
        return prepare(Scenario.model_validate(data), cohort, tiers=load_tiers(), **given)

    return build


def played(world: World) -> Country:
    return play(world, seed=11, replication=0)


def sent_g(country: Country) -> np.ndarray:
    """Grams sent out in each week."""
    by_week = np.zeros(country.world.scenario.run.weeks)
    for event in country.record.events:
        if event.kind == "dispatch":
            by_week[int(event.day // 7)] += event.amount_g
    return by_week


def left_g(country: Country) -> float:
    return sum(event.amount_g for event in country.record.events if event.kind == "contingency_stock_left")


# ------------------------------------------------------------------ on the road


@pytest.mark.parametrize("extra_days", [21.0, 70.0])
def test_no_output_is_refused_for_what_a_delay_keeps_on_the_road(make: Make, extra_days: float) -> None:
    late = {"kind": "import_delay", "start_week": 2, "weeks": 20, "extra_days": extra_days}
    capped, free = (played(make(weeks=30, supply=supply, disruption=[late])) for supply in ({}, ROOM))
    # From when the road has filled up to when the delay ends, shelves are low and all output is taken.
    assert min(week.cover_weeks for week in capped.national) < 4.5
    assert sent_g(capped)[6:22] == pytest.approx(sent_g(free)[6:22], rel=0.01)
    # The delay has ended, what it delayed has not come in yet.
    coming_weeks = slice(22, 22 + int(extra_days / 7) // 3)
    assert sent_g(capped)[coming_weeks] == pytest.approx(sent_g(free)[coming_weeks], rel=0.02)
    assert sent_g(capped).sum() < sent_g(free).sum(), "the cap holds once shelves are full"


def test_the_rest_of_a_delivery_takes_no_room_while_it_is_on_the_road(make: Make) -> None:
    parts = {
        "probability": 1.0,
        "first_share_low": 0.1,
        "first_share_high": 0.1,
        "rest_days": {"mean": 70.0, "sd": 0.0},
    }
    supply = {"partial_deliveries": parts, "opening_cover_weeks": 2.0}
    capped, free = (played(make(supply=supply | more)) for more in ({}, ROOM))
    assert sent_g(capped) == pytest.approx(sent_g(free), rel=0.02)


def test_a_delay_raises_no_order_up_to_a_level(make: Make) -> None:
    late = {"kind": "import_delay", "start_week": 2, "weeks": 20, "extra_days": 42}
    rule = {"policy": "order_up_to", "up_to_weeks": 4.0}
    country = played(make(supply={"replenishment": rule, "opening_cover_weeks": 1.0}, disruption=[late]))
    world = country.world
    level = (4.0 * world.use_mg + world.largest_mg).sum()
    owed = country.state.owed_mg.sum()
    position = country.ledger.usable[:-1].sum() + country.dispatcher.in_transit_mg.sum() - owed
    assert position < level + 0.2 * world.use_mg.sum()


# ------------------------------------------------------------------ from one dispatch to the next


@pytest.mark.parametrize("every", [1, 3, 7, 10, 28])
def test_what_lasts_less_than_a_period_counts_for_as_long_as_it_lasts(make: Make, every: int) -> None:
    supply = ROOM | {"dispatch_every_days": every}
    plain = played(make(supply=supply))
    for start, weeks in ((1, 3), (3, 2), (2, 1)):
        cut = {"kind": "output_cut", "start_week": start, "weeks": weeks, "fraction": 1.0}
        release = {"kind": "contingency_stock_release", "start_week": start, "weeks": weeks, "cover_weeks": 2.0}
        week_g = plain.world.use_mg.sum() / 1000
        lost = sent_g(plain).sum() - sent_g(played(make(supply=supply, disruption=[cut]))).sum()
        assert lost == pytest.approx(weeks * 1.03 * week_g, rel=0.02)
        more = sent_g(played(make(supply=supply, mitigation=[release]))).sum() - sent_g(plain).sum()
        assert more == pytest.approx(2.0 * week_g, rel=0.01)


def test_a_weekly_dispatch_is_cut_in_the_weeks_of_the_cut(make: Make) -> None:
    cut = {"kind": "output_cut", "start_week": 4, "weeks": 3, "fraction": 0.5}
    plain, less = (sent_g(played(make(supply=ROOM, disruption=some))) for some in ([], [cut]))
    share = np.ones(20)
    share[4:7] = 0.5
    assert less == pytest.approx(share * plain, rel=0.01)


def test_contingency_stock_waits_for_room_and_what_is_left_is_said(make: Make) -> None:
    full = {"opening_cover_weeks": 5.0, "highest_cover_weeks": 5.0, "output_share_of_demand": 1.2}
    stop = ALL_STOP | {"start_week": 4}
    release = {"kind": "contingency_stock_release", "start_week": 0, "weeks": 8, "cover_weeks": 4.0}
    none, some = (played(make(supply=full, disruption=[stop], mitigation=more)) for more in ([], [release]))
    week_g = some.world.use_mg.sum() / 1000
    more = sent_g(some) - sent_g(none)
    assert more[:4].sum() < 1.5 * week_g, "makers' output fills the shelves"
    assert more.sum() + left_g(some) == pytest.approx(4.0 * week_g, rel=0.05)
    assert left_g(some) < 0.3 * week_g
    much = played(make(disruption=[ALL_STOP], mitigation=[release | {"cover_weeks": 30.0, "weeks": 2}]))
    assert left_g(much) > 15 * week_g
    assert sent_g(much).sum() + left_g(much) == pytest.approx(30.0 * week_g, rel=1e-3)
    never_ends = played(make(disruption=[ALL_STOP], mitigation=[release | {"cover_weeks": 60.0, "weeks": 20}]))
    assert sent_g(never_ends).sum() + left_g(never_ends) == pytest.approx(60.0 * week_g, rel=1e-3)


# ------------------------------------------------------------------ luck, vials, days


def test_the_luck_of_a_dispatch_is_that_of_its_maker_and_day(make: Make) -> None:
    parts = {"probability": 0.5, "first_share_low": 0.3, "first_share_high": 0.7, "rest_days": {"mean": 9.0, "sd": 4.0}}
    world = make(supply=ROOM | {"partial_deliveries": parts, "lead_time_days": {"mean": 30.0, "sd": 12.0}})

    def arrivals(country: Country, day: int) -> list[tuple[int, list[bool]]]:
        return [(part.arrival_day, part.mg.any(axis=1).tolist()) for part in country.dispatch("Grifols", day)]

    fresh, used = Country(world, 11, 0), Country(world, 11, 0)
    for day in (-28, -14, 0):
        used.dispatch("Grifols", day)
    assert arrivals(fresh, 7) == arrivals(used, 7)
    assert arrivals(fresh, 14) != [(day + 7, panels) for day, panels in arrivals(Country(world, 11, 0), 7)]


def test_smaller_courses_save_what_the_measure_says_as_far_as_whole_vials_allow(make: Make) -> None:
    world = make()
    people, smallest = world.start, np.array([product.vial_mg[0] for product in world.products.product])
    vial = np.where(people.product >= 0, smallest[people.product], smallest.min())
    several = people.course_mg >= 2 * vial
    courses: dict[float, list[np.ndarray]] = {}
    for fraction in (0.02, 0.1):
        one = VialRounding(kind="vial_rounding", start_week=0, fraction=fraction)
        happenings = Happenings((one,), disruptions=0, active={0: one})
        for replication in range(300):
            luck = Luck(11, replication, np.arange(len(people), dtype=np.uint64))
            course = happenings.courses(people, world.products, world.places.entries, luck=luck, day=0)
            courses.setdefault(fraction, []).append(course)
            assert (course <= people.course_mg).all()
            assert (course > 0).all()
            assert (np.abs(course - people.course_mg * (1 - fraction)) <= vial).all()
        saved = 1 - np.mean(courses[fraction], axis=0)[several] @ (1 / people.interval_days[several]) / (
            people.course_mg[several] @ (1 / people.interval_days[several])
        )
        assert saved == pytest.approx(fraction, rel=0.03)
    for weaker, stronger in zip(courses[0.02], courses[0.1], strict=True):
        assert (stronger <= weaker).all()
    assert not np.array_equal(courses[0.02][0], courses[0.02][1])


def test_who_leaves_in_mid_week_has_waited_until_that_day(make: Make) -> None:
    for stays in (False, True):
        country = Country(make(weeks=2), 11, 0)
        state = country.state
        who = np.flatnonzero(~state.people.acute)[:2]
        state.due_day[who], state.owed_mg[who] = 1.0, 5000
        state.leaves_day[who] = [4.5, 100.0]
        if not stays:
            country.leave(7)
            assert state.lost[who].tolist() == [True, False]
        else:
            state.close_run(1)
        assert state.total_wait_days[who].tolist() == [3, 6 if stays else 0]
