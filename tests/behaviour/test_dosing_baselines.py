"""The versions that the benchmark compares with give the same answers, so that it compares like with like."""

from __future__ import annotations

import importlib.util
import sys
from datetime import date
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from allocation.cohort.demand import courses_in_vials
from allocation.cohort.load import load_cohort
from allocation.grading import grade_cohort
from allocation.resources import SAMPLE_COHORT, bundled
from allocation.rules import load_panels, load_products, load_rulebook

FOLDER = Path(__file__).resolve().parents[1] / "benchmark"
AS_OF = date(2026, 11, 1)


def baseline(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def cohort():
    path = bundled(SAMPLE_COHORT)
    assert path is not None
    frame = load_cohort(path, rulebook=load_rulebook(), panels=load_panels(), products=load_products()).good
    # Half the doses are blanked, so that the rulebook's are reckoned as well.
    frame.loc[np.arange(len(frame)) % 2 == 0, "dose_g"] = np.nan
    return frame


@pytest.fixture(scope="module")
def ours(cohort):
    graded = grade_cohort(load_rulebook(), cohort, AS_OF)
    course, _ = courses_in_vials(graded, rulebook=load_rulebook(), products=load_products(), as_of=AS_OF)
    return graded["grade"].to_numpy(dtype=np.int64, na_value=0).tolist(), course.tolist()


def test_row_by_row(cohort, ours) -> None:
    grades, courses = baseline("dosing_row_by_row").row_by_row(cohort, load_rulebook(), load_products(), AS_OF)
    assert grades == ours[0]
    assert courses == ours[1]


def test_polars(cohort, ours) -> None:
    pl = pytest.importorskip("polars")
    module = baseline("dosing_polars")
    rules = module.PolarsRules(load_rulebook(), load_products())
    table = pl.from_pandas(cohort, nan_to_null=False)
    table = table.with_columns(pl.col(name).cast(pl.Date) for name in cohort.select_dtypes("datetime"))
    found = module.polars_doses(table, rules, AS_OF)
    assert found["grade"].to_list() == ours[0]
    assert found["course_mg"].to_list() == ours[1]
