"""A folder that cannot be reported says which file is at fault and what was expected."""

from __future__ import annotations

import pandas as pd
import pytest

from allocation.errors import InputError
from allocation.reporting.load import load_run


def _fault(folder) -> str:
    with pytest.raises(InputError) as caught:
        load_run(folder)
    return str(caught.value)


def test_a_folder_that_is_not_there(tmp_path):
    assert "folder of a run" in _fault(tmp_path / "nowhere")


def test_a_folder_without_a_run(tmp_path):
    assert "the folder of a run" in _fault(tmp_path)


def test_a_run_of_another_kind(tmp_path):
    (tmp_path / "summary.json").write_text('{"kind": "astrology"}', encoding="utf-8")
    assert "'astrology'" in _fault(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["weeks.parquet", "national.parquet", "outcomes.parquet", "affected.parquet", "manifest.json"],
)
def test_each_missing_file_is_named(simulation_copy, name):
    (simulation_copy / name).unlink()
    assert name in _fault(simulation_copy)


@pytest.mark.parametrize("name", ["weeks.parquet", "national.parquet"])
def test_a_damaged_file_is_named(simulation_copy, name):
    (simulation_copy / name).write_bytes(b"PAR1 not really")
    said = _fault(simulation_copy)
    assert name in said
    assert "Parquet" in said


@pytest.mark.parametrize(
    ("name", "column"),
    [("weeks.parquet", "unmet_g"), ("national.parquet", "cover_weeks"), ("affected.parquet", "patients_late")],
)
def test_a_missing_column_is_named(simulation_copy, name, column):
    path = simulation_copy / name
    pd.read_parquet(path).drop(columns=column).to_parquet(path)
    said = _fault(simulation_copy)
    assert name in said
    assert column in said


def test_json_that_is_none(simulation_copy):
    (simulation_copy / "manifest.json").write_text("{", encoding="utf-8")
    assert "JSON" in _fault(simulation_copy)


def test_two_rows_for_one_week(simulation_copy):
    path = simulation_copy / "national.parquet"
    frame = pd.read_parquet(path)
    pd.concat([frame, frame.iloc[[0]]]).to_parquet(path)
    assert "one row for each replication and week" in _fault(simulation_copy)


def test_a_number_that_is_none_is_named_with_its_row(allocation_copy):
    path = allocation_copy / "panels.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    cells = lines[3].split(",")
    cells[3] = "much"
    lines[3] = ",".join(cells)
    path.write_text("\n".join(lines), encoding="utf-8")
    said = _fault(allocation_copy)
    assert "panels.csv, row 4, due_g" in said
    assert "'much'" in said


def test_a_grade_that_is_none(allocation_copy):
    path = allocation_copy / "patients.csv"
    text = path.read_text(encoding="utf-8").replace("P000001,SRIAP01,4,", "P000001,SRIAP01,9,", 1)
    path.write_text(text, encoding="utf-8")
    said = _fault(allocation_copy)
    assert "patients.csv, row 2, grade" in said
