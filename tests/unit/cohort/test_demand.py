"""Courses and grams each patient is due."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest

from allocation.cohort.demand import DEMAND_COLUMNS, demand_table, due_by, unknown_doses
from allocation.cohort.in_use import route_vials
from allocation.errors import InputError
from allocation.grading import grade_cohort
from allocation.rules import FLAGS, ProductSet, load_products, load_rulebook

AS_OF = date(2026, 11, 1)

BLANK: dict[str, Any] = {
    "patient_id": "",
    "panel": "SRIAP01",
    "trust": "",
    "indication": "pid",
    "situation": "",
    "age_years": 45.0,
    "sex": "M",
    "height_cm": 170.0,
    "weight_kg": 84.0,
    "route": "IV",
    "product": "",
    "dose_g": np.nan,
    "interval_weeks": np.nan,
    "start_date": None,
    "last_review_date": None,
    "last_dose_date": None,
    "next_due_date": None,
    "panel_decision": "",
    **dict.fromkeys(FLAGS, ""),
}


def ago(days: int) -> str:
    return (AS_OF - timedelta(days=days)).isoformat()


def graded(*patients: dict[str, Any]) -> pd.DataFrame:
    rows = [{**BLANK, "patient_id": f"P{number:04}", **patient} for number, patient in enumerate(patients)]
    frame = pd.DataFrame(rows)
    for column in ("start_date", "last_review_date", "last_dose_date", "next_due_date"):
        frame[column] = pd.to_datetime(frame[column]).astype("datetime64[ns]")
    for column in ("age_years", "height_cm", "weight_kg", "dose_g", "interval_weeks"):
        frame[column] = frame[column].astype("float64")
    return grade_cohort(load_rulebook("nhs"), frame, AS_OF)


def table(*patients: dict[str, Any], weeks: float = 4) -> pd.DataFrame:
    return demand_table(
        graded(*patients), rulebook=load_rulebook("nhs"), products=load_products(), as_of=AS_OF, weeks=weeks
    )


def row(patient: dict[str, Any], weeks: float = 4) -> pd.Series:
    return table(patient, weeks=weeks).iloc[0]


# The man of BLANK weighs 73.2096 kg for dosing; vials of the first IV product go down to 2.5 g.
@pytest.mark.parametrize(
    ("patient", "course_mg", "source"),
    [
        ({}, 27_500, "rulebook"),
        ({"product": "gammaplex_10"}, 25_000, "rulebook"),
        ({"indication": "gbs"}, 145_000, "rulebook"),
        ({"dose_g": 30}, 30_000, "recorded"),
        ({"dose_g": 33, "product": "gammaplex_10"}, 30_000, "recorded"),
        ({"dose_g": 3, "product": "gammaplex_10"}, 5_000, "recorded"),
        ({"route": "SC", "dose_g": 7.65, "product": "cutaquig_16_5"}, 7_650, "recorded"),
        ({"route": "SC"}, 7_000, "rulebook"),
        ({"indication": "hepatitis_a", "route": "IM"}, 1_000, "rulebook"),
        ({"indication": "hepatitis_a", "route": "IM", "age_years": 5}, 750, "rulebook"),
        ({"indication": "unlisted", "dose_g": 40}, 40_000, "recorded"),
        ({"indication": "unlisted"}, 0, "unknown"),
        ({"height_cm": np.nan}, 0, "unknown"),
        ({"height_cm": np.nan, "dose_g": 25}, 25_000, "recorded"),
    ],
)
def test_one_course_in_whole_vials(patient, course_mg, source) -> None:
    found = row(patient)
    assert (found["course_mg"], found["regimen_source"]) == (course_mg, source)


def test_a_small_child_gets_the_smallest_vial_rather_than_nothing() -> None:
    """1 g/kg of 3.5 kg lies below the smallest vial of 5 g, and a vial is opened all the same."""
    newborn = {"indication": "haemolytic_disease_newborn", "age_years": 0, "weight_kg": 3.4, "height_cm": np.nan}
    assert row({**newborn, "product": "gammaplex_10"})["course_mg"] == 5_000
    assert row({**newborn, "product": "flebogamma_5"})["course_mg"] == 3_500


def test_the_regimen_follows_the_age() -> None:
    """ITP before surgery: 1 g/kg for adults, 0.9 g/kg, the middle of the range, for children."""
    surgery = {"indication": "itp", "situation": "planned_surgery", "product": "flebogamma_5"}
    regimens = {r.id: r for r in load_rulebook("nhs").find("itp", "planned_surgery").regimen}
    child = row({**surgery, "age_years": 5, "weight_kg": 18})
    assert regimens["adult_single"].dose_use > regimens["child_single"].dose_use
    assert child["course_mg"] == int(18 * regimens["child_single"].dose_use / 0.5) * 500
    assert row(surgery)["course_mg"] == 73_000


@pytest.mark.parametrize(
    ("patient", "cycle_weeks"),
    [
        ({}, 4),
        ({"interval_weeks": 3}, 3),
        ({"route": "SC"}, 1),
        ({"indication": "gbs"}, np.nan),
        ({"indication": "gbs", "interval_weeks": 6}, 6),
        ({"indication": "unlisted", "dose_g": 30}, np.nan),
        ({"indication": "unlisted", "dose_g": 30, "interval_weeks": 4}, 4),
        ({"indication": "gestational_alloimmune_liver_disease", "sex": "F"}, 1),
    ],
)
def test_weeks_between_courses(patient, cycle_weeks) -> None:
    assert row(patient)["cycle_weeks"] == pytest.approx(cycle_weeks, nan_ok=True)


CIDP = {"indication": "cidp"}


@pytest.mark.parametrize(
    ("patient", "ongoing"),
    [
        ({}, True),
        ({"dose_g": 60}, False),
        ({"interval_weeks": 3}, True),
        ({"start_date": ago(55)}, False),
        ({"start_date": ago(56)}, True),
        ({"start_date": ago(20), "interval_weeks": 3}, False),
        ({"start_date": ago(-20)}, False),
    ],
)
def test_phase_of_treatment(patient, ongoing) -> None:
    """Maintenance of CIDP is 1 g/kg and open-ended, initiation 2 g/kg twice."""
    found = row({**CIDP, **patient})
    if np.isnan(patient.get("dose_g", np.nan)):
        assert found["course_mg"] == (72_500 if ongoing else 145_000)
    if "interval_weeks" not in patient:
        assert found["acute"] is np.bool_(not ongoing)


@pytest.mark.parametrize(
    ("next_due", "interval", "weeks", "courses"),
    [
        (ago(0), 4, 4, 1),
        (ago(0), 4, 4.01, 2),
        (ago(0), 1, 4, 4),
        (ago(-27), 4, 4, 1),
        (ago(-28), 4, 4, 1),
        (ago(-29), 4, 4, 0),
        (ago(-3), 2, 4, 2),
        (ago(1), 4, 4, 2),
        (ago(10), 6, 4, 1),
        (ago(200), 4, 4, 2),
        (ago(200), 52, 4, 1),
        (ago(3), np.nan, 4, 1),
        (ago(-28), np.nan, 4, 1),
        (ago(-29), np.nan, 4, 0),
    ],
)
def test_courses_by_due_dates(next_due, interval, weeks, courses) -> None:
    gbs = {"indication": "gbs", "next_due_date": next_due, "interval_weeks": interval, "dose_g": 30}
    found = row(gbs, weeks)
    assert found["courses_due"] == courses
    assert found["due_mg"] == courses * 30_000


@pytest.mark.parametrize("next_due", [ago(40), ago(1), ago(0), ago(-1), ago(-28), None])
def test_a_longer_horizon_never_holds_fewer_courses(next_due) -> None:
    patient = {"next_due_date": next_due, "interval_weeks": 3, "dose_g": 30}
    courses = [row(patient, weeks)["courses_due"] for weeks in range(1, 14)]
    assert courses == sorted(courses)
    assert courses[-1] - courses[0] in (3, 4)


@pytest.mark.parametrize(
    ("patient", "weeks", "courses"),
    [
        ({"interval_weeks": 4}, 4, 1),
        ({"interval_weeks": 3}, 4, 1),
        ({"interval_weeks": 3}, 5, 2),
        ({"interval_weeks": 1}, 4, 4),
        ({"interval_weeks": 6}, 4, 1),
        ({"interval_weeks": 8}, 4, 1),
        ({"interval_weeks": 9}, 4, 0),
        ({"interval_weeks": 4}, 26, 7),
        ({}, 4, 1),
        ({"indication": "gbs"}, 4, 1),
        ({"indication": "gbs", "last_dose_date": ago(3)}, 4, 0),
        ({"indication": "gbs", "last_dose_date": ago(-3)}, 4, 1),
        ({"indication": "gbs", "start_date": ago(-28)}, 4, 1),
        ({"indication": "gbs", "start_date": ago(-29)}, 4, 0),
        ({"interval_weeks": 4, "start_date": ago(-40)}, 4, 0),
        ({"indication": "cidp", "start_date": ago(1)}, 52, 2),
    ],
)
def test_courses_without_a_due_date(patient, weeks, courses) -> None:
    assert row(patient, weeks)["courses_due"] == courses


@pytest.mark.parametrize(("next_due", "days"), [(None, 0), (ago(0), 0), (ago(-5), 0), (ago(1), 1), (ago(400), 400)])
def test_days_overdue(next_due, days) -> None:
    assert row({"next_due_date": next_due})["days_overdue"] == days


@pytest.mark.parametrize(
    ("patient", "acute", "emergency"),
    [
        ({"indication": "kawasaki_or_pims_ts"}, True, True),
        ({"indication": "kawasaki_or_pims_ts", "interval_weeks": 4}, False, False),
        ({"indication": "kawasaki_or_pims_ts", "interval_weeks": 4, "life_threatening": "yes"}, False, True),
        ({"indication": "kawasaki_or_pims_ts", "interval_weeks": 4, "acute_emergency": "yes"}, False, True),
        ({"indication": "kawasaki_or_pims_ts", "interval_weeks": 4, "status_epilepticus": "yes"}, False, True),
        ({"indication": "itp", "situation": "vitt"}, True, False),
        ({"indication": "itp", "situation": "vitt", "bleeding": "yes"}, True, True),
        ({"life_threatening": "yes"}, False, False),
        ({"indication": "unlisted", "dose_g": 30, "acute_emergency": "yes"}, True, False),
    ],
)
def test_acute_and_emergency(patient, acute, emergency) -> None:
    found = row(patient)
    assert (found["acute"], found["emergency"]) == (acute, emergency)


@pytest.mark.parametrize(
    ("patient", "funded"),
    [
        ({}, True),
        ({"panel_decision": "pending"}, True),
        ({"panel_decision": "declined"}, False),
        ({"indication": "unlisted", "dose_g": 30}, False),
        ({"indication": "unlisted", "dose_g": 30, "ifr_approved": "yes"}, True),
        ({"indication": "unlisted", "dose_g": 30, "ifr_approved": "yes", "panel_decision": "declined"}, False),
    ],
)
def test_unfunded_patients_stay_in_the_table(patient, funded) -> None:
    found = row(patient)
    assert found["funded"] is np.bool_(funded)
    assert found["due_mg"] > 0


def test_unknown_doses_are_told_with_their_row() -> None:
    demand = table({}, {"indication": "unlisted"}, {"height_cm": np.nan})
    faults = unknown_doses(demand, "patients.csv")
    assert [(fault.source, fault.row, fault.column) for fault in faults] == [
        ("patients.csv", 3, "dose_g"),
        ("patients.csv", 4, "dose_g"),
    ]
    assert demand["due_mg"].tolist()[1:] == [0, 0]


def test_types_and_order_of_columns() -> None:
    before = graded({}, {"indication": "unlisted"})
    copy = before.copy(deep=True)
    demand = demand_table(before, rulebook=load_rulebook("nhs"), products=load_products(), as_of=AS_OF, weeks=4)
    pdt.assert_frame_equal(before, copy)
    assert list(demand.columns) == [*copy.columns, *DEMAND_COLUMNS]
    assert {column: str(demand[column].dtype) for column in DEMAND_COLUMNS} == {
        "course_mg": "int64",
        "regimen_source": "category",
        "cycle_weeks": "float64",
        "courses_due": "int64",
        "due_mg": "int64",
        "days_overdue": "int64",
        "acute": "bool",
        "emergency": "bool",
        "funded": "bool",
    }


def test_no_patients() -> None:
    nobody = graded({}).iloc[:0]
    demand = demand_table(nobody, rulebook=load_rulebook("nhs"), products=load_products(), as_of=AS_OF, weeks=4)
    assert len(demand) == 0
    assert due_by(demand, ["panel"]).empty


def test_categories_and_plain_text_agree() -> None:
    plain = graded({}, {"route": "SC", "product": "hizentra_20"}, {"indication": "gbs", "sex": "F"})
    packed = plain.copy()
    for column in packed.select_dtypes("object"):
        packed[column] = packed[column].astype("category")
    tables = [
        demand_table(frame, rulebook=load_rulebook("nhs"), products=load_products(), as_of=AS_OF, weeks=4)
        for frame in (plain, packed)
    ]
    pdt.assert_frame_equal(tables[0][list(DEMAND_COLUMNS)], tables[1][list(DEMAND_COLUMNS)])


@pytest.mark.parametrize("weeks", [0, -1, np.nan, np.inf])
def test_a_horizon_that_is_none_is_refused(weeks) -> None:
    with pytest.raises(InputError, match="weeks"):
        row({}, weeks)


def test_an_unknown_product_is_refused() -> None:
    with pytest.raises(InputError, match=r"row 3, product: found 'privigen'"):
        table({}, {"product": "privigen"})


def test_an_ungraded_cohort_is_refused() -> None:
    with pytest.raises(InputError, match="commissioned"):
        demand_table(
            graded({}).drop(columns="commissioned"),
            rulebook=load_rulebook("nhs"),
            products=load_products(),
            as_of=AS_OF,
            weeks=4,
        )


def test_vials_of_a_route() -> None:
    products = load_products()
    assert route_vials(products, "IV") == products.product[0].vial_mg
    assert route_vials(products, "SC") == products.by_code["hizentra_20"].vial_mg
    assert route_vials(products, "IM") == products.by_code["subgam_16"].vial_mg
    only_iv = ProductSet(product=tuple(p for p in products.product if p.route == "IV"))
    with pytest.raises(InputError, match="SC"):
        route_vials(only_iv, "SC")


def test_totals_by_group() -> None:
    demand = table({}, {"panel": "SRIAP02"}, {"indication": "unlisted", "dose_g": 40}, {"indication": "unlisted"})
    by_grade = due_by(demand, ["panel", "grade"])
    assert by_grade["patients"].tolist() == [1, 2, 1]
    assert by_grade["grade"].isna().tolist() == [False, True, False]
    assert by_grade["due_mg"].tolist() == [27_500, 40_000, 27_500]
    total = due_by(demand, [])
    assert total.to_dict("records") == [
        {"patients": 4, "courses_due": int(demand["courses_due"].sum()), "due_mg": 95_000}
    ]
