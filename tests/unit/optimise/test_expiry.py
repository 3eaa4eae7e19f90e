"""Vials that go off inside the window are dealt to whoever is due before, and counted where nobody is."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.optimise.expiry import dealt_by_due_day, gone_off
from allocation.optimise.notices import expiry_notices
from allocation.optimise.patients import VIAL_COLUMNS, serve_patients
from allocation.optimise.program import solve
from allocation.optimise.verify import verify

CHECK = "patients: of vials that last until they are due, those that go off first"


def due(people: pd.DataFrame, *days: str, courses: int = 1, weeks: float | None = None) -> pd.DataFrame:
    """The demand table with due dates and, where they repeat, weeks between courses."""
    return people.assign(
        next_due_date=pd.to_datetime(list(days)),
        cycle_weeks=float("nan") if weeks is None else weeks,
        course_mg=people["due_mg"] // courses,
    )


@pytest.fixture
def serve(small):
    def run(demand, vials, tier=3):
        problem = small.problem(demand, vials, tier)
        plan = solve(problem)
        result = serve_patients(demand, problem, plan, vials, seed=1)
        verify(problem, plan, demand=demand, stock=vials, result=result).raise_if_failed()
        return problem, plan, result

    return run


def dates(result) -> dict[str, list[str]]:
    lines = result.issues.assign(day=result.issues["expiry_date"].astype(str))
    return {name: sorted(rows["day"].repeat(rows["vials"])) for name, rows in lines.groupby("patient_id")}


def test_who_is_due_first_gets_what_goes_off_first(small, serve):
    """The lottery puts one before the other; the dates decide who gets which of the same vials."""
    for days in (("2026-11-20", "2026-11-02"), ("2026-11-02", "2026-11-20")):
        demand = due(small.patients({"due_g": 10}, {"due_g": 10}), *days)
        vials = small.shelf(("P1", "privigen_10", 10, 1, "2026-11-05"), ("P1", "privigen_10", 10, 1, "2027-06-01"))
        _, _, result = serve(demand, vials)
        late = demand["patient_id"][demand["next_due_date"] == "2026-11-20"].item()
        assert dates(result)[late] == ["2027-06-01"]
        assert gone_off(demand, result.issues).empty


def test_a_vial_on_the_shelf_that_lasts_is_given_before_one_that_does_not(small, serve):
    demand = due(small.patients({"due_g": 20}), "2026-11-20")
    vials = small.shelf(("P1", "privigen_10", 10, 3, "2026-11-05"), ("P1", "privigen_10", 10, 2, "2027-06-01"))
    problem, plan, result = serve(demand, vials)
    assert dates(result) == {"A000": ["2027-06-01", "2027-06-01"]}
    assert result.left[["vials", "expiry_date"]].astype(str).values.tolist() == [["3", "2026-11-05"]]
    # The verifier notices if it is not.
    swapped = replace(
        result,
        issues=result.issues.assign(expiry_date=pd.Timestamp("2026-11-05")),
        left=vials.assign(vials=[1, 2])[list(VIAL_COLUMNS)],
    )
    checks = verify(problem, plan, demand=demand, stock=vials, result=swapped).checks
    assert [check.name for check in checks if not check.ok] == [CHECK]


def test_what_lasts_for_nobody_is_counted_and_told(small, serve):
    demand = due(small.patients({"due_g": 10}, {"due_g": 20, "panel": "P3"}), "2026-11-20", "2026-11-25")
    vials = small.shelf(("P1", "privigen_10", 10, 1, "2026-11-02"), ("P3", "privigen_10", 10, 2, "2026-11-02"))
    _, _, result = serve(demand, vials)
    off = gone_off(demand, result.issues)
    assert off.values.tolist() == [["P1", 1, 10_000], ["P3", 1, 20_000]]
    (told,) = expiry_notices(off, ahead=False)
    assert told.text.startswith("30 g were given that go off before the day they are due")
    assert "P3 20 g to 1 patient, P1 10 g to 1 patient" in told.text
    assert expiry_notices(off.iloc[:0], ahead=False) == []


def test_each_course_of_the_window_has_its_own_day(small, serve):
    """Three weekly courses: the batch that lasts two weeks does for two of them."""
    demand = due(small.patients({"due_g": 30}), "2026-11-02", courses=3, weeks=1.0)
    vials = small.shelf(("P1", "privigen_10", 10, 3, "2026-11-09"), ("P1", "privigen_10", 10, 2, "2026-12-09"))
    _, _, result = serve(demand, vials)
    assert dates(result)["A000"] == ["2026-11-09", "2026-11-09", "2026-12-09"]
    # Overdue since 16 October: the courses of that week and the two after are due at once, the next on 6 November.
    late = due(small.patients({"due_g": 20, "days_overdue": 16}), "2026-10-16", courses=2, weeks=1.0)
    for expiry, mg in (("2026-11-06", []), ("2026-11-05", [10_000])):
        _, _, result = serve(late, small.shelf(("P1", "privigen_10", 10, 2, expiry)))
        assert gone_off(late, result.issues)["mg"].tolist() == mg


def test_without_due_dates_nothing_is_dealt_again(small, serve):
    demand = small.patients({"due_g": 10})
    vials = small.shelf(("P1", "privigen_10", 10, 2, "2026-11-02"), ("P1", "privigen_10", 10, 2))
    _, _, result = serve(demand, vials)
    given, left = dealt_by_due_day(demand, result.issues, result.left)
    assert given is result.issues
    assert left is result.left
    assert gone_off(demand, result.issues).empty


days_of_month = st.integers(1, 28)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(days_of_month, st.integers(1, 3)), min_size=1, max_size=6),
    st.lists(st.tuples(days_of_month, st.integers(1, 4)), min_size=1, max_size=4),
)
def test_as_few_vials_go_off_as_may_be(asked, batches):
    """One lot: against the most that can be matched, tried by counting from the last day back."""
    ids = [f"A{n}" for n in range(len(asked))]
    demand = pd.DataFrame(
        {
            "patient_id": ids,
            "panel": "P1",
            "due_mg": [n * 1000 for _, n in asked],
            "next_due_date": [pd.Timestamp(2026, 11, day) for day, _ in asked],
        }
    )
    pool = sorted(day for day, n in batches for _ in range(n))
    asking = [name for name, (_, n) in zip(ids, asked, strict=True) for _ in range(n)]
    lines = [("P1", "x", 1000, 1, pd.Timestamp(2026, 11, day)) for day in pool]
    vials = pd.DataFrame(lines, columns=list(VIAL_COLUMNS)).astype({"expiry_date": "datetime64[ns]"})
    left = vials.iloc[len(asking) :].reset_index(drop=True)
    issues = vials.iloc[: len(asking)].reset_index(drop=True)
    issues.insert(0, "patient_id", asking[: len(issues)])
    dealt, kept = dealt_by_due_day(demand, issues, left)

    def counted(*frames):
        return pd.concat(frames).groupby("expiry_date")["vials"].sum()

    pd.testing.assert_series_equal(counted(dealt, kept), counted(issues, left))
    for_each = [frame.groupby("patient_id")["vials"].sum().to_dict() for frame in (dealt, issues)]
    assert for_each[0] == for_each[1]
    wanted = sorted(demand.set_index("patient_id")["next_due_date"][issues["patient_id"]])
    # From the latest course back, each takes the batch that lasts longest: a matching that cannot be larger.
    free = sorted(vials["expiry_date"])
    lasting = 0
    for day in wanted[::-1]:
        if free and free[-1] >= day:
            free.pop()
            lasting += 1
    off = gone_off(demand, dealt)
    assert int(off["mg"].sum()) == 1000 * (len(wanted) - lasting)
    assert int(off["mg"].sum()) <= int(gone_off(demand, issues)["mg"].sum())
