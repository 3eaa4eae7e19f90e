"""The cohort frame: columns, types, the pandera schema, the limits and the data dictionary."""

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.errors
import pandera.pandas as pa
import pytest

from allocation.cohort.dictionary import DICTIONARY_COLUMNS, data_dictionary
from allocation.cohort.nhs_number import are_nhs_numbers
from allocation.cohort.plausible import limits_at_age, load_plausible
from allocation.cohort.remedies import near_column, nearest
from allocation.cohort.schema import COLUMNS, REQUIRED, SPECS, allowed_codes, cohort_schema, empty_frame, typed
from allocation.errors import InputError
from allocation.rules import FLAGS, load_panels, load_products, load_rulebook

TEXT = {"patient_id": "P1", "panel": "SRIAP02", "indication": "gbs", "age_years": "61", "sex": "F", "weight_kg": "70.5"}


def schema() -> pa.DataFrameSchema:
    return cohort_schema(rulebook=load_rulebook("nhs"), panels=load_panels(), products=load_products())


def frame(**change: object) -> pd.DataFrame:
    return typed(pd.DataFrame([TEXT, {**TEXT, "patient_id": "P2"}])).assign(**change)


def test_columns_are_those_of_the_cohort_file_in_its_order() -> None:
    assert COLUMNS == (
        "patient_id", "panel", "trust", "indication", "situation", "age_years", "sex", "height_cm", "weight_kg",
        "route", "product", "dose_g", "interval_weeks", "start_date", "last_review_date", "last_dose_date",
        "next_due_date", "panel_decision", *FLAGS,
    )  # fmt: skip
    assert REQUIRED == ("patient_id", "panel", "indication", "age_years", "sex", "weight_kg")


def test_empty_frame_is_a_cohort_frame() -> None:
    empty = empty_frame()
    assert tuple(empty) == COLUMNS
    assert len(empty) == 0
    pd.testing.assert_frame_equal(typed(pd.DataFrame({"patient_id": []}, dtype=object)), empty)
    schema().validate(empty)


def test_typed_fills_what_is_absent_and_keeps_what_is_not_ours() -> None:
    found = typed(pd.DataFrame([{"note": "x", **TEXT}], index=[7]))
    assert list(found) == [*COLUMNS, "note"]
    assert found.index.tolist() == [0]
    assert found.loc[0, "weight_kg"] == 70.5
    assert found.loc[0, "route"] == "IV"
    assert np.isnan(found.loc[0, "dose_g"])
    assert found["start_date"].isna().all()
    assert found.loc[0, "note"] == "x"


@pytest.mark.parametrize(("column", "text"), [("weight_kg", "70 kg"), ("start_date", "13/02/2026")])
def test_typed_refuses_text_that_was_not_checked(column: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"{column}: .*check the text"):
        typed(pd.DataFrame([{**TEXT, column: text}]))


def test_the_schema_takes_a_good_frame() -> None:
    schema().validate(frame(), lazy=True)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"panel": "X"}, "a code of the panels in use"),
        ({"indication": ""}, "a code of the indications in use"),
        ({"sex": "f"}, "one of F, M"),
        ({"age_years": 121.0}, "a number from 0 to 120 years"),
        ({"dose_g": 0.0}, "a number above 0, up to 700 g"),
        ({"start_date": pd.Timestamp("1899-12-31")}, "a date from 1900-01-01 to 2100-12-31"),
        ({"bleeding": "Y"}, "yes, no or blank"),
        ({"patient_id": ""}, "a pseudonym"),
        ({"patient_id": "P1"}, "field_uniqueness"),
        ({"weight_kg": "70"}, "dtype('float64')"),
    ],
)
def test_the_schema_names_what_is_wrong(change: dict[str, object], expected: str) -> None:
    with pytest.raises(pandera.errors.SchemaErrors) as caught:
        schema().validate(frame(**change), lazy=True)
    assert expected in set(caught.value.failure_cases["check"])
    assert set(caught.value.failure_cases["column"]) == set(change)


def test_codes_come_from_the_rules() -> None:
    rulebook, panels, products = load_rulebook("nhs"), load_panels(), load_products()
    codes = allowed_codes(rulebook=rulebook, panels=panels, products=products)
    assert len(codes["panel"]) == 21
    assert codes["indication"][-1] == "unlisted"
    assert {entry.indication for entry in rulebook.entry} < set(codes["indication"])
    assert len(codes["indication"]) == len(set(codes["indication"]))
    assert codes["product"] == tuple(products.by_code)


def test_limits_cover_every_age_and_say_why() -> None:
    limits = load_plausible()
    for bands in (limits.weight_kg, limits.height_cm):
        lows, highs = limits_at_age(bands, np.array([0.0, 0.99, 1.0, 17.99, 18.0, 120.0, np.nan, -1.0]))
        assert (lows < highs).all()
        assert lows[0] == lows[1] == bands[0].low
        assert lows[2] == bands[1].low
        assert (lows[4], highs[4]) == (lows[5], highs[5]) == (bands[-1].low, bands[-1].high)
        assert (lows[6], highs[6]) == (min(b.low for b in bands), max(b.high for b in bands))
        assert lows[7] == bands[0].low
        assert all(band.reason and band.confidence == "P" for band in bands)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("from = 5\nbelow = 12\nlow = 8", "from = 6\nbelow = 12\nlow = 8", "without gap or overlap"),
        ("low = 0\nhigh = 120", "high = 120", "either low or above"),
        ("[dose_g]\nabove", "[dose_g]\nabvoe", "no such key"),
    ],
)
def test_a_slip_in_the_limits_is_a_fault(tmp_path: Path, old: str, new: str, told: str) -> None:
    import allocation.cohort.plausible as module

    text = Path(module.__file__).with_name("data").joinpath("plausible.toml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    path = tmp_path / "plausible.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=told):
        load_plausible(path)


def test_limits_take_what_the_rulebook_takes_for_real() -> None:
    """The children's mean weights and heights of the dosing rules lie well inside the limits for their age."""
    limits = load_plausible()
    for row in load_rulebook("nhs").dosing.child.mean_weight:
        age = np.array([row.age_years])
        for bands, value in ((limits.weight_kg, row.weight_kg), (limits.height_cm, row.height_cm)):
            low, high = limits_at_age(bands, age)
            assert low[0] < value < high[0]


def test_nhs_numbers_by_their_check_digit() -> None:
    texts = np.array(["9990123454", "9990123455", "0000000000", "9991234560", "", "NHS", "999 000 0174"], dtype=object)
    assert are_nhs_numbers(texts).tolist() == [True, False, True, False, False, False, True]
    assert are_nhs_numbers(np.empty(0, dtype=object)).tolist() == []


def test_of_ten_digit_numbers_one_in_eleven_passes() -> None:
    texts = np.array([f"{number:010d}" for number in range(10**9, 10**9 + 11_000)], dtype=object)
    share = are_nhs_numbers(texts).mean()
    assert 1 / 12 < share < 1 / 10


def test_nearest_codes_are_in_a_fixed_order() -> None:
    panels = [f"SRIAP{number:02d}" for number in range(1, 22)]
    assert nearest("sriap7", panels) == ("SRIAP07", "SRIAP17", "SRIAP01")
    assert nearest("zzzz", panels) == ()


def test_near_columns() -> None:
    assert near_column("Patient ID", COLUMNS, present=frozenset()) == "patient_id"
    assert near_column("dose", COLUMNS, present=frozenset()) == "dose_g"
    assert near_column("dose", COLUMNS, present=frozenset({"dose_g"})) is None
    assert near_column("Dose_G", COLUMNS, present=frozenset({"dose_g"})) == "dose_g"
    assert near_column("status", COLUMNS, present=frozenset()) is None


def test_the_data_dictionary_says_everything_about_every_column() -> None:
    rulebook = load_rulebook("nhs")
    table = data_dictionary(rulebook)
    assert tuple(table) == DICTIONARY_COLUMNS
    assert tuple(table["column"]) == (*COLUMNS, "locked")
    assert (table[["required", "type", "allowed", "meaning", "source"]] != "").all(axis=None)
    rows = table.set_index("column")
    assert set(rows.loc[list(REQUIRED), "required"]) == {"yes"}
    assert rows.loc["height_cm", "required"] == "where the dosing weight uses it"
    assert rows.loc["sex", "allowed"] == "F; M"
    assert rows.loc["bleeding", "allowed"] == "yes; no"
    assert "myasthenia_gravis/crisis" in rows.loc["situation", "allowed"].split("; ")
    assert "unlisted" in rows.loc["indication", "allowed"].split("; ")
    assert rows.loc["age_years", "allowed"] == "from 0 to 120 years"
    assert rows.loc["weight_kg", "allowed"].endswith("age 18 and over: 20 to 300")
    assert rows.loc["start_date", "allowed"] == f"{dt.date(1900, 1, 1)} to {dt.date(2100, 12, 31)}"
    assert {spec.unit for spec in SPECS} == set(table["unit"])
    assert rulebook.version in rows.loc["indication", "source"]
