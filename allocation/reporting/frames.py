"""Rows of a frame as plain dictionaries, for pages and sentences that go through them one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["highest", "lowest", "records"]


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows from the top down, by column name."""
    names = [str(name) for name in frame.columns]
    return [dict(zip(names, row, strict=True)) for row in frame.itertuples(index=False, name=None)]


def highest(frame: pd.DataFrame, values: pd.Series[float]) -> dict[str, Any]:
    """The first row with the largest value, NaN left out; ``values`` stands beside the frame."""
    return records(frame.iloc[[int(np.nanargmax(values.to_numpy(dtype=np.float64)))]])[0]


def lowest(frame: pd.DataFrame, values: pd.Series[float]) -> dict[str, Any]:
    """The first row with the smallest value, NaN left out."""
    return records(frame.iloc[[int(np.nanargmin(values.to_numpy(dtype=np.float64)))]])[0]
