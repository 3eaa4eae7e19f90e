"""Every scenario of the library plays, and every kind of disruption or mitigation pulls the way it should."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.errors import InputError
from allocation.resources import scenario_names
from allocation.rules import PanelSet, load_panels, load_products, load_rulebook, load_tiers
from allocation.scenario import Scenario, load_scenario
from allocation.simulation import World, prepare
from allocation.simulation.country import Country
from allocation.simulation.engine import play
from allocation.simulation.outcomes import outcomes_of
from allocation.simulation.record import MEASURES
from allocation.simulation.stock import Ledger

AS_OF = date(2026, 11, 1)
DEEP = {"kind": "output_cut", "start_week": 1, "weeks": 30, "fraction": 0.4}

Make = Callable[..., World]


@pytest.fixture(scope="module")
def make() -> Make:
    """World of a scenario, 300 patients in four panels, with other disruptions, mitigations and settings."""
    every = load_panels()
    panels = PanelSet(source=every.source, panel=every.panel[:4])
    given: dict[str, Any] = {"rulebook": load_rulebook(), "panels": panels, "products": load_products()}
    given["epidemiology"] = load_epidemiology()
    cohort = generate_cohort(patients=300, seed=7, as_of=AS_OF, **given)

    def build(name: str = "baseline", *, weeks: int = 26, **changes: Any) -> World:
        data = load_scenario(name).model_dump()
        data["run"] |= {"weeks": weeks, "replications": 2}
        for part, value in changes.items():
            data[part] = value if isinstance(value, list) else data[part] | value
        return prepare(Scenario.model_validate(data), cohort, tiers=load_tiers(), **given)

    return build


def played(world: World, replication: int = 0) -> Country:
    return play(world, seed=11, replication=replication)


def mean(world: World, replications: int = 2) -> dict[str, float]:
    rows = []
    for replication in range(replications):
        country = played(world, replication)
        rows.append(outcomes_of(country) | {"deferred_g_weeks": float(country.state.deferred_mg_weeks.sum()) / 1000})
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def issued_g(country: Country) -> np.ndarray:
    """Grams issued by week and grade."""
    return country.record.cube[..., MEASURES.index("issued")].sum(axis=(1, 3)) / 1000


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_of_the_library_plays(make: Make, name: str) -> None:
    country = played(make(name, weeks=14))
    assert country.record.total_mg("issued") > 0
    assert len(country.national) == 14


# ------------------------------------------------------------------ disruptions


def test_plasma_fall_is_felt_after_its_lag(make: Make) -> None:
    fall = {"kind": "plasma_fall", "start_week": 0, "weeks": 12, "fraction": 0.5, "arrives_after_weeks": 10}
    plain, fallen = played(make()), played(make(disruption=[fall]))
    covers = np.array([[week.cover_weeks for week in one.national] for one in (plain, fallen)])
    assert np.array_equal(covers[0, :10], covers[1, :10])
    assert covers[1, 16:].max() < covers[0, 16:].min()
    started = [event.day for event in fallen.record.events if event.kind == "disruption_start"]
    assert started == [70]
    later = played(make(disruption=[fall | {"arrives_after_weeks": 40}]))
    assert [week.cover_weeks for week in later.national] == covers[0].tolist()


def test_new_indication_brings_patients_like_those_named(make: Make) -> None:
    new = {"kind": "new_indication", "start_week": 2, "weeks": 10, "fraction": 0.3, "like": "cidp", "grade": 2}
    plain, more = played(make()), played(make(disruption=[new]))
    before, after = plain.state.people, more.state.people
    extra = (~after.acute).sum() - (~before.acute).sum()
    assert extra == pytest.approx(0.3 * len(more.world.start), rel=0.35)
    entries = np.array([indication for indication, _ in more.world.places.entries])
    added = after.take(np.arange((~before.acute).sum(), (~after.acute).sum()))
    assert set(entries[added.entry]) == {"cidp"}
    assert set(added.grade.tolist()) == {2}
    assert added.first_due_day.min() >= 14
    assert added.first_due_day.max() < 84
    assert mean(make(disruption=[new]))["grams_due_g"] > mean(make())["grams_due_g"]
    with pytest.raises(InputError, match=r"disruption\.0\.like"):
        make(disruption=[new | {"like": "cidq"}])


def test_quality_hold_puts_stock_aside_and_gives_it_back(make: Make) -> None:
    hold = {"kind": "quality_hold", "start_week": 4, "weeks": 6, "products": ["privigen_10"], "fraction": 0.9}
    plain, held = played(make()), played(make(disruption=[hold]))
    covers = np.array([[week.cover_weeks for week in one.national] for one in (plain, held)])
    assert (covers[1, 4:9] < covers[0, 4:9]).all()
    assert held.ledger.on_hold.sum() == 0
    short = played(make(disruption=[hold], weeks=8))
    assert short.ledger.on_hold.sum() > 0
    milder = played(make(disruption=[hold | {"fraction": 0.2}]))
    assert milder.national[5].cover_weeks > held.national[5].cover_weeks


def test_ledger_keeps_what_is_on_hold_apart() -> None:
    ledger = Ledger(1, 1)
    ledger.open_with(0, 0, expiry_day=5, mg=100)
    ledger.open_with(0, 0, expiry_day=50, mg=101)
    assert ledger.hold(7, 0, 0, 0.5) == 50 + 51
    ledger.receive_on_hold(7, 0, 0, expiry_day=60, mg=9)
    assert ledger.usable[0, 0] == 100
    ledger.check()
    assert sum(mg for _, _, mg in ledger.release(7)) == 110
    assert ledger.release(7) == []
    assert ledger.expire(5) == [(0, 0, 100)]
    ledger.check()
    assert (ledger.usable[0, 0], ledger.on_hold[0, 0]) == (110, 0)


def test_switch_limit_keeps_patients_on_their_product(make: Make) -> None:
    gone = {"kind": "supplier_withdrawal", "start_week": 0, "maker": "Octapharma"}
    limit = {"kind": "product_switch_limit", "start_week": 0, "weeks": 40, "fraction": 0.0}
    free, bound = mean(make(disruption=[gone], weeks=40)), mean(make(disruption=[gone, limit], weeks=40))
    assert free["grams_switched_g"] > 0
    assert bound["grams_switched_g"] == 0
    assert bound["deferred_g_weeks"] > free["deferred_g_weeks"]


# ------------------------------------------------------------------ mitigations: supply


@pytest.mark.parametrize(
    "measure",
    [
        {"kind": "contingency_stock_release", "start_week": 6, "weeks": 4, "cover_weeks": 3.0},
        {"kind": "new_supplier", "start_week": 6, "products": ["panzyga_10"], "fraction": 0.3, "ramp_weeks": 4},
        {"kind": "new_supplier", "start_week": 6, "products": ["iqymune_10", "xembify_20"], "fraction": 0.3},
    ],
    ids=["contingency_stock_release", "new_supplier", "two new products"],
)
def test_more_supply_means_more_delivered_and_less_waiting(make: Make, measure: dict[str, Any]) -> None:
    without, helped = mean(make(disruption=[DEEP])), mean(make(disruption=[DEEP], mitigation=[measure]))
    assert helped["grams_delivered_g"] > 1.02 * without["grams_delivered_g"]
    assert helped["deferred_g_weeks"] < without["deferred_g_weeks"]


def test_contingency_stock_is_as_much_as_it_says(make: Make) -> None:
    release = {"kind": "contingency_stock_release", "start_week": 10, "weeks": 4, "cover_weeks": 2.0}
    gone = [
        {"kind": "supplier_withdrawal", "start_week": 4, "maker": maker}
        for maker in dict.fromkeys(product.maker for product in load_products().product)
    ]
    without, helped = (played(make(disruption=gone, mitigation=some)) for some in ([], [release]))
    more = (helped.ledger.delivered.sum() - without.ledger.delivered.sum()) / helped.world.use_mg.sum()
    assert more == pytest.approx(2.0, rel=0.02)


def test_uk_plasma_softens_a_plasma_fall_and_nothing_else(make: Make) -> None:
    fall = {"kind": "plasma_fall", "start_week": 0, "weeks": 30, "fraction": 0.5, "arrives_after_weeks": 2}
    uk = {"kind": "uk_plasma", "start_week": 0, "fraction": 0.5, "ramp_weeks": 2}
    without, helped = mean(make(disruption=[fall])), mean(make(disruption=[fall], mitigation=[uk]))
    assert helped["grams_delivered_g"] > without["grams_delivered_g"]
    assert helped["deferred_g_weeks"] < without["deferred_g_weeks"]
    plain = mean(make(mitigation=[uk]))["grams_delivered_g"]
    assert plain == pytest.approx(mean(make())["grams_delivered_g"], rel=1e-3)
    cut, cut_uk = mean(make(disruption=[DEEP])), mean(make(disruption=[DEEP], mitigation=[uk | {"added": 1.0}]))
    assert cut_uk["grams_delivered_g"] > cut["grams_delivered_g"]


# ------------------------------------------------------------------ mitigations: demand


@pytest.mark.parametrize(
    "measure",
    [
        {"kind": "vial_rounding", "start_week": 2, "fraction": 0.1},
        {"kind": "dose_optimisation", "start_week": 2, "fraction": 0.3, "patients_share": 0.5},
        {"kind": "interval_stretch", "start_week": 2, "weeks": 24, "fraction": 0.25, "grades": [1, 2, 3]},
        {"kind": "weaning", "start_week": 2, "weeks": 8, "fraction": 0.5, "indications": ["cidp", "pid"]},
        {"kind": "plasma_exchange", "start_week": 0, "weeks": 26, "fraction": 1.0, "indications": ["gbs", "itp"]},
    ],
    ids=lambda measure: measure["kind"],
)
def test_smaller_demand_means_less_due_and_less_waiting(make: Make, measure: dict[str, Any]) -> None:
    without, helped = mean(make(disruption=[DEEP])), mean(make(disruption=[DEEP], mitigation=[measure]))
    assert helped["grams_due_g"] < without["grams_due_g"]
    assert helped["deferred_g_weeks"] < without["deferred_g_weeks"]
    stronger = measure | {"fraction": min(1.0, measure["fraction"] * 1.8)}
    assert mean(make(disruption=[DEEP], mitigation=[stronger]))["grams_due_g"] <= helped["grams_due_g"]


def test_smaller_courses_are_whole_vials_for_those_reached_and_end_with_the_measure(make: Make) -> None:
    cut = {"kind": "dose_optimisation", "start_week": 2, "weeks": 4, "fraction": 0.3, "indications": ["cidp"]}
    country = played(make(mitigation=[cut | {"weeks": 40}]))
    people, state, world = country.state.people, country.state, country.world
    entries = np.array([indication for indication, _ in world.places.entries])
    reached = (entries[people.entry] == "cidp") & ~people.acute
    assert np.array_equal(state.course_mg[~reached], people.course_mg[~reached])
    assert (state.course_mg[reached] <= people.course_mg[reached]).all()
    assert state.course_mg[reached].sum() == pytest.approx(0.7 * people.course_mg[reached].sum(), rel=0.03)
    smallest = np.array([product.vial_mg[0] for product in world.products.product])
    own = reached & (people.product >= 0)
    assert (state.course_mg[own] % smallest[people.product[own]] == 0).all()
    over = played(make(mitigation=[cut]))
    assert np.array_equal(over.state.course_mg, people.course_mg)


def test_review_drive_catches_up_while_it_lasts(make: Make) -> None:
    drive = {"kind": "review_drive", "start_week": 4, "weeks": 6, "done_per_week": 0.2}
    plain, driven = played(make("no_disruption")), played(make("no_disruption", mitigation=[drive]))
    assert driven.state.review_open.sum() < plain.state.review_open.sum()
    longer = played(make("no_disruption", mitigation=[drive | {"weeks": 20}]))
    assert longer.state.review_open.sum() < driven.state.review_open.sum()
    assert mean(make("no_disruption", mitigation=[drive]))["grams_due_g"] < mean(make("no_disruption"))["grams_due_g"]


def test_grade_1_suspension_gives_the_others_more(make: Make) -> None:
    stop = {"kind": "grade_1_suspension", "start_week": 4, "weeks": 12}
    never = {f"enter_tier_{tier}_below_weeks": 0.0 for tier in (2, 3, 4)} | {"product_enter_tier_2_below_weeks": 0.0}
    plain, stopped = (played(make(disruption=[DEEP], mitigation=some, controller=never)) for some in ([], [stop]))
    assert issued_g(stopped)[4:16, 1].sum() == 0
    assert issued_g(plain)[4:16, 1].sum() > 0
    assert issued_g(stopped)[16:, 1].sum() > 0
    assert issued_g(stopped)[:16, 2:].sum() > issued_g(plain)[:16, 2:].sum()


# ------------------------------------------------------------------ numbers drawn


def test_spread_is_drawn_for_each_replication_and_for_itself(make: Make) -> None:
    wide = DEEP | {"spread": {"fraction": {"low": 0.1, "high": 0.7}}}
    world = make(disruption=[wide])
    sizes = [played(world, replication).happenings.every[0].size for replication in range(4)]
    assert len(set(sizes)) == 4
    again = played(make(disruption=[wide], mitigation=[{"kind": "grade_1_suspension", "start_week": 1, "weeks": 2}]))
    assert again.happenings.every[0].size == sizes[0]
    people, plain = played(world).state.people, played(make()).state.people
    assert np.array_equal(people.first_due_day, plain.first_due_day)


def test_a_measure_meets_the_same_patients_whatever_else_happens(make: Make) -> None:
    cut = {"kind": "dose_optimisation", "start_week": 0, "fraction": 0.3, "patients_share": 0.5}
    one, other = (played(make(disruption=some, mitigation=[cut], weeks=4)).state for some in ([], [DEEP]))
    assert np.array_equal(one.course_mg, other.course_mg)
    assert pd.Series(one.course_mg < one.people.course_mg)[~one.people.acute].mean() == pytest.approx(0.5, abs=0.1)
