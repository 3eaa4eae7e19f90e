"""How fast grade, dose and whole vials are: ours against row by row, polars and a copy of the same memory.

Run it from the top of the repository; ``README.md`` beside it says how. It prints ratios with their spread and writes
JSON. It asserts that every version gives the same answers, and never how long any takes.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import date
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from dosing_row_by_row import row_by_row

from allocation.cohort.demand import courses_in_vials
from allocation.cohort.load import load_cohort
from allocation.grading import GRADE_COLUMNS, grade_cohort
from allocation.resources import NATIONAL_COHORT, bundled
from allocation.rules import FLAGS, load_panels, load_products, load_rulebook

AS_OF = date(2026, 11, 1)
TEXTS = ("indication", "situation", "sex", "route", "product", "panel_decision", "commissioned", *FLAGS)
NUMBERS = ("age_years", "height_cm", "weight_kg", "dose_g", "interval_weeks")
WRITTEN: list[Any] = []
"""Columns of grades and courses, filled in once they are known."""

DATES = ("start_date", "last_review_date", "last_dose_date", "next_due_date")


def cohort_of(rows: int, *, recorded_share: float, seed: int = 1) -> pd.DataFrame:
    """Patients drawn from the national cohort with replacement, their weights jittered; text as categories.

    The recorded dose is blanked for all but ``recorded_share``, so that doses are reckoned and not only looked up.
    """
    path = bundled(NATIONAL_COHORT)
    if path is None:
        raise SystemExit("The national cohort is not here: run make cohorts.")
    rulebook, panels, products = load_rulebook(), load_panels(), load_products()
    national = load_cohort(path, rulebook=rulebook, panels=panels, products=products).good
    rng = np.random.default_rng(seed)
    frame = national.take(rng.integers(0, len(national), rows)).reset_index(drop=True)
    frame["weight_kg"] = np.round(frame["weight_kg"] * rng.uniform(0.97, 1.03, rows), 2)
    frame.loc[rng.random(rows) >= recorded_share, "dose_g"] = np.nan
    for column in frame.select_dtypes("object"):
        if column != "patient_id":
            frame[column] = frame[column].astype("category")
    return frame


def ours(frame: pd.DataFrame) -> tuple[Any, Any]:
    """Grades and whole-vial courses by the package."""
    rulebook, products = load_rulebook(), load_products()
    graded = grade_cohort(rulebook, frame, AS_OF)
    courses, _ = courses_in_vials(graded, rulebook=rulebook, products=products, as_of=AS_OF)
    return graded["grade"].to_numpy(dtype=np.int8, na_value=0), courses


def memory_copy(frame: pd.DataFrame) -> list[np.ndarray[Any, Any]]:
    """A copy of each column that grading and dosing read, as it lies in memory."""
    codes = [frame[name].cat.codes.to_numpy().copy() for name in TEXTS if name in frame]
    return [*codes, *(frame[name].to_numpy().copy() for name in (*NUMBERS, *DATES))]


def written_copy(frame: pd.DataFrame) -> list[np.ndarray[Any, Any]]:
    """The same, and a copy of the columns that grading and dosing write."""
    return [*memory_copy(frame), *(column.copy() for column in WRITTEN)]


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with text instead of categories, as loading gives it."""
    return frame.astype({name: object for name in TEXTS if name in frame})


def measure(jobs: dict[str, tuple[Callable[[], Any], int]], rounds: int) -> dict[str, list[float]]:
    """Seconds for a million rows of each job, all jobs in turn in every round."""
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for round_ in range(rounds + 1):
        for name, (job, rows) in jobs.items():
            gc.collect()
            began = time.perf_counter()
            job()
            took = time.perf_counter() - began
            if round_:  # the first round warms caches
                seconds[name].append(took * 1e6 / rows)
    return seconds


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--row-by-row-rows", type=int, default=20_000, help="it is linear: the ratio is by row")
    parser.add_argument("--recorded-share", type=float, default=0.5, help="share of patients whose dose is recorded")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("reports/bench_dosing.json"))
    chosen = parser.parse_args()

    frame = cohort_of(chosen.rows, recorded_share=chosen.recorded_share)
    few = plain(frame.head(chosen.row_by_row_rows))
    rulebook, products = load_rulebook(), load_products()
    jobs: dict[str, tuple[Callable[[], Any], int]] = {
        "row by row": (lambda: row_by_row(few, rulebook, products, AS_OF), len(few)),
        "ours": (lambda: ours(frame), len(frame)),
        "copy, read": (lambda: memory_copy(frame), len(frame)),
        "copy, read and written": (lambda: written_copy(frame), len(frame)),
    }
    grades, courses = ours(frame)
    graded = grade_cohort(rulebook, frame, AS_OF)
    WRITTEN.extend(graded[name].array for name in GRADE_COLUMNS)
    WRITTEN.extend(courses_in_vials(graded, rulebook=rulebook, products=products, as_of=AS_OF))
    expected = row_by_row(few, rulebook, products, AS_OF)
    differing = int(
        (np.array(expected[0]) != grades[: len(few)]).sum() + (np.array(expected[1]) != courses[: len(few)]).sum()
    )
    if differing:
        raise SystemExit(f"row by row and ours differ in {differing} answers")
    if find_spec("polars"):
        import polars as pl
        from dosing_polars import PolarsRules, polars_doses

        rules = PolarsRules(rulebook, products)
        table = pl.from_pandas(plain(frame)[[*(n for n in TEXTS if n in frame), *NUMBERS, *DATES]], nan_to_null=False)
        table = table.with_columns(pl.col(name).cast(pl.Date) for name in DATES)
        found = polars_doses(table, rules, AS_OF)
        wrong = int((found["grade"].to_numpy() != grades).sum() + (found["course_mg"].to_numpy() != courses).sum())
        if wrong:
            raise SystemExit(f"polars and ours differ in {wrong} answers")
        jobs["polars"] = (lambda: polars_doses(table, rules, AS_OF), len(frame))
    else:
        print("polars is not installed: left out (install it with the extra benchmark)")

    seconds = measure(jobs, chosen.rounds)
    machine = {
        "processor": platform.processor() or platform.machine(),
        "system": platform.system(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "pandas", *(["polars"] if "polars" in jobs else []))},
    }
    report = {
        "benchmark": "dosing: grade, dose and whole vials",
        "rows": chosen.rows,
        "row_by_row_rows": chosen.row_by_row_rows,
        "recorded_share": chosen.recorded_share,
        "rounds": chosen.rounds,
        "machine": machine,
        "seconds_per_million_rows": seconds,
        "times_as_long_as_ours": ratios(seconds, of="others"),
        "ours_times_as_long": ratios(seconds, of="ours"),
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8", newline="\n")
    print(f"{chosen.rows:,} rows ({chosen.row_by_row_rows:,} row by row), {chosen.rounds} interleaved rounds")
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    print(f"{'':22} {'s per million rows':>24} {'as long as ours':>24} {'ours as long as it':>24}")
    for name, values in seconds.items():
        columns = (values, ratio(values, seconds["ours"]), ratio(seconds["ours"], values))
        print(f"{name:22} " + " ".join(f"{told(column):>24}" for column in columns))
    print(f"Written to {chosen.out}")


def ratio(above: list[float], below: list[float]) -> list[float]:
    """Round by round, since only what ran side by side can be compared."""
    return [a / b for a, b in zip(above, below, strict=True)]


def ratios(seconds: dict[str, list[float]], *, of: str) -> dict[str, dict[str, float]]:
    """Median, least and most ratio of each job to ours, or of ours to each."""
    found = {}
    for name, values in seconds.items():
        pair = (values, seconds["ours"]) if of == "others" else (seconds["ours"], values)
        middle, low, high = spread(ratio(*pair))
        found[name] = {"median": round(middle, 2), "low": round(low, 2), "high": round(high, 2)}
    return found


def told(values: list[float]) -> str:
    """Median with least and most."""
    middle, low, high = spread(values)
    return f"{middle:.3g} ({low:.3g}-{high:.3g})"


def spread(values: list[float]) -> tuple[float, float, float]:
    """Median, least and most."""
    return statistics.median(values), min(values), max(values)


if __name__ == "__main__":
    main()
