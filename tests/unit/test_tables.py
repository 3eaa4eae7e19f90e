"""Tables: three kinds of file, one text; and every way a file can be wrong."""

import zipfile
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from allocation.errors import Fault, InputError
from allocation.tables import of_sheet, read_rows, read_table, text_frame, write_table
from allocation.tables.text import cell_text

NOON = datetime.fromisoformat("2026-02-13T12:00:00")
SUFFIXES = (".csv", ".parquet", ".xlsx")

FRAME = pd.DataFrame(
    {
        "id": ["a", " b ", "=1+1", 'ü, "q"\nline'],
        "dose_g": [5.0, 70.5, np.nan, 0.1],
        "count": [1, -2, 3, 10**12],
        "due": pd.to_datetime(["2026-02-13", None, "2026-01-01", "2025-12-31"]),
        "home": [True, False, True, False],
        "grade": pd.array([4, None, 1, 2], dtype="Int8"),
        "kind": pd.Categorical(["x", "y", "x", "x"]),
        "blank": ["", "", "", ""],
    }
)
TEXT = pd.DataFrame(
    {
        "id": ["a", "b", "=1+1", 'ü, "q"\nline'],
        "dose_g": ["5", "70.5", "", "0.1"],
        "count": ["1", "-2", "3", "1000000000000"],
        "due": ["2026-02-13", "", "2026-01-01", "2025-12-31"],
        "home": ["yes", "no", "yes", "no"],
        "grade": ["4", "", "1", "2"],
        "kind": ["x", "y", "x", "x"],
        "blank": ["", "", "", ""],
    }
)


def csv(tmp_path: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def fault_of(path: Path, **options: str) -> str:
    with pytest.raises(InputError) as caught:
        read_table(path, **options)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_kind_of_file_gives_the_same_text(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"t{suffix}"
    write_table(FRAME, path)
    found = read_table(path)
    pd.testing.assert_frame_equal(found, TEXT)
    assert found.index.equals(pd.RangeIndex(4))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_frame_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_table(FRAME, first)
    write_table(FRAME.copy(), second)
    assert first.read_bytes() == second.read_bytes()


def test_text_frame_is_what_reading_gives() -> None:
    pd.testing.assert_frame_equal(text_frame(FRAME), TEXT)
    assert {dtype.kind for dtype in text_frame(FRAME).dtypes} == {"O"}
    assert list(text_frame(FRAME.iloc[:0]).columns) == list(FRAME.columns)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (pd.NaT, ""),
        (pd.NA, ""),
        (5.0, "5"),
        (0.1 + 0.2, "0.30000000000000004"),
        (np.float32(70.1), "70.1"),
        (-3, "-3"),
        (np.int8(4), "4"),
        (True, "yes"),
        (np.bool_(False), "no"),
        (date(2026, 2, 13), "2026-02-13"),
        (pd.Timestamp("2026-02-13").to_pydatetime(), "2026-02-13"),
        (pd.Timestamp("2026-02-13 10:30"), "2026-02-13T10:30:00"),
        (Decimal("70.50"), "70.5"),
        (Decimal("70"), "70"),
        ("  x ", "x"),
    ],
)
def test_text_of_one_cell(value: object, text: str) -> None:
    assert cell_text(value) == text


def test_bytes_are_no_cell() -> None:
    with pytest.raises(TypeError, match="a cell cannot hold a bytes"):
        cell_text(b"x")


def test_csv_is_written_plainly(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    write_table(FRAME[["id", "dose_g", "due"]], path)
    assert path.read_bytes() == (
        'id,dose_g,due\na,5,2026-02-13\nb,70.5,\n=1+1,,2026-01-01\n"ü, ""q""\nline",0.1,2025-12-31\n'.encode()
    )


def test_a_workbook_never_starts_a_formula_and_keeps_types(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    frame = FRAME.assign(link="https://example.org", text_number="007")
    write_table(frame, path)
    sheet = openpyxl.load_workbook(path).active
    assert sheet is not None
    row = {cell.value: sheet.cell(4, cell.column) for cell in sheet[1]}
    assert row["id"].value == "=1+1"
    assert row["id"].data_type == "s"
    assert row["link"].hyperlink is None
    assert row["text_number"].value == "007"
    assert row["count"].value == 3
    assert row["due"].value == pd.Timestamp("2026-01-01")
    assert row["due"].number_format == "yyyy-mm-dd"
    assert row["dose_g"].value is None
    assert sheet["A1"].font.b
    assert sheet.freeze_panes == "A2"
    assert openpyxl.load_workbook(path).properties.created == pd.Timestamp("2000-01-01")


def test_parquet_keeps_types_and_no_index(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(FRAME.set_axis([7, 5, 3, 1]), path)
    schema = pq.read_schema(path)
    assert schema.names == list(FRAME.columns)
    assert schema.field("dose_g").type == pa.float64()
    assert schema.field("grade").type == pa.int8()
    assert schema.metadata is None


def test_a_table_without_rows_can_be_written(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        path = tmp_path / f"t{suffix}"
        write_table(FRAME.iloc[:0], path)
        assert "at least one row below the header" in fault_of(path)


def test_writing_refuses_other_kinds_and_repeated_names(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a file ending in \.csv, \.parquet, \.xlsx"):
        write_table(FRAME, tmp_path / "t.xls")
    with pytest.raises(ValueError, match="same name: a"):
        write_table(pd.DataFrame([[1, 2]], columns=["a", "a"]), tmp_path / "t.csv")
    assert not list(tmp_path.iterdir())


def test_a_cell_too_long_for_excel_is_refused_and_not_dropped(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at most 32767 characters"):
        write_table(pd.DataFrame({"a": ["x" * 32_768]}), tmp_path / "t.xlsx")
    with pytest.raises(InputError, match="at most 1048575 rows"):
        write_table(pd.DataFrame({"a": np.zeros(1_048_576)}), tmp_path / "t.xlsx")


def test_csv_with_mark_crlf_quotes_and_spaces(tmp_path: Path) -> None:
    path = csv(tmp_path, b'\xef\xbb\xbf a ,b\r\n 1 ,"x, ""y"""\r\n"two\r\nlines",NA\r\n')
    found = read_table(path)
    assert found.to_dict("list") == {"a": ["1", "two\r\nlines"], "b": ['x, "y"', "NA"]}


def test_blank_rows_keep_their_place_inside_and_go_at_the_end(tmp_path: Path) -> None:
    found = read_table(csv(tmp_path, "a,b\n1,2\n\n3,4\n,\n\n"))
    assert found["a"].tolist() == ["1", "", "3"]


def test_nameless_columns_go_only_when_they_are_blank(tmp_path: Path) -> None:
    assert list(read_table(csv(tmp_path, "a,b,,\n1,2,,\n"))) == ["a", "b"]
    assert "Column 3 holds values but has no name" in fault_of(csv(tmp_path, "a,b,\n1,2,3\n"))


@pytest.mark.parametrize("first", ["1,2,3", "1"])
def test_ragged_rows_are_told_with_their_row(tmp_path: Path, first: str) -> None:
    path = csv(tmp_path, f'a,b\n{first}\n"4\n5",6\n7,8,9,10\n\n11\n12,13\n')
    with pytest.raises(InputError) as caught:
        read_table(path)
    assert [(fault.row, fault.value) for fault in caught.value.faults] == [
        (2, f"{len(first.split(','))} values"),
        (4, "4 values"),
        (6, "1 values"),
    ]
    assert all(fault.expected == "2 values, as in the header" for fault in caught.value.faults)


def test_ragged_rows_stay_in_their_place_when_asked_for(tmp_path: Path) -> None:
    table = read_rows(csv(tmp_path, "a,b\n1,2\n3\n4,5,6\n7,8\n"))
    assert table.frame().to_dict("list") == {"a": ["1", "3", "4", "7"], "b": ["2", "", "5", "8"]}
    assert [fault.row for fault in table.faults] == [3, 4]


def test_a_ragged_last_row_is_not_lost(tmp_path: Path) -> None:
    table = read_rows(csv(tmp_path, "a,b\n1,2\n,,x\n"))
    assert table.rows == 2
    assert [fault.row for fault in table.faults] == [3]


def test_row_numbers_hold_in_long_files(tmp_path: Path) -> None:
    lines = ["alpha,beta", *["x" * 40 + "," + "y" * 40] * 300_000, "lonely", "a,b"]
    table = read_rows(csv(tmp_path, "\n".join(lines)))
    assert table.rows == 300_002
    assert [fault.row for fault in table.faults] == [300_002]


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_another_delimiter_is_named(tmp_path: Path, delimiter: str) -> None:
    text = fault_of(csv(tmp_path, f"patient_id{delimiter}panel\nP1{delimiter}SRIAP01\n"))
    assert "values separated by commas" in text
    assert "CSV UTF-8" in text


def test_one_column_is_a_table(tmp_path: Path) -> None:
    assert read_table(csv(tmp_path, "a\n1\n\n2\n"))["a"].tolist() == ["1", "", "2"]


@pytest.mark.parametrize("tail", ['3,"4\n5,6\n', '3,"4\n5,6" x\n7,8\n', '3,"4'])
def test_a_quotation_mark_never_closed_is_found(tmp_path: Path, tail: str) -> None:
    text = fault_of(csv(tmp_path, f"a,b\n1,2\n{tail}"))
    assert "row 3" in text
    assert "quotation marks in pairs" in text


def test_a_mark_for_inches_is_no_quotation(tmp_path: Path) -> None:
    assert read_table(csv(tmp_path, 'a,b\n1,5" x\n'))["b"].tolist() == ['5" x']


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "The file is empty"),
        (b"\n\n", "The first row is blank"),
        (b"a,b", "at least one row below the header"),
        (b"a,b\n", "at least one row below the header"),
        (b"a,b\n,\n\n", "at least one row below the header"),
        (b",\n1,2\n", "The first row is blank"),
        (b"a,b,a\n1,2,3\n", "t.csv, row 1, a: expected one column of this name"),
        ("a,b\n1,é\n".encode("utf-16"), "UTF-16"),
        ("a,b\n1,é\n".encode("utf-16-le"), "NUL"),
        (b"a,b\n1,2\n3,\x00\n", "row 3: expected text in UTF-8"),
        ("a,b\n1,2\n3,é\n".encode("latin-1"), "row 3: expected text in UTF-8. In Excel choose Save As, CSV UTF-8"),
        (b"a,b\n1,2\n3,\xc3", "The file is cut short"),
        (b"PK\x03\x04rest", "If it is a workbook, rename it to end in .xlsx"),
        (b"PAR1rest", "It holds a Parquet file"),
        (b"\xd0\xcf\x11\xe0rest", "an old Excel file (.xls) or a workbook with a password"),
    ],
)
def test_faulty_csv(tmp_path: Path, content: bytes, told: str) -> None:
    assert told in fault_of(csv(tmp_path, content))


def test_files_that_are_not_there_or_no_tables(tmp_path: Path) -> None:
    assert "a file that exists" in fault_of(tmp_path / "none.csv")
    assert "This is a folder" in fault_of(tmp_path)
    assert "Save the table as CSV UTF-8 or as an Excel workbook" in fault_of(csv(tmp_path, "x", "t.xls"))
    assert "an Excel workbook, as its name says" in fault_of(csv(tmp_path, "a,b\n1,2\n", "t.xlsx"))
    assert "without a password" in fault_of(csv(tmp_path, b"\xd0\xcf\x11\xe0\x00", "t.xlsx"))
    assert "an Excel workbook" in fault_of(csv(tmp_path, b"PK\x03\x04rubbish", "t.xlsx"))
    assert "a whole Parquet file" in fault_of(csv(tmp_path, b"PAR1 cut short", "t.parquet"))


def test_a_sheet_is_chosen_by_name_and_the_first_shown_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    with xlsxwriter.Workbook(str(path)) as book:
        for name, value in (("hidden", 1), ("R&D <1>", 2), ("other", 3)):
            sheet = book.add_worksheet(name)
            sheet.write_row(0, 0, ["a"])
            sheet.write_row(1, 0, [value])
        book.get_worksheet_by_name("hidden").hide()
        book.get_worksheet_by_name("other").activate()
    assert read_table(path)["a"].tolist() == ["2"]
    assert read_table(path, sheet="other")["a"].tolist() == ["3"]
    assert "The workbook has: hidden, R&D <1>, other" in fault_of(path, sheet="stock")
    assert "a workbook (.xlsx) where a sheet is named" in fault_of(csv(tmp_path, "a\n1\n"), sheet="other")


def test_a_table_that_is_none_names_the_sheet_it_was_read_from_and_the_others(tmp_path: Path) -> None:
    path = tmp_path / "two.xlsx"
    book = xlsxwriter.Workbook(str(path))
    for name, cells in {"Notes": ["Ours", "Ours"], "Stock": ["location", "product"]}.items():
        book.add_worksheet(name).write_row(0, 0, cells)
    book.close()
    told = r"first sheet, 'Notes', was read \(others: 'Stock'\); put the sheet with the table first"
    with pytest.raises(InputError, match=told):
        read_table(path)
    with pytest.raises(InputError) as caught:
        read_table(path, sheet="Notes")
    assert "others" not in str(caught.value)
    with pytest.raises(InputError) as caught, of_sheet(("Notes", "Stock")):
        raise InputError([Fault("two.xlsx", "a column", row=1), Fault("two.xlsx", "a number", row=7)])
    assert ["Stock" in fault.remedy for fault in caught.value.faults] == [True, False]


def test_cells_of_a_workbook_that_only_look_blank(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in (
        ["id", "dose_g", "note"],
        ["a", 1.5, ""],
        ["b", "#N/A", "x"],
        ["c", 2, "=A1"],
        ["d", 3, "#N/A is text"],
    ):
        sheet.append(row)
    book.save(path)
    table = read_rows(path)
    assert [(fault.row, fault.column) for fault in table.faults] == [(3, "dose_g"), (4, "note")]
    assert "shows an error" in table.faults[0].remedy
    assert "never been calculated" in table.faults[1].remedy
    assert table.frame()["dose_g"].tolist() == ["1.5", "", "2", "3"]
    assert "#N/A" in fault_of(path)


def test_a_calculated_formula_is_its_value(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain.xlsx", tmp_path / "t.xlsx"
    with xlsxwriter.Workbook(str(plain)) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["a", "b"])
        sheet.write_row(1, 0, ["x"])
        sheet.write_formula(1, 1, "=1+1", None, 2)
        sheet.write_row(2, 0, ["y"])
        sheet.write_formula(2, 1, '=IF(1,"","x")', None, "to be emptied")
    # Excel marks a formula that gives an empty text as text; XlsxWriter marks only a text that is not empty.
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"<v>to be emptied</v>", b"<v></v>"))
    assert read_table(path)["b"].tolist() == ["2", ""]


def test_workbook_rows_above_and_times(tmp_path: Path) -> None:
    path = tmp_path / "t.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["A2"], sheet["A3"] = "id", "x"
    book.save(path)
    assert "The first row is blank" in fault_of(path)
    sheet["A1"], sheet["A2"], sheet["A3"] = "when", NOON.replace(hour=10, minute=30), NOON.replace(hour=0)
    book.save(path)
    assert read_table(path)["when"].tolist() == ["2026-02-13T10:30:00", "2026-02-13"]


def test_parquet_of_every_plain_type(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    table = pa.table(
        {
            "f32": pa.array([70.1, None], pa.float32()),
            "i": pa.array([5, None], pa.int16()),
            "dec": pa.array([Decimal("70.50"), None], pa.decimal128(6, 2)),
            "d": pa.array([date(2026, 2, 13), None], pa.date32()),
            "ns": pa.array([NOON.replace(hour=0), None], pa.timestamp("ns")),
            "tz": pa.array([NOON.replace(month=6, day=30, hour=23), None], pa.timestamp("us", tz="Europe/London")),
            "dict": pa.array(["a ", None]).dictionary_encode(),
            "dict_n": pa.array([1.0, None]).dictionary_encode(),
            "large": pa.array([" a", None], pa.large_string()),
            "null": pa.nulls(2),
            "bool": pa.array([True, None]),
            "last": ["x", "y"],
        }
    )
    pq.write_table(table, path)
    found = read_table(path)
    assert found.loc[0].tolist() == [
        "70.1", "5", "70.5", "2026-02-13", "2026-02-13", "2026-07-01", "a", "1", "a", "", "yes", "x",
    ]  # fmt: skip
    assert found.loc[1].tolist() == [""] * 11 + ["y"]


def test_parquet_of_other_types_and_repeated_names(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    for odd in (pa.array([[1]]), pa.array([b"x"]), pa.array([3], pa.duration("s"))):
        pq.write_table(pa.table({"a": odd}), path)
        assert "a column of text, numbers, dates or yes and no" in fault_of(path)
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), path)
    assert "one column of this name" in fault_of(path)


def test_values_that_become_the_same_text_are_one(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": ["x", " x", "x ", "y"]}), path)
    column = read_rows(path).columns["a"]
    assert column.texts.tolist() == ["x", "y"]
    assert column.objects().tolist() == ["x", "x", "x", "y"]


def test_a_damaged_parquet_file_is_never_read_as_if_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(pd.DataFrame({"dose_g": np.arange(500.0) + 0.125, "id": [f"P{i}" for i in range(500)]}), path)
    whole = path.read_bytes()
    for place in range(40, len(whole) // 2, 97):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        assert "a whole Parquet file" in fault_of(path)
