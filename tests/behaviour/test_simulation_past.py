"""Two shortages of the past with the national cohort, and how near the scenarios land to what was reported of them.

France 2017-18: one referral centre followed 142 patients with CIDP, multifocal motor neuropathy or myasthenia gravis:
78 % were changed; of these 68 % delayed, 37 % reduced, 28 % interrupted, and 52 % worsened (Revue Neurologique
2022;178:616-623). The size of the fall and how many doses clinicians cut besides were not published: the first is
calibrated to the delays, the second to the patients reduced; the other figures are outcomes.

United Kingdom 2021: up to 14 % less for at least six months, some products more than others, so that patients were
switched to those in better supply; the aim was no adverse clinical outcome (Immunodeficiency UK, 11 August 2021,
quoting the NHS). Treatment holidays, longer intervals and smaller doses were recommended in selected patients (House of
Lords written answer HL4492, 10 December 2021). How many patients they were was not published.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from allocation.cohort.epidemiology import load_epidemiology
from allocation.resources import NATIONAL_COHORT, bundled
from allocation.scenario import Scenario, load_scenario
from allocation.simulation import World, prepare
from allocation.simulation.consequences import consequences_of
from allocation.simulation.country import Country
from allocation.simulation.engine import play
from allocation.simulation.outcomes import outcomes_of
from allocation.workflow.cohorts import read
from allocation.workflow.rules_in_use import load_rules

PATIENTS = ("cidp", "multifocal_motor_neuropathy", "myasthenia_gravis")
GROUPS = ("cidp", "mmn", "myasthenia")
CHANGED = 0.78
PUBLISHED = {"delayed": CHANGED * 0.68, "reduced": CHANGED * 0.37, "interrupted": CHANGED * 0.28}
WORSENED = CHANGED * 0.52


def reduced_of(country: Country) -> np.ndarray:
    """Who was ever given less than the own course, by a tier's lever or by a clinician."""
    people, doses = country.state.people, country.state.doses
    assert doses is not None
    reduced = np.zeros(len(people), dtype=np.bool_)
    for given, _, mg in doses:
        reduced[given[mg < people.course_mg[given]]] = True
    return reduced


def shares_of(country: Country) -> dict[str, float]:
    """Of the patients of the centre's kind who fell due, the share to whom each thing happened at least once."""
    state, people = country.state, country.state.people
    indication = np.array([name for name, _ in country.world.places.entries])[people.entry]
    who = np.isin(indication, PATIENTS) & ~people.acute & state.ever_due
    late, reduced = state.longest_wait_days > 0, reduced_of(country)
    parts = {
        "delayed": late,
        "reduced": reduced,
        "interrupted": state.interrupted,
        "changed": late | reduced,
    }
    told = consequences_of(country)
    relapses = sum(told[f"relapses_expected_{group}"] for group in GROUPS)
    return {name: float(part[who].mean()) for name, part in parts.items()} | {"relapse": relapses / int(who.sum())}


@pytest.fixture(scope="module")
def national() -> Callable[[str], World]:
    """World of a scenario for the national cohort, each replication with the numbers told and not drawn ones."""
    path = bundled(NATIONAL_COHORT)
    assert path is not None, "a checkout holds the national cohort"
    rules = load_rules(rulebook="nhs", products=None, panels=None, tiers=None)
    good = read(path, strict=False, rules=rules).good

    def build(name: str) -> World:
        data = load_scenario(name).model_dump()
        data["consequences"]["enabled"] = True
        for one in (*data["disruption"], *data["mitigation"]):
            one["spread"] = {}
        return prepare(
            Scenario.model_validate(data),
            good,
            rulebook=rules.rulebook,
            panels=rules.panels,
            products=rules.products,
            tiers=rules.tiers,
            epidemiology=load_epidemiology(),
        )

    return build


@pytest.mark.slow
def test_how_near_the_french_figures_land(national: Callable[[str], World]) -> None:
    world = national("france_2017_18")
    seed = world.scenario.run.seed
    rows = [shares_of(play(world, seed=seed, replication=number)) for number in range(3)]
    found = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    # Calibrated, so these must land: 52 % for 53 %, 29 % for 29 %.
    assert found["delayed"] == pytest.approx(PUBLISHED["delayed"], abs=0.03)
    assert found["reduced"] == pytest.approx(PUBLISHED["reduced"], abs=0.02)
    # Not fitted, but the setting of reviews was chosen in sight of them, so their landing is no independent check:
    # 23 % for 22 % interrupted; 64 % for 78 % changed, as the same patients are both late and reduced
    # where the centre chose one or the other.
    assert found["interrupted"] == pytest.approx(PUBLISHED["interrupted"], abs=0.03)
    assert 0.10 < CHANGED - found["changed"] < 0.17
    # Worsened is much more than relapsed, so the layer should land below it: 18 % for 41 %.
    assert 0.35 * WORSENED < found["relapse"] < 0.6 * WORSENED


def test_the_description_tells_all_four_figures_and_that_two_were_calibrated() -> None:
    scenario = load_scenario("france_2017_18")
    text = " ".join(scenario.description.split()) + " ".join(one.text for one in scenario.assumption)
    for word in ("delayed", "reduced", "interrupted", "worsened", "calibrated"):
        assert word in text, word
    for share in (*PUBLISHED.values(), WORSENED, CHANGED):
        assert re.search(rf"\b{round(100 * share)} %", text), share


@pytest.mark.slow
def test_how_near_2021_lands_to_what_was_reported(national: Callable[[str], World]) -> None:
    plain, helped = (
        play(national(name), seed=20261101, replication=0) for name in ("uk_2021_output_fall", "uk_2021_with_measures")
    )
    told = []
    for country in (plain, helped):
        state, people = country.state, country.state.people
        lasting = ~people.acute & state.ever_due
        kinds = {
            "holiday": state.interrupted,
            "later": state.longest_wait_days > 0,
            "less": reduced_of(country),
            "switched": state.switched,
        }
        touched = np.logical_or.reduce(list(kinds.values()))
        shares = {name: float(one[lasting].mean()) for name, one in kinds.items()}
        told.append(shares | {"touched": float(touched[lasting].mean())})
        # No adverse outcome: of primary immunodeficiency hardly anybody waits for more than two weeks, and grade 4
        # is given what it needs.
        entries = np.array([name for name, _ in country.world.places.entries])[people.entry]
        primary = lasting & (entries == "pid")
        assert (state.longest_wait_days[primary] > 14).mean() < 0.005
        assert outcomes_of(country)["fill_grade_4_percent"] > 99.9
    # All that was reported happens, to selected patients: without measures 8 % are touched (6 % later, 3 % a holiday,
    # 2 % switched, under 1 % less), with them a quarter, most by smaller doses, and nobody has to be switched.
    assert min(told[0].values()) > 0.001
    assert 0.05 < told[0]["touched"] < 0.12
    assert 0.15 < told[1]["touched"] < 0.35
    assert told[1]["less"] > 10 * told[0]["less"]
    assert told[1]["later"] < told[0]["later"]
    # The fall alone takes the country through tier 2, where patients are switched, to a few weeks of tier 3, changes of
    # practice under national direction, from the last weeks of the half year on (week 31 in the mean of many
    # replications), and never to tier 4; with measures it stays at tier 1.
    tiers = [[week.tier for week in country.national] for country in (plain, helped)]
    assert max(tiers[0][: 6 + 20]) == 2
    assert max(tiers[0]) == 3
    assert sum(tier == 3 for tier in tiers[0]) < 13
    assert tiers[0][-1] == 1
    assert max(tiers[1]) == 1
