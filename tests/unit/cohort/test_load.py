"""Loading a cohort: every fault named with row and column, and no bad row ever in the way of a good one."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocation.cohort.load import LoadedCohort, check_cohort, load_cohort
from allocation.cohort.nhs_number import MASKED
from allocation.cohort.schema import COLUMNS
from allocation.errors import InputError
from allocation.rules import FLAGS, load_panels, load_products, load_rulebook

PATIENT = {
    "panel": "SRIAP01",
    "indication": "cidp",
    "situation": "",
    "age_years": "50",
    "sex": "M",
    "height_cm": "170",
    "weight_kg": "80",
    "route": "IV",
    "product": "privigen_10",
    "dose_g": "40",
    "interval_weeks": "4",
    "start_date": "2020-01-01",
    "last_review_date": "2025-06-01",
    "last_dose_date": "2026-01-05",
    "next_due_date": "2026-02-02",
    "panel_decision": "approved",
    "bleeding": "no",
}
NUMBER = "9990123454"
"""A made-up number with a right check digit, from the range beginning 999 that is kept for tests."""

FULL_WIDTH = ord("\N{FULLWIDTH DIGIT ZERO}") - ord("0")


def rows(*changes: dict[str, str]) -> pd.DataFrame:
    """A good first and last patient, and between them one for each set of changes: rows 3, 4, ..."""
    listed = [{}, *changes, {}]
    frame = pd.DataFrame(
        [{"patient_id": f"P{i}", **PATIENT, **change} for i, change in enumerate(listed)], dtype=object
    )
    return frame.fillna("")


def checked(raw: pd.DataFrame, rulebook: str = "nhs") -> LoadedCohort:
    return check_cohort(
        raw, "cohort.csv", rulebook=load_rulebook(rulebook), panels=load_panels(), products=load_products()
    )


def loaded(path: Path, *, strict: bool = False) -> LoadedCohort:
    return load_cohort(
        path, rulebook=load_rulebook("nhs"), panels=load_panels(), products=load_products(), strict=strict
    )


def test_good_rows_are_typed() -> None:
    found = checked(rows().assign(note="seen"))
    assert not found.faults
    assert found.rejects.empty
    assert found.rows == 2
    assert list(found.good) == [*COLUMNS, "note"]
    first = found.good.iloc[0]
    assert first["age_years"] == 50.0
    assert first["next_due_date"] == pd.Timestamp("2026-02-02")
    assert first["trust"] == ""
    assert [first[flag] for flag in FLAGS if flag != "bleeding"] == [""] * (len(FLAGS) - 1)
    assert found.good.index.equals(pd.RangeIndex(2))
    kinds = found.good.dtypes.astype(str)
    assert set(kinds[["age_years", "height_cm", "weight_kg", "dose_g", "interval_weeks"]]) == {"float64"}
    assert set(kinds[[name for name in COLUMNS if name.endswith("_date")]]) == {"datetime64[ns]"}
    assert set(kinds[["patient_id", "panel", "note", *FLAGS]]) == {"object"}


def test_blanks_of_optional_columns_stay_blank_but_route() -> None:
    blank = dict.fromkeys(
        ("route", "product", "dose_g", "interval_weeks", "start_date", "last_review_date", "last_dose_date",
         "next_due_date", "panel_decision", "bleeding"), ""
    )  # fmt: skip
    found = checked(rows(blank))
    assert not found.faults
    patient = found.good.iloc[1]
    assert patient["route"] == "IV"
    assert np.isnan(patient["dose_g"])
    assert patient["start_date"] is pd.NaT
    assert patient["product"] == patient["bleeding"] == ""


# One wrong value of each kind: what is changed, the column named, a part of what was expected and of the remedy.
TRUTH = [
    ({"patient_id": ""}, "patient_id", "a value", "must be filled"),
    ({"panel": ""}, "panel", "a value", "must be filled"),
    ({"panel": "sriap01"}, "panel", "a code of the panels in use", "Write SRIAP01, with the same capitals"),
    ({"panel": "SRIAP99"}, "panel", "a code of the panels in use", "--panels FILE"),
    ({"panel": "NATIONAL"}, "panel", "a code of the panels in use", "--panels FILE"),
    ({"indication": ""}, "indication", "a value", "must be filled"),
    ({"indication": "cipd"}, "indication", "a code of the indications in use", "The nearest: cidp."),
    ({"indication": "zzz"}, "indication", "a code of the indications in use", "Write unlisted"),
    ({"indication": "myasthenia_gravis/crisis"}, "indication", "a code of", "Write myasthenia_gravis here and crisis"),
    ({"indication": "itp"}, "situation", "one of life_threatening_or_emergency_surgery, planned", "say which"),
    ({"indication": "itp", "situation": "pregnant"}, "situation", "one of life", "The nearest: pregnancy."),
    ({"indication": "itp", "situation": "crisis"}, "situation", "one of life_threatening", "the situations of itp"),
    ({"situation": "crisis"}, "situation", "a blank", "cidp has no situations"),
    ({"indication": "unlisted", "situation": "crisis"}, "situation", "a blank", "unlisted has no situations"),
    ({"age_years": ""}, "age_years", "a value", "must be filled"),
    ({"age_years": "fifty"}, "age_years", "a number of years", "plain digits"),
    ({"age_years": "-1"}, "age_years", "a number from 0 to 120 years", "taken in years"),
    ({"age_years": "120.5"}, "age_years", "a number from 0 to 120 years", "taken in years"),
    ({"age_years": "1976"}, "age_years", "a number from 0 to 120 years", "taken in years"),
    ({"age_years": "nan"}, "age_years", "a number of years", "Write the number"),
    ({"age_years": "٣"}, "age_years", "a number of years", "plain digits"),
    ({"age_years": "1_0"}, "age_years", "a number of years", "plain digits"),
    ({"sex": ""}, "sex", "a value", "must be filled"),
    ({"sex": "m"}, "sex", "one of F, M", "Write M."),
    ({"sex": "Female"}, "sex", "one of F, M", "Write F."),
    ({"sex": "X"}, "sex", "one of F, M", "spelling"),
    ({"height_cm": ""}, "height_cm", "a height in cm", "dosing weight"),
    ({"height_cm": "1.70"}, "height_cm", "a number from 80 to 250 cm at this age", "looks like metres"),
    ({"height_cm": "1700"}, "height_cm", "a number from 80 to 250 cm at this age", "its unit"),
    ({"height_cm": "5'7"}, "height_cm", "a number of cm", "plain digits"),
    ({"weight_kg": ""}, "weight_kg", "a value", "must be filled"),
    ({"weight_kg": "70,5"}, "weight_kg", "a number of kg", "a point for decimals"),
    ({"weight_kg": "70 kg"}, "weight_kg", "a number of kg", "the unit is always kg"),
    ({"weight_kg": "80000"}, "weight_kg", "a number from 20 to 300 kg at this age", "its unit"),
    ({"weight_kg": "0"}, "weight_kg", "a number from 20 to 300 kg at this age", "its unit"),
    ({"weight_kg": "inf"}, "weight_kg", "a number of kg", "Write the number"),
    ({"weight_kg": "1e999"}, "weight_kg", "a number from 20 to 300 kg at this age", "its unit"),
    (
        {"age_years": "0.1", "height_cm": "", "weight_kg": "80"},
        "weight_kg",
        "from 0.3 to 16 kg at this age",
        "its unit",
    ),
    ({"route": "iv"}, "route", "one of IV, SC, IM", "Write IV, with the same capitals"),
    ({"route": "oral"}, "route", "one of IV, SC, IM", "spelling"),
    ({"product": "privigen"}, "product", "a code of the products in use", "The nearest: privigen_10."),
    ({"product": "hizentra_20"}, "product", "a product given by IV", "hizentra_20 is given by SC"),
    ({"product": "hizentra_20", "route": ""}, "product", "(a blank route counts as IV)", "given by SC"),
    ({"route": "SC"}, "product", "a product given by SC", "privigen_10 is given by IV"),
    ({"dose_g": "0"}, "dose_g", "a number above 0, up to 700 g", "taken in g"),
    ({"dose_g": "-5"}, "dose_g", "a number above 0, up to 700 g", "taken in g"),
    ({"dose_g": "40000"}, "dose_g", "a number above 0, up to 700 g", "taken in g"),
    ({"dose_g": "40g"}, "dose_g", "a number of g", "the unit is always g"),
    ({"interval_weeks": "0"}, "interval_weeks", "a number above 0, up to 52 weeks", "taken in weeks"),
    ({"interval_weeks": "53"}, "interval_weeks", "a number above 0, up to 52 weeks", "taken in weeks"),
    ({"start_date": "13/02/2019"}, "start_date", "a date as YYYY-MM-DD", "nothing tells day from month"),
    ({"start_date": "03.02.19"}, "start_date", "a date as YYYY-MM-DD", "nothing tells day from month"),
    ({"start_date": "2019-02-30"}, "start_date", "a date as YYYY-MM-DD", "no such day"),
    ({"start_date": "2019-2-3"}, "start_date", "a date as YYYY-MM-DD", "Write it like 2026-02-13"),
    ({"start_date": "43500"}, "start_date", "a date as YYYY-MM-DD", "spreadsheet's day number"),
    ({"start_date": "2019-02-03T10:00:00"}, "start_date", "a date as YYYY-MM-DD", "without the time"),
    ({"start_date": "1899-12-31"}, "start_date", "a date from 1900-01-01 to 2100-12-31", "Check the year"),
    ({"start_date": "0019-02-03"}, "start_date", "a date from 1900-01-01 to 2100-12-31", "Check the year"),
    ({"next_due_date": "2206-02-02"}, "next_due_date", "a date from 1900-01-01 to 2100-12-31", "Check the year"),
    ({"next_due_date": "9999-12-31"}, "next_due_date", "a date from 1900-01-01 to 2100-12-31", "Check the year"),
    ({"last_dose_date": "2019-12-31"}, "last_dose_date", "on or after start_date, 2020-01-01", "Correct one"),
    ({"next_due_date": "2026-01-04"}, "next_due_date", "on or after last_dose_date, 2026-01-05", "Correct one"),
    ({"next_due_date": "2019-12-31", "last_dose_date": ""}, "next_due_date", "on or after start_date", "Correct one"),
    ({"panel_decision": "Approved"}, "panel_decision", "one of approved, pending, declined", "Write approved"),
    ({"panel_decision": "yes"}, "panel_decision", "one of approved, pending, declined", "spelling"),
    ({"bleeding": "Y"}, "bleeding", "yes, no or blank", "Write yes in full"),
    ({"bleeding": "TRUE"}, "bleeding", "yes, no or blank", "Write yes in full"),
    ({"bleeding": "1"}, "bleeding", "yes, no or blank", "Write yes in full"),
    ({"bleeding": "No"}, "bleeding", "yes, no or blank", "Write no in full"),
    ({"bleeding": "unknown"}, "bleeding", "yes, no or blank", "leave it blank"),
]


@pytest.mark.parametrize(("change", "column", "expected", "remedy"), TRUTH)
def test_one_bad_value_is_named_and_stops_nobody_else(
    change: dict[str, str], column: str, expected: str, remedy: str
) -> None:
    found = checked(rows(change))
    assert [(fault.source, fault.row, fault.column) for fault in found.faults] == [("cohort.csv", 3, column)]
    fault = found.faults[0]
    assert expected in fault.expected
    assert remedy in fault.remedy
    assert fault.value == change.get(column, PATIENT.get(column))
    assert found.good["patient_id"].tolist() == ["P0", "P2"]
    assert found.rejects["row"].tolist() == [3]
    assert expected in found.rejects["reasons"].iloc[0]


def test_all_bad_values_at_once_give_every_fault_in_the_order_of_the_file() -> None:
    found = checked(rows(*(change for change, *_ in TRUTH)))
    assert [(fault.row, fault.column) for fault in found.faults] == [
        (row, column) for row, (_, column, *_) in enumerate(TRUTH, start=3)
    ]
    assert found.good["patient_id"].tolist() == ["P0", f"P{len(TRUTH) + 1}"]
    assert len(found.rejects) == len(TRUTH)
    assert found.rows == len(TRUTH) + 2


def test_every_fault_of_a_row_is_told() -> None:
    bad = {
        "panel": "",
        "sex": "?",
        "height_cm": "",
        "weight_kg": "70 kg",
        "dose_g": "0",
        "start_date": "x",
        "bleeding": "Y",
    }
    found = checked(rows(bad))
    assert [fault.column for fault in found.faults] == list(bad)
    reasons = found.rejects["reasons"].iloc[0].split("; ")
    assert [reason.split(":")[0] for reason in reasons] == list(bad)
    assert reasons[1] == "sex: found '?', expected one of F, M. Check its spelling"


def test_a_bad_age_hides_neither_a_bad_weight_nor_asks_for_height() -> None:
    found = checked(rows({"age_years": "x", "weight_kg": "9999", "height_cm": ""}))
    assert [fault.column for fault in found.faults] == ["age_years", "weight_kg"]


@pytest.mark.parametrize(
    ("change", "needed"),
    [
        ({"age_years": "17.9", "weight_kg": "60"}, False),
        ({"age_years": "18", "weight_kg": "60"}, True),
        ({"indication": "hepatitis_a"}, False),
        ({"indication": "unlisted"}, False),
        ({"indication": "not_a_code"}, True),
    ],
)
def test_height_is_needed_where_the_dosing_weight_uses_it(change: dict[str, str], needed: bool) -> None:
    found = checked(rows({"height_cm": "", **change}))
    assert ("height_cm" in [fault.column for fault in found.faults]) == needed


def test_height_is_needed_by_children_too_where_the_rulebook_goes_by_height() -> None:
    nhs = load_rulebook("nhs")
    child = nhs.dosing.child.model_copy(update={"method": "table_by_height"})
    by_height = nhs.model_copy(update={"dosing": nhs.dosing.model_copy(update={"child": child})})
    raw = rows({"age_years": "8", "weight_kg": "25", "height_cm": ""})
    for rulebook, columns in ((nhs, []), (by_height, ["height_cm"])):
        found = check_cohort(raw, "c", rulebook=rulebook, panels=load_panels(), products=load_products())
        assert [fault.column for fault in found.faults] == columns


@pytest.mark.parametrize(
    "identifier",
    [
        NUMBER,
        "999 012 3454",
        "999-012-3454",
        "999.012.3454",
        "NHS9990123454",
        "nhs 999 012 3454",
        "9990123454.0",
        "".join(chr(ord(digit) + FULL_WIDTH) for digit in NUMBER),
    ],
)
def test_an_nhs_number_is_refused_and_never_shown(identifier: str) -> None:
    raw = rows({"patient_id": identifier, "weight_kg": "x"}, {"patient_id": identifier})
    found = checked(raw)
    assert {fault.row for fault in found.faults} == {3, 4}
    assert "a pseudonym, not an NHS number" in found.faults[0].expected
    shown = " ".join(map(str, found.faults)) + found.rejects.to_csv() + found.good.to_csv()
    assert identifier not in shown
    assert NUMBER not in shown
    assert found.rejects["patient_id"].tolist() == [MASKED, MASKED]
    assert found.good["patient_id"].tolist() == ["P0", "P3"]


@pytest.mark.parametrize(
    "pseudonym", ["9990123455", "999012345", "99901234540", "PT-9990123454", "4010232137x", "0000000010"]
)
def test_a_pseudonym_of_digits_is_taken(pseudonym: str) -> None:
    assert checked(rows({"patient_id": pseudonym})).good["patient_id"].tolist() == ["P0", pseudonym, "P2"]


def test_all_rows_of_a_repeated_patient_are_set_aside() -> None:
    found = checked(rows({"patient_id": "A"}, {"patient_id": "B"}, {"patient_id": "A"}, {"patient_id": "a"}))
    assert [(fault.row, fault.value) for fault in found.faults] == [(3, "A"), (5, "A")]
    assert "Also in row 5" in found.faults[0].remedy
    assert "Also in row 3" in found.faults[1].remedy
    assert found.good["patient_id"].tolist() == ["P0", "B", "a", "P5"]


def test_a_patient_in_very_many_rows_gives_short_messages() -> None:
    found = checked(rows(*({"patient_id": "A"} for _ in range(50))))
    assert len(found.faults) == 50
    assert max(len(fault.remedy) for fault in found.faults) < 120


def test_long_values_are_cut_in_messages_and_whole_in_the_rejects() -> None:
    found = checked(rows({"panel": "x" * 5000}))
    assert len(str(found.faults[0])) < 300
    assert found.rejects["panel"].iloc[0] == "x" * 5000


def test_rejects_hold_the_text_as_it_was_read() -> None:
    raw = rows({"weight_kg": "70,5"}).assign(note="keep")
    found = checked(raw)
    assert list(found.rejects) == [*raw.columns, "row", "reasons"]
    pd.testing.assert_frame_equal(found.rejects[list(raw.columns)], raw.iloc[[1]].reset_index(drop=True))


def test_rejects_can_be_mended_and_given_again() -> None:
    found = checked(rows({"weight_kg": "70,5"}))
    again = checked(found.rejects.assign(weight_kg="70.5", row=found.rejects["row"].astype(str)))
    assert not again.faults
    assert len(again.good) == 1


def test_a_file_of_bad_rows_only_leaves_no_good_ones() -> None:
    found = checked(rows().assign(sex="?"))
    assert found.good.empty
    assert list(found.good) == list(COLUMNS)
    assert str(found.good["age_years"].dtype) == "float64"
    assert len(found.rejects) == 2


@pytest.mark.parametrize("column", ["patient_id", "panel", "indication", "age_years", "sex", "weight_kg"])
def test_a_required_column_that_is_missing_stops_the_file(column: str) -> None:
    with pytest.raises(InputError) as caught:
        checked(rows().drop(columns=column))
    assert [(fault.row, fault.column) for fault in caught.value.faults] == [(1, column)]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("Weight_kg", "weight_kg"),
        ("weight kg", "weight_kg"),
        ("weight-kg", "weight_kg"),
        ("wieght_kg", "weight_kg"),
        ("weight_g", "weight_kg"),
        ("weight", "weight_kg"),
        ("dose", "dose_g"),
        ("dose_mg", "dose_g"),
        ("height_m", "height_cm"),
        ("next_due", "next_due_date"),
        ("alternative_exhausted", "alternatives_exhausted"),
    ],
)
def test_a_column_named_almost_like_ours_stops_the_file(name: str, meant: str) -> None:
    raw = rows()
    raw = raw.rename(columns={meant: name}) if meant in raw else raw.assign(**{name: ""})
    with pytest.raises(InputError) as caught:
        checked(raw)
    assert [(fault.column, fault.expected) for fault in caught.value.faults] == [(name, f"the column name {meant}")]


@pytest.mark.parametrize(
    "name",
    ["status", "grade", "reason", "review_overdue", "weight_kg_2024", "site", "consultant", "end_date", "given_g"],
)
def test_columns_of_the_users_own_pass_through(name: str) -> None:
    found = checked(rows({"sex": "?"}).assign(**{name: ["a", "b", "c"]}))
    assert found.good[name].tolist() == ["a", "c"]
    assert list(found.good)[-1] == name


def test_every_fault_of_the_header_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        checked(rows().drop(columns=["sex", "panel"]).rename(columns={"weight_kg": "Weight_kg"}))
    assert [fault.column for fault in caught.value.faults] == ["Weight_kg", "panel", "sex"]


def write_csv(tmp_path: Path, raw: pd.DataFrame, *more: str) -> Path:
    text = io.StringIO(newline="")
    raw.to_csv(text, index=False, quoting=csv.QUOTE_MINIMAL, lineterminator="\n")
    path = tmp_path / "cohort.csv"
    path.write_text(text.getvalue() + "".join(f"{line}\n" for line in more), encoding="utf-8", newline="\n")
    return path


def test_rows_that_cannot_be_read_whole_are_set_aside_too(tmp_path: Path) -> None:
    raw = rows()
    width = len(raw.columns)
    path = write_csv(
        tmp_path, raw, "P9,SRIAP01", "," * (width - 1), "P8" + ",x" * width, ",".join(["P7", *PATIENT.values()])
    )
    found = loaded(path)
    assert [(fault.row, fault.column, fault.value) for fault in found.faults] == [
        (4, "", "2 values"),
        (5, "", ""),
        (6, "", f"{width + 1} values"),
    ]
    assert all(fault.source == str(path) for fault in found.faults)
    assert "The row is blank" in found.faults[1].remedy
    assert found.good["patient_id"].tolist() == ["P0", "P1", "P7"]
    assert found.rejects["row"].tolist() == [4, 5, 6]


def test_a_hollow_cell_of_a_workbook_sets_its_row_aside_once(tmp_path: Path) -> None:
    import openpyxl

    path = tmp_path / "cohort.xlsx"
    raw = rows({"weight_kg": "#N/A"})
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (raw.columns.tolist(), *raw.to_numpy().tolist()):
        sheet.append(row)
    book.save(path)
    found = loaded(path)
    assert [(fault.row, fault.column) for fault in found.faults] == [(3, "weight_kg")]
    assert "shows an error" in found.faults[0].remedy
    assert len(found.good) == 2


def test_strict_refuses_what_otherwise_is_set_aside(tmp_path: Path) -> None:
    path = write_csv(tmp_path, rows({"sex": "?"}, {"panel": "?"}))
    assert len(loaded(path).good) == 2
    with pytest.raises(InputError) as caught:
        loaded(path, strict=True)
    assert [fault.row for fault in caught.value.faults] == [3, 4]
    assert len(loaded(write_csv(tmp_path, rows()), strict=True).good) == 2


def test_order_of_rows_does_not_change_what_is_found() -> None:
    raw = rows(*(change for change, *_ in TRUTH))
    forth, back = checked(raw), checked(raw.iloc[::-1].reset_index(drop=True))
    assert sorted((f.column, f.value, f.expected) for f in forth.faults) == sorted(
        (f.column, f.value, f.expected) for f in back.faults
    )
    pd.testing.assert_frame_equal(forth.good, back.good.iloc[::-1].reset_index(drop=True))


def test_a_lock_is_checked_where_a_file_has_one_and_passed_on() -> None:
    found = checked(rows({"locked": "yes"}, {"locked": "Y"}))
    assert found.good["locked"].tolist() == ["", "yes", ""]
    assert found.rejects["row"].tolist() == [4]
    assert [(fault.row, fault.column, fault.value, fault.expected) for fault in found.faults] == [
        (4, "locked", "Y", "yes, no or blank")
    ]
