"""Workbooks of a comparison of policies and of a forecast, from folders written by hand."""

from __future__ import annotations

import io
import json
from pathlib import Path

import openpyxl
import pytest

from allocation.errors import InputError
from allocation.reporting.workbook import workbook_bytes, workbook_of

PAIRED = "label,unit,mean,mean_against,difference,low,high,replications,clear"
FORECAST = "month,level,panel,group,model,grams,low_80,high_80,low_95,high_95,interval"
HISTORY = "month,panel,group,grams,days,grams_per_day,filled,provisional"


def write(path: Path, *lines: str) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comparison")
    write(
        folder / "differences.csv",
        f"policy,against,outcome,{PAIRED}",
        "pro_rata,grade_order,unmet_g,Grams given up,g,1260,1040,220,-10,450,4,no",
        "pro_rata,grade_order,patients_late,Patients late,patients,43.5,31.25,12.25,3,21.5,4,yes",
        "pro_rata,grade_order,lowest_cover,Lowest cover,weeks,1.75,1.5,0.25,0.1,0.4,4,yes",
    )
    write(
        folder / "by_grade.csv",
        f"policy,against,grade,measure,{PAIRED}",
        "pro_rata,grade_order,4,patients_late,Patients late,patients,5.25,2,3.25,1,5.5,4,yes",
        "pro_rata,grade_order,4,fill_percent,Share given,%,97.123,99.456,-2.333,-3,-1,4,yes",
        "pro_rata,grade_order,3,patients_late,Patients late,patients,38.25,29.25,9,2,16,4,yes",
        "pro_rata,grade_order,3,unmet_g,Grams given up,g,860,740,120,-4,250,4,no",
    )
    write(
        folder / "by_panel.csv",
        f"policy,against,panel,measure,{PAIRED}",
        "pro_rata,grade_order,SRIAP01,patients_late,Patients late,patients,21,14,7,1,13,4,yes",
    )
    write(
        folder / "levels.csv",
        "policy,group,key,measure,label,unit,mean,low,high,replications",
        "grade_order,all,,patients_late,Patients late,patients,31.25,20,42.5,4",
        "grade_order,grade,4,patients_late,Patients late,patients,2,0,4,4",
        "grade_order,grade,4,unmet_g,Grams given up,g,140,20,260,4",
    )
    summary = {
        "kind": "comparison",
        "scenario": "x",
        "title": "Two makers stop",
        "description": "d",
        "weeks": 52,
        "replications": 4,
        "seed": 1,
        "as_of": "2026-11-01",
        "cohort": {"patients": 400, "name": "sample"},
        "policies": [
            {"name": name, "title": name, "rule": "r", "assumptions": []} for name in ("grade_order", "pro_rata")
        ],
        "headlines": ["Two policies on the same patients and the same luck.", "pro_rata: 3 patients more are late."],
        "assumptions": [],
        "sources": [],
    }
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    manifest = {"program": "igalloc", "command": "compare", "rulebook": "nhs_2021 2021.1", "seed": 1, "inputs": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def rows(folder: Path, sheet: str, *, share: bool = False) -> list[tuple[object, ...]]:
    made = openpyxl.load_workbook(io.BytesIO(workbook_bytes(workbook_of(folder, share=share))))
    return list(made[sheet].iter_rows(min_row=2, values_only=True))


def test_a_comparison_has_its_differences_as_numbers(comparison: Path) -> None:
    found = rows(comparison, "Differences")
    assert found[0] == ("pro_rata", "grade_order", "Grams given up", "g", 1260, 1040, 220, -10, 450, "no", 4)
    assert [row[2] for row in rows(comparison, "By grade")] == ["Grade 4", "Grade 4", "Grade 3", "Grade 3"]
    assert len(rows(comparison, "Levels")) == 3
    assert [row[0] for row in rows(comparison, "Policies")] == ["grade_order", "pro_rata"]


def test_a_shared_comparison_hides_few_people_and_what_rests_on_them(comparison: Path) -> None:
    grades = rows(comparison, "By grade", share=True)
    assert grades[0][5:10] == ("*",) * 5
    assert grades[1][5:10] == ("*", "*", "*", "*", "*")
    assert grades[2][5:10] == (40, 30, 10, "*", "*")
    assert grades[3][5:10] == (900, 700, 200, "*", "*")
    differences = rows(comparison, "Differences", share=True)
    assert differences[1][4:9] == (45, 30, 15, "*", "*")
    assert differences[2][4:9] == (1.75, 1.5, 0.25, 0.1, 0.4)
    (panel,) = rows(comparison, "By panel", share=True)
    assert panel[5:8] == ("*",) * 3, "a difference of 7 people tells of few"
    levels = rows(comparison, "Levels", share=True)
    assert [row[5] for row in levels] == [30, "*", "*"]
    answers = [row[1] for row in rows(comparison, "Cover", share=True) if row[0] == "Answer"]
    assert answers == ["Two policies on the same patients and the same luck."]


@pytest.fixture(scope="module")
def forecast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forecast")
    write(
        folder / "forecast.csv",
        FORECAST,
        "2026-11,nation,,,AutoETS,40392.594,35470.816,45478.511,32879.679,47097.42,model",
        "2026-11,panel,SRIAP01,,AutoETS,10392.594,9470.816,11478.511,8879.679,12097.42,model",
    )
    write(folder / "history.csv", HISTORY, "2026-10,SRIAP01,intravenous,10405.3,31,335.655,no,yes")
    write(folder / "breaks.csv", "level,panel,group,kind,first_month,months,change_share,handled")
    write(
        folder / "data_notes.csv",
        "kind,name,first_month,last_month,months,text",
        "missing trust,=R001,2026-01,2026-02,2,No row at all.",
    )
    write(folder / "findings.txt", "Demand rises. One model is used. Intervals held. They were not corrected. More.")
    manifest = {
        "program": "igalloc",
        "command": "forecast",
        "options": {"horizon_months": 1},
        "inputs": {},
        "seed": None,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def test_a_forecast_has_months_as_dates_and_grams_as_numbers(forecast: Path) -> None:
    nation, panel = rows(forecast, "Forecast")
    assert (nation[0].year, nation[0].month, nation[0].day) == (2026, 11, 1)
    assert nation[1:4] == ("nation", None, None)
    assert nation[4] == 40392.594
    assert panel[2].startswith("SRIAP01 ")
    names = [sheet.name for sheet in workbook_of(forecast).sheets]
    assert "Breaks" not in names, "a table without a row has no sheet"
    assert rows(forecast, "Data notes")[0][1] == "=R001"
    answers = [row[1] for row in rows(forecast, "Cover") if row[0] == "Answer"]
    assert answers == ["Demand rises.", "One model is used.", "Intervals held."]
    assert "More." in [row[1] for row in rows(forecast, "Notes")]


def test_a_shared_forecast_rounds_panels_and_leaves_single_trusts_out(forecast: Path) -> None:
    nation, panel = rows(forecast, "Forecast", share=True)
    assert nation[4] == 40393
    assert panel[4:9] == (10400, 9500, 11500, 8900, 12100)
    assert rows(forecast, "History", share=True)[0][3] == 10400
    assert "Data notes" not in [sheet.name for sheet in workbook_of(forecast, share=True).sheets]


def test_a_forecast_short_of_a_file_is_told(forecast: Path, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_bytes((forecast / "manifest.json").read_bytes())
    with pytest.raises(InputError, match=r"findings\.txt"):
        workbook_of(tmp_path)


def study(folder: Path, kind: str, command: str, **more: object) -> Path:
    folder.mkdir()
    summary = {
        "kind": kind, "scenario": "x", "title": "A maker stops", "description": "d", "weeks": 52, "replications": 4,
        "seed": 1, "as_of": "2026-11-01", "cohort": {"patients": 400, "name": "sample", "left_out": 3},
        "assumptions": [], "sources": [], **more,
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    manifest = {"program": "igalloc", "command": command, "rulebook": "nhs_2021 2021.1", "seed": 1, "inputs": {}}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


LATE = {"name": "patients_late", "label": "Patients late", "unit": "patients"}
TURNED = {
    "key": "disruption.0.fraction",
    "label": "size of the cut",
    "low": 0.1,
    "high": 0.7,
    "base": 0.14,
    "whole": False,
}


def test_a_breaking_point_and_every_size_tried(tmp_path: Path) -> None:
    folder = study(
        tmp_path / "run", "breaking_point", "breaking-point", vary=[TURNED], outcome=LATE, contradictions=0,
        limit={"number": 20, "side": "above"}, share_of_replications=0.5,
    )  # fmt: skip
    write(folder / "breaking_points.csv", "second_value,status,holds_at,breaks_at", ",found,0.3,0.4")
    write(
        folder / "tried.csv",
        "second_value,value,replications,broken,share_broken,share_low,share_high,outcome_mean,outcome_low,outcome_high",
        ",0.3,4,1,0.25,0.05,0.7,4.25,1,8",
        ",0.4,4,3,0.75,0.3,0.95,33.5,20,47",
    )
    assert rows(folder, "Breaking points") == [("found", 0.3, 0.4)]
    assert [row[7] for row in rows(folder, "Tried", share=False)] == [4.25, 33.5]
    assert [row[7:10] for row in rows(folder, "Tried", share=True)] == [("*",) * 3, (35, "*", "*")]
    assert [row[1] for row in rows(folder, "Cohort", share=True)] == [400, "*"]
    answers = [row[1] for row in rows(folder, "Cover") if row[0] == "Answer"]
    assert "breaks with “size of the cut” at 0.4" in answers[0]


def test_effects_of_inputs_by_both_methods(tmp_path: Path) -> None:
    fill = {"name": "fill", "label": "Share given", "unit": "%"}
    one_way = study(tmp_path / "one", "sensitivity", "sensitivity", method="one_way", vary=[TURNED], left_out=[],
                    outcomes=[LATE, fill])  # fmt: skip
    write(
        one_way / "sensitivity.csv",
        "outcome,key,end,value,base_value,difference,low,high,replications,swing",
        "patients_late,disruption.0.fraction,low,0.1,0.14,-3.25,-5,-1,4,21",
        "patients_late,disruption.0.fraction,high,0.7,0.14,17.75,12,24,4,21",
        "fill,disruption.0.fraction,high,0.7,0.14,-2.345,-3,-1,4,2",
    )
    internal, shared = rows(one_way, "Effects"), rows(one_way, "Effects", share=True)
    assert [row[6] for row in internal] == [-3.25, 17.75, -2.345]
    assert [row[6:9] for row in shared][:2] == [("*",) * 3, (20, "*", "*")]
    assert shared[2][6] == pytest.approx(-2.3, abs=0.05)
    sobol = study(tmp_path / "two", "sensitivity", "sensitivity", method="sobol", vary=[TURNED], left_out=[],
                  outcomes=[fill])  # fmt: skip
    write(
        sobol / "sensitivity.csv",
        "outcome,key,first_order,first_order_low,first_order_high,total,total_low,total_high",
        "fill,disruption.0.fraction,0.61,0.5,0.7,0.72,0.6,0.8",
    )
    assert rows(sobol, "Effects")[0][3:] == (0.61, 0.5, 0.7, 0.72, 0.6, 0.8)
