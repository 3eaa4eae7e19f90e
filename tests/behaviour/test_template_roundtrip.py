"""A template is filled as a panel would fill it, loaded back, and allocated with."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from allocation.cli import main
from allocation.cohort.columns import COLUMNS
from allocation.cohort.schema import typed
from allocation.optimise.stock import STOCK_FILE_COLUMNS
from allocation.resources import SAMPLE_COHORT, bundled
from allocation.rules import load_products, load_rulebook
from allocation.tables import read_table

AS_OF = "2026-11-01"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("templates")
    for kind in ("cohort", "stock"):
        assert main(["template", kind, "--out", str(place / f"{kind}.xlsx")]) == 0
    return place


def plain(value: object) -> object:
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return None if value == "" or (not isinstance(value, str) and pd.isna(value)) else value


def fill(template: Path, out: Path, rows: list[dict[str, object]]) -> None:
    book = openpyxl.load_workbook(template)
    sheet = book.worksheets[0]
    for row, record in enumerate(rows, 2):
        for place, cell in enumerate(sheet[1], 1):
            value = plain(record.get(cell.value, ""))
            if value is not None:
                sheet.cell(row, place).value = value
    book.save(out)


@pytest.fixture(scope="module")
def filled(folder: Path) -> Path:
    """The first sixty sample patients typed into the template, dates as dates and numbers as numbers."""
    sample = bundled(SAMPLE_COHORT)
    assert sample is not None
    cohort = typed(read_table(sample)).head(60)
    out = folder / "filled.xlsx"
    fill(folder / "cohort.xlsx", out, cohort.to_dict(orient="records"))
    return out


def test_the_first_sheet_takes_the_rows_and_the_others_help(folder: Path) -> None:
    book = openpyxl.load_workbook(folder / "cohort.xlsx")
    assert book.sheetnames == ["Cohort", "Example", "How to fill it in", "Columns", "Lists"]
    sheet = book["Cohort"]
    assert tuple(cell.value for cell in sheet[1]) == COLUMNS
    assert sheet.max_row == 1
    assert all(cell.comment and cell.protection.locked for cell in sheet[1])
    assert sheet.protection.sheet
    assert not sheet.protection.password
    assert sheet.freeze_panes == "B2"
    # Columns alike are told together, so a column is found by the range it lies in.
    open_columns = [
        c for d in sheet.column_dimensions.values() if not d.protection.locked for c in range(d.min, d.max + 1)
    ]
    assert open_columns == list(range(1, len(COLUMNS) + 1))
    assert book["Example"].max_row == 4
    stock = openpyxl.load_workbook(folder / "stock.xlsx")["Stock"]
    assert tuple(cell.value for cell in stock[1]) == STOCK_FILE_COLUMNS


def validations(path: Path) -> dict[str, object]:
    """Rule of each column of the first sheet, by its heading."""
    sheet = openpyxl.load_workbook(path).worksheets[0]
    found = {}
    for rule in sheet.data_validations.dataValidation:
        (reference,) = rule.sqref.ranges
        assert reference.min_row == 2
        assert reference.max_row > 10_000
        found[sheet.cell(1, reference.min_col).value] = rule
    return found


def listed(path: Path, name: str) -> list[object]:
    book = openpyxl.load_workbook(path)
    reference = book.defined_names[f"list_{name}"].attr_text
    found = re.fullmatch(r"Lists!\$D\$(\d+):\$D\$(\d+)", reference)
    assert found, reference
    return [row[0].value for row in book["Lists"][f"D{found[1]}:D{found[2]}"]]


def test_codes_dates_and_numbers_are_checked_as_they_are_typed(folder: Path) -> None:
    path = folder / "cohort.xlsx"
    rules = validations(path)
    codes = {"panel", "indication", "sex", "route", "product", "panel_decision"}
    for name in codes:
        assert (rules[name].type, rules[name].formula1) == ("list", f"list_{name}")
    assert rules["ifr_approved"].formula1 == "list_yes_no"
    assert listed(path, "yes_no") == ["yes", "no"]
    assert listed(path, "route") == ["IV", "SC", "IM"]
    assert listed(path, "product") == list(load_products().by_code)
    assert set(listed(path, "indication")) == {entry.indication for entry in load_rulebook("nhs").entry} | {"unlisted"}
    assert {rules[name].type for name in ("start_date", "next_due_date")} == {"date"}
    assert (rules["age_years"].type, float(rules["age_years"].formula1)) == ("decimal", 0)
    assert (rules["dose_g"].type, rules["dose_g"].formula1[:26]) == ("custom", "AND(ISNUMBER(L2),L2>0.0,L2")
    assert rules["patient_id"].formula1.startswith("COUNTIF($A$2")
    assert all(rule.showErrorMessage is not False and rule.error for rule in rules.values())
    assert "trust" not in rules


def test_situations_go_with_the_indication_and_sizes_with_the_product(folder: Path) -> None:
    for file, name, other in (("cohort", "situation", "D2"), ("stock", "vial_g", "B2")):
        path = folder / f"{file}.xlsx"
        formula = validations(path)[name].formula1
        found = re.fullmatch(
            r"OFFSET\(Lists!\$D\$(\d+),MATCH\(\$(\w+),Lists!\$B\$(\d+):\$B\$(\d+),0\)-1,0,"
            r"COUNTIF\(Lists!\$B\$\d+:\$B\$\d+,\$\w+\),1\)",
            formula,
        )
        assert found, formula
        assert found[2] == other
        rows = openpyxl.load_workbook(path)["Lists"][f"B{found[3]}:D{found[4]}"]
        groups = [row[0].value for row in rows]
        # What goes together stands together, or the list offered would run into another's.
        assert len([g for g, before in zip(groups, [None, *groups], strict=False) if g != before]) == len(set(groups))
    sizes = [(row[0].value, row[2].value) for row in rows]
    assert sizes == [(code, size) for code, item in load_products().by_code.items() for size in sorted(item.vial_g)]


def test_a_filled_template_loads_back_to_what_was_typed(filled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cohort", "check", str(filled)]) == 0
    assert "60 good rows, 0 bad rows, 0 faults" in capsys.readouterr().out
    sample = bundled(SAMPLE_COHORT)
    assert sample is not None
    pd.testing.assert_frame_equal(typed(read_table(filled)), typed(read_table(sample).head(60)))


def test_an_allocation_from_two_templates(folder: Path, filled: Path, tmp_path: Path) -> None:
    made = tmp_path / "stock.csv"
    assert main(["stock", "make", "--cohort", str(filled), "--share", "0.7", "--as-of", AS_OF, "--out", str(made)]) == 0
    rows = pd.read_csv(made, keep_default_na=False).to_dict(orient="records")
    for row in rows:
        row["expiry_date"] = datetime.combine(date.fromisoformat(str(row["expiry_date"])), datetime.min.time())
    stock = tmp_path / "stock.xlsx"
    fill(folder / "stock.xlsx", stock, rows)
    folders = []
    for source in (made, stock):
        out = tmp_path / source.suffix[1:]
        arguments = ["--cohort", str(filled), "--stock", str(source), "--tier", "3", "--as-of", AS_OF]
        assert main(["allocate", *arguments, "--out", str(out)]) == 0
        folders.append((out / "patients.csv").read_bytes())
    assert folders[0] == folders[1]


@pytest.mark.parametrize("kind", ["cohort", "stock"])
def test_an_empty_template_is_told_as_that(
    folder: Path, filled: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = str(folder / f"{kind}.xlsx")
    if kind == "cohort":
        code = main(["cohort", "check", empty])
    else:
        arguments = ["--cohort", str(filled), "--stock", empty, "--tier", "3", "--as-of", AS_OF]
        code = main(["allocate", *arguments, "--out", str(tmp_path / "run")])
    assert code == 2
    assert "Only the header is there" in capsys.readouterr().err


def test_a_slip_is_named_by_row_and_column(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "slips.xlsx"
    good = {"patient_id": "0001", "panel": "SRIAP01", "indication": "cidp", "age_years": 50, "sex": "F",
            "height_cm": 165, "weight_kg": 70}  # fmt: skip
    fill(folder / "cohort.xlsx", out, [good, {**good, "patient_id": "=1+1", "panel": "SRIAP99"}])
    assert main(["cohort", "check", str(out)]) == 2
    said = capsys.readouterr().err
    assert "row 3" in said
    assert "SRIAP99" in said


def test_a_file_that_is_there_is_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "cohort.xlsx").read_bytes()
    assert main(["template", "cohort", "--out", str(folder / "cohort.xlsx")]) == 2
    assert "may have been filled in" in capsys.readouterr().err
    assert (folder / "cohort.xlsx").read_bytes() == before
    assert main(["template", "stock", "--out", str(folder / "stock.csv")]) == 2


def test_the_same_rules_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.xlsx"
    # In a process of its own, so that nothing is left over from the first.
    command = [sys.executable, "-m", "allocation", "template", "cohort", "--out", str(again)]
    subprocess.run(command, check=True, capture_output=True)
    assert again.read_bytes() == (folder / "cohort.xlsx").read_bytes()
    with zipfile.ZipFile(again) as archive:
        assert b"<f>" not in b"".join(archive.read(n) for n in archive.namelist() if n.startswith("xl/worksheets/"))


def test_own_panels_and_the_other_rulebook_fill_the_lists(tmp_path: Path) -> None:
    panels = tmp_path / "panels.toml"
    panels.write_text(
        '[[panel]]\ncode = "NORTH"\nname = "North"\nregion = "Somewhere"\npopulation = 1000000\ntrusts = 3\n',
        encoding="utf-8",
    )
    out = tmp_path / "own.xlsx"
    assert main(["template", "stock", "--panels", str(panels), "--out", str(out)]) == 0
    assert "NORTH" in listed(out, "location")
    assert "NATIONAL" in listed(out, "location")
