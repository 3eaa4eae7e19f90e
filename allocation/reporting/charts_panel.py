"""Charts of one panel beside the others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from allocation.reporting.disclosure import shown
from allocation.reporting.style import INK, Size, palette
from allocation.reporting.words import grade_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["beside_others"]

_ROW_IN = 0.36


def beside_others(frame: pd.DataFrame, *, size: Size) -> Figure:
    """Share of the grams due that is given, by grade, with a stroke at the median of the other panels.

    Parameters
    ----------
    frame
        ``grade``, ``fill_rate`` (``*`` where hidden, NaN where nothing is due), ``others`` (NaN where there is none)
        and ``label``, what stands at the end of the row.
    size
        Screen it is for.
    """
    from matplotlib.figure import Figure

    left, right, top, bottom = 0.92, (1.4 if size.narrow else 1.75), 0.3, 0.1
    rows = _ROW_IN * len(frame)
    height = top + rows + bottom
    figure = Figure(figsize=(size.width_in, height))
    width = (size.width_in - left - right) / size.width_in
    axes = figure.add_axes((left / size.width_in, bottom / height, width, rows / height))
    numbers = shown(frame, "fill_rate")
    for place, (own, other, label) in enumerate(zip(numbers, frame["others"], frame["label"], strict=True)):
        centre = place + 0.5
        axes.barh(centre, 1.0, height=0.6, color="#F2F2F2", linewidth=0, zorder=0)
        if not math.isnan(own):
            axes.barh(centre, own, height=0.6, color=palette()[0], linewidth=0, zorder=2)
        if not math.isnan(float(other)):
            # White under black, so that it is seen on the bar and beside it.
            axes.plot([other, other], [centre - 0.42, centre + 0.42], color="#FFFFFF", linewidth=5, zorder=3)
            axes.plot([other, other], [centre - 0.42, centre + 0.42], color=INK, linewidth=2.2, zorder=4)
        axes.text(1.04, centre, str(label), va="center", ha="left", fontsize=size.font_pt - 1)
    axes.set_xlim(-0.012, 1.012)
    axes.set_ylim(len(frame), 0)
    axes.set_xticks([])
    axes.set_yticks([i + 0.5 for i in range(len(frame))], [grade_name(int(grade)) for grade in frame["grade"]])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    known = [(i, float(x)) for i, x in enumerate(frame["others"]) if not math.isnan(float(x))]
    if known:
        text = "| median of the other panels"
        figure.text(left / size.width_in, 1 - 0.04 / height, text, va="top", ha="left", fontsize=size.font_pt - 1)
    return figure
