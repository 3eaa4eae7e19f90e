"""How fast published files are loaded, against pandas reading them, and how long a back-test of many panels takes.

Run it from the top of the repository; ``README.md`` beside it says how. The files are generated, synthetic, in a
temporary folder: about 1.5 GB for 36 months of 300,000 rows. It prints ratios with their spread and writes JSON. It
asserts that both ways of reading find the same grams, and never how long anything takes.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from allocation.forecast import MODELS, History, backtest, forecast, load_history, load_settings
from allocation.forecast.months import days_in, month_range

MEDICINE = "Normal immunoglobulin human 10g/100ml solution for infusion vials"
GRAMS_PER_VIAL = 10.0
QUANTITY = "TOTAL_QUANITY_IN_VMP_UNIT"
FIRST_MONTH = "2022-04"
SPARE = 1.3
BYTES_PER_ROW = 160


def published_month(rows: int, *, seed: int = 1) -> bytes:
    """One month in the published layout: 220 trusts, 4,000 medicines, about 600 rows of immunoglobulin."""
    rng = np.random.default_rng(seed)
    medicines = np.array([f"Medicine number {i} {i % 90 + 10}mg tablets or capsules" for i in range(4_000)], object)
    units = np.array(["tablet", "vial", "ml", "capsule", "gram"], dtype=object)
    name = medicines[rng.integers(0, len(medicines), rows)]
    unit = units[rng.integers(0, len(units), rows)]
    ours = rng.choice(rows, 600, replace=False)
    name[ours], unit[ours] = MEDICINE, "vial"
    quantity = rng.integers(1, 900, rows).astype(np.float64)
    quantity[rng.random(rows) < 0.02] *= -1
    frame = pd.DataFrame(
        {
            "YEAR_MONTH": np.full(rows, FIRST_MONTH, dtype=object),
            "ODS_CODE": np.array([f"R{i:03d}" for i in range(220)], dtype=object)[rng.integers(0, 220, rows)],
            "VMP_SNOMED_CODE": rng.integers(10**14, 10**15, rows),
            "VMP_PRODUCT_NAME": name,
            "UNIT_OF_MEASURE_IDENTIFIER": rng.integers(10**8, 10**9, rows),
            "UNIT_OF_MEASURE_NAME": unit,
            QUANTITY: quantity,
            "INDICATIVE_COST": np.where(rng.random(rows) < 0.1, "", np.round(quantity * 3.1, 2).astype(str)),
        }
    )
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text.encode("utf-8")


def write_months(folder: Path, *, months: int, rows: int) -> list[Path]:
    """Monthly files that differ in their month alone."""
    if shutil.disk_usage(folder).free < SPARE * months * rows * BYTES_PER_ROW:
        raise SystemExit(f"Too little room in {folder.name}: pass fewer --months or --rows.")
    text = published_month(rows)
    paths = []
    for month in month_range(FIRST_MONTH, months):
        path = folder / f"scmd_final_{month.replace('-', '')}.csv"
        path.write_bytes(text.replace(FIRST_MONTH.encode(), month.encode()))
        paths.append(path)
    return paths


def pandas_reads(paths: list[Path]) -> float:
    """Grams as one would add them up with pandas, every column read as it comes."""
    total = 0.0
    for path in paths:
        frame = pd.read_csv(path)
        total += float(frame.loc[frame["VMP_PRODUCT_NAME"] == MEDICINE, QUANTITY].sum()) * GRAMS_PER_VIAL
    return total


def ours_reads(paths: list[Path]) -> float:
    """The whole way to a history on a grid."""
    return float(load_history(paths, trusts=None, settings=load_settings()).grams.sum())


def drawn_history(panels: int, months: int, *, groups: tuple[str, ...], seed: int = 1) -> History:
    """Series with growth, season and noise."""
    rng = np.random.default_rng(seed)
    labels = tuple((f"SRIAP{p + 1:02d}", group) for p in range(panels) for group in groups)
    t, names = np.arange(months)[:, None], month_range("2015-04", months)
    n = len(labels)
    level, growth = rng.uniform(5e3, 4e4, n), rng.uniform(0.0, 0.008, n)
    season = 1 + rng.uniform(0.0, 0.06, n) * np.sin(2 * np.pi * (t + rng.integers(0, 12, n)) / 12)
    noise = np.exp(rng.normal(0, 0.04, (months, n)))
    grams = level * np.exp(growth * t) * season * noise * (days_in(names) / 30.4)[:, None]
    return History(names, labels, grams, np.zeros_like(grams, dtype=bool))


def seconds_of(job: Callable[[], object]) -> tuple[float, object]:
    gc.collect()
    begun = time.perf_counter()
    result = job()
    return time.perf_counter() - begun, result


def told(values: list[float]) -> str:
    return f"median {statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def load_of_machine() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "not known"


def bench_load(months: int, rows: int, rounds: int) -> dict[str, object]:
    """Ours against pandas, in turn."""
    with tempfile.TemporaryDirectory() as place:
        paths = write_months(Path(place), months=months, rows=rows)
        size = sum(path.stat().st_size for path in paths)
        ours_reads(paths[:24])
        pandas_reads(paths[:1])
        ours, theirs, loads = [], [], []
        for number in range(rounds):
            loads.append(load_of_machine())
            first, grams = seconds_of(lambda: ours_reads(paths))
            second, same = seconds_of(lambda: pandas_reads(paths))
            assert abs(float(grams) - float(same)) < 1e-3, "both ways must find the same grams"  # type: ignore[arg-type]
            ours.append(first)
            theirs.append(second)
            print(f"round {number + 1}: ours {first:.1f} s, pandas {second:.1f} s, ratio {first / second:.2f}")
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    print(f"{months} files of {rows:,} rows ({size / 1e9:.2f} GB): ours over pandas, {told(ratios)}")
    return {
        "files": months, "rows_a_file": rows, "gigabytes": round(size / 1e9, 2), "ours_s": ours, "pandas_s": theirs,
        "ratio": ratios, "load_before": loads,
    }  # fmt: skip


def bench_backtest(panels: int, months: int, rounds: int, *, groups: tuple[str, ...]) -> dict[str, object]:
    """Back-test of all models from all origins, and the forecast itself."""
    history, settings = drawn_history(panels, months, groups=groups), load_settings()

    def job() -> str:
        tried = backtest(history, horizon_months=18, adjust_breaks=False, settings=settings)
        forecast(history, model=tried.chosen, horizon_months=18, adjust_breaks=False, settings=settings)
        return tried.chosen

    taken, loads = [], []
    for _ in range(rounds):
        loads.append(load_of_machine())
        seconds, chosen = seconds_of(job)
        taken.append(seconds)
    words = f"{panels} panels x {months} months x {len(MODELS)} models x {settings.backtest.origins} origins"
    print(f"{words}, {len(groups)} group(s): {told(taken)} s, {chosen} chosen, load before {', '.join(loads)}")
    return {"panels": panels, "months": months, "groups": len(groups), "seconds": taken, "load_before": loads}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=36)
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--panels", type=int, default=24)
    parser.add_argument("--skip-load", action="store_true")
    parser.add_argument("--skip-backtest", action="store_true")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    result: dict[str, object] = {
        "machine": {"cores": os.cpu_count(), "system": platform.system(), "python": platform.python_version()},
        "libraries": {name: version(name) for name in ("numpy", "pandas", "pyarrow", "statsforecast")},
    }
    if not given.skip_load:
        result["load"] = bench_load(given.months, given.rows, given.rounds)
    if not given.skip_backtest:
        result["backtest"] = [
            bench_backtest(given.panels, 120, given.rounds, groups=groups)
            for groups in (("",), ("intravenous", "subcutaneous"))
        ]
    if given.out is not None:
        given.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
