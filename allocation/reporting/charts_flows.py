"""Charts of grams that go from one place to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from allocation.reporting.charts_groups import bars
from allocation.reporting.style import Size

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MOST_FLOWS", "flows"]

MOST_FLOWS = 12
"""Pairs of places a chart can hold and still be read."""


def flows(frame: pd.DataFrame, *, size: Size) -> Figure:
    """Grams that go from one place to another, a bar for each pair, the largest first.

    Parameters
    ----------
    frame
        ``between`` and ``panel``, the places from and to; ``grams``, a number or ``*``; and ``label``, what is written
        at the end of the bar.
    size
        Screen it is for.
    """
    named = frame.head(MOST_FLOWS).assign(
        name=[
            f"{start[:1].upper()}{start[1:]} → {end}"
            for start, end in zip(frame.head(MOST_FLOWS)["between"], frame.head(MOST_FLOWS)["panel"], strict=True)
        ]
    )
    return bars(named, size=size, name="name", value="grams", label="label", left_in=2.2)
