"""Every mistake a user can make is a clear line on stderr, exit code 2, and nothing written half."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from allocation.resources import SAMPLE_COHORT, bundled

AS_OF = "2026-11-01"


def igalloc(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "allocation", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        stdin=subprocess.DEVNULL,
    )


def refused(run: subprocess.CompletedProcess[str], *told: str) -> None:
    assert run.returncode == 2, run.stderr
    assert "Traceback" not in run.stderr
    for text in told:
        assert text in run.stderr, f"{text!r} not in: {run.stderr}"


@pytest.fixture
def sample() -> str:
    path = bundled(SAMPLE_COHORT)
    assert path is not None
    return path.read_text(encoding="utf-8")


@pytest.fixture
def spoilt(tmp_path: Path, sample: str):
    """Write the sample cohort with one cell of its first row changed; return the file."""
    header, first, *rest = sample.splitlines()

    def spoil(column: str, value: str) -> Path:
        cells = dict(zip(header.split(","), first.split(","), strict=True))
        cells[column] = value
        path = tmp_path / "cohort.csv"
        path.write_text("\n".join([header, ",".join(cells.values()), *rest]) + "\n", encoding="utf-8")
        return path

    return spoil


STOCK = "location,product,vial_g,vials\n"


@pytest.mark.parametrize("command", ["grade", "allocate", "simulate"])
def test_missing_file(tmp_path: Path, command: str) -> None:
    arguments = {
        "grade": ["grade", "nowhere.csv", "--as-of", AS_OF, "--out", "out.csv"],
        "allocate": [
            "allocate",
            "--cohort",
            "nowhere.csv",
            "--stock",
            "none.csv",
            "--tier",
            "3",
            "--as-of",
            AS_OF,
            "--out",
            "out",
        ],
        "simulate": ["simulate", "no_disruption", "--cohort", "nowhere.csv", "--out", "out"],
    }[command]
    refused(igalloc(*arguments, cwd=tmp_path), "nowhere.csv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", ["", "patient_id,panel,indication,age_years,sex,weight_kg\n"], ids=["empty", "header only"]
)
def test_empty_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "cohort.csv").write_text(content, encoding="utf-8")
    refused(igalloc("grade", "cohort.csv", "--as-of", AS_OF, "--out", "out.csv", cwd=tmp_path), "cohort.csv")
    assert not (tmp_path / "out.csv").exists()


def test_wrong_column(tmp_path: Path, sample: str) -> None:
    (tmp_path / "cohort.csv").write_text(sample.replace("weight_kg", "weight", 1), encoding="utf-8")
    refused(igalloc("grade", "cohort.csv", "--as-of", AS_OF, "--out", "out.csv", cwd=tmp_path), "weight", "weight_kg")
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("weight_kg", "840"),
        ("weight_kg", "-3"),
        ("indication", "gullain_barre"),
        ("product", "privigen"),
        ("panel", "SRIAP99"),
    ],
)
def test_impossible_cell(tmp_path: Path, spoilt, column: str, value: str) -> None:
    path = spoilt(column, value)
    run = igalloc("grade", path.name, "--as-of", AS_OF, "--out", "out.csv", cwd=tmp_path)
    refused(run, "cohort.csv", "row 2", column, value)
    assert (tmp_path / "out.csv").exists(), "one bad row must not stop the good ones"
    assert "row" in (tmp_path / "out.rejects.csv").read_text(encoding="utf-8").splitlines()[0]
    strict = igalloc("grade", path.name, "--as-of", AS_OF, "--out", "strict.csv", "--strict", cwd=tmp_path)
    refused(strict, "row 2")
    assert not (tmp_path / "strict.csv").exists()


def test_a_named_place_for_rejects_is_consent(tmp_path: Path, spoilt) -> None:
    path = spoilt("weight_kg", "840")
    run = igalloc("grade", path.name, "--as-of", AS_OF, "--out", "out.csv", "--rejects", "bad.csv", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert len((tmp_path / "bad.csv").read_text(encoding="utf-8").splitlines()) == 2


def test_duplicate_id(tmp_path: Path, sample: str) -> None:
    lines = sample.splitlines()
    (tmp_path / "cohort.csv").write_text("\n".join([*lines, lines[1]]) + "\n", encoding="utf-8")
    run = igalloc("cohort", "check", "cohort.csv", cwd=tmp_path)
    refused(run, "row 2", f"row {len(lines) + 1}", "patient_id")


def test_nhs_number_is_refused_and_not_repeated(tmp_path: Path, spoilt) -> None:
    path = spoilt("patient_id", "9434765919")
    run = igalloc("cohort", "check", path.name, cwd=tmp_path)
    refused(run, "row 2", "patient_id", "NHS number")
    assert "9434765919" not in run.stderr + run.stdout


def allocate(tmp_path: Path, sample: str, stock: str, *more: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "cohort.csv").write_text(sample, encoding="utf-8")
    (tmp_path / "stock.csv").write_text(stock, encoding="utf-8")
    tier = () if "--tier" in more else ("--tier", "3")
    return igalloc(
        "allocate",
        "--cohort",
        "cohort.csv",
        "--stock",
        "stock.csv",
        "--as-of",
        AS_OF,
        "--out",
        "out",
        *tier,
        *more,
        cwd=tmp_path,
    )


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("SRIAP01,privigen_10,10,-4", ("row 2", "vials", "-4")),
        ("SRIAP01,privigen_10,10,2.5", ("row 2", "vials", "2.5")),
        ("SRIAP01,privigen,10,4", ("row 2", "product", "privigen_10")),
        ("SRIAP01,privigen_10,7,4", ("row 2", "vial_g", "7")),
        ("SRIAP77,privigen_10,10,4", ("row 2", "location", "SRIAP77")),
    ],
)
def test_bad_stock(tmp_path: Path, sample: str, row: str, told: tuple[str, ...]) -> None:
    refused(allocate(tmp_path, sample, STOCK + row + "\n"), "stock.csv", *told)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("tier", ["5", "0", "-1"])
def test_no_such_tier(tmp_path: Path, sample: str, tier: str) -> None:
    run = allocate(tmp_path, sample, STOCK + "SRIAP01,privigen_10,10,4\n", "--tier", tier)
    refused(run, "--tier", "1", "4")
    assert not (tmp_path / "out").exists()


def test_unknown_policy(tmp_path: Path, sample: str) -> None:
    run = allocate(tmp_path, sample, STOCK + "SRIAP01,privigen_10,10,4\n", "--policy", "loudest")
    refused(run, "--policy", "loudest", "grade_order")


def test_misspelt_scenario_key(tmp_path: Path) -> None:
    text = 'name = "mine"\ntitle = "Mine"\nextends = "baseline"\n\n[run]\nweekz = 4\n'
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    refused(igalloc("simulate", "mine.toml", "--out", "out", cwd=tmp_path), "mine.toml", "weekz")
    assert not (tmp_path / "out").exists()


def test_unknown_scenario_names_the_near_one(tmp_path: Path) -> None:
    refused(igalloc("simulate", "uk_2021_output_fal", "--out", "out", cwd=tmp_path), "uk_2021_output_fall")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["dose", "--sex", "X", "--age", "45", "--height-cm", "170", "--weight-kg", "84", "--g-per-kg", "2"], "sex"),
        (["dose", "--sex", "M", "--age", "45", "--weight-kg", "84", "--g-per-kg", "2"], "height"),
        (
            [
                "dose",
                "--sex",
                "M",
                "--age",
                "45",
                "--height-cm",
                "170",
                "--weight-kg",
                "84",
                "--g-per-kg",
                "2",
                "--vials",
                "a",
            ],
            "--vials",
        ),
        (["criteria", "gbs/oops"], "gbs"),
        (["criteria", "--rulebook", "martian"], "martian"),
        (["grade", "x.csv", "--as-of", "01/11/2026", "--out", "y.csv"], "--as-of"),
        (["report", "nowhere"], "nowhere"),
        (["cohort", "generate", "--patients", "0", "--as-of", AS_OF, "--out", "x.csv"], "--patients"),
        (["cohort", "generate", "--patients", "5", "--as-of", AS_OF, "--out", "x.doc"], ".doc"),
    ],
)
def test_bad_option(tmp_path: Path, arguments: list[str], told: str) -> None:
    refused(igalloc(*arguments, cwd=tmp_path), told)
    assert list(tmp_path.iterdir()) == []
