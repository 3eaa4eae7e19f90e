"""Policies on the same patients and the same luck: through the command line, resumed, and to a precision."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocation.cli import main
from allocation.simulation import OUTCOMES

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "patient_cohorts" / "sample_cohort.csv"
POLICIES = ("grade_order", "pro_rata")
SHORT = """
name = "very_short"
title = "A third of the supply, from a low start"
extends = "baseline"

[run]
weeks = 8
replications = 2

[supply]
output_share_of_demand = 0.35
opening_cover_weeks = 1.5
national_cover_weeks = 0.0

[controller]
starting_tier = 3
"""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scenario") / "very_short.toml"
    path.write_text(SHORT, encoding="utf-8")
    return path


def compare(scenario: Path, out: Path, *options: str, policies: tuple[str, ...] = POLICIES) -> int:
    told = ["--policies", ",".join(policies), "--cohort", str(SAMPLE), "--out", str(out)]
    return main(["compare", str(scenario), *told, *options])


@pytest.fixture(scope="module")
def run(scenario: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("compare") / "run"
    assert compare(scenario, out) == 0
    return out


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_the_folder_holds_paired_differences(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert summary["kind"] == "comparison"
    assert [one["name"] for one in summary["policies"]] == list(POLICIES)
    assert summary["against"] == "grade_order"
    outcomes = pd.read_parquet(run / "outcomes.parquet")
    assert outcomes[["policy", "replication"]].to_numpy().tolist() == [[p, r] for p in POLICIES for r in (0, 1)]
    assert list(outcomes.columns[2:]) == list(OUTCOMES)
    values = {name: part.drop(columns="policy").set_index("replication") for name, part in outcomes.groupby("policy")}
    # Who comes and what is delivered is luck, the same for all; panels differ a little in the room they have for it.
    assert values["pro_rata"]["acute_patients"].equals(values["grade_order"]["acute_patients"])
    delivered = [values[name]["grams_delivered_g"].to_numpy() for name in POLICIES]
    assert delivered[0] == pytest.approx(delivered[1], rel=1e-3)
    rows = pd.read_csv(run / "differences.csv").set_index(["policy", "outcome"])
    assert len(rows) == len(OUTCOMES)
    gap = values["pro_rata"]["fill_grade_4_percent"] - values["grade_order"]["fill_grade_4_percent"]
    told = rows.loc["pro_rata", "fill_grade_4_percent"]
    assert told["difference"] == pytest.approx(gap.mean())
    assert told["low"] < told["difference"] < told["high"]
    assert summary["differences"]["pro_rata"]["fill_grade_4_percent"]["mean"] == pytest.approx(gap.mean())
    assert summary["headlines"][1].startswith("pro_rata against grade_order: ")
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["command"] == "compare"
    assert [one["distribution"] for one in manifest["policies"]] == ["igalloc"] * 2
    assert set(manifest["outputs"]) == {path.name for path in run.iterdir()} - {"manifest.json"}


@pytest.mark.slow
def test_each_policy_does_what_it_is_for(run: Path) -> None:
    grades = pd.read_csv(run / "by_grade.csv").set_index(["policy", "grade", "measure"])["difference"]
    # Without the order of grades, grade 4 loses and those below gain.
    assert grades["pro_rata", 4, "fill_percent"] < 0
    assert grades["pro_rata", 1, "fill_percent"] > 0
    panels = pd.read_csv(run / "by_panel.csv")
    both = panels[panels["measure"] == "issued_g"].groupby("policy")["difference"].sum()
    total = pd.read_csv(run / "differences.csv").set_index(["policy", "outcome"])["difference"]
    for name in POLICIES[1:]:
        assert both[name] == pytest.approx(total[name, "grams_issued_g"])
    levels = pd.read_csv(run / "levels.csv", dtype={"key": str}).set_index(["policy", "group", "key", "measure"])
    mean = levels.loc[("grade_order", "grade", "4", "fill_percent"), "mean"]
    other = levels.loc[("pro_rata", "grade", "4", "fill_percent"), "mean"]
    assert other - mean == pytest.approx(grades["pro_rata", 4, "fill_percent"])


@pytest.mark.slow
def test_a_policy_alone_is_the_simulation_of_it(run: Path, scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "alone"
    told = ["--cohort", str(SAMPLE), "--policy", "pro_rata", "--out", str(out)]
    assert main(["simulate", str(scenario), *told]) == 0
    alone = pd.read_parquet(out / "outcomes.parquet").drop(columns="replication")
    outcomes = pd.read_parquet(run / "outcomes.parquet")
    mine = outcomes[outcomes["policy"] == "pro_rata"].drop(columns=["policy", "replication"])
    np.testing.assert_array_equal(alone.to_numpy(), mine.to_numpy())
    assert json.loads((out / "resolved.json").read_text(encoding="utf-8"))["run"]["policy"] == "pro_rata"
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["policy"]["name"] == "pro_rata"


@pytest.mark.slow
def test_a_run_goes_on_and_comes_to_the_same_bytes(run: Path, scenario: Path, tmp_path: Path, monkeypatch) -> None:
    from allocation.simulation import parts

    add, left = parts.PartStore.add, [3]

    def stop_after_three(self, head, result):
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        add(self, head, result)

    out = tmp_path / "run"
    monkeypatch.setattr(parts.PartStore, "add", stop_after_three)
    assert compare(scenario, out, "--resume") == 130
    assert not out.exists()
    assert len(list((tmp_path / ".run.work").glob("policy-*/replication-*"))) == 3
    left[0] = 3
    assert compare(scenario, out, "--resume") == 0
    assert bytes_of(out) == bytes_of(run)
    assert not (tmp_path / ".run.work").exists()


@pytest.mark.slow
def test_replications_are_added_until_the_difference_is_known(scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ["--precision", "fill_rate_percent=0.001", "--most-replications", "3", "--weeks", "5"]
    assert compare(scenario, out, *options, policies=("grade_order", "pro_rata")) == 0
    summary = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    assert summary["replications"] == 3
    report = summary["precision"]["fill_rate_percent"]
    assert report["half_width_wanted"] == 0.001
    found = summary["differences"]["pro_rata"]["fill_rate_percent"]
    assert report["half_width"] == pytest.approx((found["high"] - found["low"]) / 2)


@pytest.mark.slow
def test_policies_of_every_kind_play_a_shortage(scenario: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    others = ("first_come", "historical_share", "least_harm", "prairie_tie_break")
    options = ["--weeks", "5", "--replications", "1"]
    assert compare(scenario, out, *options, policies=("grade_order", *others)) == 0
    levels = pd.read_csv(out / "levels.csv", dtype={"key": str})
    fill = levels[levels["measure"] == "fill_percent"].set_index(["policy", "key"])["mean"]
    # The lowest grade is suspended under a policy that keeps the tier's order, and under no other.
    for name in ("first_come", "historical_share"):
        assert fill[name, "1"] > fill["grade_order", "1"] == fill["prairie_tie_break", "1"]
    deliveries = pd.read_parquet(out / "outcomes.parquet").set_index("policy")["grams_delivered_g"]
    assert deliveries.to_numpy() == pytest.approx(deliveries["grade_order"], rel=1e-3)


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        (("grade_order",), "--policies: found 'grade_order'; expected two or more policies, each once"),
        (("pro_rata", "pro_rata"), "each once"),
        (("grade_order", "nobody_knows"), "--policies: found 'nobody_knows'; expected one of"),
    ],
)
def test_policies_that_cannot_be_compared_are_told(scenario, tmp_path, capsys, policies, said) -> None:
    assert compare(scenario, tmp_path / "out", policies=policies) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_scenario_with_an_unknown_policy_is_told(scenario, tmp_path, capsys) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(SHORT.replace("weeks = 8", 'weeks = 8\npolicy = "nobody_knows"'), encoding="utf-8")
    assert main(["simulate", str(mine), "--cohort", str(SAMPLE), "--out", str(tmp_path / "out")]) == 2
    assert "run.policy: found 'nobody_knows'; expected one of" in capsys.readouterr().err
