"""A spreadsheet program opens and recalculates our workbooks: values survive, and no text becomes a formula."""

from __future__ import annotations

import csv
import shutil
import subprocess
from pathlib import Path

import openpyxl
import pytest

from allocation.cli import main
from allocation.resources import SAMPLE_COHORT, bundled

AS_OF = "2026-11-01"
HOSTILE = ("=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(1;2)", "=1+1", '=HYPERLINK("http://example.org")', "|y")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice (soffice) is not installed"),
]


def _hostile_cohort(folder: Path) -> Path:
    """Sixty sample patients, some with names that a spreadsheet would calculate."""
    sample = bundled(SAMPLE_COHORT)
    assert sample is not None
    with sample.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[:61]
    trust = rows[0].index("trust")
    for row, text in zip(rows[1:], HOSTILE, strict=False):
        row[0], row[trust] = text, text
    path = folder / "cohort.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


@pytest.fixture(scope="module")
def recalculated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folder of our workbooks, and folder of the same as LibreOffice saved them; one start for all."""
    place = tmp_path_factory.mktemp("sheets")
    cohort, stock, run = _hostile_cohort(place), place / "stock.csv", place / "run"
    common = ["--cohort", str(cohort), "--as-of", AS_OF]
    assert main(["stock", "make", *common, "--share", "0.6", "--out", str(stock)]) == 0
    assert main(["allocate", *common, "--stock", str(stock), "--tier", "3", "--out", str(run)]) == 0
    assert main(["report", str(run), "--format", "xlsx", "--cohort", str(cohort)]) == 0
    assert main(["report", str(run), "--format", "xlsx", "--share"]) == 0
    ours, theirs = place / "ours", place / "theirs"
    ours.mkdir()
    for name in ("report", "report_shared"):
        shutil.copy(run / f"{name}.xlsx", ours / f"{name}.xlsx")
    assert main(["template", "cohort", "--out", str(ours / "template.xlsx")]) == 0
    profile = (place / "profile").as_uri()
    files = sorted(str(path) for path in ours.iterdir())
    command = ["soffice", f"-env:UserInstallation={profile}", "--headless", "--convert-to", "xlsx"]
    done = subprocess.run(
        [*command, "--outdir", str(theirs), *files], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in theirs.iterdir()) == sorted(path.name for path in ours.iterdir())
    return ours, theirs


@pytest.mark.parametrize("name", ["report.xlsx", "report_shared.xlsx", "template.xlsx"])
def test_every_value_survives_and_no_formula_ran(recalculated: tuple[Path, Path], name: str) -> None:
    ours, theirs = (openpyxl.load_workbook(folder / name) for folder in recalculated)
    assert ours.sheetnames == theirs.sheetnames
    compared = 0
    for sheet in ours.worksheets:
        other = theirs[sheet.title]
        for row in sheet.iter_rows():
            for cell in row:
                found = other[cell.coordinate]
                assert found.data_type not in ("f", "e"), (sheet.title, cell.coordinate, found.value)
                if isinstance(cell.value, float):
                    assert found.value == pytest.approx(cell.value, rel=1e-12), (sheet.title, cell.coordinate)
                else:
                    assert found.value == cell.value, (sheet.title, cell.coordinate)
                compared += cell.value is not None
    assert compared > 100


def test_hostile_names_stand_as_they_were_typed(recalculated: tuple[Path, Path]) -> None:
    for folder in recalculated:
        sheet = openpyxl.load_workbook(folder / "report.xlsx")["Patient list"]
        cells = {cell.value: cell for cell in sheet["A"]}
        for text in HOSTILE:
            assert cells[text].data_type == "s"
    everything = openpyxl.load_workbook(recalculated[0] / "report_shared.xlsx")
    told = {str(cell.value) for sheet in everything.worksheets for row in sheet.iter_rows() for cell in row}
    assert not told & set(HOSTILE)


def test_lists_and_bounds_survive(recalculated: tuple[Path, Path]) -> None:
    rules = [
        {str(rule.sqref).split(":")[0]: rule.type for rule in book["Cohort"].data_validations.dataValidation}
        for book in (openpyxl.load_workbook(folder / "template.xlsx") for folder in recalculated)
    ]
    assert rules[0] == rules[1]
    assert list(rules[0].values()).count("list") > 15


def test_savings_come_with_the_cohort_of_the_run_only(
    recalculated: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    run = recalculated[0].parent / "run"
    book = openpyxl.load_workbook(run / "report.xlsx")
    assert {"Savings", "Savings by panel", "Savings by indication"} <= set(book.sheetnames)
    sample = bundled(SAMPLE_COHORT)
    assert main(["report", str(run), "--format", "xlsx", "--cohort", str(sample)]) == 2
    assert "the cohort of the run" in capsys.readouterr().err
    assert main(["report", str(run), "--cohort", str(sample)]) == 2
    assert main(["report", str(run), "--format", "xls"]) == 2
