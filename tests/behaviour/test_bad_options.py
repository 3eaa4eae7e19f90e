"""What a sceptical user tries on the whole command line: told in a line with exit code 2, and nothing destroyed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from allocation.cli import main
from allocation.resources import SAMPLE_COHORT, bundled

DAY = "2026-11-01"
SCENARIO = "uk_2021_output_fall"
SHORT = ("--cohort", "cohort.csv", "--replications", "1", "--weeks", "2", "--out", "run")
BREAK = ("breaking-point", SCENARIO, *SHORT, "--vary", "disruption.0.fraction", "--range", "0.1:0.6")
TURN = ("sensitivity", SCENARIO, *SHORT)
ALLOCATE = ("allocate", "--cohort", "cohort.csv", "--stock", "stock.csv", "--tier", "3", "--out", "run", "--as-of")
ONE = ("dose", "--sex", "M", "--age", "45", "--height-cm", "170", "--weight-kg", "84", "--g-per-kg", "1")
STOCK = "location,product,vial_g,vials\nSRIAP01,privigen_10,10,40\n"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    sample = bundled(SAMPLE_COHORT)
    assert sample is not None
    lines = sample.read_text(encoding="utf-8").splitlines()
    (tmp_path / "cohort.csv").write_text("\n".join(lines[:40]) + "\n", encoding="utf-8")
    (tmp_path / "stock.csv").write_text(STOCK, encoding="utf-8")
    (tmp_path / "empty.toml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((*BREAK, "--tolerance", "nan"), "--tolerance: found 'nan'; expected a finite number above 0"),
        ((*BREAK, "--below", "nan"), "--below: found 'nan'; expected a finite number"),
        ((*BREAK, "--above", "inf"), "--above: found 'inf'; expected a finite number"),
        ((*BREAK, "--steps", "3"), "--steps: expected a second --vary beside it"),
        (
            ("breaking-point", SCENARIO, *SHORT, "--vary", "loudness", "--range", "1:2"),
            "--vary: found 'loudness'; expected the key of a number",
        ),
        ((*TURN, "--samples", "4"), "--samples: expected --method sobol beside it"),
        (
            (*TURN, "--vary", "disruption.0.fraction=0.1:0.2", "--swing", "0.1"),
            "--swing: expected no --vary beside it",
        ),
        (("simulate", SCENARIO, *SHORT, "--precision", "loudness=1"), "precision: found 'loudness'; expected the name"),
        (
            ("simulate", SCENARIO, *SHORT, "--precision", "unmet_g=-1"),
            "--precision unmet_g: found '-1.0'; expected a number above 0",
        ),
        (("simulate", SCENARIO, *SHORT, "--weeks", "99999"), "--weeks: found '99999'; expected 1040 or less"),
        ((*ALLOCATE, "0001-01-01"), "--as-of: found '0001-01-01'; expected a date from 1900-01-01 to 2199-12-31"),
        ((*ALLOCATE, DAY, "--limits", "empty.toml"), "empty.toml: expected one limit or more"),
        ((*ALLOCATE, DAY, "--panels", "empty.toml"), "empty.toml, panel: expected a value"),
        ((*ONE, "--vials", "1e300"), "--vials: found '1e300'"),
        ((*ONE, "--vials", "inf"), "--vials: found 'inf'"),
        (("stock", "make", "--cohort", "cohort.csv", "--as-of", DAY, "--out", "x.csv", "--share", "inf"), "--share"),
        (("forecast", "history", "--out", "run", "--scenario", "loudness"), "--scenario: expected --cohort beside it"),
        (("forecast", "history", "--out", "run", "--strict"), "--strict: expected --cohort beside it"),
        (
            ("assumptions", "--format", "json", "--out", "a.csv"),
            "--out: found 'a.csv'; expected a file ending in .json",
        ),
        (("assumptions", "--confidence", "P", "--confidence", "Z"), "--confidence: found 'Z'; expected one of"),
        (("report", "run", "--products", "empty.toml"), "--products: expected --cohort beside it"),
    ],
)
def test_a_bad_option_is_told_in_our_words(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], told: str
) -> None:
    before = contents(place)
    assert main(list(arguments)) == 2
    assert told in capsys.readouterr().err
    assert contents(place) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("grade", "cohort.csv", "--as-of", DAY, "--out", "./cohort.csv"),
        ("grade", "cohort.csv", "--as-of", DAY, "--out", "x.csv", "--rejects", "x.csv"),
        ("cohort", "check", "cohort.csv", "--rejects", "cohort.csv"),
        ("dose", "--cohort", "cohort.csv", "--as-of", DAY, "--out", "cohort.csv"),
        ("stock", "make", "--cohort", "cohort.csv", "--as-of", DAY, "--out", "cohort.csv"),
        (*ALLOCATE, DAY, "--rejects", "stock.csv"),
        ("simulate", SCENARIO, *SHORT, "--rejects", "cohort.csv"),
        ("compare", SCENARIO, *SHORT, "--policies", "grade_order,pro_rata", "--rejects", "cohort.csv"),
        (*BREAK, "--rejects", "cohort.csv"),
        (*TURN, "--rejects", "cohort.csv"),
    ],
)
def test_no_command_writes_over_what_it_reads(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    before = contents(place)
    assert main(list(arguments)) == 2
    assert "another place than that of" in capsys.readouterr().err
    assert contents(place) == before


def test_a_run_folder_that_holds_the_cohort_is_not_replaced(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ALLOCATE, DAY]) == 0
    shutil.copy(place / "cohort.csv", place / "run" / "cohort.csv")
    capsys.readouterr()
    assert main(["allocate", "--cohort", "run/cohort.csv", *ALLOCATE[3:], DAY]) == 2
    assert "--out: found 'run'; expected another place than that of --cohort" in capsys.readouterr().err
    assert (place / "run" / "cohort.csv").is_file()


def test_an_allocation_in_which_nothing_is_due_has_a_report(place: Path) -> None:
    lines = (place / "cohort.csv").read_text(encoding="utf-8").splitlines()
    columns = lines[0].split(",")
    cells = dict.fromkeys(columns, "") | {
        "patient_id": "P1", "panel": "SRIAP01", "indication": "pid", "age_years": "40", "sex": "F",
        "height_cm": "165", "weight_kg": "70", "route": "IV", "product": "privigen_10", "dose_g": "30",
        "interval_weeks": "4", "start_date": "2020-01-01", "last_dose_date": "2026-10-30",
        "next_due_date": "2026-11-27", "panel_decision": "approved",
    }  # fmt: skip
    (place / "cohort.csv").write_text(f"{lines[0]}\n{','.join(cells[name] for name in columns)}\n", encoding="utf-8")
    assert main([*ALLOCATE, DAY, "--weeks", "1"]) == 0
    assert main(["report", "run", "--format", "html,svg"]) == 0
    assert (place / "run" / "report.html").is_file()


def test_a_table_of_a_study_cut_short_is_a_fault_of_the_folder(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", SCENARIO, *SHORT, "--policies", "grade_order,pro_rata"]) == 0
    table, summary = place / "run" / "differences.csv", place / "run" / "summary.json"
    whole = table.read_text(encoding="utf-8")
    table.write_text("policy\ngrade_order\n", encoding="utf-8")
    capsys.readouterr()
    assert main(["report", "run"]) == 2
    assert "differences.csv: expected the file that the run wrote, by its hash" in capsys.readouterr().err
    table.write_text(whole, encoding="utf-8")
    told = json.loads(summary.read_text(encoding="utf-8"))
    summary.write_text(json.dumps(told | {"cohort": None}), encoding="utf-8")
    assert main(["report", "run"]) == 2
    assert "summary.json" in capsys.readouterr().err
    assert not (place / "run" / "report.html").exists()


def test_a_program_without_channels_works_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert main(["simulate", "--list"]) == 0
