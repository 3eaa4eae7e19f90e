"""The French shortage of 2017-18 with the national cohort: how near its four published figures the scenario lands.

One referral centre followed 142 patients with CIDP, multifocal motor neuropathy or myasthenia gravis: 78 % were
changed; of these 68 % delayed, 37 % reduced, 28 % interrupted, and 52 % worsened (Revue Neurologique
2022;178:616-623). The size of the fall and how many doses clinicians cut besides were not published: the first is
calibrated to the delays, the second to the patients reduced; the other figures are outcomes.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from allocation.cohort.epidemiology import load_epidemiology
from allocation.resources import NATIONAL_COHORT, bundled
from allocation.scenario import Scenario, load_scenario
from allocation.simulation import prepare
from allocation.simulation.consequences import consequences_of
from allocation.simulation.country import Country
from allocation.simulation.engine import play
from allocation.workflow.cohorts import read
from allocation.workflow.rules_in_use import load_rules

PATIENTS = ("cidp", "multifocal_motor_neuropathy", "myasthenia_gravis")
GROUPS = ("cidp", "mmn", "myasthenia")
CHANGED = 0.78
PUBLISHED = {"delayed": CHANGED * 0.68, "reduced": CHANGED * 0.37, "interrupted": CHANGED * 0.28}
WORSENED = CHANGED * 0.52


def shares_of(country: Country) -> dict[str, float]:
    """Of the patients of the centre's kind who fell due, the share to whom each thing happened at least once."""
    state, people = country.state, country.state.people
    indication = np.array([name for name, _ in country.world.places.entries])[people.entry]
    who = np.isin(indication, PATIENTS) & ~people.acute & state.ever_due
    late = state.longest_wait_days > 0
    assert state.doses is not None
    reduced = np.zeros(len(people), dtype=np.bool_)
    for given, _, mg in state.doses:
        # By a tier's lever or by a clinician: less than the patient's own course.
        reduced[given[mg < people.course_mg[given]]] = True
    parts = {
        "delayed": late,
        "reduced": reduced,
        "interrupted": state.interrupted,
        "changed": late | reduced,
    }
    told = consequences_of(country)
    relapses = sum(told[f"relapses_expected_{group}"] for group in GROUPS)
    return {name: float(part[who].mean()) for name, part in parts.items()} | {"relapse": relapses / int(who.sum())}


@pytest.mark.slow
def test_how_near_the_french_figures_land() -> None:
    path = bundled(NATIONAL_COHORT)
    assert path is not None, "a checkout holds the national cohort"
    scenario = load_scenario("france_2017_18")
    assert scenario.consequences.enabled
    data = scenario.model_dump()
    data["disruption"][0]["spread"] = {}
    rules = load_rules(rulebook="nhs", products=None, panels=None, tiers=None)
    world = prepare(
        Scenario.model_validate(data),
        read(path, strict=False, rules=rules).good,
        rulebook=rules.rulebook,
        panels=rules.panels,
        products=rules.products,
        tiers=rules.tiers,
        epidemiology=load_epidemiology(),
    )
    rows = [shares_of(play(world, seed=scenario.run.seed, replication=number)) for number in range(3)]
    found = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    # Calibrated, so these must land: 52 % for 53 %, 29 % for 29 %.
    assert found["delayed"] == pytest.approx(PUBLISHED["delayed"], abs=0.03)
    assert found["reduced"] == pytest.approx(PUBLISHED["reduced"], abs=0.02)
    # Not calibrated: 35 % for 22 % interrupted, 64 % for 78 % changed, 28 % relapsed for 41 % worsened. More wait a whole
    # interval, and the same patients are both late and reduced where the centre chose one or the other.
    assert 0.10 < found["interrupted"] - PUBLISHED["interrupted"] < 0.15
    assert 0.12 < CHANGED - found["changed"] < 0.17
    # Worsened is more than relapsed, so the layer should land below it, and not far from it.
    assert 0.55 * WORSENED < found["relapse"] < 0.8 * WORSENED


def test_the_description_tells_all_four_figures_and_that_two_were_calibrated() -> None:
    scenario = load_scenario("france_2017_18")
    text = " ".join(scenario.description.split()) + " ".join(one.text for one in scenario.assumption)
    for word in ("delayed", "reduced", "interrupted", "worsened", "calibrated"):
        assert word in text, word
    for share in (*PUBLISHED.values(), WORSENED, CHANGED):
        assert re.search(rf"\b{round(100 * share)} %", text), share
