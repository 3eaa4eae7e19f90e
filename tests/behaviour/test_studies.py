"""Breaking point and sensitivity of a real scenario, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from allocation.cli import main

ROOT = Path(__file__).resolve().parents[2]
COHORT = str(ROOT / "data/patient_cohorts/sample_cohort.csv")
SHORT = ["--cohort", COHORT, "--weeks", "16", "--replications", "2"]


class Said:
    """Exit code and output of a command."""

    def __init__(self, code: int, stdout: str, stderr: str) -> None:
        self.code, self.stdout, self.stderr = code, stdout, stderr


@pytest.fixture
def igalloc(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    def run(*arguments: str) -> Said:
        code = main(list(arguments))
        said = capsys.readouterr()
        return Said(code, said.out, said.err)

    return run


BREAKING = [
    *("breaking-point", "uk_2021_output_fall", *SHORT, "--vary", "disruption.output_cut.fraction"),
    *("--range", "0.05:0.95", "--outcome", "lowest_cover_weeks", "--below", "3", "--tolerance", "0.1"),
]


@pytest.mark.slow
def test_the_breaking_point_lies_between_a_shock_that_holds_and_one_that_breaks(
    tmp_path: Path, igalloc: Callable[..., Said]
) -> None:
    out = tmp_path / "breaking"
    done = igalloc(*BREAKING, "--out", str(out))
    assert done.code == 0, done.stderr
    point = pd.read_csv(out / "breaking_points.csv").iloc[0]
    assert point["status"] == "found"
    assert 0 < point["breaks_at"] - point["holds_at"] <= 0.1
    tried = pd.read_csv(out / "tried.csv").set_index("value")
    assert tried.at[point["breaks_at"], "broken"] >= 1
    assert tried.at[point["holds_at"], "broken"] < 1
    # A deeper cut leaves less cover, every time.
    assert tried["outcome_mean"].is_monotonic_decreasing
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["kind"] == "breaking_point"
    assert summary["played"] == len(tried)
    assert done.stdout.splitlines() == summary["headlines"]
    again = tmp_path / "again"
    assert igalloc(*BREAKING, "--workers", "2", "--out", str(again)).code == 0
    for name in ("tried.csv", "breaking_points.csv", "summary.json", "manifest.json"):
        assert (again / name).read_bytes() == (out / name).read_bytes(), name


@pytest.mark.slow
def test_a_second_key_makes_a_map(tmp_path: Path, igalloc: Callable[..., Said]) -> None:
    out = tmp_path / "map"
    more = ["--vary", "supply.opening_cover_weeks", "--range", "2:5", "--steps", "2"]
    done = igalloc(*BREAKING[:-1], "0.25", *more, "--out", str(out))
    assert done.code == 0, done.stderr
    points = pd.read_csv(out / "breaking_points.csv")
    assert points["second_value"].tolist() == [2.0, 5.0]
    # With less stock at the start it breaks at a smaller cut, or at any.
    least = points["breaks_at"].fillna(0.0).tolist()
    assert least[0] <= least[1]


@pytest.mark.slow
def test_less_opening_stock_means_less_cover_and_the_largest_effect_is_told_first(
    tmp_path: Path, igalloc: Callable[..., Said]
) -> None:
    out = tmp_path / "sensitivity"
    done = igalloc(
        *("sensitivity", "uk_2021_output_fall", *SHORT, "--vary", "supply.opening_cover_weeks=2:6"),
        *("--vary", "demand.acute_patience_days=13:15", "--outcome", "lowest_cover_weeks", "--out", str(out)),
    )
    assert done.code == 0, done.stderr
    table = pd.read_csv(out / "sensitivity.csv")
    first = table[table["key"] == "supply.opening_cover_weeks"].set_index("end")
    assert table["key"].iloc[0] == "supply.opening_cover_weeks"
    assert first.at["low", "difference"] < 0 < first.at["high", "difference"]
    assert "changes most with “opening cover weeks (supply)”" in done.stdout.splitlines()[0]


@pytest.mark.slow
def test_sobols_indices_of_a_scenario(tmp_path: Path, igalloc: Callable[..., Said]) -> None:
    out = tmp_path / "sobol"
    done = igalloc(
        *("sensitivity", "uk_2021_output_fall", "--cohort", COHORT, "--weeks", "6", "--replications", "1"),
        *("--vary", "supply.opening_cover_weeks=2:6", "--vary", "demand.acute_patience_days=13:15"),
        *("--method", "sobol", "--samples", "2", "--outcome", "lowest_cover_weeks", "--out", str(out)),
    )
    assert done.code == 0, done.stderr
    table = pd.read_csv(out / "sensitivity.csv")
    assert table["key"].iloc[0] == "supply.opening_cover_weeks"
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["samples"] == 2


CUT = ["breaking-point", "uk_2021_output_fall", "--vary", "disruption.0.fraction", "--range"]
TIER = ["breaking-point", "no_disruption", "--vary", "run.weeks", "--range", "1:9", "--outcome", "highest_tier"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([*CUT[:3], "disruption.0.fractoin", "--range", "0:1"], "Did you mean"),
        ([*CUT, "1:0"], "LOW:HIGH"),
        ([*CUT, "0.1:3"], "fraction = 3"),
        ([*CUT, "0.1:0.3", "--share", "0"], "--share"),
        ([*CUT, "0.1:0.3", "--tolerance", "-1"], "--tolerance"),
        (TIER, "--below or --above"),
        (["sensitivity", "uk_2021_output_fall", "--vary", "supply.opening_cover_weeks"], "KEY=LOW:HIGH"),
        (["sensitivity", "uk_2021_output_fall", "--outcome", "patients_lat"], "patients_late"),
        (["sensitivity", "uk_2021_output_fall", "--method", "guess"], "one_way, sobol"),
        (["sensitivity", "uk_2021_output_fall", "--swing", "1.5"], "--swing"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_one_line(
    tmp_path: Path, igalloc: Callable[..., Said], arguments: list[str], told: str
) -> None:
    done = igalloc(*arguments, "--out", str(tmp_path / "none"))
    assert done.code == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "none").exists()
