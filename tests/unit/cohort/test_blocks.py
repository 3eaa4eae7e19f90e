"""Cohorts are worked through in blocks of rows: where a block ends changes nothing."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest

from allocation.cohort.demand import demand_table
from allocation.cohort.load import load_cohort
from allocation.grading import Dates, blocks, columns, from_codes, grade_cohort
from allocation.resources import SAMPLE_COHORT, bundled
from allocation.rules import load_panels, load_products, load_rulebook

AS_OF = date(2026, 11, 1)
RULEBOOK, PRODUCTS = load_rulebook("nhs"), load_products()


@pytest.fixture(scope="module")
def cohort() -> pd.DataFrame:
    path = bundled(SAMPLE_COHORT)
    assert path is not None
    return load_cohort(path, rulebook=RULEBOOK, panels=load_panels(), products=PRODUCTS).good


def answers(cohort: pd.DataFrame) -> pd.DataFrame:
    graded = grade_cohort(RULEBOOK, cohort, AS_OF)
    return demand_table(graded, rulebook=RULEBOOK, products=PRODUCTS, as_of=AS_OF, weeks=4)


@pytest.mark.parametrize("rows", [7, 64])
def test_small_blocks_and_one_block_give_the_same(
    cohort: pd.DataFrame, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = answers(cohort)
    monkeypatch.setattr(columns, "_BLOCK_ROWS", rows)
    pdt.assert_frame_equal(answers(cohort), whole, check_exact=True)


def test_text_and_categories_give_the_same(cohort: pd.DataFrame) -> None:
    texts = [name for name in cohort.select_dtypes("object") if name != "patient_id"]
    coded = answers(cohort.astype(dict.fromkeys(texts, "category")))
    pdt.assert_frame_equal(coded.astype(dict.fromkeys(texts, object)), answers(cohort), check_exact=True)


def test_nothing_of_the_cohort_is_copied_or_changed(cohort: pd.DataFrame) -> None:
    before = cohort.copy(deep=True)
    graded = grade_cohort(RULEBOOK, cohort, AS_OF)
    assert np.shares_memory(graded["weight_kg"].to_numpy(), cohort["weight_kg"].to_numpy())
    pdt.assert_frame_equal(cohort, before)
    assert list(graded.columns[: cohort.shape[1]]) == list(cohort.columns)


def test_grading_again_keeps_the_columns_where_they_are(cohort: pd.DataFrame) -> None:
    graded = grade_cohort(RULEBOOK, cohort, AS_OF)
    pdt.assert_frame_equal(grade_cohort(RULEBOOK, graded, AS_OF), graded)


def test_categories_are_in_alphabetical_order() -> None:
    column = pd.Series(from_codes(["b", "a", "b"], np.array([0, 1, 2, 1])))
    assert column.tolist() == ["b", "a", "b", "a"]
    assert column.cat.categories.tolist() == ["a", "b"]
    assert column.groupby(column, observed=True).size().index.tolist() == ["a", "b"]


def test_blocks_cover_every_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "_BLOCK_ROWS", 4)
    assert [list(range(9))[part] for part in blocks(9)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    assert list(blocks(0)) == []


def test_a_missing_date_is_on_neither_side() -> None:
    told = ["1969-12-31", None, "1970-01-02", "1970-01-01 15:00"]
    dates = Dates.of(pd.Series(pd.to_datetime(told, format="ISO8601")))
    every = slice(None)
    assert dates.since(0, every).tolist() == [False, False, True, True]
    assert dates.until(0, every).tolist() == [True, False, False, True]
    assert dates.missing(every).tolist() == [False, True, False, False]
