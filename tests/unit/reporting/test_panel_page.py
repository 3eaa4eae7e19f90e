"""The page on one panel: its numbers are those of the run, its patients stay inside, and it says what it lacks."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from allocation.errors import InputError
from allocation.reporting import page_html, sheets_of
from allocation.reporting.blocks import Chart, Page, Table
from allocation.reporting.load import load_run
from allocation.reporting.panel_facts import panel_codes, panel_facts
from allocation.reporting.words import grams


def page(folder: Path, panel: str, *, share: bool = False) -> Page:
    (sheet,) = sheets_of(folder, share=share, panel=panel)
    return sheet.page


def table(found: Page, key: str) -> list[dict[str, str]]:
    parts: list[Chart | Table | None] = [found.lead, *(part for one in found.sections for part in one.parts)]
    for part in parts:
        made = part.data if isinstance(part, Chart) else part
        if made is not None and made.key == key:
            heads = [column.key for column in made.columns]
            return [dict(zip(heads, (cell.text for cell in row), strict=True)) for row in made.rows]
    raise AssertionError(key)


@pytest.fixture(scope="module")
def patients(allocation_folder) -> pd.DataFrame:
    frame = pd.read_csv(allocation_folder / "patients.csv", keep_default_na=False)
    return frame[frame["panel"] == "SRIAP07"]


def test_the_cohort_by_grade_is_that_of_the_run(allocation_folder, patients):
    rows = table(page(allocation_folder, "SRIAP07"), "panel-grades")
    assert [row["name"] for row in rows] == ["Grade 4", "Grade 3", "Grade 2", "Grade 1", "Ungraded", "All"]
    for row, grade in zip(rows, ("4", "3", "2", "1", ""), strict=False):
        own = patients[patients["grade"].astype(str) == grade]
        assert int(row["patients"]) == len(own)
        for status in ("treated", "reduced", "deferred", "suspended", "not_funded"):
            assert int(row.get(status, "0")) == (own["status"] == status).sum()
        assert int(row["due_g"].replace(",", "")) == own["due_g"].sum()
    assert int(rows[-1]["patients"]) == len(patients)
    assert sum(int(row["reviews_overdue"]) for row in rows[:-1]) == int(rows[-1]["reviews_overdue"]) > 0


def test_the_medians_are_of_the_other_panels(allocation_folder):
    panels = pd.read_csv(allocation_folder / "panels.csv")
    others = panels[(panels["panel"] != "SRIAP07") & (panels["grade"] == 3)]["fill_rate"]
    rows = table(page(allocation_folder, "SRIAP07"), "panel-grades")
    assert rows[1]["others"] == f"{others.median() * 100:.1f}%"
    midlands = panels[panels["panel"].isin(["SRIAP08"]) & (panels["grade"] == 3)]["fill_rate"]
    assert len(midlands) == 1
    assert all(row.get("nearby", "–") == "–" for row in rows), "one other panel is no median"


def test_stock_cover_reviews_and_rank_are_said(allocation_folder):
    found = page(allocation_folder, "SRIAP07")
    facts = dict(found.facts)
    assert facts["Cover"] == "2.5 weeks"
    shelf = pd.read_csv(allocation_folder / "panel_stock.csv").set_index("location").loc["SRIAP07"]
    assert facts["Stock"] == grams(shelf["stock_g"])
    cohort = pd.read_csv(allocation_folder / "panel_cohort.csv")
    mine = cohort[cohort["panel"] == "SRIAP07"]
    said = " ".join(found.headlines)
    assert f"Annual reviews overdue: {mine['reviews_overdue'].sum()}; until reviewed they hold back" in said
    fill = pd.read_csv(allocation_folder / "panels.csv").groupby("panel")[["due_g", "given_g"]].sum()
    fill = fill["given_g"] / fill["due_g"]
    assert f"{(fill < fill['SRIAP07']).sum()} panels of 21 are given less of all the grams due." in said


def test_the_internal_page_lists_every_patient_and_the_shared_one_none(allocation_folder, patients):
    rows = table(page(allocation_folder, "SRIAP07"), "panel-patients")
    assert {row["patient_id"] for row in rows} == set(patients["patient_id"])
    grades = [row["grade_name"] for row in rows]
    assert grades == sorted(grades, key=lambda name: -int(name[-1]) if name[-1].isdigit() else 0)
    shared = page_html(page(allocation_folder, "SRIAP07", share=True))
    assert not any(code in shared for code in patients["patient_id"])


def test_a_page_for_every_panel(allocation_folder):
    codes = panel_codes(load_run(allocation_folder))
    sheets = sheets_of(allocation_folder, share=True, panel="all")
    assert [sheet.name for sheet in sheets] == [f"panel_{code}_shared" for code in codes]


def test_an_unknown_panel_is_named_with_those_there_are(allocation_folder):
    with pytest.raises(InputError, match="SRIAP01") as caught:
        sheets_of(allocation_folder, share=False, panel="SRIAP99")
    assert "SRIAP99" in str(caught.value)


def test_only_an_allocation_has_panels(simulation_folder):
    with pytest.raises(InputError, match="folder of an allocation"):
        sheets_of(simulation_folder, share=False, panel="SRIAP01")


def test_an_older_run_says_what_it_lacks(allocation_copy):
    for name in ("panel_cohort.csv", "panel_stock.csv"):
        (allocation_copy / name).unlink()
    found = page(allocation_copy, "SRIAP07")
    assert "Stock" not in dict(found.facts)
    assert "run it again for reviews overdue" in page_html(found)


def test_a_panel_with_few_patients_shows_no_amount_of_theirs(builders, tmp_path):
    folder = builders.make_allocation_folder(tmp_path / "few", panels=2, scale=0.01)
    facts = panel_facts(load_run(folder), "SRIAP01", share=True)
    few = facts.grades[facts.grades["patients"] == "*"]
    assert len(few) == len(facts.grades)
    for name in ("treated", "deferred", "due_g", "given_g", "fill_rate", "overdue_due_g"):
        assert (few[name] == "*").all() or few[name].isna().any(), name
    assert facts.patients is None
    assert facts.rank == 0
    html = page_html(page(folder, "SRIAP01", share=True))
    assert "too few of them, or too few patients" in html


def test_a_failed_hash_marks_the_panels_page_too(allocation_copy):
    path = allocation_copy / "manifest.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["outputs"]["panels.csv"] = "0" * 64
    path.write_text(json.dumps(record), encoding="utf-8")
    assert "These results were changed after the run." in page_html(page(allocation_copy, "SRIAP07"))
