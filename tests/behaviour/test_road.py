"""The whole road through the command line: cohort, grade, dose, allocate, simulate, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from allocation.cli import main
from allocation.resources import NATIONAL_COHORT, SAMPLE_COHORT, bundled
from allocation.rules import load_products
from allocation.tables import read_table

AS_OF = "2026-11-01"


def run(*arguments: object) -> None:
    assert main([str(argument) for argument in arguments]) == 0


@pytest.fixture(scope="module")
def sample() -> Path:
    path = bundled(SAMPLE_COHORT)
    assert path is not None
    return path


def test_the_plans_worked_example(capsys: pytest.CaptureFixture[str]) -> None:
    run("dose", "--sex", "M", "--age", 45, "--height-cm", 170, "--weight-kg", 84, "--g-per-kg", 2, "--days", 5,
        "--vials", "5,10,20", "--format", "json")  # fmt: skip
    dose = json.loads(capsys.readouterr().out)
    assert dose["ideal_weight_kg"] == pytest.approx(66.0, abs=0.05)
    assert dose["dosing_weight_kg"] == pytest.approx(73.2, abs=0.05)
    assert dose["exact_g"] == pytest.approx(146.4, abs=0.05)
    assert dose["course_g"] == 145
    assert dose["daily_g"] == [30, 30, 30, 30, 25]
    assert sum(float(size) * count for size, count in dose["vials"].items()) == 145


def allocation(cohort: Path, folder: Path, *, tier: int, share: float) -> dict[str, pd.DataFrame]:
    stock = folder / "stock.csv"
    out = folder / f"tier{tier}"
    run("stock", "make", "--cohort", cohort, "--share", share, "--as-of", AS_OF, "--out", stock)
    run("allocate", "--cohort", cohort, "--stock", stock, "--tier", tier, "--as-of", AS_OF, "--out", out)
    tables = {
        name: pd.read_csv(out / f"{name}.csv", keep_default_na=False, na_values={"grade": [""]})
        for name in ("patients", "panels", "flows")
    }
    tables["stock"] = pd.read_csv(stock)
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    assert result["certificate"]["passed"] is True
    assert all(rests["id"] and rests["text"] and rests["source"] for rests in result["assumptions"])
    assert {rests["id"] for rests in result["assumptions"]} >= {"N06", "N31"}
    return tables


@pytest.mark.parametrize("tier", [1, 2, 3, 4])
def test_with_ample_stock_nobody_waits(sample: Path, tmp_path: Path, tier: int) -> None:
    tables = allocation(sample, tmp_path, tier=tier, share=3)
    waiting = tables["patients"].query("status not in ['treated', 'not_funded']")
    assert waiting.empty, waiting.to_string()
    treated = tables["patients"].query("status == 'treated'")
    assert (treated["given_g"] == treated["due_g"]).all()


@pytest.mark.parametrize("tier", [1, 2])
def test_low_tiers_never_move_stock_between_panels(sample: Path, tmp_path: Path, tier: int) -> None:
    tables = allocation(sample, tmp_path, tier=tier, share=0.6)
    assert (tables["flows"]["from_location"] == tables["flows"]["panel"]).all()
    given = tables["patients"].query("given_g > 0")
    assert (given["from_location"] == given["panel"]).all()


def vials_given(row: Any) -> list[tuple[str, float]]:
    """Product and smallest vial of each part of a course: parts go by product, in the same order in both columns."""
    parts = zip(row.product.split("+"), row.vials.split(";"), strict=True)
    return [(product, min(float(vial.split("x")[1]) for vial in vials.split("+"))) for product, vials in parts]


def no_lower_grade_is_served_before_grade_four(tables: dict[str, pd.DataFrame], cohort: Path) -> None:
    """Grade 4 grams may be unmet only where no vial that fits went to a lower grade.

    At tier 4 any licensed product may serve, so a patient of grade 4 who was not fully treated could have used
    any vial of the missing size or less that a lower grade got. Intramuscular courses take their own products only.
    """
    patients = tables["patients"]
    grade_4 = patients[(patients["grade"] == 4) & (patients["status"] != "not_funded")]
    short = grade_4[grade_4["given_g"] < grade_4["due_g"]]
    lower = patients[(patients["grade"] != 4) & (patients["given_g"] > 0)]
    assert len(grade_4)
    assert len(lower)
    products = load_products().by_code
    read = read_table(cohort)
    routes = dict(zip(read["patient_id"], read["route"], strict=True))
    for row in short.itertuples():
        missing = row.due_g - row.given_g
        intramuscular = routes[row.patient_id] == "IM"
        for other in lower.itertuples():
            for product, smallest in vials_given(other):
                usable = not intramuscular or "IM" in products[product].routes
                assert not (usable and smallest <= missing), (row, other)


def test_tier_four_serves_grade_four_first(sample: Path, tmp_path: Path) -> None:
    tables = allocation(sample, tmp_path, tier=4, share=0.6)
    no_lower_grade_is_served_before_grade_four(tables, sample)
    fills = tables["panels"].query("grade in [1, 2, 3, 4]").groupby("grade")[["due_g", "given_g"]].sum()
    rate = fills["given_g"] / fills["due_g"]
    assert rate[4] >= rate[3] >= rate[2] >= rate[1]


@pytest.mark.slow
def test_national_stock_at_sixty_percent(tmp_path: Path) -> None:
    cohort = bundled(NATIONAL_COHORT)
    assert cohort is not None
    tables = allocation(cohort, tmp_path, tier=4, share=0.6)
    no_lower_grade_is_served_before_grade_four(tables, cohort)
    given = tables["patients"]["given_g"].sum()
    result = json.loads((tmp_path / "tier4" / "result.json").read_text(encoding="utf-8"))
    available = (tables["stock"]["vial_g"] * tables["stock"]["vials"]).sum()
    due = tables["patients"]["due_g"].sum()
    assert available == pytest.approx(0.6 * due, rel=0.02)
    assert given <= available
    assert given + result["reserve_held_g"] + result["left_g"] == pytest.approx(available)
    assert result["left_g"] < 0.001 * available, "stock lies idle while patients wait"


def test_simulate_and_report(sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for workers in (1, 2):
        run("simulate", "uk_2021_output_fall", "--cohort", sample, "--replications", 2, "--weeks", 20, "--seed", 5,
            "--workers", workers, "--out", tmp_path / f"w{workers}")  # fmt: skip
    first, second = tmp_path / "w1", tmp_path / "w2"
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in second.iterdir())
    assert {
        "weeks.parquet",
        "national.parquet",
        "outcomes.parquet",
        "summary.json",
        "events.parquet",
        "manifest.json",
    } <= set(names)
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
    run("report", first)
    page = (first / "report.html").read_text(encoding="utf-8")
    assert page.count("not a clinical decision tool") == 1
    assert "<svg" in page
    capsys.readouterr()
