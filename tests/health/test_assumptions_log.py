"""The committed log of assumptions is the one that the data files give, and the command that lists it."""

from __future__ import annotations

import csv
import io
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from allocation.cli.app import app
from allocation.resources import package_data, scenario_names, scenario_path
from allocation.workflow.assumptions_log import AREAS, COLUMNS, assumptions_log

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = package_data("docs", "assumptions_log.csv")
CODES = {"F", "F*", "D", "M", "P"}


@pytest.fixture(scope="module")
def rows() -> list[dict[str, str]]:
    return assumptions_log().to_dict(orient="records")


def test_the_committed_log_is_up_to_date(rows: list[dict[str, str]]) -> None:
    with COMMITTED.open(encoding="utf-8-sig", newline="") as file:
        committed = list(csv.DictReader(file))
    assert committed == rows, "make docs writes it again"


def test_every_line_says_what_where_and_how_sure(rows: list[dict[str, str]]) -> None:
    assert {row["area"] for row in rows} == set(AREAS)
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)
    assert {row["confidence"] for row in rows} <= CODES
    wanted = set(COLUMNS) - {"section"}
    assert [row["id"] for row in rows if not all(row[name] for name in wanted)] == []
    assert {row["file"] for row in rows if not (ROOT / row["file"]).exists()} == set()


def test_no_assumption_of_a_scenario_is_left_out(rows: list[dict[str, str]]) -> None:
    listed = {(row["file"], row["id"].split("/")[0]) for row in rows if row["area"] == "scenarios"}
    for name in scenario_names():
        path = scenario_path(name)
        assert path is not None
        own = tomllib.loads(path.read_text(encoding="utf-8")).get("assumption", [])
        assert {(f"scenarios/{name}.toml", one["id"]) for one in own} <= listed


def test_no_assumption_of_a_rulebook_or_a_tier_is_left_out(rows: list[dict[str, str]]) -> None:
    ids = {row["id"] for row in rows}
    for folder in ("nhs_2021", "prairie_2022"):
        text = package_data("rules", "data", folder, "rulebook.toml").read_text(encoding="utf-8")
        assert {one["id"] for one in tomllib.loads(text)["assumption"]} <= ids
    tiers = tomllib.loads(package_data("rules", "data", "tiers.toml").read_text(encoding="utf-8"))["tier"]
    told = {row["text"] for row in rows if row["area"] == "tiers"}
    assert {" ".join(text.split()) for tier in tiers for text in tier.get("assumption", [])} <= told


def test_figures_from_memory_and_proposals_are_listed(rows: list[dict[str, str]]) -> None:
    listed = {(row["area"], row["key"]): row["confidence"] for row in rows}
    assert listed["products", "privigen_10.vial_g"] == "M"
    assert listed["dosing", "neonate"] == "M"
    assert listed["stewardship", "weaning"] == "P"
    assert listed["cohort files", "dose_g"] == "P"
    assert ("dosing", "trough") not in listed


def test_the_command_filters_and_writes(tmp_path: Path) -> None:
    runner = CliRunner()
    printed = runner.invoke(app, ["assumptions", "--area", "tiers", "--format", "csv"])
    assert printed.exit_code == 0
    found = list(csv.DictReader(io.StringIO(printed.stdout)))
    assert {row["area"] for row in found} == {"tiers"}
    text = runner.invoke(app, ["assumptions", "--area", "panels", "--confidence", "P"])
    assert text.exit_code == 0
    assert "[P]" in text.stdout
    out = tmp_path / "log.xlsx"
    assert runner.invoke(app, ["assumptions", "--out", str(out)]).exit_code == 0
    assert out.stat().st_size > 1000


@pytest.mark.parametrize(
    "arguments", [["--area", "nowhere"], ["--format", "pdf"], ["--confidence", "X"], ["--out", "log.docx"]]
)
def test_the_command_refuses_what_it_does_not_know(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["assumptions", *arguments]).exit_code == 2
