"""The page with all scenarios, from two tiny runs."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.errors import InputError
from allocation.reporting.words import NO_VALUE
from allocation.rules import load_panels, load_products, load_rulebook
from allocation.tables import write_table
from allocation.workflow.library import library_table, write_library_table
from allocation.workflow.rules_in_use import load_rules
from allocation.workflow.simulating import simulate


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two scenarios on one small cohort, two replications of three weeks."""
    top = tmp_path_factory.mktemp("library")
    given = {"rulebook": load_rulebook(), "panels": load_panels(), "products": load_products()}
    cohort = generate_cohort(patients=120, seed=7, as_of=date(2026, 11, 1), epidemiology=load_epidemiology(), **given)
    write_table(cohort, top / "cohort.csv")
    rules = load_rules(rulebook="nhs", products=None, panels=None, tiers=None)
    more: dict[str, Any] = {"replications": 2, "weeks": 3, "seed": None, "workers": 1, "strict": False}
    for name in ("uk_2021_output_fall", "no_disruption"):
        simulate(name, cohort=top / "cohort.csv", out=top / name, progress=None, rules=rules, **more)
    return [top / "uk_2021_output_fall", top / "no_disruption"]


def rows_of(page: str, heading: str) -> list[dict[str, str]]:
    part = page.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
    assert len({len(line) for line in lines}) == 1, "every row has every column"
    return [dict(zip(lines[0], line, strict=True)) for line in lines[2:]]


def test_one_row_a_scenario_with_the_numbers_of_its_summary(folders: list[Path], tmp_path: Path) -> None:
    write_library_table(folders, tmp_path / "RESULTS.md", remake="make library")
    page = (tmp_path / "RESULTS.md").read_text(encoding="utf-8")
    assert page == library_table(reversed(folders), remake="make library"), "whatever their order"
    assert "```\nmake library\n```" in page
    assert "95 %" in page
    patients, tiers = rows_of(page, "Patients"), rows_of(page, "Tiers and stock")
    assert [row["scenario"] for row in patients] == ["`no_disruption`", "`uk_2021_output_fall`"]
    assert [row["scenario"] for row in tiers] == [row["scenario"] for row in patients]
    for row, stock, folder in zip(patients, tiers, sorted(folders), strict=True):
        told = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        assert (row["weeks"], row["replications"]) == ("3", "2")
        late = told["outcomes"]["patients_late"]
        assert row["patients with a late course"].split(" (")[0] in {f"{late['mean']:.1f}", f"{late['mean']:.0f}"}
        assert told["outcomes"]["first_tier_3_week"]["mean"] is None
        assert (stock["first week at tier 3"], stock["reach tier 3"]) == (NO_VALUE, "0%")
        assert " to " in stock["lowest cover, weeks"], "with its interval"
        assert f"- `{folder.name}`: {told['title']}" in page


def changed(folder: Path, target: Path, name: str, **more: object) -> Path:
    target.mkdir()
    for file in ("summary.json", "manifest.json"):
        found = json.loads((folder / file).read_text(encoding="utf-8"))
        (target / file).write_text(json.dumps(found | (more if file == name else {})), encoding="utf-8")
    return target


def test_runs_that_differ_in_more_than_the_scenario_are_refused(folders: list[Path], tmp_path: Path) -> None:
    seed = changed(folders[0], tmp_path / "seed", "summary.json", seed=1)
    with pytest.raises(InputError, match="runs of one seed"):
        library_table([folders[1], seed], remake="")
    version = changed(folders[0], tmp_path / "version", "manifest.json", version="0.0")
    with pytest.raises(InputError, match="runs of one version"):
        library_table([folders[1], version], remake="")


def test_no_run_is_a_fault(folders: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the folder of a run at least"):
        library_table([], remake="")
    with pytest.raises(InputError, match="Make it with igalloc simulate"):
        library_table([tmp_path], remake="")
    with pytest.raises(InputError, match="folder of a simulation"):
        library_table([changed(folders[0], tmp_path / "kind", "summary.json", kind="allocation")], remake="")
