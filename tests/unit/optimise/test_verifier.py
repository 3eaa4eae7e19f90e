"""The verifier passes what is right and catches each kind of wrong."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from allocation.errors import VerificationError
from allocation.optimise.certificate import Certificate, Check, check
from allocation.optimise.patients import serve_patients
from allocation.optimise.plan import Plan
from allocation.optimise.program import solve
from allocation.optimise.verify import verify


@pytest.fixture
def case(small):
    """Two panels of a region short of grade 3, one that has enough; a locked patient and a reserve."""
    demand = small.patients(
        {"due_g": 40, "grade": 4},
        {"due_g": 40, "grade": 3, "days_overdue": 4},
        {"due_g": 40, "grade": 3, "days_overdue": 2},
        {"due_g": 40, "grade": 3, "panel": "P2", "product": "octagam_10", "locked": True},
        {"due_g": 20, "grade": 1, "panel": "P2", "product": "octagam_10"},
        {"due_g": 20, "grade": 2, "panel": "P3"},
        {"due_g": 30, "grade": 2, "panel": "P3", "funded": False},
    )
    stock = small.shelf(
        ("P1", "privigen_10", 10, 4, "2027-01-01"),
        ("P1", "privigen_10", 10, 2, "2027-06-01"),
        ("P2", "privigen_10", 10, 2),
        ("P2", "octagam_10", 10, 2),
        ("P3", "privigen_10", 20, 2),
        ("NATIONAL", "octagam_10", 20, 9),
    )
    problem = small.problem(demand, stock, 3, reserve=[("North", 10)])
    plan = solve(problem)
    result = serve_patients(demand, problem, plan, stock, seed=1)
    return problem, plan, {"demand": demand, "stock": stock, "result": result}


def failed(certificate: Certificate) -> set[str]:
    return {item.name.split(": ")[1] for item in certificate.checks if not item.ok}


def test_what_is_right_passes(case):
    problem, plan, served = case
    certificate = verify(problem, plan, **served)
    certificate.raise_if_failed()
    assert certificate.passed
    assert len(certificate.checks) == 25
    told = certificate.as_dict()
    assert told["passed"] is True
    assert {"name", "ok", "detail"} == set(told["checks"][0])


def test_a_plan_alone_may_be_checked(case):
    problem, plan, served = case
    assert len(verify(problem, plan).checks) == 11
    with pytest.raises(ValueError, match="go together"):
        verify(problem, plan, demand=served["demand"])


def with_given(plan: Plan, problem, move, *, flows=True) -> Plan:
    """Plan with ``given`` changed by a function, and flows and cells made to fit."""
    given = move(plan.given.copy())
    panel_of = problem.classes.set_index("class_id")["panel"]
    new = plan.flows
    if flows:
        need = given.assign(panel=given["class_id"].map(panel_of)).groupby(["panel", "product"])["mg"].sum()
        new = pd.DataFrame(
            [(panel, panel, product, mg) for (panel, product), mg in need.items()],
            columns=["from_location", "panel", "product", "mg"],
        )
    return replace(plan, given=given, flows=new)


def find(problem, **keys):
    frame = problem.classes
    for name, value in keys.items():
        frame = frame[frame[name] == value]
    return int(frame["class_id"].iloc[0])


def set_mg(class_id, product, mg):
    def change(given):
        given = given[~((given["class_id"] == class_id) & (given["product"] == product))]
        line = pd.DataFrame([(class_id, product, mg)], columns=given.columns)
        return pd.concat([given, line], ignore_index=True).astype({"class_id": "int64", "mg": "int64"})

    return change


def test_more_than_is_in_stock(case):
    problem, plan, _ = case
    wrong = replace(plan, flows=plan.flows.assign(mg=plan.flows["mg"] * 3))
    assert {"stock is not exceeded", "what arrives is what is given"} <= failed(verify(problem, wrong))


def test_more_than_is_due(case):
    problem, plan, _ = case
    wrong = with_given(plan, problem, set_mg(find(problem, grade=4), "privigen_10", 50_000))
    assert "nobody above what is due" in failed(verify(problem, wrong))


def test_stock_from_out_of_reach(case):
    problem, plan, _ = case
    wrong = replace(plan, flows=plan.flows.assign(from_location="NATIONAL"))
    assert "stock only from within reach" in failed(verify(problem, wrong))


def test_a_product_that_is_not_allowed(case):
    problem, plan, _ = case
    locked = find(problem, locked=True)
    wrong = with_given(plan, problem, set_mg(locked, "privigen_10", 1000))
    assert "products allowed by the tier" in failed(verify(problem, wrong))


def test_a_reserve_of_the_wrong_size_or_kind(case):
    problem, plan, _ = case
    larger = replace(plan, reserve=plan.reserve.assign(mg=plan.reserve["mg"] + 1))
    assert "reserve as asked for, of products for it" in failed(verify(problem, larger))
    other = replace(plan, reserve=plan.reserve.assign(product="hizentra_20"))
    assert "reserve as asked for, of products for it" in failed(verify(problem, other))


def test_totals_that_are_told_wrongly(case):
    problem, plan, _ = case
    for wrong in (
        replace(plan, switched_mg=plan.switched_mg + 1),
        replace(plan, moved_mg=plan.moved_mg + 1),
        replace(plan, cells=plan.cells.assign(planned_mg=0)),
    ):
        assert failed(verify(problem, wrong)) == {"totals reported are the sums"}


def rebuilt(small, problem, lines, *, reserve=()):
    """A plan from lines (class, place, product, mg), right in its sums whatever else it may be."""
    frame = pd.DataFrame(lines, columns=["class_id", "from_location", "product", "mg"])
    panel_of = problem.classes.set_index("class_id")["panel"]
    frame["panel"] = frame["class_id"].map(panel_of)
    plan = solve(problem)
    given = frame.groupby(["class_id", "product"], as_index=False)["mg"].sum()
    flows = frame.groupby(["from_location", "panel", "product"], as_index=False)["mg"].sum()
    own = frame["class_id"].map(problem.classes.set_index("class_id")["product"])
    cells = plan.cells.assign(planned_mg=0)
    staged = problem.classes.merge(given.groupby("class_id", as_index=False)["mg"].sum(), on="class_id")
    stages = {4: 0, 3: 1, 2: 2, 1: 3, 0: 4}
    for row in staged.itertuples():
        at = cells.index[(cells["stage"] == stages[row.grade]) & (cells["panel"] == row.panel)][0]
        cells.loc[at, "planned_mg"] += row.mg
    return replace(
        plan,
        given=given,
        flows=flows,
        reserve=pd.DataFrame(list(reserve), columns=["pool", "product", "mg"]),
        cells=cells,
        switched_mg=int(frame["mg"][(own != "") & (own != frame["product"])].sum()),
        moved_mg=int(frame["mg"][frame["from_location"] != frame["panel"]].sum()),
    )


SERVED = "each stage served as far as it can be"
FAIR = "shares are fair"
FEWEST = "fewest switches, then moves"


@pytest.mark.parametrize(
    ("lines", "reserve", "broken"),
    [
        # Right: grade 4 whole, grade 3 evenly.
        ([(0, "P1", "privigen_10", 20), (1, "P1", "privigen_10", 10), (2, "P2", "octagam_10", 10)], [], set()),
        # A lower grade is served before a higher one.
        ([(1, "P1", "privigen_10", 20), (0, "P1", "privigen_10", 10), (2, "P2", "octagam_10", 10)], [], {SERVED, FAIR}),
        # Something stays on the shelf.
        ([(0, "P1", "privigen_10", 20), (1, "P1", "privigen_10", 10)], [], {SERVED, FAIR}),
        # One panel's grade 3 is served in full, the other's not at all.
        ([(0, "P1", "privigen_10", 20), (2, "P2", "octagam_10", 10), (2, "P1", "privigen_10", 10)], [], {FAIR}),
        # As fair, but with a switch that is not needed.
        (
            [
                (0, "P1", "privigen_10", 20),
                (1, "P2", "octagam_10", 10),
                (2, "P1", "privigen_10", 10),
            ],
            [],
            {FEWEST},
        ),
    ],
)
def test_a_plan_that_could_be_better(small, lines, reserve, broken):
    demand = small.patients(
        {"due_g": 20, "grade": 4},
        {"due_g": 20, "grade": 3},
        {"due_g": 20, "grade": 3, "panel": "P2", "product": "octagam_10"},
    )
    stock = small.grams(("P1", "privigen_10", 30), ("P2", "octagam_10", 10))
    problem = small.problem(demand, stock, 3)
    made = rebuilt(small, problem, [(c, at, p, g * 1000) for c, at, p, g in lines], reserve=reserve)
    assert failed(verify(problem, made)) == broken


def test_moves_that_are_not_needed(small):
    demand = small.patients({"due_g": 20}, {"due_g": 20, "panel": "P2"})
    problem = small.problem(demand, small.grams(("P1", "privigen_10", 20), ("P2", "privigen_10", 20)), 3)
    crossed = [(0, "P2", "privigen_10", 20_000), (1, "P1", "privigen_10", 20_000)]
    assert failed(verify(problem, rebuilt(small, problem, crossed))) == {FEWEST}


def test_a_reserve_that_could_be_fuller(small):
    problem = small.problem(
        small.patients({"due_g": 20}), small.grams(("P1", "privigen_10", 20)), 3, reserve=[("North", 5)]
    )
    greedy = rebuilt(small, problem, [(0, "P1", "privigen_10", 20_000)])
    assert failed(verify(problem, greedy)) == {SERVED}


def test_switching_at_its_limit_is_no_reason_to_find_fault(small):
    demand = small.patients({"due_g": 60}, {"due_g": 40, "product": "octagam_10"})
    stock = small.grams(("P1", "octagam_10", 100))
    problem = small.problem(demand, stock, 2)
    plan = solve(problem)
    assert failed(verify(problem, plan)) == set()
    less = replace(plan, given=plan.given.assign(mg=plan.given["mg"] - 5000))
    less = replace(less, flows=plan.flows.assign(mg=plan.flows["mg"] - 10_000))
    less = replace(less, switched_mg=20_000, cells=plan.cells.assign(planned_mg=plan.cells["planned_mg"] - 5000))
    assert SERVED in failed(verify(problem, less))
    over = with_given(plan, problem, set_mg(find(problem, product="privigen_10"), "octagam_10", 26_000))
    assert "switching within its limit" in failed(verify(problem, over))


def changed(served, **parts):
    return {**served, "result": replace(served["result"], **parts)}


def test_vials_that_are_not_there_or_come_twice(case):
    problem, plan, served = case
    issues = served["result"].issues
    more = issues.assign(vials=issues["vials"] + 1)
    names = failed(verify(problem, plan, **changed(served, issues=more)))
    assert {
        "every vial of the stock is given, held or left",
        "given is what the vials hold, at most what is due",
    } <= names
    lost = served["result"].left.iloc[1:]
    assert failed(verify(problem, plan, **changed(served, left=lost))) == {
        "every vial of the stock is given, held or left"
    }


def test_a_later_expiry_given_first(case):
    problem, plan, served = case
    issues, left = (getattr(served["result"], name).copy() for name in ("issues", "left"))
    issues.loc[issues["location"] == "P1", "expiry_date"] = pd.Timestamp("2027-06-01")
    left.loc[:0, ["location", "product", "vial_mg"]] = ["P1", "privigen_10", 10000]
    left.loc[:0, "expiry_date"] = pd.Timestamp("2027-01-01")
    names = failed(verify(problem, plan, **changed(served, issues=issues, left=left)))
    assert "of vials that last until they are due, those that go off first" in names


@pytest.mark.parametrize("status", ["treated", "deferred", "suspended", "not_funded"])
def test_a_status_that_is_wrong(case, status):
    problem, plan, served = case
    patients = served["result"].patients
    patients = patients.assign(status=patients["status"].where(patients["status"] != "reduced", status))
    patients.loc[patients["status"] == "treated", "status"] = "reduced"
    assert "status says what was given" in failed(verify(problem, plan, **changed(served, patients=patients)))


def test_somebody_missing_twice_or_unknown(case):
    problem, plan, served = case
    patients = served["result"].patients
    for wrong in (patients.iloc[1:], pd.concat([patients, patients.iloc[:1]]), patients.assign(patient_id="X")):
        assert failed(verify(problem, plan, **changed(served, patients=wrong))) == {
            "everyone who is due is listed once"
        }


def swap(served, one, other):
    """Everything given to one patient is the other's, and the reverse."""
    names = {one: other, other: one}
    result = served["result"]
    issues = result.issues.assign(patient_id=result.issues["patient_id"].replace(names))
    frame = result.patients.set_index("patient_id")
    parts = ["given_g", "status", "product", "vials", "from_location"]
    frame.loc[[one, other], parts] = frame.loc[[other, one], parts].to_numpy()
    return changed(served, issues=issues, patients=frame.reset_index())


def test_a_lower_grade_before_a_higher_one(case):
    problem, plan, served = case
    names = failed(verify(problem, plan, **swap(served, "A000", "A002")))
    assert "nobody waits for what a later stage has" in names


def test_who_waited_longer_passed_over(case):
    problem, plan, served = case
    listed = served["result"].patients.set_index("patient_id")["given_g"]
    assert listed["A001"] > listed["A002"]
    assert "longest overdue first, then the lottery" in failed(verify(problem, plan, **swap(served, "A001", "A002")))


def test_somebody_not_funded_or_locked_given_the_wrong_thing(case):
    problem, plan, served = case
    result = served["result"]
    to_other = result.issues.assign(patient_id="A006")
    assert "status says what was given" in failed(verify(problem, plan, **changed(served, issues=to_other)))
    to_locked = result.issues.assign(patient_id="A003")
    assert "products allowed by the tier" in failed(verify(problem, plan, **changed(served, issues=to_locked)))
    from_far = result.issues.assign(location="NATIONAL")
    assert "vials only from within reach" in failed(verify(problem, plan, **changed(served, issues=from_far)))


def test_somebody_given_two_products_at_once(small):
    demand = small.patients({"due_g": 40, "product": ""}, {"due_g": 40, "product": ""})
    stock = small.shelf(("P1", "privigen_10", 20, 2), ("P1", "octagam_10", 20, 2))
    problem = small.problem(demand, stock, 3)
    plan = solve(problem)
    result = serve_patients(demand, problem, plan, stock, seed=1)
    served = {"demand": demand, "stock": stock, "result": result}
    assert not failed(verify(problem, plan, **served))
    mixed = pd.concat([result.issues.assign(vials=1, patient_id=patient) for patient in ("A000", "A001")])
    names = failed(verify(problem, plan, **changed(served, issues=mixed)))
    assert names == {"one product each, where the tier mixes none"}


def test_a_reserve_given_away_or_of_another_pool(case):
    problem, plan, served = case
    result = served["result"]
    left = pd.concat([result.left, result.held[result.left.columns]])
    names = failed(verify(problem, plan, **changed(served, held=result.held.iloc[:0], left=left)))
    assert "reserve held as far as it was there" in names
    elsewhere = result.held.assign(location="P3")
    assert "reserve held as far as it was there" in failed(verify(problem, plan, **changed(served, held=elsewhere)))


def test_rounding_told_wrongly(case):
    problem, plan, served = case
    rounding = served["result"].rounding
    for wrong in (
        replace(rounding[0], lost_mg=-1),
        replace(rounding[0], given_mg=0),
        replace(rounding[0], bound_mg=-1),
    ):
        parts = changed(served, rounding=(wrong, *rounding[1:]))
        assert failed(verify(problem, plan, **parts)) == {"rounding loss within its bound"}


def test_a_failed_certificate_stops_the_run_and_names_no_patient(case):
    problem, plan, served = case
    certificate = verify(problem, plan, **swap(served, "A000", "A002"))
    with pytest.raises(VerificationError, match="breaks a rule") as caught:
        certificate.raise_if_failed()
    assert "A00" not in str(caught.value)


def test_only_the_first_few_faults_are_told():
    assert check("a", [], "all") == Check("a", ok=True, detail="all")
    assert check("a", list("vwxyz"), "all").detail == "v; w; x and 2 more."
