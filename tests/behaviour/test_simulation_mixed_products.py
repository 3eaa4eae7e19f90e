"""Grade 4 is given several products at once where no single one makes the course, and loses fewer for it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.rules import TierSet, load_panels, load_products, load_rulebook, load_tiers
from allocation.scenario import Scenario, load_scenario
from allocation.simulation import World, prepare
from allocation.simulation.country import Country
from allocation.simulation.engine import play
from allocation.simulation.outcomes import outcomes_of


def without_mixing(tiers: TierSet) -> TierSet:
    return tiers.model_copy(
        update={"tier": tuple(tier.model_copy(update={"mixed_product_grades": ()}) for tier in tiers.tier)}
    )


@pytest.fixture(scope="module")
def world() -> World:
    """300 patients over all panels, so that a panel holds little of any one product; at tier 3 from the first week."""
    given: dict[str, Any] = {"rulebook": load_rulebook(), "panels": load_panels(), "products": load_products()}
    given["epidemiology"] = load_epidemiology()
    cohort = generate_cohort(patients=300, seed=7, as_of=date(2026, 11, 1), **given)
    data = load_scenario("baseline").model_dump()
    data["run"] |= {"weeks": 20, "replications": 1}
    data["controller"] |= {"starting_tier": 3}
    data["disruption"] = [{"kind": "output_cut", "start_week": 0, "weeks": 20, "fraction": 0.8}]
    return prepare(Scenario.model_validate(data), cohort, tiers=load_tiers(), **given)


def both(world: World, replication: int) -> tuple[Country, Country]:
    single = replace(world, tiers=without_mixing(world.tiers))
    return play(world, seed=11, replication=replication), play(single, seed=11, replication=replication)


def test_fewer_of_grade_4_are_lost(world: World) -> None:
    lost = np.zeros(2)
    saved = 0
    for replication in range(3):
        mixed, single = both(world, replication)
        found = [outcomes_of(country) for country in (mixed, single)]
        assert found[0]["fill_grade_4_percent"] >= found[1]["fill_grade_4_percent"]
        lost += [values["unmet_grade_4_g"] for values in found]
        acute = mixed.state.people.acute & (mixed.state.grade == 4)
        saved += int((acute & single.state.lost & ~mixed.state.lost).sum())
    assert lost[0] < lost[1]
    assert saved > 0


def test_the_first_two_tiers_mix_nothing(world: World) -> None:
    data = world.scenario.model_dump()
    data["controller"] |= {"starting_tier": 2, "enter_tier_3_below_weeks": 0.0, "enter_tier_4_below_weeks": 0.0}
    low = replace(world, scenario=Scenario.model_validate(data))
    mixed, single = both(low, 0)
    assert max(week.tier for week in mixed.national) == 2
    assert np.array_equal(mixed.record.cube, single.record.cube)
    assert outcomes_of(mixed) == pytest.approx(outcomes_of(single), abs=0, nan_ok=True)
