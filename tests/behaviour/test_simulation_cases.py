"""Cases with a known answer, played by the same engine: one panel, one product, orders up to a level.

Sources are those of the project's list of outside cases: the supply disruption of Snyder and Shen, *Fundamentals of
Supply Chain Theory*, 2nd edition, exercise 9.3; the newsvendor of the same book; platelets with a longer shelf life at
Frankfurt (2024); the supplier that fails and recovers; the queue M/M/3. The output of the only maker is without limit
and deliveries take no time; everything else is said by keys of the scenario.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocation.rules import PanelSet, ProductSet, load_panels, load_products, load_tiers
from allocation.scenario import Panels, Scenario, load_scenario
from allocation.seeds import stream
from allocation.simulation import country as country_module
from allocation.simulation import engine
from allocation.simulation.country import Country
from allocation.simulation.demand import NO_PRODUCT, Ints, People, Places
from allocation.simulation.engine import play
from allocation.simulation.outcomes import outcomes_of
from allocation.simulation.record import MEASURES
from allocation.simulation.supply import shelf_life_days
from allocation.simulation.variants import revised
from allocation.simulation.world import World, build_world

G = 1000
PANELS = PanelSet(panel=load_panels().panel[:1])
PRODUCTS = ProductSet(product=tuple(one for one in load_products().product if one.code == "privigen_10"))
LIFE_DAYS = float(shelf_life_days(PRODUCTS)[0])
MAKER = PRODUCTS.product[0].maker
PLACES = Places(tuple(PANELS.by_code), tuple(PRODUCTS.by_code), (("gbs", ""),))


class Expected:
    """Acute patients of 1 g each, expected at a rate; who comes is said by each test."""

    keys = (("gbs", ""),)

    def __init__(self, weekly_g: float) -> None:
        self.per_day = weekly_g / 7

    def rate_per_day(self, days: int) -> np.ndarray:
        return np.full((days, 1, 1), self.per_day)

    def draw(self, rng: np.random.Generator, line: Ints, panel: Ints) -> pd.DataFrame:
        plain = {"panel": PLACES.panels[0], "indication": "gbs", "situation": "", "route": "IV", "product": ""}
        frame = pd.DataFrame({name: pd.Series([value] * len(line), dtype=object) for name, value in plain.items()})
        return frame.assign(
            review_overdue="no",
            grade=pd.Series([4] * len(line), dtype="Int8"),
            course_mg=np.full(len(line), G),
            emergency=True,
        )


def patients(day: Ints, course_g: float, patience_days: float) -> People:
    """One acute patient for each arrival day, all alike."""
    n = len(day)
    whole = np.zeros(n, dtype=np.int64)
    no = np.zeros(n, dtype=np.bool_)
    return People(
        panel=whole,
        product=np.full(n, NO_PRODUCT),
        route=whole,
        entry=whole,
        grade=np.full(n, 4),
        grade_if_reviewed=np.full(n, 4),
        grade_if_lapsed=np.full(n, 4),
        review_overdue=no,
        review_due_day=np.full(n, np.inf),
        review_days=np.full(n, np.inf),
        first_year_counts=~no,
        locked=no,
        emergency=~no,
        acute=~no,
        course_mg=np.full(n, round(course_g * G)),
        interval_days=np.full(n, np.inf),
        first_due_day=day.astype(np.float64),
        leaves_day=day + patience_days,
        death_day=np.full(n, np.inf),
        luck=np.arange(n, dtype=np.uint64),
    )


def world(
    *, weeks: int, level_g: float, weekly_g: float, disruption: list[dict[str, Any]] | None = None, **supply: Any
) -> World:
    """Nobody but those who come; a panel that orders up to ``level_g`` every day from a maker without limit."""
    data = load_scenario("baseline").model_dump()
    data["run"] |= {"weeks": weeks, "replications": 1}
    data["supply"] |= {
        "output_share_of_demand": 1e6,
        "dispatch_every_days": 1,
        "lead_time_days": {"mean": 0.4, "sd": 0.0},
        # The panel opens with one course of 1 g besides, and in whole vials, rounded up.
        "opening_cover_weeks": max(level_g - 1.5, 0.5) / weekly_g,
        "highest_cover_weeks": 1e6,
        "shelf_life_left_share": 1.0,
        "oldest_shelf_life_left_share": 0.9,
        "replenishment": {"policy": "order_up_to", "up_to_g": level_g},
        **supply,
    }
    data["controller"] |= {f"enter_tier_{tier}_below_weeks": 0.0 for tier in (2, 3, 4)}
    data["controller"] |= {"product_enter_tier_2_below_weeks": 0.0}
    data["disruption"] = disruption or []
    return build_world(
        Scenario.model_validate(data),
        start=patients(np.zeros(0, dtype=np.int64), 0.0, 0.0),
        acute=Expected(weekly_g),
        places=PLACES,
        panels=PANELS,
        products=PRODUCTS,
        tiers=load_tiers(),
    )


def outage(first: int, weeks: int) -> dict[str, Any]:
    return {"kind": "supplier_withdrawal", "maker": MAKER, "start_week": first, "weeks": weeks}


Played = Callable[..., tuple[np.ndarray, np.ndarray, Country]]


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """Grams in stock and grams owed at the end of each week, and the country."""

    def run(one: World, people: People, replication: int = 0) -> tuple[np.ndarray, np.ndarray, Country]:
        stock: list[float] = []

        class Watched(Country):
            def serve_acute(self, day: int) -> None:
                Country.serve_acute(self, day)
                if day % 7 == 6:
                    stock.append(float(self.ledger.usable.sum()) / G)

        monkeypatch.setattr(engine, "Country", Watched)
        monkeypatch.setattr(country_module, "draw_arrivals", lambda *a, **k: people)
        country = play(one, seed=1, replication=replication)
        owed = country.record.cube[..., MEASURES.index("deferred")].sum(axis=(1, 2, 3)) / G
        return np.array(stock), owed, country

    return run


HOLDING, BACKORDER, DEMAND_G, LEVEL_G, FAIL, RECOVER = 0.25, 3.0, 2000.0, 8000.0, 0.04, 0.25


def every_week(weeks: int, courses: int) -> Ints:
    """Arrival days: so many on the last day of each week."""
    return np.repeat(np.arange(weeks) * 7 + 6, courses)


def test_base_stock_under_supply_disruption(played: Played) -> None:
    # One outage longer than any that matters shows the cost of each state; the states have a geometric distribution.
    down = 45
    weeks = down + 8
    one = world(weeks=weeks, level_g=LEVEL_G, weekly_g=DEMAND_G, disruption=[outage(4, down)])
    stock, owed, _ = played(one, patients(every_week(weeks, 4), DEMAND_G / 4, 1e6))
    net = stock - owed
    assert net[:4] == pytest.approx(LEVEL_G - DEMAND_G)
    assert net[4 : 4 + down] == pytest.approx(LEVEL_G - DEMAND_G * (np.arange(1, down + 1) + 1))
    # The first order after the outage brings all that is owed and the level besides.
    assert net[4 + down :] == pytest.approx(LEVEL_G - DEMAND_G)
    cost = HOLDING * stock + BACKORDER * owed
    up = RECOVER / (FAIL + RECOVER)
    chance = up * FAIL * (1 - RECOVER) ** np.arange(down)
    mean = up * cost[3] + (chance * cost[4 : 4 + down]).sum()
    assert mean == pytest.approx(2737.069, abs=0.1)


@pytest.mark.slow
def test_base_stock_with_outages_by_chance(played: Played) -> None:
    # The luck of the failures drawn is taken out by control variates: how many weeks the maker is down, and how long
    # it has been, whose means are known. Costs, which bend with the stock, are the engine's; the first weeks are left
    # out.
    weeks, warm, runs = 240, 40, 24
    fails = {"kind": "supply_failures", "maker": MAKER, "start_week": 0, "weeks": weeks}
    fails |= {"fails_per_week": FAIL, "recovers_per_week": RECOVER}
    one = world(weeks=weeks, level_g=LEVEL_G, weekly_g=DEMAND_G, disruption=[fails], dispatch_every_days=7)
    up = RECOVER / (FAIL + RECOVER)
    rows = []
    for run in range(runs):
        stock, owed, country = played(one, patients(every_week(weeks, 1), DEMAND_G, 1e6), run)
        down_for = np.zeros(weeks)
        for week, is_down in enumerate(country.happenings.down[0]):
            down_for[week] = (down_for[week - 1] + 1 if week else 1) if is_down else 0
        told = (HOLDING * stock + BACKORDER * owed, down_for > 0, down_for)
        rows.append([float(values[warm:].mean()) for values in told])
    cost, *controls = np.array(rows).T
    known = np.column_stack([controls[0] - (1 - up), controls[1] - up * FAIL / RECOVER**2])
    design = np.column_stack([np.ones(runs), known])
    fit = np.linalg.lstsq(design, cost, rcond=None)[0]
    left = cost - design @ fit
    half = 2.080 * np.sqrt((left @ left) / (runs - 3) * np.linalg.inv(design.T @ design)[0, 0])
    assert abs(fit[0] - 2737.069) < half
    assert half < 0.02 * 2737.069


@pytest.mark.slow
def test_a_supply_that_fails_and_recovers_is_up_three_quarters_of_the_time(played: Played) -> None:
    weeks, runs = 400, 8
    fails = {"kind": "supply_failures", "maker": MAKER, "start_week": 0, "weeks": weeks}
    fails |= {"fails_per_week": 0.1, "recovers_per_week": 0.3}
    one = world(weeks=weeks, level_g=7.0, weekly_g=7.0, dispatch_every_days=7, disruption=[fails])
    daily = patients(every_week(weeks, 1), 1.0, 1e6)
    up = []
    for run in range(runs):
        _, _, country = played(one, daily, run)
        sent = {event.day // 7 for event in country.record.events if event.kind == "dispatch" and event.day >= 0}
        up.append(len(sent) / weeks)
        lengths = np.diff(sorted(sent))
        # Once down, it stays so for 1 / 0.3 weeks on average.
        assert (lengths[lengths > 1] - 1).mean() == pytest.approx(1 / 0.3, rel=0.5)
    half = 2.365 * np.std(up, ddof=1) / np.sqrt(runs)
    assert abs(np.mean(up) - 0.75) < half
    assert half < 0.06


@pytest.mark.slow
def test_queue_for_infusion_chairs_is_the_textbook_one() -> None:
    # M/M/3, 6 an hour, 3 an hour each: probability of waiting 4/9, queue 8/9, wait 4/27 of an hour.
    days, runs = 56, 12
    one = world(weeks=days // 7, level_g=1e5, weekly_g=7 * 24 * 6.0)
    settings = Panels.model_validate(
        {"infusion_chairs": 3, "infusion_hours": {"mean": 1 / 3, "sd": 1 / 3}, "infusion_chair_hours_per_day": 24}
    )
    data = one.scenario.model_dump() | {"panels": settings.model_dump()}
    one = revised(one, Scenario.model_validate(data))
    assert one.chairs.tolist() == [3]
    told = [outcomes_of(play(one, seed=5, replication=run)) for run in range(runs)]
    known = {"chair_wait_share_percent": 100 * 4 / 9, "mean_chair_queue": 8 / 9, "mean_chair_wait_hours": 4 / 27}
    for name, expected in known.items():
        values = np.array([one_run[name] for one_run in told])
        half = 2.201 * values.std(ddof=1) / np.sqrt(runs)
        assert abs(values.mean() - expected) < half, name
        assert half < 0.15 * expected


@pytest.mark.slow
def test_newsvendor(played: Played) -> None:
    # Thousandfold, in courses of 500 g, so that whole courses weigh nothing; demands at even quantiles of the normal.
    from scipy.stats import norm

    periods, level_g = 120, 56_604.0
    demand_g = norm.ppf((np.arange(periods) + 0.5) / periods, 50_000.0, 8_000.0)
    courses = np.rint(stream(1, "order").permutation(demand_g) / 500).astype(np.int64)
    days = np.repeat(np.arange(periods) * 7 + 6, courses)
    one = world(weeks=periods, level_g=level_g, weekly_g=50_000.0)
    stock, owed, _ = played(one, patients(days, 500.0, 1e6))
    cost = (0.18 * stock + 0.70 * owed) / 1000
    assert cost.mean() == pytest.approx(1.99761, rel=0.01)
    for other in (0.9, 1.1):
        worse = world(weeks=periods, level_g=level_g * other, weekly_g=50_000.0)
        stock, owed, _ = played(worse, patients(days, 500.0, 1e6))
        assert ((0.18 * stock + 0.70 * owed) / 1000).mean() > cost.mean() * 1.05


def test_longer_shelf_life_means_less_shortage_and_ever_less_so(played: Played) -> None:
    # The source's lives of 4, 5, 6 and 7 days at a fifth more made than is needed: 2.8, 0.7, 0.3 and 0.2 % short. Its
    # daily demand is not ours (gamma distributed, as spread as its mean): direction and convexity are what must show.
    weeks = 60
    rng = stream(1, "platelets")
    count = rng.poisson(rng.gamma(1.0, 10.0, weeks * 7))
    days = np.repeat(np.arange(weeks * 7), count)
    lost = []
    for life_days in (4, 5, 6, 7):
        # What the maker makes a day: a fifth more than is needed, whatever is in stock.
        push = {"replenishment": {"policy": "contract_push"}, "output_share_of_demand": 1.2}
        life = {"shelf_life_left_share": life_days / LIFE_DAYS, "oldest_shelf_life_left_share": 0.5 / LIFE_DAYS}
        one = world(weeks=weeks, level_g=3500.0, weekly_g=70.0, **push, **life, opening_cover_weeks=0.0)
        _, _, country = played(one, patients(days, 1.0, 1.0))
        lost.append(100 * country.state.lost.mean())
    fewer = -np.diff(lost)
    assert (fewer > 0).all()
    assert (np.diff(fewer) < 0).all()
    assert 0 < lost[-1] < lost[0] < 10
