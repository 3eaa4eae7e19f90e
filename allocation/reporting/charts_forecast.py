"""Charts of a forecast: the fan of the nation with its history, and one small fan for each panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from allocation.reporting.style import INK, Size, figure_of, label_ends, palette, shades, y_title
from allocation.reporting.svg import both_sizes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Fan", "fan_svg", "panels_svg"]

Array = npt.NDArray[np.float64]

_STRIP_IN, _GAP_IN = 1.15, 0.62


@dataclass(frozen=True, slots=True)
class Fan:
    """One series with its forecast, in kg a month.

    Attributes
    ----------
    name
        Name for readers.
    first_month
        First month of the history, ``YYYY-MM``.
    history
        Shape (months,).
    filled
        Months put in for want of data.
    outlying
        Months found to stand out.
    shifts
        Positions at which a level shift begins.
    mean
        Forecast, shape (months ahead,).
    low, high
        Intervals of 80 % and 95 %, shape (2, months ahead).
    """

    name: str
    first_month: str
    history: Array
    filled: npt.NDArray[np.bool_]
    outlying: npt.NDArray[np.bool_]
    shifts: tuple[int, ...]
    mean: Array
    low: Array
    high: Array

    def position(self, place: int) -> float:
        """Where a month stands on the axis of years: the middle of January is a little after the whole year."""
        start = int(self.first_month[:4]) + (int(self.first_month[5:7]) - 1) / 12
        return start + place / 12


def fan_svg(fan: Fan, *, description: str) -> tuple[str, str]:
    """Fan chart of one series, for desks and for phones."""
    title = f"{fan.name}: immunoglobulin used each month and its forecast"
    return both_sizes(lambda size: _fan(fan, size), key="forecast-fan", title=title, description=description)


def panels_svg(fans: list[Fan], *, description: str) -> tuple[str, str]:
    """A small fan for each panel, for desks and for phones. Each has a scale of its own, from zero."""
    title = "Immunoglobulin used each month by panel, and its forecast"
    return both_sizes(lambda size: _panels(fans, size), key="forecast-panels", title=title, description=description)


def _fan(fan: Fan, size: Size) -> Figure:
    from matplotlib.figure import Figure

    height, left, right, bottom, top = (3.6, 0.55, 1.0, 0.4, 0.62) if size.narrow else (3.9, 0.6, 1.2, 0.4, 0.62)
    figure = Figure(figsize=(size.width_in, height))
    width = (size.width_in - left - right) / size.width_in
    axes = figure.add_axes((left / size.width_in, bottom / height, width, (height - bottom - top) / height))
    _draw(axes, fan, size=size, line=1.8)
    _marks(axes, fan, size)
    known = fan.position(len(fan.history) - 1)
    axes.annotate(
        "last month known", (known, 1), xycoords=("data", "axes fraction"), xytext=(-4, -1), textcoords="offset points",
        ha="right", va="top", fontsize=size.font_pt - 1,
    )  # fmt: skip
    last = -1
    gap = "\n" if size.narrow else " "
    ends = [
        (float(fan.mean[last]), "forecast", palette()[0]),
        (float((fan.high[0, last] + fan.mean[last]) / 2), f"80%{gap}interval", shades()[2]),
        (float((fan.high[1, last] + fan.high[0, last]) / 2), f"95%{gap}interval", shades()[1]),
    ]
    end = fan.position(len(fan.history) + len(fan.mean) - 1)
    label_ends(axes, end, ends, size=size, reach=0.03, lines=2 if size.narrow else 1)
    y_title(axes, "Kilograms a month", size=size, above_in=top - 0.3)
    return figure


def _draw(axes: Axes, fan: Fan, *, size: Size, line: float) -> None:
    """History, a line of dashes for the forecast, and its two bands."""
    known = len(fan.history)
    past = np.array([fan.position(i) for i in range(known)])
    # The fan opens from the last month known, so that no gap is left between the two.
    ahead = np.array([fan.position(i) for i in range(known - 1, known + len(fan.mean))])
    start = fan.history[-1]
    low = np.column_stack([[start, start], fan.low])
    high = np.column_stack([[start, start], fan.high])
    axes.fill_between(ahead, low[1], high[1], color=shades()[0], linewidth=0)
    axes.fill_between(ahead, low[0], high[0], color=shades()[1], linewidth=0)
    axes.plot(past, fan.history, color=palette()[0], linewidth=line)
    axes.plot(ahead, [start, *fan.mean], color=palette()[0], linewidth=line, linestyle=(0, (2.2, 1.2)))
    axes.axvline(fan.position(known - 1), color="#6F6F6F", linewidth=0.8)
    # A negative month is possible where corrections outweigh use.
    axes.set_ylim(
        min(0.0, float(fan.history.min())), max(float(fan.history.max()), float(fan.high.max())) * 1.08 or 1.0
    )
    axes.set_xlim(past[0], ahead[-1])
    first, last = int(np.ceil(past[0])), int(np.floor(ahead[-1]))
    step = max(1, -(-(last - first + 1) // (4 if line < 1.5 or size.narrow else 9)))
    years = list(range(first, last + 1, step))
    axes.set_xticks(years, [str(year) for year in years])
    axes.tick_params(axis="x", length=4)
    axes.tick_params(axis="y", length=0)


def _marks(axes: Axes, fan: Fan, size: Size) -> None:
    """Outlying and filled months by shape and name, level shifts by a line of dots."""
    from matplotlib.lines import Line2D

    position = np.array([fan.position(i) for i in range(len(fan.history))])
    shown = []
    for chosen, marker, colour, name in (
        (fan.outlying, "o", palette()[2], "outlying month"),
        (fan.filled, "s", palette()[3], "month filled in"),
    ):
        if chosen.any():
            axes.plot(
                position[chosen], fan.history[chosen], marker, color=colour, markerfacecolor="white",
                markersize=6, markeredgewidth=1.6, linestyle="none", zorder=4,
            )  # fmt: skip
            shown.append(
                Line2D([], [], marker=marker, color=colour, markerfacecolor="white", linestyle="none", label=name)
            )
    for place in fan.shifts:
        axes.axvline(fan.position(place), color=palette()[1], linewidth=1.6, linestyle=":")
    if fan.shifts:
        shown.append(Line2D([], [], color=palette()[1], linewidth=1.6, linestyle=":", label="level shift"))
    if shown:
        box = axes.get_position()
        figure_of(axes).legend(
            handles=shown, loc="lower left", bbox_to_anchor=(box.x0 - 0.01, box.y1), ncols=len(shown), frameon=False,
            fontsize=size.font_pt - 1, borderaxespad=0.2, handletextpad=0.2, columnspacing=0.8,
        )  # fmt: skip


def _panels(fans: list[Fan], size: Size) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    columns = min(2 if size.narrow else 4, len(fans))
    rows = -(-len(fans) // columns)
    left, right, top = 0.42, 0.12, 0.5
    bottom = 0.85 if size.narrow else 0.6
    height = top + bottom + rows * _STRIP_IN + (rows - 1) * _GAP_IN
    figure = Figure(figsize=(size.width_in, height))
    cell = (size.width_in - right) / columns
    for place, fan in enumerate(fans):
        row, column = divmod(place, columns)
        base = height - top - _STRIP_IN * (row + 1) - _GAP_IN * row
        axes = figure.add_axes(
            (
                (left + column * cell) / size.width_in,
                base / height,
                (cell - left - 0.08) / size.width_in,
                _STRIP_IN / height,
            )
        )
        _draw(axes, fan, size=size, line=1.2)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10]))
        axes.tick_params(labelsize=size.font_pt - 2)
        figure.text(
            (left + column * cell) / size.width_in, (base + _STRIP_IN + 0.06) / height, fan.name, va="bottom", color=INK
        )
    words = "Kilograms a month. Dashes: forecast; dark band 80%, light band 95%."
    if size.narrow:
        words = words.replace("; ", ";\n")
    figure.text(0.004, 0.06 / height, words, va="bottom", ha="left", fontsize=size.font_pt - 1)
    return figure
