"""``igalloc forecast --cohort``: the cohort's demand beside the forecast, and that forecast followed by a scenario."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from allocation.cli import main
from allocation.forecast.months import days_in, month_range
from allocation.resources import SAMPLE_COHORT, bundled

pytest.importorskip("statsforecast", reason="the extra forecast is not installed")

TABLES = {"bottom_up.csv", "comparison.csv", "comparison_groups.csv"}
CHARTS = {
    f"{name}{size}.svg" for name in ("comparison", "comparison_panels", "comparison_parts") for size in ("", "_narrow")
}
MONTHS = 16


@pytest.fixture(scope="module")
def cohort() -> Path:
    path = bundled(SAMPLE_COHORT)
    assert path is not None
    return path


@pytest.fixture(scope="module")
def history(cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simple history of the cohort's panels, from November 2023 to October 2026, growing by 6 % a year."""
    months = month_range("2023-11", 36)
    rng = np.random.default_rng(2)
    panels = sorted(set(pd.read_csv(cohort, dtype=str)["panel"]))
    rows = [
        (month, panel, 1000 * 1.06 ** (t / 12) * days / 30 * float(np.exp(rng.normal(0, 0.03))))
        for panel in panels
        for t, (month, days) in enumerate(zip(months, days_in(months), strict=True))
    ]
    path = tmp_path_factory.mktemp("history") / "history.csv"
    pd.DataFrame(rows, columns=["month", "panel", "grams"]).to_csv(path, index=False)
    return path


def run(history: Path, out: Path, *more: str) -> int:
    arguments = ["forecast", str(history), "--horizon-months", str(MONTHS), "--model", "AutoTheta"]
    return main([*arguments, "--out", str(out), *more])


@pytest.fixture(scope="module")
def folder(history: Path, cohort: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "ahead"
    assert run(history, out, "--cohort", str(cohort)) == 0
    return out


def test_tables_charts_and_manifest_are_there(folder: Path, cohort: Path) -> None:
    assert TABLES | CHARTS <= {path.name for path in folder.iterdir()}
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["inputs"]["cohort"]["file"] == cohort.name
    assert manifest["options"]["as_of"] == "2026-11-01"
    assert manifest["options"]["scenario"] == "baseline"
    assert manifest["rulebook"].startswith("nhs")
    assert TABLES | CHARTS <= set(manifest["outputs"])
    for name in CHARTS:
        root = ET.fromstring((folder / name).read_text(encoding="utf-8"))
        parts = {child.tag.rpartition("}")[2]: child.text for child in root}
        assert parts["title"]
        assert "Counted from the patients up" in str(parts["desc"])


def test_the_difference_is_told_and_adds_up(folder: Path) -> None:
    table = pd.read_csv(folder / "comparison.csv")
    parts = table[["growth_g", "patients_g", "mix_g", "dose_g"]].sum(axis=1)
    assert (table["bottom_up_g"] - table["top_down_g"]).round(3).tolist() == table["difference_g"].tolist()
    assert parts.round(3).tolist() == table["difference_g"].tolist()
    forecast = pd.read_csv(folder / "forecast.csv")
    nation = forecast.loc[forecast["level"] == "nation", "grams"].sum()
    assert table.loc[0, "top_down_g"] == pytest.approx(nation, abs=0.01)
    months = pd.read_csv(folder / "bottom_up.csv")
    assert months.groupby("panel", dropna=False).size().eq(MONTHS).all()
    said = (folder / "findings.txt").read_text(encoding="utf-8")
    assert said.count("\n\n") == 1
    assert "is made of growth" in said


def test_another_scenario_has_another_growth(history: Path, cohort: Path, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "growing"
    assert run(history, out, "--cohort", str(cohort), "--scenario", "ten_year_growth", "--as-of", "2026-11-15") == 0
    before, after = (pd.read_csv(place / "comparison.csv").iloc[0] for place in (folder, out))
    assert after["bottom_up_g"] > before["bottom_up_g"]
    assert after["growth_g"] > before["growth_g"]
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["options"]["as_of"] == "2026-11-15"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--as-of", "2026-11-01"], "--cohort"),
        (["--cohort", "{cohort}", "--as-of", "01/11/2026"], "YYYY-MM-DD"),
        (["--cohort", "{cohort}", "--as-of", "2040-01-01"], "not after the last month"),
        (["--cohort", "none.csv"], "none.csv"),
        (["--cohort", "{cohort}", "--scenario", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_compared_is_said_in_one_line(
    history: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert run(history, tmp_path / "out", *(text.format(cohort=cohort) for text in more)) == 2
    lines = capsys.readouterr().err
    assert said in lines
    assert "Traceback" not in lines
    assert not (tmp_path / "out").exists()


def test_rows_of_the_cohort_set_aside_are_named_and_kept(
    history: Path, cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(cohort, dtype=str, keep_default_na=False)
    frame.loc[3, "panel"] = "NOWHERE"
    frame.to_csv(tmp_path / "cohort.csv", index=False)
    assert run(history, tmp_path / "out", "--cohort", str(tmp_path / "cohort.csv")) == 2
    assert "NOWHERE" in capsys.readouterr().err
    assert len(pd.read_csv(tmp_path / "out" / "rejects.csv")) == 1
    assert (tmp_path / "out" / "comparison.csv").is_file()
    assert run(history, tmp_path / "strict", "--cohort", str(tmp_path / "cohort.csv"), "--strict") == 2
    assert not (tmp_path / "strict").exists()


def test_panels_that_never_meet_are_refused(cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{month},ELSEWHERE,{1000 + t}\n" for t, month in enumerate(month_range("2024-01", 24)))
    (tmp_path / "h.csv").write_text("month,panel,grams\n" + rows, encoding="utf-8")
    assert run(tmp_path / "h.csv", tmp_path / "out", "--cohort", str(cohort)) == 2
    assert "ELSEWHERE in the history" in capsys.readouterr().err


def test_a_scenario_follows_the_folder(folder: Path, cohort: Path, tmp_path: Path) -> None:
    text = 'name = "mine"\ntitle = "Mine"\nextends = "baseline"\n[run]\nweeks = 8\n[demand]\n'
    scenario = tmp_path / "mine.toml"
    scenario.write_text(f"{text}forecast = {json.dumps(str(folder))}\n", encoding="utf-8")
    out = tmp_path / "run"
    arguments = ["simulate", str(scenario), "--cohort", str(cohort), "--replications", "2", "--out", str(out)]
    assert main(arguments) == 0
    inputs = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["inputs"]
    assert {inputs[name]["file"] for name in ("demand forecast", "demand history")} == {"forecast.csv", "history.csv"}
    demand = pd.read_parquet(out / "national.parquet").groupby("replication").mean(numeric_only=True)
    assert len(demand) == 2
