"""``igalloc forecast`` from a folder of published files to tables, charts and findings."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from allocation.cli import main
from allocation.forecast import write_sample
from allocation.forecast.sample import Sample

pytest.importorskip("statsforecast", reason="the extra forecast is not installed")

FILES = {
    "backtest.csv", "backtest_series.csv", "breaks.csv", "data_notes.csv", "findings.txt", "forecast.csv",
    "history.csv", "manifest.json", "medicines.csv", "nation.svg", "nation_narrow.svg", "panels.svg",
    "panels_narrow.svg",
}  # fmt: skip


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return write_sample(tmp_path_factory.mktemp("history"), months=40, panels=2)


def run(sample: Sample, out: Path, *more: str) -> int:
    arguments = ["forecast", str(sample.folder), "--trusts", str(sample.trusts), "--horizon-months", "4"]
    return main([*arguments, "--out", str(out), *more])


@pytest.fixture(scope="module")
def folder(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "ahead"
    assert run(sample, out, "--backtest") == 0
    return out


def test_everything_is_written(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} == FILES
    table = pd.read_csv(folder / "forecast.csv")
    assert set(table["level"]) == {"nation", "group", "panel", "panel and group"}
    assert table.groupby("level")["grams"].sum().round(2).nunique() == 1
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["program"] == "igalloc"
    assert manifest["options"]["horizon_months"] == 4
    assert set(manifest["outputs"]) == FILES - {"manifest.json"}
    assert any(one["file"].startswith("scmd_final_") for one in manifest["inputs"].values())


def test_the_findings_say_what_is_wrong_with_the_data(folder: Path) -> None:
    said = (folder / "findings.txt").read_text(encoding="utf-8")
    for words in (
        "SeasonalNaive",
        "of what came",
        "trust on no map",
        "merged trust",
        "provisional",
        "add up",
        "planning",
    ):
        assert words in said
    backtest = pd.read_csv(folder / "backtest.csv")
    assert set(backtest["model"]) == {"AutoETS", "AutoTheta", "SeasonalNaive"}
    assert set(backtest["loses_to_naive"]) <= {"yes", "no"}


def test_charts_have_titles_descriptions_and_our_colours(folder: Path) -> None:
    for name in FILES:
        if name.endswith(".svg"):
            root = ET.fromstring((folder / name).read_text(encoding="utf-8"))
            assert root.get("role") == "img"
            parts = {child.tag.rpartition("}")[2]: child.text for child in root}
            assert parts["title"]
            assert parts["desc"]
    assert "#12436d" in (folder / "nation.svg").read_text(encoding="utf-8").lower()


def test_the_same_run_writes_the_same_bytes(sample: Sample, folder: Path, tmp_path: Path) -> None:
    assert run(sample, tmp_path / "again", "--backtest") == 0
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_simple_history_without_back_test(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    months = [f"{2021 + i // 12}-{i % 12 + 1:02d}" for i in range(30)]
    rows = "".join(f"{month},P{p},{1000 * p + 10 * i}\n" for i, month in enumerate(months) for p in (1, 2))
    path = tmp_path / "h.csv"
    path.write_text("month,panel,grams\n" + rows, encoding="utf-8")
    out = tmp_path / "out"
    assert main(["forecast", str(path), "--horizon-months", "3", "--breaks", "adjust", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert "no back-test was run" in said.out
    assert "Written to" in said.err
    assert {path.name for path in out.iterdir()} == FILES - {"backtest.csv", "backtest_series.csv", "medicines.csv"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--model", "Oracle"], "--model"),
        (["--breaks", "hide"], "--breaks"),
        (["--horizon-months", "0"], "--horizon-months"),
        (["--horizon-months", "61"], "--horizon-months"),
    ],
)
def test_bad_options_are_told_in_one_line(
    sample: Sample, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert run(sample, tmp_path / "out", *more) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert any(said in line for line in lines)
    assert not any("Traceback" in line for line in lines)
    assert not (tmp_path / "out").exists()


def test_out_is_needed_and_a_missing_history_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", "none.csv"]) == 2
    assert "--out" in capsys.readouterr().err
    assert main(["forecast", str(tmp_path / "none.csv"), "--out", str(tmp_path / "o")]) == 2
    assert "none.csv" in capsys.readouterr().err


def test_a_sample_can_be_made_and_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["forecast", str(tmp_path / "s"), "--make-sample"]) == 0
    assert "synthetic" in capsys.readouterr().err
    assert "synthetic" in (tmp_path / "s" / "README.txt").read_text(encoding="utf-8")
    assert main(["forecast", str(tmp_path / "s"), "--make-sample"]) == 2
