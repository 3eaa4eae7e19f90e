"""Cases with a known answer, played by the same engine: one panel, one product, makers who fill up to a level.

Sources are those of the project's list of outside cases: the supply disruption of Snyder and Shen, *Fundamentals of
Supply Chain Theory*, 2nd edition, exercise 9.3; the newsvendor of the same book; platelets with a longer shelf life at
Frankfurt (2024). The output of the only maker is without limit, deliveries take no time and patients wait for ever,
so that what a panel takes is an order up to its highest cover.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from allocation.rules import PanelSet, ProductSet, load_panels, load_products, load_tiers
from allocation.scenario import Scenario, load_scenario
from allocation.seeds import stream
from allocation.simulation import country as country_module
from allocation.simulation import engine
from allocation.simulation.country import Country
from allocation.simulation.demand import NO_PRODUCT, Ints, People, Places
from allocation.simulation.engine import play
from allocation.simulation.record import MEASURES
from allocation.simulation.supply import Batches
from allocation.simulation.world import World, build_world

G = 1000
PANELS = PanelSet(panel=load_panels().panel[:1])
PRODUCTS = ProductSet(product=tuple(one for one in load_products().product if one.code == "privigen_10"))
PLACES = Places(tuple(PANELS.by_code), tuple(PRODUCTS.by_code), (("gbs", ""),))

Levels = list[tuple[int, int]]


class Nobody:
    keys: tuple[tuple[str, str], ...] = ()

    def rate_per_day(self, days: int) -> np.ndarray:
        return np.zeros((days, 0, 1))

    def draw(self, rng: np.random.Generator, line: Ints, panel: Ints) -> pd.DataFrame:
        names = ("panel", "indication", "situation", "route", "product", "review_overdue")
        return pd.DataFrame({name: pd.Series(dtype=object) for name in names}).assign(
            grade=pd.Series(dtype="Int8"), course_mg=np.zeros(0, dtype=np.int64), emergency=np.zeros(0, dtype=bool)
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
        review_overdue=no,
        locked=no,
        emergency=~no,
        acute=~no,
        course_mg=np.full(n, round(course_g * G)),
        interval_days=np.full(n, np.inf),
        first_due_day=day.astype(np.float64),
        leaves_day=day + patience_days,
    )


def world(*, weeks: int, level_weeks: float, weekly_g: float, down: list[tuple[int, int]] | None = None) -> World:
    """Nobody but those who come; a maker who fills the panel up to ``level_weeks`` of ``weekly_g`` every day."""
    data = load_scenario("baseline").model_dump()
    data["run"] |= {"weeks": weeks, "replications": 1}
    data["supply"] |= {
        "dispatch_every_days": 1,
        "lead_time_days": {"mean": 0.4, "sd": 0.0},
        "opening_cover_weeks": 0.0,
        # The mean lead time counts in what may be ordered; a whisker more keeps whole courses whole.
        "highest_cover_weeks": level_weeks - 0.4 / 7 + 1e-6,
        "shelf_life_left_share": 1.0,
    }
    data["controller"] |= {f"enter_tier_{tier}_below_weeks": 0.0 for tier in (2, 3, 4)}
    data["controller"] |= {"product_enter_tier_2_below_weeks": 0.0}
    data["disruption"] = [
        {"kind": "supplier_withdrawal", "maker": "CSL Behring", "start_week": first, "weeks": length}
        for first, length in down or []
    ]
    empty = patients(np.zeros(0, dtype=np.int64), 0.0, 0.0)
    made = build_world(
        Scenario.model_validate(data),
        start=empty,
        acute=Nobody(),
        places=PLACES,
        panels=PANELS,
        products=PRODUCTS,
        tiers=load_tiers(),
    )
    use_mg = np.full((1, 1), weekly_g * G)
    stock = Batches(*(np.array([value], dtype=np.int64) for value in (0, 0, round(level_weeks * weekly_g * G), 700)))
    return replace(
        made,
        use_mg=use_mg,
        untied_mg=use_mg,
        contract_mg=np.array([1e12]),
        usual_mg=np.tile(use_mg, (2, 1)),
        opening=stock,
    )


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Callable[[World, People], tuple[np.ndarray, np.ndarray, Country]]:
    """Grams in stock and grams owed at the end of each week, and the country."""

    def run(one: World, people: People) -> tuple[np.ndarray, np.ndarray, Country]:
        stock: list[float] = []

        class Watched(Country):
            def serve_acute(self, day: int) -> None:
                Country.serve_acute(self, day)
                if day % 7 == 6:
                    stock.append(float(self.ledger.usable.sum()) / G)

        monkeypatch.setattr(engine, "Country", Watched)
        monkeypatch.setattr(country_module, "draw_arrivals", lambda *a, **k: people)
        country = play(one, seed=1, replication=0)
        owed = country.record.cube[..., MEASURES.index("deferred")].sum(axis=(1, 2, 3)) / G
        return np.array(stock), owed, country

    return run


Played = Callable[[World, People], tuple[np.ndarray, np.ndarray, Country]]

HOLDING, BACKORDER, DEMAND_G, LEVEL_G, FAIL, RECOVER = 0.25, 3.0, 2000.0, 8000.0, 0.04, 0.25


def every_week(weeks: int, courses: int) -> Ints:
    """Arrival days: so many on the last day of each week."""
    return np.repeat(np.arange(weeks) * 7 + 6, courses)


def test_base_stock_under_supply_disruption(played: Played) -> None:
    # One outage longer than any that matters shows the cost of each state; the states have a geometric distribution.
    down = 45
    weeks = down + 8
    one = world(weeks=weeks, level_weeks=LEVEL_G / DEMAND_G, weekly_g=DEMAND_G, down=[(4, down)])
    stock, owed, _ = played(one, patients(every_week(weeks, 4), DEMAND_G / 4, 1e6))
    net = stock - owed
    # The whisker of stock above the level is less than a gram.
    assert net[:4] == pytest.approx(LEVEL_G - DEMAND_G, abs=1)
    assert net[4 : 4 + down] == pytest.approx(LEVEL_G - DEMAND_G * (np.arange(1, down + 1) + 1), abs=1)
    assert net[-2:] == pytest.approx(LEVEL_G - DEMAND_G, abs=1)
    cost = HOLDING * stock + BACKORDER * owed
    up = RECOVER / (FAIL + RECOVER)
    chance = up * FAIL * (1 - RECOVER) ** np.arange(down)
    mean = up * cost[3] + (chance * cost[4 : 4 + down]).sum()
    assert mean == pytest.approx(2737.069, abs=0.2)


@pytest.mark.slow
def test_base_stock_with_outages_by_chance(played: Played) -> None:
    weeks, means = 500, []
    for run in range(16):
        luck = stream(3, "outages", run).random(weeks)
        state, down = RECOVER / (FAIL + RECOVER) < stream(3, "first", run).random(), []
        for week in range(weeks):
            if state:
                down.append(week)
            state = luck[week] >= RECOVER if state else luck[week] < FAIL
        outages = [(week, 1) for week in down]
        one = world(weeks=weeks, level_weeks=LEVEL_G / DEMAND_G, weekly_g=DEMAND_G, down=outages)
        stock, owed, _ = played(one, patients(every_week(weeks, 4), DEMAND_G / 4, 1e6))
        means.append(float((HOLDING * stock + BACKORDER * owed).mean()))
    half = 2.131 * np.std(means, ddof=1) / 4
    assert abs(np.mean(means) - 2737.069) < half


def test_newsvendor(played: Played) -> None:
    # Thousandfold, in courses of 500 g, so that whole courses weigh nothing; demands at even quantiles of the normal.
    from scipy.stats import norm

    periods, level_g = 120, 56_604.0
    demand_g = norm.ppf((np.arange(periods) + 0.5) / periods, 50_000.0, 8_000.0)
    courses = np.rint(stream(1, "order").permutation(demand_g) / 500).astype(np.int64)
    days = np.repeat(np.arange(periods) * 7 + 6, courses)
    one = world(weeks=periods, level_weeks=1.0, weekly_g=level_g)
    stock, owed, _ = played(one, patients(days, 500.0, 1e6))
    cost = (0.18 * stock + 0.70 * owed) / 1000
    assert cost.mean() == pytest.approx(1.99761, rel=0.01)
    for other in (0.9, 1.1):
        worse = world(weeks=periods, level_weeks=other, weekly_g=level_g)
        stock, owed, _ = played(worse, patients(days, 500.0, 1e6))
        assert ((0.18 * stock + 0.70 * owed) / 1000).mean() > cost.mean() * 1.05


def test_longer_shelf_life_means_less_shortage_and_ever_less_so(played: Played) -> None:
    weeks = 80
    rng = stream(1, "platelets")
    count = rng.poisson(rng.gamma(2.0, 5.0, weeks * 7))
    days = np.repeat(np.arange(weeks * 7), count)
    lost = []
    for life_days in (2, 3, 4):
        one = world(weeks=weeks, level_weeks=50.0, weekly_g=70.0)
        # What the maker makes a day: a fifth more than is needed, whatever is in stock.
        one = replace(one, contract_mg=np.array([70.0 * 1.2 * G]), life_days=np.array([float(life_days)]))
        one = replace(one, opening=Batches(*(np.zeros(0, dtype=np.int64) for _ in range(4))))
        _, _, country = played(one, patients(days, 1.0, 1.0))
        lost.append(country.state.lost.mean())
    fewer = -np.diff(lost)
    assert (fewer > 0).all()
    assert (np.diff(fewer) < 0).all()
