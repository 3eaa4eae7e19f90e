"""A synthetic history in the published layout, with the quirks that real files have. None of it is real data.

Trusts and quantities are drawn; names of medicines follow the published pattern. Quirks: corrections as negative
rows, both spellings of the month and of the quantity column, empty costs, specific immunoglobulins and other
medicines that must not count, quantities in vials, ml and grams, a merger, a trust absent for two months, a trust
on no map, an unusual spring, and two months in a provisional and a finalised file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from allocation.forecast.months import days_in, month_range
from allocation.records import write_text_atomic
from allocation.seeds import stream
from allocation.tables import write_table

__all__ = ["Sample", "write_sample"]

# name, unit, grams a unit, share of a trust's use
_NORMAL = (
    ("Normal immunoglobulin human 10g/100ml solution for infusion vials", "vial", 10.0, 0.40),
    ("Normal immunoglobulin human 20g/200ml solution for infusion vials", "ml", 0.1, 0.25),
    ("Normal immunoglobulin human 5g/100ml solution for infusion bottles", "bottle", 5.0, 0.08),
    ("Normal immunoglobulin human 5g powder and solvent for solution for infusion vials", "gram", 1.0, 0.02),
    ("Normal immunoglobulin human 8g/40ml solution for infusion vials", "vial", 8.0, 0.15),
    ("Generic HyQvia 10g/100ml solution for infusion vials", "vial", 10.0, 0.10),
)
_NOT_COUNTED = (
    ("Anti-D (Rh0) immunoglobulin human 1,500unit/2ml solution for injection pre-filled syringes", "vial"),
    ("Hepatitis B immunoglobulin human 500unit solution for injection vials", "vial"),
    ("Tetanus immunoglobulin human 250unit/1ml solution for injection ampoules", "ampoule"),
    ("Paracetamol 500mg tablets", "tablet"),
)


_NOTE = """This history is synthetic. It has the layout and the quirks of the Secondary Care Medicines Data that NHSBSA
publishes, but trusts, quantities and costs are drawn at random and tell nothing of any real hospital.
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """Where a sample was written: the monthly files in their folder, and the trust map."""

    folder: Path
    trusts: Path


def write_sample(
    folder: Path,
    *,
    months: int = 60,
    panels: int = 4,
    trusts_per_panel: int = 2,
    other_rows: int = 2,
    seed: int = 1,
    first_month: str = "2020-04",
) -> Sample:
    """Write monthly files and a trust map.

    Parameters
    ----------
    folder
        ``data`` inside it takes the files.
    months, panels, trusts_per_panel
        Size; at least 24 months, 2 panels and 2 trusts in each.
    other_rows
        Rows of other medicines for each trust and month.
    seed
        Of every draw.
    first_month
        ``YYYY-MM``.
    """
    names = month_range(first_month, months)
    codes = [f"R{p:02d}{t:01d}" for p in range(panels) for t in range(trusts_per_panel)]
    panel_of = {code: f"SRIAP{int(code[1:3]) + 1:02d}" for code in codes}
    grams = _use(codes, names, seed)
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    for t, month in enumerate(names):
        rows = _rows_of(codes, month, t, grams[t], other_rows=other_rows, months=months, seed=seed)
        final = t < months - 12
        _write(rows, data, month, t, final=final)
        if final and t >= months - 14:
            # The provisional file said a tenth less before it was finalised.
            early = [(m, o, n, u, round(q * 0.9, 2), c) for m, o, n, u, q, c in rows]
            _write(early, data, month, t, final=False)
    rows_of_map = [(code, panel_of[code], "") for code in codes[:-1]]
    rows_of_map.append(("RXX", "", codes[0]))
    trusts = folder / "trusts.csv"
    write_table(pd.DataFrame(rows_of_map, columns=["trust", "panel", "successor"]), trusts)
    # Outside the folder of data, where it would be read as one of the monthly files.
    write_text_atomic(folder / "README.txt", _NOTE)
    return Sample(data, trusts)


def _use(codes: list[str], names: tuple[str, ...], seed: int) -> np.ndarray:
    """Grams of each trust and month, shape (months, trusts)."""
    t = np.arange(len(names))
    days = days_in(names) / 30.4375
    columns = []
    for i, code in enumerate(codes):
        draw = stream(seed, "sample history", code)
        level, growth = draw.uniform(4000, 20000), draw.uniform(0.02, 0.09)
        season = 1 + draw.uniform(0.01, 0.05) * np.sin(2 * np.pi * (t + i) / 12)
        noise = np.exp(draw.normal(0, 0.04, len(t)))
        columns.append(level * (1 + growth) ** (t / 12) * season * noise * days)
    grams = np.column_stack(columns)
    grams[12:15] *= 0.6  # an unusual spring
    return grams


def _rows_of(
    codes: list[str], month: str, t: int, grams: np.ndarray, *, other_rows: int, months: int, seed: int
) -> list[tuple[str, str, str, str, float, str]]:
    rows: list[tuple[str, str, str, str, float, str]] = []
    text = month.replace("-", "") if t % 2 else month
    draw = stream(seed, "sample rows", month)
    for i, code in enumerate(codes):
        if i == 1 and t in (months - 20, months - 19):
            continue
        published = "RXX" if i == 0 and t < months // 2 else code
        for k, (name, unit, grams_per_unit, share) in enumerate(_NORMAL):
            units = round(grams[i] * share / grams_per_unit)
            if k == 0 and (t + i) % 5 == 0:
                rows.append((text, published, name, unit, float(units + 3), "1200.50"))
                rows.append((text, published, name, unit, -3.0, "-36.00"))
            else:
                rows.append((text, published, name, unit, float(units), "" if k % 3 == 1 else f"{units * 2.5:.2f}"))
        for k in range(other_rows):
            name, unit = _NOT_COUNTED[(k + t) % len(_NOT_COUNTED)]
            rows.append((text, published, name, unit, float(draw.integers(1, 60)), ""))
    return rows


def _write(rows: list[tuple[str, str, str, str, float, str]], folder: Path, month: str, t: int, *, final: bool) -> None:
    quantity = "TOTAL_QUANTITY_IN_VMP_UNIT" if t % 7 == 3 else "TOTAL_QUANITY_IN_VMP_UNIT"
    frame = pd.DataFrame(
        {
            "YEAR_MONTH": [row[0] for row in rows],
            "ODS_CODE": [row[1] for row in rows],
            "VMP_SNOMED_CODE": ["999999999999999" for _ in rows],
            "VMP_PRODUCT_NAME": [row[2] for row in rows],
            "UNIT_OF_MEASURE_IDENTIFIER": ["415818006" if row[3] == "vial" else "258773002" for row in rows],
            "UNIT_OF_MEASURE_NAME": [row[3] for row in rows],
            quantity: [row[4] for row in rows],
            "INDICATIVE_COST": [row[5] for row in rows],
        }
    )
    status = "final" if final else "provisional"
    write_table(frame, folder / f"scmd_{status}_{month.replace('-', '')}.csv")
