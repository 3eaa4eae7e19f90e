"""Whatever a cohort holds, writing and loading it gives it back exactly, good rows and bad ones alike."""

import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.cohort.cells import parse
from allocation.cohort.load import check_cohort, load_cohort
from allocation.cohort.schema import COLUMNS, SPECS, typed
from allocation.cohort.write import write_cohort
from allocation.errors import InputError
from allocation.rules import FLAGS, load_panels, load_products, load_rulebook
from allocation.tables import read_rows, read_table, text_frame, write_table

RULES = {"rulebook": load_rulebook("nhs"), "panels": load_panels(), "products": load_products()}
CODES = [(entry.indication, entry.situation) for entry in RULES["rulebook"].entry] + [("unlisted", "")]
PRODUCTS = [(route, code) for code, product in RULES["products"].by_code.items() for route in product.routes]
WORDS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=8).map(str.strip)
GRAMS = st.floats(1, 600)


@st.composite
def patients(draw: st.DrawFn) -> dict[str, object]:
    indication, situation = draw(st.sampled_from(CODES))
    route, product = draw(st.sampled_from([*PRODUCTS, ("IV", ""), ("SC", ""), ("IM", "")]))
    dates = sorted(
        draw(
            st.lists(
                st.dates(pd.Timestamp("1950-01-01").date(), pd.Timestamp("2100-12-31").date()), min_size=3, max_size=3
            )
        )
    )
    start, dose, due = (pd.Timestamp(day) if draw(st.booleans()) else pd.NaT for day in dates)
    return {
        "panel": draw(st.sampled_from(list(RULES["panels"].by_code))),
        "trust": draw(WORDS),
        "indication": indication,
        "situation": situation,
        "age_years": draw(st.floats(18, 120)),
        "sex": draw(st.sampled_from("MF")),
        "height_cm": draw(GRAMS.map(lambda value: 100 + value % 100)),
        "weight_kg": draw(GRAMS.map(lambda value: 30 + value % 200)),
        "route": route,
        "product": product,
        "dose_g": draw(GRAMS | st.just(np.nan)),
        "interval_weeks": draw(st.sampled_from([np.nan, 1.0, 1 / 7, 4.0, 52.0])),
        "start_date": start,
        "last_dose_date": dose,
        "next_due_date": due,
        "last_review_date": draw(st.sampled_from([pd.NaT, pd.Timestamp("2025-02-28")])),
        "panel_decision": draw(st.sampled_from(["", "approved", "pending", "declined"])),
        **{flag: draw(st.sampled_from(["", "yes", "no"])) for flag in FLAGS},
        "note": draw(WORDS),
    }


@st.composite
def cohorts(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.lists(patients(), min_size=1, max_size=4))
    frame = pd.DataFrame([{"patient_id": f"P{place}", **row} for place, row in enumerate(rows)])
    kinds = {"number": "float64", "date": "datetime64[ns]"}
    return frame[[*COLUMNS, "note"]].astype({spec.name: kinds.get(spec.kind, "object") for spec in SPECS})


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx"])
@settings(max_examples=25, deadline=None)
@given(frame=cohorts())
def test_cohort_comes_back_exactly(suffix: str, frame: pd.DataFrame) -> None:
    with tempfile.TemporaryDirectory() as folder:
        first, second = Path(folder, f"a{suffix}"), Path(folder, f"b{suffix}")
        write_cohort(frame, first)
        found = load_cohort(first, **RULES)
        assert found.faults == ()
        pd.testing.assert_frame_equal(found.good, frame, check_exact=True)
        write_cohort(found.good, second)
        assert first.read_bytes() == second.read_bytes()


@settings(max_examples=30, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries({name: WORDS | st.sampled_from(["", "1", "yes", "M", "2026-01-01"]) for name in COLUMNS}),
        min_size=1,
        max_size=6,
    )
)
def test_no_row_is_ever_lost_and_bad_rows_never_touch_good_ones(rows: list[dict[str, str]]) -> None:
    good = {
        "panel": "SRIAP01",
        "indication": "cidp",
        "age_years": "50",
        "sex": "M",
        "height_cm": "170",
        "weight_kg": "80",
    }
    raw = pd.DataFrame([{**dict.fromkeys(COLUMNS, ""), "patient_id": "good row", **good}, *rows])
    found = check_cohort(raw, "c", **RULES)
    alone = typed(raw.iloc[[0]])
    assert len(found.good) + len(found.rejects) == found.rows == len(raw)
    rejected = set(found.rejects["row"])
    assert rejected == {fault.row for fault in found.faults}
    assert (found.rejects["reasons"] != "").all()
    assert 2 not in rejected
    pd.testing.assert_frame_equal(found.good.iloc[[0]], alone)


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=12).map(str.strip).filter(bool), kind=st.sampled_from(["number", "date"]))
def test_any_text_is_either_a_value_or_a_problem(text: str, kind: str) -> None:
    parsed = parse(kind, np.array([text], dtype=object), unit="g")
    assert bool(pd.isna(parsed.values[0])) == (0 in parsed.problems)
    assert all(problem.expected and problem.remedy for problem in parsed.problems.values())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80) | st.text(st.sampled_from('ab1,;\t"\n\r é'), max_size=60).map(str.encode))
def test_any_bytes_are_a_table_or_an_input_error(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".csv", ".parquet", ".xlsx"):
            path = Path(folder, f"t{suffix}")
            path.write_bytes(content)
            with suppress(InputError):
                table = read_rows(path)
                assert table.rows > 0
                assert {len(column.codes) for column in table.columns.values()} == {table.rows}


CELLS = st.text(st.sampled_from('ab1,;"\n= é@+-'), max_size=6).map(str.strip)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".xlsx"])
@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_any_text_comes_back_from_any_file(suffix: str, rows: list[tuple[str, str]]) -> None:
    frame = pd.DataFrame([("first", "row"), *rows, ("last", "row")], columns=["a", "b, c"], dtype=object)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"t{suffix}")
        write_table(frame, path)
        pd.testing.assert_frame_equal(read_table(path), text_frame(frame))
