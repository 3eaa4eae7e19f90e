"""Folders of a comparison, a breaking point, a sensitivity analysis and a forecast, written by plain arithmetic.

``few`` is a count of patients from 1 to 7 that stands in every place where such a count can stand.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from allocation.records import canonical_json, sha256_of

PAIRED = "label,unit,mean,mean_against,difference,low,high,replications,clear"


def _write(path: Path, *lines: str) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _ended(folder: Path, command: str, summary: dict | None = None, **more: object) -> Path:
    if summary is not None:
        (folder / "summary.json").write_text(canonical_json(summary), encoding="utf-8")
    outputs = {path.name: sha256_of(path) for path in sorted(folder.iterdir()) if path.name != "manifest.json"}
    manifest = {
        "program": "igalloc", "version": "0.1.0", "command": command, "rulebook": "nhs_2021 2021.1", "seed": 1,
        "inputs": {}, "options": {"weeks": 26}, "outputs": outputs, **more,
    }  # fmt: skip
    (folder / "manifest.json").write_text(canonical_json(manifest), encoding="utf-8")
    return folder


def _summary(kind: str, few: int) -> dict:
    return {
        "kind": kind, "scenario": "x", "title": "Two makers stop", "description": "d", "weeks": 26, "replications": 4,
        "seed": 1, "as_of": "2026-11-01", "cohort": {"patients": 400, "name": "sample", "left_out_not_funded": few},
        "assumptions": [], "sources": [], "confidence_level": 0.95, "headlines": ["Four replications of two policies."],
    }  # fmt: skip


def make_comparison_folder(folder: Path, *, few: int = 3) -> Path:
    """Two policies; few patients of grade 4 are late, and the difference in a panel is of few."""
    folder.mkdir(parents=True)
    _write(
        folder / "differences.csv",
        f"policy,against,outcome,{PAIRED}",
        "pro_rata,grade_order,fill_grade_4_percent,Share of grade 4 grams due that was given,%,97,99,-2,-3,-1,4,yes",
        "pro_rata,grade_order,patients_late,Patients late,patients,43.5,31.25,12.25,3,21.5,4,yes",
        f"pro_rata,grade_order,patients_late_grade_4,Grade 4 patients late,patients,{few}.5,{few},0.5,-1,2,4,no",
        "pro_rata,grade_order,unmet_g,Grams given up,g,1260,1040,220,-10,450,4,no",
    )
    _write(
        folder / "by_grade.csv",
        f"policy,against,grade,measure,{PAIRED}",
        f"pro_rata,grade_order,4,patients_late,Patients late,patients,{few}.25,2,{few}.0,1,5.5,4,yes",
        "pro_rata,grade_order,4,fill_percent,Share given,%,97.123,99.456,-2.333,-3,-1,4,yes",
        "pro_rata,grade_order,3,patients_late,Patients late,patients,38.25,29.25,9,2,16,4,yes",
        "pro_rata,grade_order,3,fill_percent,Share given,%,90,91,-1,-3,1,4,no",
    )
    _write(
        folder / "by_panel.csv",
        f"policy,against,panel,measure,{PAIRED}",
        f"pro_rata,grade_order,SRIAP01,patients_late,Patients late,patients,{20 + few},20,{few},1,9,4,yes",
        "pro_rata,grade_order,SRIAP02,patients_late,Patients late,patients,40,20,20,1,39,4,yes",
    )
    _write(
        folder / "levels.csv",
        "policy,group,key,measure,label,unit,mean,low,high,replications",
        "grade_order,all,,patients_late,Patients late,patients,31.25,20,42.5,4",
        f"grade_order,grade,4,patients_late,Patients late,patients,{few},0,9,4",
    )
    summary = _summary("comparison", few)
    summary["against"] = "grade_order"
    summary["policies"] = [
        {"name": name, "title": title, "rule": "r", "assumptions": []}
        for name, title in (("grade_order", "Grade order"), ("pro_rata", "Pro rata"))
    ]
    summary["headlines"].append(f"pro_rata against grade_order: {few} patients more are late.")
    return _ended(folder, "compare", summary)


def make_sensitivity_folder(folder: Path, *, few: int = 3) -> Path:
    """Two inputs and two outcomes, one of which counts people; one input moves it by few."""
    folder.mkdir(parents=True)
    _write(
        folder / "sensitivity.csv",
        "outcome,key,end,value,base_value,difference,low,high,replications,swing",
        "patients_late,a.fraction,low,0.1,0.2,-40,-60,-20,4,120",
        "patients_late,a.fraction,high,0.3,0.2,80,60,100,4,120",
        f"patients_late,b.cover,low,2,4,{few},1,9,4,{few}.5",
        "patients_late,b.cover,high,6,4,-0.5,-1,0,4,3.5",
        "lowest_cover_weeks,a.fraction,low,0.1,0.2,0.5,0.25,0.75,4,1.5",
        "lowest_cover_weeks,a.fraction,high,0.3,0.2,-1,-1.5,-0.5,4,1.5",
        "lowest_cover_weeks,b.cover,low,2,4,-0.25,-0.5,0,4,0.5",
        "lowest_cover_weeks,b.cover,high,6,4,0.25,0,0.5,4,0.5",
    )
    summary = _summary("sensitivity", few)
    summary |= {
        "method": "one_way",
        "vary": [
            {"key": "a.fraction", "label": "Size of the cut", "base": 0.2, "low": 0.1, "high": 0.3},
            {"key": "b.cover", "label": "Weeks of cover at the start", "base": 4, "low": 2, "high": 6},
        ],
        "outcomes": [
            {"name": "patients_late", "label": "Patients late", "unit": "patients"},
            {"name": "lowest_cover_weeks", "label": "Lowest weeks of cover", "unit": "weeks"},
        ],
        "left_out": [],
    }
    summary["headlines"] = [f"Patients late changes most with the cut; {few} with cover."]
    return _ended(folder, "sensitivity", summary)


def make_breaking_folder(folder: Path, *, few: int = 3) -> Path:
    """A cut that breaks from 0.2 on, where the outcome that decides it counts few people."""
    folder.mkdir(parents=True)
    _write(
        folder / "breaking_points.csv",
        "second_value,status,holds_at,breaks_at,tried,contradictions",
        ",found,0.15,0.2,4,0",
    )
    _write(
        folder / "tried.csv",
        "second_value,value,replications,broken,share_broken,share_low,share_high,outcome_mean,outcome_low,outcome_high",
        f",0.1,4,0,0,0,0.49,{few}.25,{few - 1},{few + 1}",
        f",0.15,4,1,0.25,0.05,0.7,{few}.5,{few - 1},9",
        ",0.2,4,3,0.75,0.3,0.95,22,18,26",
        ",0.3,4,4,1,0.51,1,43,38,48",
    )
    summary = _summary("breaking_point", few)
    summary |= {
        "vary": [{"key": "a.fraction", "label": "size of the cut", "base": 0.1, "low": 0.1, "high": 0.3}],
        "outcome": {"name": "patients_late", "label": "Patients late", "unit": "patients"},
        "limit": {"side": "above", "number": 20}, "share_of_replications": 0.5, "contradictions": 0,
    }  # fmt: skip
    return _ended(folder, "breaking-point", summary)


def make_forecast_folder(folder: Path, *, few: int = 3, cohort: bool = True) -> Path:
    """Three years of two panels, a year ahead, and a cohort in which few have one of the conditions."""
    folder.mkdir(parents=True)
    months = [f"{2021 + i // 12}-{i % 12 + 1:02d}" for i in range(48)]
    known, ahead = months[:36], months[36:]
    rng = np.random.default_rng(3)
    used = {
        (panel, group): level * (1 + 0.004 * np.arange(48)) + rng.normal(0, 200, 48)
        for panel, group, level in (
            ("SRIAP01", "intravenous", 9000), ("SRIAP01", "subcutaneous", 2000),
            ("SRIAP02", "intravenous", 14000), ("SRIAP02", "subcutaneous", 4000),
        )
    }  # fmt: skip
    _write(
        folder / "history.csv",
        "month,panel,group,grams,days,grams_per_day,filled,provisional",
        *(
            f"{month},{panel},{group},{grams[i]:.1f},30,{grams[i] / 30:.3f},{'yes' if i == 5 else 'no'},no"
            for i, month in enumerate(known)
            for (panel, group), grams in used.items()
        ),
    )
    nodes = [("nation", "", ""), ("group", "", "intravenous"), ("panel", "SRIAP01", ""), ("panel", "SRIAP02", "")]
    lines = []
    for level, panel, group in nodes:
        total = sum(grams for (a, b), grams in used.items() if panel in ("", a) and group in ("", b))
        for i, month in enumerate(ahead, 36):
            mean = float(total[i])
            ends = [mean * (1 + side * (0.03 + 0.004 * (i - 35))) for side in (-1, 1, -1.6, 1.6)]
            lines.append(
                f"{month},{level},{panel},{group},AutoETS,{mean:.3f},{','.join(f'{e:.3f}' for e in ends)},conformal"
            )
    _write(
        folder / "forecast.csv", "month,level,panel,group,model,grams,low_80,high_80,low_95,high_95,interval", *lines
    )
    _write(
        folder / "breaks.csv",
        "level,panel,group,kind,first_month,months,change_share,handled",
        f"nation,,,outlier,{known[14]},2,-0.3,no",
        f"panel,SRIAP01,,level shift,{known[20]},16,0.2,no",
    )
    _write(
        folder / "data_notes.csv",
        "kind,name,first_month,last_month,months,text",
        f"missing trust,R001,{known[3]},{known[4]},2,No row at all.",
    )
    _write(
        folder / "backtest.csv",
        "model,level,series,mase,wape,coverage_80,coverage_95,coverage_80_corrected,coverage_95_corrected,loses_to_naive",
        "AutoETS,nation,1,0.44,0.066,0.81,0.95,0.8,0.95,no",
        "SeasonalNaive,nation,1,1,0.12,0.78,0.93,,,no",
    )
    said = f"From {ahead[0]} to {ahead[-1]} all panels together are forecast to use 378 kg. The panels grow alike."
    if cohort:
        said += f"\n\nCounted from the patients up, a cohort in 2 panels needs 300 kg from {ahead[0]} to {ahead[-1]}."
        _write(
            folder / "bottom_up.csv",
            "month,level,panel,grams,long_term_g,acute_g,low_80,high_80,low_95,high_95,top_down_g",
            *(f"{month},all panels,,25000,22000,3000,24000,26000,23000,27000,31000" for month in ahead),
        )
        head = "panel,from_month,to_month,top_down_g,bottom_up_g,difference_g,growth_g,patients_g,mix_g,dose_g"
        _write(
            folder / "comparison.csv",
            head,
            f"All panels,{ahead[0]},{ahead[-1]},372000,300000,-72000,-10000,-60000,3000,-5000",
            f"SRIAP01,{ahead[0]},{ahead[-1]},140000,120000,-20000,-5000,-16000,2000,-1000",
            f"SRIAP02,{ahead[0]},{ahead[-1]},232000,180000,-52000,-5000,-44000,1000,-4000",
        )
        _write(
            folder / "comparison_groups.csv",
            "group,patients,share,grams_per_patient_year,reference_share,reference_grams_per_patient_year,mix_g,dose_g",
            f"CIDP,{few},0.0{few},1{few}00,0.0753,1147,5632,6397",
            "PID,190,0.9,354.8,0.2,357,4097,-2234",
        )
    _write(folder / "findings.txt", said)
    forecast = {"model": "AutoETS", "reconciliation": "variance scaling", "interval_factors": {"nation, 80 %": 0.5}}
    return _ended(folder, "forecast", forecast=forecast)


def add_consequences(folder: Path, *, few: int = 3) -> Path:
    """What waiting may do, and what ran out, put into a simulation's folder: few relapses."""
    import pandas as pd

    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    spread = {"low": few - 0.5, "high": few + 0.5, "p05": 0.5, "p95": 9.0, "replications": 5}
    summary["consequences"] = {
        "caveat": "Expected numbers, never a prediction for a person.",
        "outcomes": {
            "relapses_expected": {"label": "Expected relapses", "unit": "patients", "mean": float(few), **spread},
            "pneumonias_expected": {
                "label": "Expected pneumonias", "unit": "pneumonias", "mean": 41.0, "low": 36.0, "high": 46.0,
                "p05": 33.0, "p95": 49.0, "replications": 5,
            },
            "mean_trough_g_per_l": {
                "label": "Mean trough", "unit": "g/L", "mean": 8.123, "low": 8.0, "high": 8.25, "p05": 7.5, "p95": 8.5,
                "replications": 5,
            },
        },
        "parameters": [
            {"name": "a", "label": "Half-life", "unit": "days", "value": 25.5, "low": 9.0, "high": 55.0,
             "source": "A study", "confidence": "P", "text": "t"},
        ],
    }  # fmt: skip
    (folder / "summary.json").write_text(canonical_json(summary), encoding="utf-8")
    rows = [(r, product, first, np.nan, 4) for r in range(5) for product, first in (("a_10", 3.0), ("b_5", np.nan))]
    names = ["replication", "product", "first_panel_week", "first_week", "panel_weeks"]
    pd.DataFrame(rows, columns=names).to_parquet(folder / "stock_outs.parquet", index=False)
    return renewed(folder)


def renewed(folder: Path) -> Path:
    """The same with its manifest noting the files as they are now."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["outputs"] = {name: sha256_of(folder / name) for name in manifest["outputs"]}
    path.write_text(canonical_json(manifest), encoding="utf-8")
    return folder
