"""The workbook of a run: typed, frozen, filtered, safe from formulas, and the same bytes each time."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from allocation.errors import InputError
from allocation.reporting.workbook import Field, Sheet, Workbook, workbook_bytes, workbook_of
from allocation.reporting.workbook.looks import look

HOSTILE = ("=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(A1)", "\t=1+1", "=1+1", "%x", "|y", "http://example.org")


def opened(data: bytes) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(data))


@pytest.fixture(scope="module")
def allocation(allocation_folder: Path) -> openpyxl.Workbook:
    return opened(workbook_bytes(workbook_of(allocation_folder)))


@pytest.fixture(scope="module")
def simulation(simulation_folder: Path) -> openpyxl.Workbook:
    return opened(workbook_bytes(workbook_of(simulation_folder)))


@pytest.fixture(scope="module", params=["allocation", "simulation"])
def book(request: pytest.FixtureRequest) -> openpyxl.Workbook:
    return request.getfixturevalue(request.param)


def test_the_cover_comes_first_and_answers(book: openpyxl.Workbook) -> None:
    cover = {}
    for label, text in book["Cover"].iter_rows(values_only=True):
        cover.setdefault(label, []).append(text)
    assert book.sheetnames[0] == "Cover"
    assert len(cover["Answer"]) >= 3
    assert "planning tool, not a clinical decision tool" in cover["Caution"][0]
    listed = [label.removeprefix("Sheet: ") for label in cover if label and label.startswith("Sheet: ")]
    assert listed == book.sheetnames[1:]
    targets = [link.location for link in (cell.hyperlink for cell in book["Cover"]["A"]) if link]
    assert targets == [f"'{name}'!A1" for name in listed]
    assert {"Notes", "Columns", "Manifest", "Assumptions"} <= set(book.sheetnames)
    assert cover["As of"] if "As of" in cover else cover["Scenario"]


def test_the_answer_is_the_reports(allocation: openpyxl.Workbook, allocation_folder: Path) -> None:
    from allocation.reporting import run_headlines

    said = [text for label, text in allocation["Cover"].iter_rows(values_only=True) if label == "Answer"]
    assert tuple(said) == run_headlines(allocation_folder)


def test_every_sheet_is_one_table_with_frozen_header_filter_widths_and_notes(book: openpyxl.Workbook) -> None:
    for sheet in book.worksheets[1:]:
        (table,) = sheet.tables.values()
        assert table.ref == sheet.dimensions, sheet.title
        assert table.ref.startswith("A1:")
        assert table.autoFilter is not None
        assert not sheet.merged_cells.ranges
        assert sheet.freeze_panes is not None
        assert int(re.sub(r"\D", "", sheet.freeze_panes)) == 2
        heads = [cell.value for cell in sheet[1]]
        assert len(set(heads)) == len(heads)
        assert all(cell.comment and cell.comment.text.strip() for cell in sheet[1]), sheet.title
        for cell in sheet[1]:
            assert 9 <= sheet.column_dimensions[cell.column_letter].width <= 75
        assert all(any(cell.value is not None for cell in row) for row in sheet.iter_rows()), "no blank row"
    names = [name for sheet in book.worksheets for name in sheet.tables]
    assert len(set(names)) == len(names)


def test_nothing_is_a_formula_and_nothing_names_a_person(book: openpyxl.Workbook) -> None:
    cells = [cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row]
    assert {cell.data_type for cell in cells} <= {"s", "n", "d"}
    assert not book.properties.creator
    assert book.properties.title


def test_numbers_are_numbers_and_say_their_unit(allocation: openpyxl.Workbook, allocation_folder: Path) -> None:
    patients = pd.read_csv(allocation_folder / "patients.csv", keep_default_na=False)
    rows = list(allocation["Patient list"].iter_rows(values_only=True))
    frame = pd.DataFrame(rows[1:], columns=rows[0])
    assert frame["Patient"].tolist() == patients["patient_id"].tolist()
    assert frame["Due (g)"].tolist() == patients["due_g"].tolist()
    assert frame["Given (g)"].sum() == patients["given_g"].sum()
    assert set(frame["Decision"]) <= {"Treated in full", "Smaller dose", "Deferred", "Suspended", "Not funded"}
    assert allocation["Patient list"]["E2"].number_format.endswith('" g"')
    panels = allocation["Panels"]
    place = [cell.value for cell in panels[1]].index("Given (% of due)") + 1
    shares = [panels.cell(row, place) for row in range(2, panels.max_row + 1)]
    assert all(0 <= cell.value <= 1 for cell in shares if cell.value is not None)
    assert all("%" in cell.number_format for cell in shares if cell.value is not None)


def test_dates_are_dates(simulation_copy: Path) -> None:
    import json

    path = simulation_copy / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8")) | {"as_of": "2026-11-01"}
    path.write_text(json.dumps(summary), encoding="utf-8")
    sheet = opened(workbook_bytes(workbook_of(simulation_copy)))["Cover by week"]
    assert [sheet[name].value.date() for name in ("B2", "B3")] == [dt.date(2026, 11, 1), dt.date(2026, 11, 8)]
    assert sheet["B2"].is_date


def test_colour_comes_with_words(allocation: openpyxl.Workbook) -> None:
    rules = allocation["Patient list"].conditional_formatting
    words = {rule.formula[0] for group in rules for rule in group.rules}
    assert '"Deferred"' in words
    assert {row[3].value for row in allocation["Patient list"].iter_rows(min_row=2)} <= {w.strip('"') for w in words}


@pytest.mark.parametrize("share", [False, True])
def test_the_same_run_gives_the_same_bytes(allocation_folder: Path, share: bool) -> None:
    first, second = (workbook_bytes(workbook_of(allocation_folder, share=share)) for _ in range(2))
    assert first == second
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def hostile_book() -> Workbook:
    frame = pd.DataFrame({"a": HOSTILE, "b": range(len(HOSTILE))})
    fields = (Field("a", "Text", "Text."), Field("b", "Number", "A number.", "whole"))
    return Workbook("=1+1", "kind", "+about", ("@answer",), (("Fact", "=2"),), (Sheet("Rows", "=what", fields, frame),))


def test_hostile_text_stays_text_even_when_edited() -> None:
    made = opened(workbook_bytes(hostile_book()))
    cells = list(made["Rows"]["A"])[1:]
    # A leading tab is white space, which no table of ours keeps.
    assert [cell.value for cell in cells] == [text.strip() for text in HOSTILE]
    assert {cell.data_type for cell in cells} == {"s"}
    for cell in cells:
        assert cell.quotePrefix == (not cell.value.startswith("http")), cell.value
    assert all(cell.data_type == "s" for row in made["Cover"].iter_rows() for cell in row if cell.value is not None)
    assert not [cell for row in made["Rows"].iter_rows() for cell in row if cell.hyperlink]


def test_a_hostile_run_folder(allocation_copy: Path) -> None:
    path = allocation_copy / "patients.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    for row, text in zip(rows[1:], HOSTILE, strict=False):
        row[0], row[-1] = text, text
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    made = opened(workbook_bytes(workbook_of(allocation_copy)))
    listed = [cell.value for cell in made["Patient list"]["A"]][1 : len(HOSTILE) + 1]
    assert listed == [text.strip() for text in HOSTILE]
    assert {cell.data_type for sheet in made.worksheets for row in sheet.iter_rows() for cell in row} <= {"s", "n", "d"}
    assert any(text and "patients.csv" in str(text) for _, text in made["Cover"].iter_rows(values_only=True))


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("share", 1.0, "100%"),
        ("share", 0.99981, "99.98%"),
        ("share", 0.9999999, "more than 99.99%"),
        ("share", 0.00001, "under 0.01%"),
        ("share", 0.0, "0%"),
        ("count", 3.25, "3.2"),
        ("count", 0.01, "under 0.1"),
        ("count", 2345.4, "2,345"),
        ("grams", 1234.5, "1,234.5 g"),
        ("kilograms", 0.01, "under 0.1 kg"),
        ("days", 12.4, "12 days"),
        ("weeks", 1.75, "1.8 weeks"),
        ("whole", 7, "7"),
    ],
)
def test_how_a_number_reads(kind: str, value: float, text: str) -> None:
    assert look(Field("x", "X", "", kind), value, digits=1).text == text


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"summary\.json"):
        workbook_of(tmp_path)
    (tmp_path / "manifest.json").write_text('{"command": "knit"}', encoding="utf-8")
    with pytest.raises(InputError, match="knit"):
        workbook_of(tmp_path)


def test_a_text_too_long_for_a_cell_is_told_and_not_cut() -> None:
    frame = pd.DataFrame({"a": ["x" * 40_000]})
    sheet = Sheet("Rows", "what", (Field("a", "Text", "Text."),), frame)
    with pytest.raises(InputError, match="32767 characters"):
        workbook_bytes(Workbook("t", "k", "", (), (), (sheet,)))
