"""Levers that compete with deferral, used up in the order that the tier says."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from allocation.optimise.levers import STRETCH_COLUMN, mark_stretch
from allocation.optimise.patients import serve_patients
from allocation.optimise.program import solve
from allocation.optimise.verify import verify
from allocation.rules.supply import Lever, Tier


def tier_with(small, *order, number=3, **levers):
    tier = small.tier(number)
    by_grade = {int(name[1:]): values for name, values in levers.items()}
    made = tuple(Lever(grade=grade, assumption="Ours.", **values) for grade, values in by_grade.items())
    return tier.model_copy(update={"lever": made or tier.lever, "lever_order": order})


def served(small, people, vials, tier, *, weeks=4):
    demand = mark_stretch(people, tier, weeks=weeks)
    mg = vials.assign(mg=vials["vial_mg"] * vials["vials"])[["location", "product", "mg"]]
    problem = small.problem(demand, mg, tier)
    plan = solve(problem)
    result = serve_patients(demand, problem, plan, vials, seed=1)
    told = {"demand": demand, "stock": vials, "result": result}
    verify(problem, plan, **told).raise_if_failed()
    return problem, plan, told


def people_of(small, *rows):
    frame = small.patients(*({k: v for k, v in row.items() if k != "cycle"} for row in rows))
    return frame.assign(cycle_weeks=[float(row.get("cycle", 4)) for row in rows])


def status(told):
    return told["result"].patients["status"].value_counts().to_dict()


def test_everybody_is_reduced_before_anybody_waits(small):
    people = people_of(small, *({"due_g": 20} for _ in range(4)))
    vials = small.shelf(("P1", "privigen_10", 5, 10))
    *_, usual = served(small, people, vials, tier_with(small))
    assert status(usual) == {"treated": 2, "reduced": 1, "deferred": 1}
    *_, reduced = served(small, people, vials, tier_with(small, "reduce", "defer"))
    frame = reduced["result"].patients
    assert status(reduced) == {"reduced": 4}
    assert sorted(frame["given_g"]) == [10, 10, 15, 15]
    assert frame["reason"].str.contains("courses are reduced before any is put off").sum() == 3
    *_, first = served(small, people, vials, tier_with(small, "defer", "reduce"))
    assert status(first) == status(usual)


def test_the_smallest_share_is_that_of_the_grade(small):
    people = people_of(small, *({"due_g": 20} for _ in range(4)))
    vials = small.shelf(("P1", "privigen_10", 5, 10))
    tier = tier_with(small, "reduce", "defer", g3={"smallest_reduced_share": 0.75})
    problem, plan, told = served(small, people, vials, tier)
    # 50 g are three courses of 15 g and 5 g over, which tops one up.
    assert sorted(told["result"].patients["given_g"]) == [0, 15, 15, 20]
    low = told["result"].patients.assign(given_g=[10.0 if g == 15 else g for g in told["result"].patients["given_g"]])
    issues = told["result"].issues
    less = issues.assign(vials=[2 if n == 3 else n for n in issues["vials"]])
    wrong = {**told, "result": replace(told["result"], patients=low, issues=less)}
    broken = {item.name for item in verify(problem, plan, **wrong).checks if not item.ok}
    assert "patients: status says what was given" in broken


def test_who_can_be_stretched_waits_before_others(small):
    people = people_of(
        small, *({"due_g": 20, "cycle": cycle, "days_overdue": late} for cycle, late in ((4, 0), (12, 9), (4, 0)))
    )
    vials = small.shelf(("P1", "privigen_10", 20, 2))
    tier = tier_with(small, "stretch", "defer", g3={"longest_stretch_share": 0.5})
    *_, usual = served(small, people, vials, tier_with(small))
    given = dict(zip(usual["result"].patients["patient_id"], usual["result"].patients["given_g"], strict=True))
    assert given["A001"] == 20
    problem, plan, told = served(small, people, vials, tier)
    frame = told["result"].patients.set_index("patient_id")
    # Twelve weeks may be stretched by six: nine days late and four weeks more are 37 days.
    assert frame["given_g"].to_dict() == {"A000": 20, "A001": 0, "A002": 20}
    assert frame["stretched_days"].to_dict() == {"A000": 0, "A001": 37, "A002": 0}
    assert "stretched by 37 days, within its limit" in frame.loc["A001", "reason"]
    far = told["result"].patients.assign(stretched_days=[0, 43, 0])
    wrong = {**told, "result": replace(told["result"], patients=far)}
    broken = {item.name for item in verify(problem, plan, **wrong).checks if not item.ok}
    assert broken == {"patients: no interval stretched beyond its limit"}


def test_stretching_has_its_limit_and_is_not_for_emergencies(small):
    tier = tier_with(small, "stretch", g3={"longest_stretch_share": 0.5}, g4={"longest_stretch_share": 1.0})
    people = people_of(
        small,
        {"due_g": 20, "cycle": 8},
        {"due_g": 20, "cycle": 8, "days_overdue": 1},
        {"due_g": 20, "cycle": float("nan")},
        {"due_g": 20, "cycle": 12, "emergency": True},
        {"due_g": 20, "cycle": 12, "grade": 4},
        {"due_g": 20, "cycle": 12, "grade": 2},
    )
    assert mark_stretch(people, tier, weeks=4)[STRETCH_COLUMN].tolist() == [28, 0, 0, 0, 0, 0]
    assert mark_stretch(people, small.tier(3), weeks=4) is people


def test_levers_are_checked_as_data(small):
    base = small.tier(3).model_dump()
    with pytest.raises(ValueError, match="two levers"):
        Tier.model_validate({**base, "lever": [{"grade": 1, "assumption": "x"}] * 2})
    with pytest.raises(ValueError, match="names a lever twice"):
        Tier.model_validate({**base, "lever_order": ["reduce", "reduce"]})
    with pytest.raises(ValueError, match="a source, or an assumption"):
        Tier.model_validate({**base, "lever": [{"grade": 1}]})


def test_without_an_order_nothing_is_different(small):
    people = people_of(small, *({"due_g": 20} for _ in range(4)))
    vials = small.shelf(("P1", "privigen_10", 5, 10))
    plain = small.tier(3).model_copy(update={"lever": ()})
    *_, one = served(small, people, vials, plain)
    *_, other = served(small, people, vials, small.tier(3))
    pd.testing.assert_frame_equal(one["result"].patients, other["result"].patients)
