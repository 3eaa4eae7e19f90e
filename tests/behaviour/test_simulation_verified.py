"""Weekly plans inside a run put before the verifier: counted in the summary, and a plan that is wrong ends the run."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.errors import VerificationError
from allocation.optimise.certificate import Certificate, Check
from allocation.rules import load_panels, load_products, load_rulebook, load_tiers
from allocation.scenario import Scenario, load_scenario
from allocation.simulation import World, prepare, run_replications
from allocation.simulation import policy as of_policy
from allocation.simulation.prove import verify_weeks
from allocation.tables import write_table

GIVEN: dict[str, Any] = {"rulebook": load_rulebook(), "panels": load_panels(), "products": load_products()}
DEEP = {"kind": "output_cut", "start_week": 0, "weeks": 30, "fraction": 0.6}
WEEKS = 12


@pytest.fixture(scope="module")
def world() -> World:
    cohort = generate_cohort(patients=150, seed=7, as_of=date(2026, 11, 1), epidemiology=load_epidemiology(), **GIVEN)
    data = load_scenario("baseline").model_dump()
    data["run"] |= {"weeks": WEEKS, "replications": 1}
    data["disruption"] = [DEEP]
    scenario = Scenario.model_validate(data)
    return prepare(scenario, cohort, tiers=load_tiers(), epidemiology=load_epidemiology(), **GIVEN)


def test_every_plan_passes_every_check(world: World) -> None:
    before = run_replications(world).replications[0]
    told = verify_weeks(world, expected=before.outcomes)
    solved = sum(week.solved for week in before.national)
    assert solved > WEEKS // 3
    assert (told["plans"], told["weeks_without_program"]) == (solved, WEEKS - solved)
    passed = told["passed"]
    assert isinstance(passed, dict)
    assert len(passed) >= 11
    assert set(passed.values()) == {solved}
    assert "plan: shares are fair" in passed


def test_every_fourth_week_checks_fewer(world: World) -> None:
    some, every = verify_weeks(world, every_weeks=4), verify_weeks(world)
    assert some["plans"] < every["plans"]  # type: ignore[operator]
    assert some["weeks_without_program"] == every["weeks_without_program"]


def test_a_replication_that_comes_out_otherwise_is_no_proof(world: World) -> None:
    before = run_replications(world).replications[0]
    with pytest.raises(VerificationError, match="differs in unmet_g"):
        verify_weeks(world, expected=before.outcomes | {"unmet_g": before.outcomes["unmet_g"] + 1})


def test_a_wrong_plan_ends_the_run_and_names_its_week(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Certificate((Check("plan: shares are fair", ok=False, detail="grade 3 in North."),))
    monkeypatch.setattr(of_policy, "verify", lambda problem, plan: wrong)
    with pytest.raises(VerificationError, match=r"week \d+ of replication 0: .*shares are fair"):
        verify_weeks(world)


def test_the_command_says_it_in_the_summary_and_changes_nothing_else(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from allocation.cli.app import app

    cohort = generate_cohort(patients=100, seed=7, as_of=date(2026, 11, 1), epidemiology=load_epidemiology(), **GIVEN)
    write_table(cohort, tmp_path / "cohort.csv")
    begin = ["simulate", "baseline", "--cohort", str(tmp_path / "cohort.csv"), "--weeks", "4", "--replications", "1"]
    for name, more in (("plain", []), ("proved", ["--verify"])):
        done = CliRunner().invoke(app, [*begin, *more, "--out", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
    plain, proved = ({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()} for name in ("plain", "proved"))
    assert plain.keys() == proved.keys()
    assert {name for name in plain if plain[name] != proved[name]} == {"summary.json", "manifest.json"}
    summary, before = json.loads(proved["summary.json"]), json.loads(plain["summary.json"])
    assert summary.pop("verification")["replication"] == 0
    assert summary == before
    manifest, first = json.loads(proved["manifest.json"]), json.loads(plain["manifest.json"])
    assert manifest["outputs"].pop("summary.json") != first["outputs"].pop("summary.json")
    assert manifest == first
