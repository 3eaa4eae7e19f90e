"""Small cases for looking ahead: days told in weeks from today."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import SimpleNamespace
from typing import Any

import pandas as pd

TODAY = date(2026, 11, 2)


def dated(week: int) -> pd.Timestamp:
    """The first day of a week."""
    return pd.Timestamp(TODAY) + pd.Timedelta(days=7 * week)


def demand(small: SimpleNamespace, *rows: Mapping[str, Any]) -> pd.DataFrame:
    """Patients with one course on a day given by its week."""
    frame: pd.DataFrame = small.patients(*({k: v for k, v in row.items() if k != "week"} for row in rows))
    return frame.assign(
        interval_weeks=float("nan"),
        cycle_weeks=float("nan"),
        courses_due=1,
        start_date=None,
        last_dose_date=None,
        next_due_date=[dated(row.get("week", 0)) for row in rows],
    ).astype({"start_date": "datetime64[ns]", "last_dose_date": "datetime64[ns]"})


def stock(small: SimpleNamespace, *rows: tuple[Any, ...]) -> pd.DataFrame:
    """Vials: place, product, grams a vial, number, week of expiry or None, week of coming or None."""
    gone = [None if row[4] is None else str(dated(row[4]).date()) for row in rows]
    frame: pd.DataFrame = small.shelf(*((*row[:4], day) for row, day in zip(rows, gone, strict=True)))
    coming = [None if row[5] is None else str(dated(row[5]).date()) for row in rows]
    return frame.assign(available_from=pd.to_datetime(pd.Series(coming, dtype="object")))


def served(plan: Any, **keys: object) -> float:
    """Grams that a plan serves where columns have these values."""
    frame = plan.served
    for name, value in keys.items():
        frame = frame[frame[name] == value]
    return int(frame["mg"].sum()) / 1000
