"""The waterfall of what stewardship could free."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import pandas as pd

from allocation.reporting.charts_groups import names_beside
from allocation.reporting.disclosure import shown
from allocation.reporting.frames import records
from allocation.reporting.style import INK, Size, palette, shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["waterfall"]

_ROW_IN = 0.42


def waterfall(frame: pd.DataFrame, *, size: Size) -> Figure:
    """From what is used now, step by step down to what would be left.

    Bars run level and steps go down the page, so that names stay whole. Totals are dark, steps light; each carries its
    number.

    Parameters
    ----------
    frame
        From the top down: ``name``, ``grams`` (of a total, or taken away by a step; ``*`` where hidden), ``total``
        (whether the row is a total) and ``label``.
    size
        Screen it is for.
    """
    from matplotlib.figure import Figure

    letters = 17 if size.narrow else 30
    names = ["\n".join(textwrap.wrap(str(name), letters)[:2]) for name in frame["name"]]
    left, right, top, bottom = (1.45 if size.narrow else 2.5), 0.12, 0.08, 0.08
    rows = _ROW_IN * len(frame)
    height = top + rows + bottom
    figure = Figure(figsize=(size.width_in, height))
    width_in = size.width_in - left - right
    axes = figure.add_axes((left / size.width_in, bottom / height, width_in / size.width_in, rows / height))
    numbers = shown(frame, "grams")
    most = float(numbers.max()) if numbers.notna().any() and numbers.max() > 0 else 1.0
    room = max(len(str(label)) for label in frame["label"]) * (size.font_pt - 1) * 0.6 / 72 + 0.1
    axes.set_xlim(0, most / (1 - min(room / width_in, 0.7)))
    level = 0.0
    for place, (row, grams) in enumerate(zip(records(frame), numbers, strict=True)):
        centre, end = place + 0.5, level
        if row["total"]:
            if not math.isnan(grams):
                axes.barh(centre, grams, height=0.62, color=palette()[0], linewidth=0, zorder=2)
                level = end = grams
        elif not math.isnan(grams):
            axes.barh(
                centre,
                grams,
                left=level - grams,
                height=0.62,
                color=shades()[1],
                edgecolor=INK,
                linewidth=0.6,
                zorder=2,
            )
            level -= grams
        axes.text(
            end + most * 0.012, centre, str(row["label"]), va="center", ha="left", fontsize=size.font_pt - 1, zorder=3
        )
        if place + 1 < len(frame):
            axes.plot([level, level], [centre, centre + 1], color="#8A8A8A", linewidth=0.8, zorder=1)
    axes.set_ylim(len(frame), 0)
    axes.set_xticks([])
    axes.set_yticks([])
    names_beside(axes, names, size=size)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.axvline(0, color="#8A8A8A", linewidth=1)
    return figure
