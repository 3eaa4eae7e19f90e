"""The sentences of a simulation from its files, gone through once: the same as from the tables of the report."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocation.errors import InputError
from allocation.reporting import run_headlines
from allocation.reporting.batches import RunningSums
from allocation.reporting.load import load_run
from allocation.reporting.simulation_answer import Answer, read_answer, simulation_headlines
from allocation.reporting.simulation_facts import facts_of

TABLES = ("weeks.parquet", "national.parquet", "affected.parquet")
WEEKS = 60


@pytest.fixture(scope="module")
def expected(simulation_folder) -> Answer:
    return facts_of(load_run(simulation_folder), share=False).answer


@pytest.fixture(scope="module")
def parts(simulation_folder, tmp_path_factory) -> list[Path]:
    """A folder for each replication, with its rows of the tables."""
    place = tmp_path_factory.mktemp("parts")
    folders = [place / str(number) for number in range(5)]
    for folder in folders:
        folder.mkdir()
    for name in TABLES:
        frame = pd.read_parquet(simulation_folder / name)
        for number, folder in enumerate(folders):
            frame[frame["replication"] == number].to_parquet(folder / name, index=False)
    return folders


def _same(found: Answer, expected: Answer) -> None:
    """To the last bit: a share is rounded for a sentence, and a tie must not go the other way."""
    assert found.replications == expected.replications == 5
    assert found.start_cover == expected.start_cover
    assert dict(found.everybody) == dict(expected.everybody)
    pd.testing.assert_frame_equal(found.lowest, expected.lowest.reset_index(drop=True), check_exact=True)
    pd.testing.assert_frame_equal(found.reached, expected.reached, check_exact=True)
    shared = [name for name in expected.grades.columns if name not in ("late_p05", "late_p95")]
    pd.testing.assert_frame_equal(found.grades[shared], expected.grades[shared], check_exact=True, check_dtype=False)


@pytest.mark.parametrize("rows", [1, 997, 1 << 16])
def test_read_from_the_run_or_from_its_replications(simulation_folder, parts, expected, rows, monkeypatch):
    monkeypatch.setattr("allocation.reporting.batches._BATCH_ROWS", rows)
    _same(read_answer([simulation_folder], weeks=WEEKS), expected)
    _same(read_answer(parts, weeks=WEEKS), expected)


def test_row_groups_that_end_within_a_replication(simulation_copy, expected, monkeypatch):
    monkeypatch.setattr("allocation.reporting.batches._BATCH_ROWS", 1)
    path = simulation_copy / "national.parquet"
    pd.read_parquet(path).to_parquet(path, index=False, row_group_size=7)
    _same(read_answer([simulation_copy], weeks=WEEKS), expected)


def test_the_sentences_are_those_of_the_page(simulation_folder, parts):
    run = load_run(simulation_folder)
    said = simulation_headlines(facts_of(run, share=False).answer, run.summary)
    assert run_headlines(simulation_folder) == said
    assert run_headlines(simulation_folder, replications=parts) == said


def test_a_run_in_which_nobody_was_counted(simulation_copy):
    path = simulation_copy / "affected.parquet"
    pd.read_parquet(path).iloc[:0].to_parquet(path, index=False)
    found = read_answer([simulation_copy], weeks=WEEKS)
    assert found.everybody == {}
    assert found.grades["fill"].notna().any()


def test_a_run_without_a_week_or_with_one_twice(simulation_copy):
    path = simulation_copy / "national.parquet"
    frame = pd.read_parquet(path)
    pd.concat([frame, frame.iloc[[-1]]]).to_parquet(path)
    with pytest.raises(InputError, match="one row for each replication and week"):
        run_headlines(simulation_copy)
    frame.iloc[:0].to_parquet(path)
    with pytest.raises(InputError, match="at least one week"):
        run_headlines(simulation_copy)


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_table_or_column_is_named(simulation_copy, tmp_path, name):
    frame = pd.read_parquet(simulation_copy / name)
    frame.drop(columns="replication").to_parquet(simulation_copy / name)
    with pytest.raises(InputError, match=rf"{name}.*replication"):
        run_headlines(simulation_copy)
    (simulation_copy / name).unlink()
    with pytest.raises(InputError, match=name):
        run_headlines(simulation_copy)
    part = Path(shutil.copytree(simulation_copy, tmp_path / "part"))
    with pytest.raises(InputError, match=name):
        run_headlines(simulation_copy, replications=[part])


@pytest.mark.parametrize("pieces", [1, 7, 400])
def test_running_sums_are_pandas_sums_to_the_last_bit(pieces):
    rng = np.random.default_rng(5)
    size = rng.choice([1e-6, 1.0, 1e9], 2000)
    frame = pd.DataFrame({"grade": rng.integers(0, 5, 2000), "a": rng.normal(size=2000) * size, "b": size})
    running = RunningSums("grade", ["a", "b"])
    for part in np.array_split(np.arange(2000), pieces):
        running.add(frame.iloc[part])
    expected = frame.groupby("grade")[["a", "b"]].sum()
    pd.testing.assert_frame_equal(running.frame(), expected, check_exact=True)
    # Numbers for which it matters: added up plainly they come out otherwise.
    assert frame.groupby("grade")["a"].agg(lambda part: sum(part.tolist())).ne(expected["a"]).any()


def test_running_sums_of_nothing():
    assert RunningSums("grade", ["a"]).frame().empty
