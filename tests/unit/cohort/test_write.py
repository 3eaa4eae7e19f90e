"""Writing a cohort: the bytes, the types, and nothing lost on the way back."""

from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from allocation.cohort.load import check_cohort, load_cohort
from allocation.cohort.schema import COLUMNS, DATES, NUMBERS, typed
from allocation.cohort.write import write_cohort, write_rejects
from allocation.errors import InputError
from allocation.rules import load_panels, load_products, load_rulebook
from allocation.tables import read_table, text_frame

SUFFIXES = (".csv", ".parquet", ".xlsx")


def cohort() -> pd.DataFrame:
    shared = {"panel": "SRIAP03", "indication": "pid", "sex": "F", "height_cm": "161.5", "weight_kg": "70.05"}
    return typed(
        pd.DataFrame(
            [
                {"patient_id": "P1", "age_years": "40", "route": "SC", "product": "hizentra_20", "dose_g": "10",
                 "interval_weeks": "1", "start_date": "2019-12-31", "ig_dependent": "yes", "trust": "T, \"one\"",
                 **shared},
                {"patient_id": "=P2", "age_years": "4.25", **shared, "weight_kg": "17.1", "height_cm": ""},
            ]
        ).fillna("")
    ).assign(note=["+1", "é"])  # fmt: skip


def back(path: Path) -> pd.DataFrame:
    found = load_cohort(path, rulebook=load_rulebook("nhs"), panels=load_panels(), products=load_products())
    assert not found.faults
    return found.good


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_loading_what_was_written_gives_the_same_frame(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cohort{suffix}"
    write_cohort(cohort(), path)
    pd.testing.assert_frame_equal(back(path), cohort(), check_exact=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_cohort_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    frame = cohort()
    write_cohort(frame, first)
    write_cohort(back(first), second)
    assert first.read_bytes() == second.read_bytes()
    pd.testing.assert_frame_equal(frame, cohort())


def test_csv_has_plain_numbers_and_iso_dates(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    write_cohort(cohort(), path)
    lines = path.read_bytes().decode("utf-8").split("\n")
    assert lines[0] == ",".join([*COLUMNS, "note"])
    assert lines[1].startswith('P1,SRIAP03,"T, ""one""",pid,,40,F,161.5,70.05,SC,hizentra_20,10,1,2019-12-31,,,,,yes,')
    assert lines[2].startswith("=P2,SRIAP03,,pid,,4.25,F,,17.1,IV,,,,,")
    assert lines[3:] == [""]


def test_parquet_has_real_types(tmp_path: Path) -> None:
    path = tmp_path / "cohort.parquet"
    write_cohort(cohort(), path)
    schema = pq.read_schema(path)
    assert schema.names == [*COLUMNS, "note"]
    assert {schema.field(name).type for name in NUMBERS} == {pa.float64()}
    assert {schema.field(name).type for name in DATES} == {pa.date32()}
    assert {schema.field(name).type for name in COLUMNS if name not in (*NUMBERS, *DATES)} == {pa.string()}
    assert pq.read_table(path).column("height_cm").null_count == 1


def test_a_workbook_holds_no_formula(tmp_path: Path) -> None:
    path = tmp_path / "cohort.xlsx"
    write_cohort(cohort(), path)
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d"}
    assert sheet["A3"].value == "=P2"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_graded_cohort_keeps_its_grades(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"graded{suffix}"
    graded = cohort().assign(grade=pd.array([4, None], dtype="Int8"), reason=["a; b", ""])
    write_cohort(graded, path)
    found = read_table(path)
    assert found["grade"].tolist() == ["4", ""]
    assert found["reason"].tolist() == ["a; b", ""]
    pd.testing.assert_frame_equal(found, text_frame(graded))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_rejects_are_written_with_row_and_reasons(tmp_path: Path, suffix: str) -> None:
    raw = text_frame(cohort()).assign(sex=["F", "?"])
    rules = {"rulebook": load_rulebook("nhs"), "panels": load_panels(), "products": load_products()}
    rejects = check_cohort(raw, "c", **rules).rejects
    path = tmp_path / f"rejects{suffix}"
    write_rejects(rejects, path)
    found = read_table(path)
    assert found["row"].tolist() == ["3"]
    assert found["reasons"].tolist() == rejects["reasons"].tolist()
    assert found["sex"].tolist() == ["?"]


def test_no_rejects_are_a_header(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"
    write_rejects(pd.DataFrame({"patient_id": [], "row": [], "reasons": []}), path)
    assert path.read_text(encoding="utf-8") == "patient_id,row,reasons\n"


def test_an_unknown_kind_of_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a file ending in"):
        write_cohort(cohort(), tmp_path / "cohort.json")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_digit_comes_back(tmp_path: Path, suffix: str) -> None:
    frame = cohort().assign(weight_kg=[200 / 3, 17.1], interval_weeks=[1 / 7, 0.1 + 0.2])
    path = tmp_path / f"cohort{suffix}"
    write_cohort(frame, path)
    pd.testing.assert_frame_equal(back(path), frame, check_exact=True)
