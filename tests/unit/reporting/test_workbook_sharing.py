"""A shared workbook: no row of a patient, no count from 1 to 7, and no way to subtract one."""

from __future__ import annotations

import io
import itertools
import re
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from allocation.reporting.workbook import Savings, workbook_bytes, workbook_of
from allocation.reporting.workbook.model import Workbook

COUNTED = re.compile(r"\b([1-7]) (?:patients?|people|persons?)\b", re.IGNORECASE)


def numbers(sheet, key: str) -> list[float]:
    return pd.to_numeric(sheet.frame[key], errors="coerce").dropna().tolist()


@pytest.fixture(scope="module", params=["allocation_folder", "simulation_folder"])
def folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def shared(folder: Path) -> Workbook:
    return workbook_of(folder, share=True)


def cells_of(data: bytes) -> list[object]:
    made = openpyxl.load_workbook(io.BytesIO(data))
    return [cell.value for sheet in made.worksheets for row in sheet.iter_rows() for cell in row]


def test_no_count_of_people_from_1_to_7_in_any_cell(folder: Path, shared: Workbook) -> None:
    internal = workbook_of(folder)
    small = [
        value
        for sheet in internal.sheets
        for field in sheet.fields
        if field.counts_people
        for value in numbers(sheet, field.key)
        if 0 < value < 7.5
    ]
    assert small, "the folder must hold small counts for this test to mean anything"
    looked_at = 0
    made = openpyxl.load_workbook(io.BytesIO(workbook_bytes(shared)))
    for sheet in shared.sheets:
        for place, field in enumerate(sheet.fields, 1):
            if not field.counts_people:
                continue
            for row in range(2, len(sheet.frame) + 2):
                value = made[sheet.name].cell(row, place).value
                looked_at += 1
                assert value in ("*", None, 0) or value >= 8, (sheet.name, field.label, value)
    assert looked_at > 50


def test_no_row_of_a_patient_leaves(allocation_folder: Path) -> None:
    data = workbook_bytes(workbook_of(allocation_folder, share=True))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        everything = "".join(archive.read(name).decode("utf-8", "ignore") for name in archive.namelist())
    assert not re.search(r"\bP\d{6}\b", everything)
    names = openpyxl.load_workbook(io.BytesIO(data)).sheetnames
    assert not {"Patient list", "Vials"} & set(names)


def test_sentences_comments_names_and_properties_tell_no_small_count(shared: Workbook) -> None:
    made = openpyxl.load_workbook(io.BytesIO(workbook_bytes(shared)))
    said = [made.properties.title, made.properties.subject, made.properties.description, *made.sheetnames]
    said += list(made.defined_names)
    for sheet in made.worksheets:
        said += [str(cell.value) for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
        said += [cell.comment.text for row in sheet.iter_rows() for cell in row if cell.comment]
        said += list(sheet.tables)
    assert not [text for text in said if text and COUNTED.search(text)]


def test_numbers_are_kept_no_finer_than_they_are_shown(shared: Workbook) -> None:
    """A ratio with all its digits would give back the counts it was made from."""
    for value in cells_of(workbook_bytes(shared)):
        if isinstance(value, float):
            assert abs(value * 10_000 - round(value * 10_000)) < 1e-6, value


def test_a_hidden_part_cannot_be_had_by_subtraction(shared: Workbook) -> None:
    """Where a column of a group holds a hidden cell, no other number beside it is exact."""
    hiding = 0
    for sheet in shared.sheets:
        for field in sheet.fields:
            values = sheet.frame[field.key].tolist()
            if "*" not in values or field.kind not in ("count", "grams"):
                continue
            hiding += 1
            step = 5 if field.kind == "count" else 100
            kept = [float(v) for v in values if not isinstance(v, str) and not np.isnan(v)]
            assert all(v % step == 0 for v in kept), (sheet.name, field.label)
    assert hiding


def test_totals_less_parts_give_no_hidden_count(allocation_folder: Path) -> None:
    """Grades against panels: what is left for the hidden panels must not be told to the patient."""
    book = {sheet.name: sheet for sheet in workbook_of(allocation_folder, share=True).sheets}
    panels, grades = book["Panels"].frame, book["Grades"].frame
    for name, rows in panels.groupby("grade_name"):
        hidden = [value for value in rows["patients"] if value == "*"]
        if not hidden:
            continue
        total = grades.loc[grades["grade_name"] == name, "patients"].iloc[0]
        shown = [float(value) for value in rows["patients"] if value != "*"]
        # Each rounded part may be out by 2.5, so many true counts fit what is published.
        slack = 2.5 * len(shown)
        assert total == "*" or slack * 2 >= 7, (name, total, sum(shown))


def savings_rows(panels: int) -> pd.DataFrame:
    from allocation.cohort.stewardship import KINDS

    rng = np.random.default_rng(3)
    rows = []
    for panel, review in itertools.product(range(panels), range(14)):
        freed = int(rng.integers(0, 5)) * 1_000_000
        kinds = {f"saving_{kind}_mg": 0 for kind in KINDS} | {"saving_dose_mg": freed}
        rows.append(
            {
                "panel": f"SRIAP{panel + 1:02d}",
                "indication": "cidp" if review % 2 else "hlh",
                "review_overdue": "yes" if review < 1 + panel * 9 else "no",
                "now_mg": 100_000_000,
                "saving_mg": freed,
                "left_mg": 100_000_000 - freed,
                **kinds,
            }
        )
    return pd.DataFrame(rows)


def test_savings_are_hidden_with_the_few_behind_them(allocation_folder: Path) -> None:
    savings = Savings(savings_rows(2))
    internal = {s.name: s for s in workbook_of(allocation_folder, savings=savings).sheets}
    assert sorted(internal["Savings by panel"].frame["reviews_overdue"]) == [1, 10]
    together = internal["Savings"].frame.iloc[-1]
    assert together["grams"] == savings.rows["saving_mg"].sum() / 1000
    shared = {s.name: s for s in workbook_of(allocation_folder, share=True, savings=savings).sheets}
    frame = shared["Savings by panel"].frame
    assert set(frame["reviews_overdue"]) == {"*", 10.0}
    assert frame.loc[frame["reviews_overdue"] == "*", "overdue_g"].tolist() == ["*"]
    assert not [field for field in shared["Savings by panel"].fields if field.key == "dose_g"]
