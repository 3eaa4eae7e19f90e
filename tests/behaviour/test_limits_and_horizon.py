"""``igalloc allocate`` with side limits and a look-ahead, and with stock and limits that are wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from allocation.resources import SAMPLE_COHORT, bundled, package_data
from allocation.workflow.allocating import allocate as share_out
from allocation.workflow.allocating import make_stock
from allocation.workflow.rules_in_use import load_rules

AS_OF = "2026-11-01"


def allocate(folder: Path, *more: str, stock: str, tier: str = "3") -> subprocess.CompletedProcess[str]:
    (folder / "stock.csv").write_text("location,product,vial_g,vials,expiry_date,available_from\n" + stock, "utf-8")
    cohort = bundled(SAMPLE_COHORT)
    command = [sys.executable, "-m", "allocation", "allocate", "--cohort", str(cohort), "--stock", "stock.csv"]
    command += ["--tier", tier, "--as-of", AS_OF, "--weeks", "1", "--out", "out", *more]
    return subprocess.run(
        command, cwd=folder, capture_output=True, encoding="utf-8", check=False, env={**os.environ, "PYTHONUTF8": "1"}
    )


def patients(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "out" / "patients.csv", keep_default_na=False)


GOOD = "".join(f"SRIAP{n:02},{code},10,9,,\n" for n in range(1, 22) for code in ("privigen_10", "octagam_10"))


def test_wrong_stock_is_told_line_by_line_and_the_rest_is_shared(tmp_path: Path) -> None:
    wrong = (
        "SRIAP01,mystery_10,10,5,,\n"
        "SRIAP01,privigen_10,10,5,2026-10-31,\n"
        "SRIAP01,privigen_10,10,-5,,\n"
        "SRIAP01,privigen_10,10,2.5,,\n"
        "SRIAP99,privigen_10,10,5,,\n"
        # A product for which nobody of the cohort is on the route at this tier is sound, and stays on the shelf.
        "SRIAP02,subgam_16,4,3,,\n"
    )
    run = allocate(tmp_path, stock=wrong + GOOD.replace("SRIAP01", "SRIAP02"))
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    for row, words in enumerate(("mystery_10", "2026-10-31", "'-5'", "'2.5'", "SRIAP99"), start=2):
        line = next(line for line in run.stderr.splitlines() if f"row {row}," in line)
        assert words in line
        assert "expected" in line
    table = patients(tmp_path)
    assert table["given_g"].sum() > 0
    # A panel with demand and no stock of its own is served by its region, or told why it is not.
    alone = table[table["panel"] == "SRIAP01"]
    assert len(alone)
    assert alone["reason"].str.len().gt(20).all()
    assert len(pd.read_csv(tmp_path / "out" / "stock_rejects.csv")) == 5


def test_limits_that_cannot_be_used_are_told_and_the_others_hold(tmp_path: Path) -> None:
    (tmp_path / "limits.toml").write_text(
        """
[[infusion]]
panel = "SRIAP01"
grams = -5
assumption = "Chairs."

[[ring_fence]]
product = "mystery_10"
indication = "cidp"
assumption = "Fence."

[[ring_fence]]
product = "privigen_10"
indication = "cidpp"
assumption = "Fence."

[[ring_fence]]
product = "octagam_10"
indication = "cidp"
grams = 9000000
assumption = "Fence."

[[delivery]]
into = "SRIAP02"
grams = 10
assumption = "A van."

[[delivery]]
into = "SRIAP02"
grams = 20
assumption = "Another van."

[[switch_quota]]
panel = "SRIAP03"
share = 0.1
""",
        encoding="utf-8",
    )
    run = allocate(tmp_path, "--limits", "limits.toml", stock=GOOD)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    for words in (
        "infusion[1].grams: found '-5'",
        "ring_fence[1].product: found 'mystery_10'",
        "ring_fence[2].indication: found 'cidpp'",
        "ring_fence.grams: found '9,000,000 g for cidp'",
        "delivery[2]: found 'SRIAP02'",
        "switch_quota[1]",
    ):
        assert words in run.stderr, run.stderr
    record = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert set(record["side_limits"]) == {"delivery", "ring_fence"}
    assert record["certificate"]["passed"]
    assert patients(tmp_path)["given_g"].sum() > 0
    strict = allocate(tmp_path, "--limits", "limits.toml", "--strict", stock=GOOD)
    assert strict.returncode == 2
    assert "infusion[1]" in strict.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--limits", "none.toml"), "none.toml"),
        (("--limits", "limits.toml", "--policy", "pro_rata"), "--limits"),
        (("--horizon-weeks", "99"), "--horizon-weeks"),
        (("--horizon-weeks", "4", "--weeks", "1.5"), "whole weeks"),
        (("--horizon-weeks", "4", "--policy", "pro_rata"), "--horizon-weeks"),
    ],
)
def test_options_that_cannot_be(tmp_path: Path, options: tuple[str, ...], words: str) -> None:
    (tmp_path / "limits.toml").write_text("", encoding="utf-8")
    run = allocate(tmp_path, *options, stock=GOOD)
    assert run.returncode == 2
    assert words in run.stderr
    assert "Traceback" not in run.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_looking_ahead_writes_its_weeks_and_keeps_stock(tmp_path: Path) -> None:
    stock = "".join(f"NATIONAL,{code},10,12,,\n" for code in ("privigen_10", "octagam_10"))
    stock += "NATIONAL,privigen_10,10,40,,2026-11-15\n"
    run = allocate(tmp_path, "--horizon-weeks", "4", stock=stock, tier="4")
    assert run.returncode == 0, run.stderr
    weeks = pd.read_csv(tmp_path / "out" / "horizon.csv")
    assert list(weeks.columns) == ["week", "panel", "grade", "due_g", "planned_g", "stock_g", "expiring_g"]
    assert set(weeks["week"]) == {0, 1, 2, 3}
    record = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert record["horizon"]["certificate"]["passed"]
    table = patients(tmp_path)
    assert table["given_g"].sum() <= 240
    planned = table[table["reason"].str.contains("The look-ahead plans it for week")]
    assert len(planned) == record["horizon"]["patients_planned_for_later"]
    assert table["lottery"].notna().sum() >= len(planned)
    names = [item["name"] for item in record["certificate"]["checks"] if item["ok"]]
    assert "first weeks: every vial is given, held, left or kept for later" in names
    # What a grade lacks is of everybody due, and the weeks have objectives of their own.
    unmet = {item["name"]: item["value"] for item in record["objectives"]}
    four = table[(table["grade"].astype(str) == "4") & (table["status"] != "not_funded")]
    assert unmet["grade 4: unmet, g"] == pytest.approx((four["due_g"] - four["given_g"]).sum(), abs=30)
    assert any(item["name"] == "grade 4: unmet in all weeks, g" for item in record["horizon"]["objectives"])
    assert "kept for later" in run.stdout + run.stderr
    assert "deliveries known: 400 g" in run.stdout + run.stderr


LIMITS = """
[[delivery]]
into = "SRIAP01"
grams = 100
assumption = "A van."

[[switch_quota]]
panel = "SRIAP02"
share = 0.1
assumption = "Nurses to train."

[[infusion]]
panel = "SRIAP03"
grams = 0
assumption = "No chair."

[[infusion]]
panel = "SRIAP04"
courses = 2
assumption = "Two chairs."

[[ring_fence]]
product = "privigen_10"
indication = "gbs"
grams = 200
assumption = "Kept for Guillain-Barre syndrome."

[[lock]]
route = "SC"
assumption = "They keep their product."
"""


@pytest.mark.slow
@pytest.mark.parametrize("tier", ["1", "2", "3", "4"])
def test_looking_ahead_keeps_limits_at_every_tier(tmp_path: Path, tier: str) -> None:
    (tmp_path / "limits.toml").write_text(LIMITS, encoding="utf-8")
    stock = GOOD.replace(",10,9,,", ",10,6,,") + "SRIAP03,privigen_10,10,40,,2026-11-15\n"
    run = allocate(tmp_path, "--limits", "limits.toml", "--horizon-weeks", "4", stock=stock, tier=tier)
    assert run.returncode == 0, run.stderr
    record = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert record["certificate"]["passed"]
    checks = {item["name"]: item["ok"] for item in record["horizon"]["certificate"]["checks"]}
    assert checks["horizon: limits on infusion, in grams and courses"]
    assert all(checks.values())
    table = patients(tmp_path)
    assert table["given_g"].sum() > 0
    # No chair this week, so nobody on the intravenous route is given anything but, at tier 4, by another.
    cohort = pd.read_csv(bundled(SAMPLE_COHORT), keep_default_na=False)
    by_vein = set(cohort.loc[(cohort["panel"] == "SRIAP03") & (cohort["route"] == "IV"), "patient_id"])
    assert table.loc[table["patient_id"].isin(by_vein), "given_g"].sum() == 0 or tier == "4"


@pytest.mark.slow
@pytest.mark.parametrize("tier", [1, 2, 3, 4])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_with_no_later_week_the_allocation_is_that_without_a_look_ahead(
    tmp_path: Path, tier: int, share: float
) -> None:
    rules, day, cohort = load_rules(), date.fromisoformat(AS_OF), bundled(SAMPLE_COHORT)
    stock, limits = tmp_path / "stock.csv", tmp_path / "limits.toml"
    make_stock(cohort=cohort, as_of=day, out=stock, share=share, weeks=4, seed=1, rules=rules)
    limits.write_text(LIMITS, encoding="utf-8")
    for within in (None, limits):
        for name, ahead in (("now", None), ("ahead", 4)):
            share_out(
                cohort=cohort, stock=stock, tier=tier, as_of=day, weeks=4, policy="grade_order", solver="highs",
                seed=1, strict=False, out=tmp_path / name, rules=rules, limits=within, horizon_weeks=ahead,
            )  # fmt: skip
        for table in ("patients.csv", "panels.csv", "flows.csv", "panel_cohort.csv", "panel_stock.csv"):
            assert (tmp_path / "now" / table).read_bytes() == (tmp_path / "ahead" / table).read_bytes(), table
        told = [json.loads((tmp_path / name / "result.json").read_text("utf-8")) for name in ("now", "ahead")]
        assert told[0]["objectives"] == told[1]["objectives"]
        assert told[1]["horizon"]["kept_for_later_g"] == 0


def test_what_serves_nobody_is_told_and_is_no_fault(tmp_path: Path) -> None:
    stock = GOOD.replace("SRIAP07,", "SRIAP08,") + "NATIONAL,privigen_10,10,3,,\nSRIAP02,hyqvia_10,10,2,2026-11-02,\n"
    run = allocate(tmp_path, stock=stock, tier="1")
    assert run.returncode == 0, run.stderr
    notes = [line for line in run.stderr.splitlines() if line.startswith("igalloc: note: ")]
    assert any("SRIAP07: " in line and "the stock has no sound row of this panel" in line for line in notes)
    assert any("NATIONAL: 30 g that no panel holds are out of reach at tier 1" in line for line in notes)
    record = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert [f"igalloc: note: {one['text']}" for one in record["notices"]] == notes
    assert 30 <= record["left_unusable_g"] <= record["left_g"]
    reasons = patients(tmp_path).query("panel == 'SRIAP07' and status == 'deferred'")["reason"]
    assert len(reasons)
    assert reasons.str.contains("SRIAP07 holds no").all()


def test_vials_that_go_off_before_their_day_are_told(tmp_path: Path) -> None:
    run = allocate(tmp_path, "--weeks", "4", stock=GOOD.replace(",9,,", ",9,2026-11-02,"))
    assert run.returncode == 0, run.stderr
    record = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    grams = sum(one["grams"] for one in record["given_gone_off"])
    assert grams > 0
    assert f"note: {grams:g} g were given that go off before the day they are due" in run.stderr
    assert all(f"{one['panel']} {one['grams']:g} g to " in run.stderr for one in record["given_gone_off"])


@pytest.mark.slow
def test_a_delivery_and_a_bad_row_still_make_a_look_ahead(tmp_path: Path) -> None:
    stock = "NATIONAL,privigen_10,10,40,,2026-11-15\nNATIONAL,privigen_10,10,-3,,\n"
    run = allocate(tmp_path, "--horizon-weeks", "4", stock=stock, tier="4")
    assert run.returncode == 2
    assert "1 row was set aside with its reasons in out; the good rows went on." in run.stderr
    assert (tmp_path / "out" / "horizon.csv").exists()
    bad = allocate(tmp_path, "--horizon-weeks", "4", stock=stock.replace(",40,", ",-40,"), tier="4")
    assert "Written to" not in bad.stderr


def test_a_file_of_another_day_is_told_as_such(tmp_path: Path) -> None:
    rows = "".join(f"SRIAP{n:02},privigen_10,10,9,2026-10-{day},\n" for n in range(1, 22) for day in (10, 20))
    run = allocate(tmp_path, stock=rows + GOOD)
    assert run.returncode == 2
    assert "in all 42 faults of one kind, " in run.stderr
    assert "expiry_date, rows 2 to 43: expected stock that can still be used" in run.stderr
    assert run.stderr.count("found '2026-10-") == 42
    assert len(pd.read_csv(tmp_path / "out" / "stock_rejects.csv")) == 42


@pytest.mark.slow
@pytest.mark.parametrize("tier", [1, 3, 4])
@pytest.mark.parametrize("policy", ["grade_order", "talmud", "first_come"])
def test_levers_in_order_serve_in_turn_under_every_policy(tmp_path: Path, policy: str, tier: int) -> None:
    text = Path(str(package_data() / "rules" / "data" / "tiers.toml")).read_text(encoding="utf-8")
    order = 'lever_order = ["stretch", "reduce", "defer"]'
    tiers = tmp_path / "tiers.toml"
    tiers.write_text(re.sub(r"(?m)^tier = \d$", rf"\g<0>\n{order}", text), encoding="utf-8")
    rules, day, cohort = load_rules(tiers=tiers), date.fromisoformat(AS_OF), bundled(SAMPLE_COHORT)
    stock = tmp_path / "stock.csv"
    make_stock(cohort=cohort, as_of=day, out=stock, share=0.3, weeks=4, seed=1, rules=rules)
    # What breaks a rule is no result: the verifier raises.
    done = share_out(
        cohort=cohort, stock=stock, tier=tier, as_of=day, weeks=4, policy=policy, solver="highs", seed=1, strict=False,
        out=tmp_path / "out", rules=rules,
    )  # fmt: skip
    assert not done.faults
    assert (patients(tmp_path)["status"] == "reduced").any()
