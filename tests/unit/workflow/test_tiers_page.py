"""Allocations at several tiers set side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from allocation.cli import main
from allocation.errors import InputError
from allocation.workflow.side_by_side import tiers_page

ROOT = Path(__file__).resolve().parents[3]
COHORT = ["--cohort", str(ROOT / "data/patient_cohorts/sample_cohort.csv"), "--as-of", "2026-11-01"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("tiers")
    stock = str(folder / "stock.csv")
    assert main(["stock", "make", *COHORT, "--share", "0.6", "--out", stock]) == 0
    found = [folder / "tier3", folder / "tier1"]
    for out in found:
        assert main(["allocate", *COHORT, "--stock", stock, "--tier", out.name[-1], "--out", str(out)]) == 0
    return found


@pytest.mark.slow
def test_the_tiers_stand_in_order_with_the_numbers_of_their_runs(runs: list[Path]) -> None:
    page = tiers_page(runs, remake="make tiers")
    assert "|  | tier 1 | tier 3 |" in page
    deferred = [json.loads((run / "result.json").read_text(encoding="utf-8"))["patients"] for run in runs[::-1]]
    assert f"| deferred | {deferred[0]['deferred']} | {deferred[1]['deferred']} |" in page
    reasons = [line for line in page.splitlines() if line[:2] in ("1.", "2.", "3.", "4.", "5.")]
    assert len(reasons) == 5
    assert all("Tier " in line and "What would have helped: " in line for line in reasons)
    assert all(" 0 g given. " in line for line in reasons), "a reduced course is no wait"


@pytest.mark.slow
def test_runs_that_differ_in_more_than_the_tier_are_refused(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="differ in the tier alone"):
        tiers_page([runs[0], runs[0]], remake="")
    with pytest.raises(InputError, match="the folder of an allocation"):
        tiers_page([], remake="")
