"""Charts of a forecast: the fan of the nation with its history, and one small fan for each panel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from allocation.reporting.style import INK, Size, figure_of, label_ends, palette, shades, y_title
from allocation.reporting.svg import both_sizes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Fan", "draw_fan", "draw_panels", "draw_parts", "fan_svg", "panels_svg", "parts_svg"]

Array = npt.NDArray[np.float64]

_STRIP_IN, _GAP_IN = 1.15, 0.62
_YEARS_BESIDE = 2
"""Years of history shown beside what a cohort needs."""

_THIN = 1.5
"""Line width up to which a chart is too small for more than its main lines."""


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
    cohort, cohort_low, cohort_high
        What a cohort needs over the months ahead with its interval of 95 %, where the two are compared.
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
    cohort: Array | None = None
    cohort_low: Array | None = None
    cohort_high: Array | None = None

    def beside(self, mean: Array, low: Array, high: Array) -> Fan:
        """The last years of the same with what a cohort needs."""
        gone = max(len(self.history) - _YEARS_BESIDE * 12, 0)
        year, month = divmod(int(self.first_month[:4]) * 12 + int(self.first_month[5:7]) - 1 + gone, 12)
        return replace(
            self,
            first_month=f"{year:04d}-{month + 1:02d}",
            history=self.history[gone:],
            filled=self.filled[gone:],
            outlying=self.outlying[gone:],
            shifts=tuple(place - gone for place in self.shifts if place >= gone),
            cohort=mean,
            cohort_low=low,
            cohort_high=high,
        )

    @property
    def has_interval(self) -> bool:
        """Whether the forecast has a width to show."""
        return bool((self.high > self.low).any())

    def position(self, place: int) -> float:
        """Where a month stands on the axis of years: the middle of January is a little after the whole year."""
        start = int(self.first_month[:4]) + (int(self.first_month[5:7]) - 1) / 12
        return start + place / 12


def fan_svg(fan: Fan, *, description: str) -> tuple[str, str]:
    """Fan chart of one series, for desks and for phones."""
    title = f"{fan.name}: immunoglobulin used each month and its forecast"
    return both_sizes(lambda size: draw_fan(fan, size), key="forecast-fan", title=title, description=description)


def panels_svg(fans: list[Fan], *, description: str) -> tuple[str, str]:
    """A small fan for each panel, for desks and for phones. Each has a scale of its own, from zero."""
    title = "Immunoglobulin used each month by panel, and its forecast"
    return both_sizes(lambda size: draw_panels(fans, size), key="forecast-panels", title=title, description=description)


def parts_svg(parts: list[tuple[str, float]], *, total: float, description: str) -> tuple[str, str]:
    """Bars for what a difference between the cohort and the forecast is made of, in kg, for desks and for phones."""
    title = "What the patients counted need beyond the forecast, and why"
    return both_sizes(
        lambda size: draw_parts(parts, total, size), key="forecast-parts", title=title, description=description
    )


def draw_parts(parts: list[tuple[str, float]], total: float, size: Size) -> Figure:
    """Bars for the parts of a difference in kg, and for all of it."""
    from matplotlib.figure import Figure

    rows = [(name.capitalize(), value) for name, value in parts] + [("Together", total)]
    height, left, right, bottom, top = 0.36 * len(rows) + 0.85, 0.95, 0.25, 0.52, 0.33
    figure = Figure(figsize=(size.width_in, height))
    axes = figure.add_axes(
        (left / size.width_in, bottom / height, 1 - (left + right) / size.width_in, 1 - (bottom + top) / height)
    )
    place = np.arange(len(rows))[::-1]
    values = np.array([value for _, value in rows])
    axes.barh(place, values, height=0.62, color=[palette()[0]] * len(parts) + [palette()[3]])
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    room = (high - low or 1.0) * (0.3 if size.narrow else 0.14)
    axes.set_xlim(low - (room if low < 0 else 0), high + (room if high > 0 or low == 0 else 0))
    for at, value in zip(place, values, strict=True):
        side = -1 if value < 0 else 1
        axes.annotate(
            f"{value:+,.0f}".replace("-", "\u2212"), (value, at), xytext=(4 * side, 0), textcoords="offset points",
            ha="left" if side > 0 else "right", va="center", fontsize=size.font_pt - 0.5,
        )  # fmt: skip
    axes.axvline(0, color="#6F6F6F", linewidth=0.8)
    axes.set_yticks(place, [name for name, _ in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("Kilograms, cohort less forecast")
    return figure


def draw_fan(fan: Fan, size: Size) -> Figure:
    """Fan chart of one series."""
    from matplotlib.figure import Figure

    height, left, right, bottom, top = (3.6, 0.55, 1.0, 0.4, 0.62) if size.narrow else (3.9, 0.6, 1.2, 0.4, 0.62)
    if size.narrow and fan.cohort is not None:
        # The title of the axis then takes a second line.
        height, top = height + 0.2, top + 0.2
    figure = Figure(figsize=(size.width_in, height))
    width = (size.width_in - left - right) / size.width_in
    axes = figure.add_axes((left / size.width_in, bottom / height, width, (height - bottom - top) / height))
    _draw(axes, fan, size=size, line=1.8)
    marked = _marks(axes, fan, size)
    known = fan.position(len(fan.history) - 1)
    axes.annotate(
        "last month known", (known, 1), xycoords=("data", "axes fraction"), xytext=(-4, -1), textcoords="offset points",
        ha="right", va="top", fontsize=size.font_pt - 1, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )  # fmt: skip
    last = -1
    gap = "\n" if size.narrow else " "
    ends = [
        (float(fan.mean[last]), "forecast", palette()[0]),
        (float((fan.high[0, last] + fan.mean[last]) / 2), f"80%{gap}interval", shades()[2]),
        (float((fan.high[1, last] + fan.high[0, last]) / 2), f"95%{gap}interval", shades()[1]),
    ]
    if not fan.has_interval:
        ends = ends[:1]
    if fan.cohort is not None:
        ends.append((float(fan.cohort[last]), "cohort", palette()[3]))
    end = fan.position(len(fan.history) + len(fan.mean) - 1)
    label_ends(axes, end, ends, size=size, reach=0.03, lines=2 if size.narrow else 1)
    words = "Kilograms a month"
    if fan.cohort is not None:
        words += "; thin lines: the cohort's 95% interval" if not size.narrow else "; thin: cohort's 95%"
        if axes.get_ylim()[0] > 0:
            words += ".\nThe axis does not start at 0." if size.narrow else ". The axis does not start at 0."
    lifted = 0.32 if marked else 0.0
    y_title(axes, words, size=size, above_in=lifted)
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
    highest = max(float(fan.history.max()), float(fan.high.max()))
    if fan.cohort is not None and fan.cohort_low is not None and fan.cohort_high is not None:
        axes.plot(ahead[1:], fan.cohort, color=palette()[3], linewidth=line, zorder=3)
        if line > _THIN:
            for ends in (fan.cohort_low, fan.cohort_high):
                axes.plot(ahead[1:], ends, color=palette()[3], linewidth=line / 2, zorder=3)
        highest = max(highest, float(fan.cohort_high.max()))
    # A negative month is possible where corrections outweigh use.
    lowest = min(0.0, float(fan.history.min()))
    if fan.cohort is not None and line > _THIN:
        # Two lines that nearly meet are told apart only where the axis is cut.
        shown = np.concatenate([fan.history, fan.low.ravel(), fan.cohort if fan.cohort_low is None else fan.cohort_low])
        lowest = float(shown.min()) * 0.95 if shown.min() > highest / 2 else lowest
    axes.set_ylim(lowest, (highest + (highest - lowest) * 0.08) or 1.0)
    axes.set_xlim(past[0], ahead[-1])
    first, last = int(np.ceil(past[0])), int(np.floor(ahead[-1]))
    step = max(1, -(-(last - first + 1) // (4 if line < _THIN or size.narrow else 9)))
    years = list(range(first, last + 1, step))
    axes.set_xticks(years, [str(year) for year in years])
    axes.tick_params(axis="x", length=4)
    axes.tick_params(axis="y", length=0)


def _marks(axes: Axes, fan: Fan, size: Size) -> bool:
    """Outlying and filled months by shape and name, level shifts by a line of dots; whether there is any."""
    from matplotlib.lines import Line2D

    position = np.array([fan.position(i) for i in range(len(fan.history))])
    shown = []
    for chosen, marker, colour, name in (
        (fan.outlying, "o", palette()[2], "outlier" if size.narrow else "outlying month"),
        (fan.filled, "s", palette()[3], "filled in" if size.narrow else "month filled in"),
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
    return bool(shown)


def draw_panels(fans: list[Fan], size: Size) -> Figure:
    """A small fan for each panel."""
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
    if any(fan.cohort is not None for fan in fans):
        words += " Solid line ahead: the cohort."
    if size.narrow:
        words = words.replace("; ", ";\n")
    figure.text(0.004, 0.06 / height, words, va="bottom", ha="left", fontsize=size.font_pt - 1)
    return figure
