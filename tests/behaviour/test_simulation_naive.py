"""The simulator against the one written at first, a SimPy process a patient: the same distributions in a shortage."""

from __future__ import annotations

import importlib
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from scipy.stats import ks_2samp

from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.rules import PanelSet, load_panels, load_products, load_rulebook, load_tiers
from allocation.scenario import Scenario, load_scenario
from allocation.simulation import World, prepare
from allocation.simulation.country import Country
from allocation.simulation.engine import play

AS_OF = date(2026, 11, 1)
BENCHMARK = Path(__file__).resolve().parents[1] / "benchmark"
REPLICATIONS = 10
# The plain program is fair by the least share alone and gives whole courses only, so single courses go elsewhere and a
# reduced one waits; so much may the means of all replications differ.
ISSUED, LATE, WAITED, TIER_WEEKS = 0.02, 0.08, 0.15, 0.5


@pytest.fixture
def naive(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARK))
    return importlib.import_module("simulation_one_process_a_patient")


@pytest.fixture(scope="module")
def world() -> World:
    """A third of output lost: 200 patients in three panels, no courses given in part."""
    every = load_panels()
    panels = PanelSet(source=every.source, panel=every.panel[:3])
    given = {"rulebook": load_rulebook(), "panels": panels, "products": load_products()}
    given["epidemiology"] = load_epidemiology()
    cohort = generate_cohort(patients=200, seed=7, as_of=AS_OF, **given)
    data = load_scenario("baseline").model_dump()
    data["run"] |= {"weeks": 26}
    data["demand"] |= {"deaths_per_year": 0.05}
    data["disruption"] = [{"kind": "output_cut", "start_week": 1, "weeks": 18, "fraction": 0.45}]
    tiers = load_tiers()
    whole = [tier.model_copy(update={"reduce_grades": ()}) for tier in tiers.tier]
    tiers = tiers.model_copy(update={"tier": tuple(whole)})
    return prepare(Scenario.model_validate(data), cohort, tiers=tiers, **given)


def told(country: Country) -> dict[str, float]:
    state = country.state
    late = state.longest_wait_days > 0
    tier = np.array([week.tier for week in country.national])
    return {
        "issued": float(country.record.total_mg("issued")) / 1000,
        "late": float(late.sum()),
        "waited": float(state.longest_wait_days[late].mean()) if late.any() else 0.0,
        **{f"tier {number}": float((tier == number).sum()) for number in (1, 2, 3, 4)},
    }


@pytest.mark.slow
def test_a_process_a_patient_comes_to_the_same_distributions(naive: ModuleType, world: World) -> None:
    ours, theirs = [], []
    for replication in range(REPLICATIONS):
        plain = naive.play_processes(world, seed=5, replication=replication)
        plain.close()
        theirs.append(told(plain))
        ours.append(told(play(world, seed=5, replication=replication)))
    values = {
        name: (np.array([row[name] for row in ours]), np.array([row[name] for row in theirs])) for name in ours[0]
    }
    assert values["late"][0].min() > 20, "there is a shortage"
    for name, (own, other) in values.items():
        difference = own - other
        error = difference.std(ddof=1) / np.sqrt(REPLICATIONS)
        scale = max(other.mean(), 1.0)
        allowed = {"issued": ISSUED, "late": LATE, "waited": WAITED}.get(name)
        slack = allowed * scale if allowed else TIER_WEEKS
        assert abs(difference.mean()) <= slack + 2.2 * error, (name, own.mean(), other.mean())
        assert ks_2samp(own, other).pvalue > 0.01, name
