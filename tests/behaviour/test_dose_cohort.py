"""``igalloc dose`` for a cohort, and that its two uses do not mix."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from allocation.cli import main
from allocation.cohort.dosed import DOSED_COLUMNS
from allocation.cohort.stewardship import KINDS
from allocation.resources import SAMPLE_COHORT, bundled

AS_OF = "2026-11-01"
ONE = ["--sex", "M", "--age", "45", "--height-cm", "170", "--weight-kg", "84", "--g-per-kg", "2", "--days", "5"]


@pytest.fixture(scope="module")
def sample() -> Path:
    path = bundled(SAMPLE_COHORT)
    assert path is not None
    return path


def dose(*arguments: object) -> int:
    return main(["dose", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def dosed(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    out = tmp_path_factory.mktemp("dosed") / "doses.csv"
    assert dose("--cohort", sample, "--as-of", AS_OF, "--out", out) == 0
    return pd.read_csv(out, keep_default_na=False, na_values={name: [""] for name in DOSED_COLUMNS if "_g" in name})


def test_one_row_a_patient_in_the_order_of_the_file(sample: Path, dosed: pd.DataFrame) -> None:
    assert tuple(dosed.columns) == DOSED_COLUMNS
    assert dosed["patient_id"].tolist() == pd.read_csv(sample)["patient_id"].tolist()


def test_vials_and_days_make_the_course(dosed: pd.DataFrame) -> None:
    for row in dosed.itertuples():
        vials = sum(int(n) * float(g) for n, g in re.findall(r"(\d+) x ([\d.]+) g", row.vials))
        by_day = [float(day) for day in row.per_day_g.split("/")] if row.per_day_g else []
        assert vials == pytest.approx(row.course_g)
        assert sum(by_day) == pytest.approx(row.course_g)
        assert len(by_day) == int(row.days)
        assert by_day == sorted(by_day, reverse=True)


def test_savings_add_up_and_none_is_negative(dosed: pd.DataFrame) -> None:
    kinds = dosed[[f"saving_{kind}_g_a_year" for kind in KINDS]].astype(float)
    assert (kinds >= 0).all().all()
    assert kinds.sum(axis=1).to_numpy() == pytest.approx(dosed["saving_g_a_year"].to_numpy(), abs=1e-6)
    assert (dosed["saving_g_a_year"] <= dosed["used_g_a_year"] + 1e-9).all()


def test_the_totals_on_stdout_are_those_of_the_file(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], dosed: pd.DataFrame
) -> None:
    assert dose("--cohort", sample, "--as-of", AS_OF, "--out", tmp_path / "d.csv") == 0
    told = capsys.readouterr()
    assert f"{dosed['used_g_a_year'].sum():,.0f} used now by 400 patients" in told.out
    assert re.search(rf"^together +{dosed['saving_g_a_year'].sum():,.0f} ", told.out, flags=re.MULTILINE)
    for heading in ("kind of saving", "panel ", "indication "):
        assert re.search(f"^{heading}", told.out, flags=re.MULTILINE)
    assert "400 patients dosed" in told.err
    assert "P0000001" not in told.out + told.err


def test_explain_shows_ten_different_patients_on_stdout(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dose("--cohort", sample, "--as-of", AS_OF, "--out", tmp_path / "d.csv", "--explain") == 0
    told = capsys.readouterr()
    patients = re.findall(r"^(P\d+): (\S+), ", told.out, flags=re.MULTILINE)
    assert len(patients) == 10
    assert len({condition for _, condition in patients}) >= 8
    assert "Dosing weight:" in told.out
    assert "Could be freed:" in told.out
    assert not re.search(r"P\d{7}", told.err)


def test_the_same_file_twice_is_the_same_bytes(sample: Path, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.parquet", "d.xlsx"):
        assert dose("--cohort", sample, "--as-of", AS_OF, "--out", tmp_path / name) == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    parquet = pd.read_parquet(tmp_path / "c.parquet")
    assert len(parquet) == 400
    assert tuple(parquet.columns) == DOSED_COLUMNS


def test_what_the_savings_rest_on_can_be_chosen(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    totals = {}
    for name, options in {
        "usual": [],
        "none": ["--packs", "none", "--weaning", "none"],
        "actual": ["--recorded-by", "actual"],
        "interval": ["--weaning", "interval"],
        "any": ["--packs", "any_route"],
    }.items():
        assert dose("--cohort", sample, "--as-of", AS_OF, "--out", tmp_path / "d.csv", *options) == 0
        found = re.search(r"^together +([\d,]+) ", capsys.readouterr().out, flags=re.MULTILINE)
        assert found
        totals[name] = int(found[1].replace(",", ""))
    assert totals["none"] < totals["usual"] < totals["actual"]
    assert totals["interval"] != totals["usual"]
    assert totals["any"] > totals["usual"]


def test_bad_rows_are_set_aside_and_the_rest_is_dosed(
    sample: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = sample.read_text(encoding="utf-8").splitlines()
    lines[3] = lines[3].replace(lines[3].split(",")[3], "no_such_condition", 1)
    cohort, out, rejects = tmp_path / "cohort.csv", tmp_path / "out.csv", tmp_path / "rejects.csv"
    cohort.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert dose("--cohort", cohort, "--as-of", AS_OF, "--out", out) == 2
    assert "row 4" in capsys.readouterr().err
    assert len(pd.read_csv(out)) == 399
    assert len(pd.read_csv(tmp_path / "out.rejects.csv")) == 1
    assert dose("--cohort", cohort, "--as-of", AS_OF, "--out", out, "--rejects", rejects) == 0
    assert rejects.exists()
    assert dose("--cohort", cohort, "--as-of", AS_OF, "--out", tmp_path / "no.csv", "--strict") == 2
    assert not (tmp_path / "no.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], ["--sex", "--age", "--weight-kg", "--g-per-kg", "--cohort FILE"]),
        (["--sex", "M"], ["--age: expected a value", "--cohort FILE"]),
        ([*ONE, "--out", "x.csv"], ["--out", "needs --cohort"]),
        ([*ONE, "--as-of", AS_OF], ["--as-of", "needs --cohort"]),
        ([*ONE, "--weaning", "dose"], ["--weaning", "needs --cohort"]),
        ([*ONE, "--child-weight", "guess"], ["--child-weight", "age, height, bmi"]),
        (["--cohort", "COHORT"], ["--as-of: expected a value", "--out: expected a value"]),
        (["--cohort", "COHORT", "--as-of", AS_OF, "--out", "x.csv", "--sex", "M"], ["--sex", "one patient"]),
        (["--cohort", "COHORT", "--as-of", AS_OF, "--out", "x.csv", "--format", "json"], ["--format", "one patient"]),
        (["--cohort", "COHORT", "--as-of", "1/11/2026", "--out", "x.csv"], ["--as-of", "YYYY-MM-DD"]),
        (["--cohort", "COHORT", "--as-of", AS_OF, "--out", "x.csv", "--packs", "all"], ["--packs", "same_route"]),
        (["--cohort", "nowhere.csv", "--as-of", AS_OF, "--out", "x.csv"], ["nowhere.csv"]),
        (["--cohort", "COHORT", "--as-of", AS_OF, "--out", "x.csv", "--rulebook", "prairie"], ["grade"]),
    ],
)
def test_the_two_uses_do_not_mix(
    arguments: list[str],
    told: list[str],
    sample: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert dose(*[str(sample) if argument == "COHORT" else argument for argument in arguments]) == 2
    found = capsys.readouterr()
    for text in told:
        assert text in found.err
    assert found.out == ""
    assert list(tmp_path.iterdir()) == []


def test_one_patient_as_before(capsys: pytest.CaptureFixture[str]) -> None:
    assert dose(*ONE) == 0
    plain = capsys.readouterr().out
    assert dose(*ONE, "--explain") == 0
    assert capsys.readouterr().out == plain
    assert "145 g" in plain


@pytest.mark.parametrize(("method", "kilograms"), [("age", "32.0"), ("height", "33.3"), ("bmi", "32.6")])
def test_three_ways_to_weigh_a_child(method: str, kilograms: str, capsys: pytest.CaptureFixture[str]) -> None:
    child = ["--sex", "M", "--age", 10, "--height-cm", 140, "--weight-kg", 50, "--g-per-kg", 1]
    assert dose(*child, "--child-weight", method) == 0
    assert f"{kilograms} kg" in capsys.readouterr().out
