"""Everything the replications of a run share, made once: patients at the start, contracts, opening stock, reserves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from allocation.optimise.policies import FoundPolicy, find_policy, tiers_under
from allocation.quantities import DAYS_PER_WEEK, DAYS_PER_YEAR, MG_PER_G
from allocation.rules import NATIONAL, PanelSet, ProductSet, TierSet
from allocation.rules.supply import Tier
from allocation.scenario import DemandForecast, Scenario
from allocation.seeds import stream
from allocation.simulation.chairs import chairs_of
from allocation.simulation.demand import ROUTES, AcuteSource, Bools, Floats, Ints, People, Places, people_of
from allocation.simulation.follow import Follow, follow_forecast
from allocation.simulation.record import GRADES
from allocation.simulation.supply import (
    Batches,
    can_give,
    check_names,
    largest_course,
    opening_batches,
    shelf_life_days,
    tied_use,
    untied_use,
)

__all__ = ["AcuteExpectation", "World", "build_world", "expect_acute"]

Solver = Literal["highs", "cbc"]

_SAMPLE_PER_LINE = 200
"""Patients drawn of each line of the acute rates to know their mean course; large enough that contracts are steady."""


@dataclass(frozen=True, slots=True)
class AcuteExpectation:
    """What acute patients are expected to need, in milligrams a week in a mean week.

    Attributes
    ----------
    by_route
        Shape (panels, routes).
    grade_4, grade_4_squared
        Of those of grade 4, by panel: arrivals times the mean course, and times the mean square of the course (mg²).
    by_grade
        Of each grade 0 to 4, all panels together.
    largest_mg
        Milligrams of the largest course of any who may come, shape (panels, routes).
    iv_courses
        Intravenous courses, by panel.
    season
        Factor on the mean for each week of the run, growth included.
    """

    by_route: Floats
    grade_4: Floats
    grade_4_squared: Floats
    by_grade: Floats
    largest_mg: Floats
    iv_courses: Floats
    season: Floats


@dataclass(frozen=True, slots=True)
class World:
    """What the replications of a run share.

    Attributes
    ----------
    start
        Long-term patients at the start.
    use_mg
        Expected milligrams a week at the start, shape (panels, products).
    untied_mg
        Part of it that no patient's own product ties to a product: acute patients, and those without one on record.
    contract_mg
        Milligrams a week that makers contract at the start, by product, where none has a share of its own.
    own_output
        By product, the share that its maker contracts over that of all makers; 1 for a maker without one of its own.
    lead_days
        Days that a delivery of each product takes on average.
    largest_mg
        Largest course of each panel and product, patients without a product of their own counted.
    opening
        Stock on day 0.
    life_days
        Shelf life by product.
    usual_mg
        Expected milligrams a week drawn on each place, national last, at least 1: stock over it is weeks of cover.
    gives
        Which products may be given by which route, shape (routes, products).
    chairs
        Infusion chairs of each panel; none where they are not modelled.
    counts
        Rows of the cohort by what became of them: played as long-term, replaced by arrivals, left out and why.
    forecast, follow
        The forecast that demand follows, if any, and the factors it comes to.
    """

    scenario: Scenario
    tiers: TierSet
    panels: PanelSet
    products: ProductSet
    places: Places
    start: People
    acute: AcuteSource
    expected: AcuteExpectation
    use_mg: Floats
    untied_mg: Floats
    contract_mg: Floats
    own_output: Floats
    lead_days: Floats
    largest_mg: Floats
    opening: Batches
    life_days: Floats
    usual_mg: Floats
    gives: Bools
    chairs: Ints
    solver: Solver
    counts: Mapping[str, int]
    forecast: DemandForecast | None = None
    follow: Follow | None = None

    @property
    def days(self) -> int:
        """Days of the run."""
        return self.scenario.run.weeks * DAYS_PER_WEEK

    def pools(self, tier: Tier) -> tuple[tuple[str, ...], Ints]:
        """Names of the pools within which stock is shared at a tier, and the pool of each place.

        National stock belongs to a pool only where everything is pooled; it is -1 elsewhere.
        """
        panels = self.panels.panel
        if tier.stock_reach == "panel":
            return self.places.panels, np.array([*range(len(panels)), -1])
        if tier.stock_reach == "region":
            regions = self.panels.regions
            return regions, np.array([*(regions.index(panel.region) for panel in panels), -1])
        return (NATIONAL,), np.zeros(len(panels) + 1, dtype=np.int64)

    def contracts(self, use_mg: Floats) -> Floats:
        """Milligrams a week that makers contract, by product, as panels use them now, shape (panels, products)."""
        shared: Floats = self.contract_mg.sum() * use_mg.sum(axis=0) / max(use_mg.sum(), 1.0)
        return shared * self.own_output

    @property
    def policy(self) -> FoundPolicy:
        """The policy that the scenario names; each process finds it for itself.

        Raises
        ------
        InputError
            Where it is not known, or cannot be loaded.
        """
        return find_policy(self.scenario.run.policy, "run.policy")

    def held_mg(self, tier: Tier) -> Ints:
        """Milligrams of each pool held back before grade 3: the tier's reserve, and the scenario's for grade 4.

        A policy that does not keep the tier's order has the tier's reserve alone, before all: nothing is kept for one
        grade.

        Notes
        -----
        The need of acute grade 4 patients over some weeks is a sum of a Poisson number of courses. Its quantile is
        that of the gamma distribution with the same mean and variance.
        """
        names, pool_of = self.pools(tier)
        held = np.zeros(len(names))
        if tier.reserve_quantile == 0:
            return held.astype(np.int64)
        # scipy.stats has this quantile too, but takes a second to load in every process.
        from scipy.special import gammaincinv

        pool = pool_of[: len(self.panels.panel)]
        weeks = tier.reserve_weeks
        mean = np.bincount(pool, self.expected.grade_4, len(names)) * weeks
        variance = np.bincount(pool, self.expected.grade_4_squared, len(names)) * weeks
        some = variance > 0
        scale = variance[some] / mean[some]
        held[some] = gammaincinv(mean[some] / scale, tier.reserve_quantile) * scale
        is_4 = self.start.grade == 4
        weekly = np.bincount(self.start.panel[is_4], self.start.weekly_mg[is_4], len(pool)) + self.expected.grade_4
        if self.policy.policy.keeps_tier_order:
            held += np.bincount(pool, weekly, len(names)) * self.scenario.controller.grade_4_weeks_held
        return np.ceil(held).astype(np.int64)


def build_world(
    scenario: Scenario,
    *,
    start: People,
    acute: AcuteSource,
    places: Places,
    panels: PanelSet,
    products: ProductSet,
    tiers: TierSet,
    solver: Solver = "highs",
    counts: Mapping[str, int] | None = None,
    forecast: DemandForecast | None = None,
) -> World:
    """Put together what the replications of a run share.

    Raises
    ------
    InputError
        Where the policy is not known, a disruption or a mitigation names an unknown product, maker or indication, or
        the forecast that demand is to follow lacks a panel or a month.
    ValueError
        Where the scenario names a forecast and none is given.
    """
    if bool(scenario.demand.forecast) != (forecast is not None):
        raise ValueError("a scenario that names a forecast is played with it, and no other is")
    alike = sorted({places.entries[entry][0] for entry in np.unique(start.entry).tolist()})
    check_names(scenario, products, entries=places.entries, alike=alike)
    expected = expect_acute(acute, places, scenario)
    untied_mg = untied_use(start, expected.by_route, products)
    use_mg = tied_use(start, start.weekly_mg, *untied_mg.shape) + untied_mg
    total = use_mg.sum(axis=0)
    supply, makers = scenario.supply, [product.maker for product in products.product]
    largest_mg = largest_course(start, use_mg, expected.largest_mg, products)
    follow = _follow(scenario, forecast, start=start, places=places, use_mg=use_mg)
    if follow is not None:
        more = follow.by_week(expected.by_route.sum(axis=1), scenario.run.weeks)
        expected = replace(expected, season=expected.season * more)
    return World(
        scenario=scenario,
        tiers=tiers_under(find_policy(scenario.run.policy, "run.policy"), tiers),
        panels=panels,
        products=products,
        places=places,
        start=start,
        acute=acute,
        expected=expected,
        use_mg=use_mg,
        untied_mg=untied_mg,
        contract_mg=total * supply.output_share_of_demand,
        own_output=np.array([supply.output_share_of(maker) for maker in makers]) / supply.output_share_of_demand,
        lead_days=np.array([supply.lead_time_of(maker).expected for maker in makers]),
        largest_mg=largest_mg,
        opening=opening_batches(use_mg, largest_mg, scenario, products),
        life_days=shelf_life_days(products),
        usual_mg=np.maximum(np.vstack([use_mg, total]), 1.0),
        gives=can_give(products),
        chairs=chairs_of(scenario.panels, iv_per_week(start, expected)),
        solver=solver,
        counts=dict(counts or {"long_term": len(start)}),
        forecast=forecast,
        follow=follow,
    )


def _follow(
    scenario: Scenario, forecast: DemandForecast | None, *, start: People, places: Places, use_mg: Floats
) -> Follow | None:
    if forecast is None:
        return None
    given = scenario.demand.forecast_level == "forecast"
    return follow_forecast(
        forecast,
        panels=places.panels,
        needed=np.unique(start.panel),
        as_of=scenario.run.as_of,
        days=scenario.run.weeks * DAYS_PER_WEEK,
        start_g_per_day=use_mg.sum(axis=1) / (DAYS_PER_WEEK * MG_PER_G) if given else None,
    )


def iv_per_week(start: People, expected: AcuteExpectation) -> Floats:
    """Expected intravenous courses a week, by panel."""
    by_vein = start.route == ROUTES.index("IV")
    per_week = DAYS_PER_WEEK / start.interval_days[by_vein]
    lasting = np.bincount(start.panel[by_vein], per_week, len(expected.iv_courses)).astype(np.float64)
    return np.asarray(lasting + expected.iv_courses)


def expect_acute(acute: AcuteSource, places: Places, scenario: Scenario) -> AcuteExpectation:
    """What acute patients are expected to need, from the rates and a sample of patients of each line."""
    lines, panels = len(acute.keys), len(places.panels)
    weeks = scenario.run.weeks
    whole_years = -(-weeks * DAYS_PER_WEEK // DAYS_PER_YEAR)
    rate = acute.rate_per_day(int(whole_years * DAYS_PER_YEAR))
    per_week = rate.mean(axis=0) * DAYS_PER_WEEK
    line = np.repeat(np.arange(lines), _SAMPLE_PER_LINE)
    # Not the run's seed: makers contract what is expected, whatever luck a run then has.
    table = acute.draw(stream(0, "expected acute demand"), line, np.arange(len(line)) % panels)
    people = people_of(table, places, as_of=None, acute=True)
    routes = np.zeros((lines, len(ROUTES)))
    mg = people.course_mg / _SAMPLE_PER_LINE
    np.add.at(routes, (line, people.route), mg)
    largest = np.zeros_like(routes)
    np.maximum.at(largest, (line, people.route), people.course_mg.astype(np.float64))
    by_vein = (people.route == ROUTES.index("IV")) & (people.course_mg > 0)
    is_4 = people.grade == 4
    first = np.bincount(line[is_4], mg[is_4], lines)
    second = np.bincount(line[is_4], mg[is_4] * people.course_mg[is_4], lines)
    graded = np.bincount(people.grade, mg * per_week.sum(axis=1)[line], GRADES).astype(np.float64)

    growth = np.log1p(scenario.demand.growth_per_year)
    level = rate.sum(axis=2) @ routes.sum(axis=1)
    daily = level * np.exp(growth * np.arange(len(level)) / DAYS_PER_YEAR)
    mean_day = level.mean()
    by_week = daily[: weeks * DAYS_PER_WEEK].reshape(weeks, DAYS_PER_WEEK).mean(axis=1)
    return AcuteExpectation(
        by_route=per_week.T @ routes,
        grade_4=per_week.T @ first,
        grade_4_squared=per_week.T @ second,
        by_grade=graded,
        largest_mg=((per_week.T > 0)[:, :, None] * largest).max(axis=1, initial=0.0),
        iv_courses=per_week.T @ (np.bincount(line[by_vein], minlength=lines) / _SAMPLE_PER_LINE),
        season=by_week / mean_day if mean_day > 0 else np.ones(weeks),
    )
