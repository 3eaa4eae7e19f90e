"""How our charts look: the government analysis palette and defaults, and two sizes of every chart.

Colours come from the afcharts package. Colour never carries a meaning alone: cells and bars carry their numbers,
and every grade has a strip of its own. Labels stand beside what they name instead of in a legend.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

__all__ = [
    "INK",
    "LEAD",
    "NARROW",
    "WIDE",
    "Size",
    "chart_style",
    "figure_of",
    "ink_on",
    "label_ends",
    "palette",
    "shades",
    "spread",
    "tint_map",
    "week_axis",
    "y_title",
]

INK = "#1A1A1A"
_FONT = "DejaVu Sans"  # comes with matplotlib, so that positions are the same on every machine


@dataclass(frozen=True, slots=True)
class Size:
    """A chart's width and text for one kind of screen. Heights are each chart's own affair.

    Attributes
    ----------
    name
        ``wide`` for desks and print, ``lead`` beside the answer, ``narrow`` for phones.
    width_in
        Width in inches of 72 points, the unit of the drawing.
    font_pt
        Text size in points.
    """

    name: str
    width_in: float
    font_pt: float

    @property
    def narrow(self) -> bool:
        """Whether labels must save room."""
        return self.name == "narrow"


WIDE = Size("wide", 8.6, 10.5)
LEAD = Size("lead", 6.3, 10.5)
NARROW = Size("narrow", 3.65, 10.5)


@lru_cache(maxsize=1)
def palette() -> tuple[str, ...]:
    """The four colours used for lines, darkest first."""
    from afcharts.af_colours import get_af_colours

    return tuple(get_af_colours("categorical")[:4])


@lru_cache(maxsize=1)
def shades() -> tuple[str, ...]:
    """Five shades of one blue, lightest first."""
    from afcharts.af_colours import get_af_colours

    return tuple(reversed(get_af_colours("sequential", number_of_colours=5)))


def ink_on(face: tuple[float, float, float, float] | str) -> str:
    """Black or white, whichever stands out more on a colour (relative luminance of WCAG 2)."""
    from matplotlib.colors import to_rgb

    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(face)]
    luminance = 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
    return "#FFFFFF" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.06 else INK


def tint_map() -> LinearSegmentedColormap:
    """White to dark blue, for cells that also carry their number."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("tint", ["#FFFFFF", shades()[0], shades()[2], shades()[3]])


@contextmanager
def chart_style(size: Size, *, salt: str) -> Iterator[None]:
    """Matplotlib settings while a chart is drawn and written; they end with the block.

    Parameters
    ----------
    size
        Which screen it is for.
    salt
        Fixes the ids inside the SVG, so that the same chart is the same bytes.
    """
    import matplotlib.style

    ours = {
        "font.family": [_FONT],
        "font.size": size.font_pt,
        "axes.labelsize": size.font_pt,
        "xtick.labelsize": size.font_pt - 0.5,
        "ytick.labelsize": size.font_pt - 0.5,
        "axes.labelcolor": INK,
        "text.color": INK,
        "axes.unicode_minus": True,
        "grid.color": "#D9D9D9",
        "axes.edgecolor": "#8A8A8A",
        "xtick.color": "#8A8A8A",
        "svg.fonttype": "none",
        "svg.hashsalt": salt,
        "path.simplify": False,
    }
    with matplotlib.style.context(["afcharts.afcharts", ours]):
        yield


def spread(wanted: list[float], *, gap: float, low: float, high: float) -> list[float]:
    """Positions as near as can be to those wanted, at least ``gap`` apart and inside the bounds.

    Where there is not room for all, they are spaced evenly over what room there is.

    >>> spread([1.0, 1.0], gap=0.5, low=0.0, high=2.0)
    [0.75, 1.25]
    """
    n = len(wanted)
    if n * gap > (high - low) + gap:
        step = (high - low) / max(n - 1, 1)
        ranks = np.argsort(np.argsort(wanted, kind="stable"), kind="stable")
        return [low + step * int(rank) for rank in ranks]
    order = sorted(range(n), key=lambda i: (wanted[i], i))
    # Labels that touch move as one block around their mean, which is the least total movement.
    blocks: list[list[float]] = []
    for i in order:
        blocks.append([min(max(wanted[i], low), high), 1.0])
        while len(blocks) > 1 and blocks[-1][0] - blocks[-2][0] < gap * (blocks[-1][1] + blocks[-2][1]) / 2:
            (centre, size), (before, many) = blocks.pop(), blocks.pop()
            total = size + many
            half = gap * (total - 1) / 2
            middle = (centre * size + before * many) / total
            blocks.append([min(max(middle, low + half), high - half), total])
    placed = [centre + gap * (k - (size - 1) / 2) for centre, size in blocks for k in range(int(size))]
    result = [0.0] * n
    for position, i in zip(placed, order, strict=True):
        result[i] = position
    return result


def label_ends(
    axes: Axes, x: float, ends: list[tuple[float, str, str]], *, size: Size, reach: float, lines: int = 1
) -> None:
    """Names beside the ends of lines, moved apart where they would touch, each with a thin leader.

    Parameters
    ----------
    axes
        With its y limits set.
    x
        Where the lines end, in data.
    ends
        For each line the y of its end, its name and its colour.
    size
        Sets how far apart names must be.
    reach
        Length of the leader as a share of the x range.
    lines
        Lines of text of the tallest name.
    """
    low, high = axes.get_ylim()
    height_pt = axes.get_position().height * figure_of(axes).get_size_inches()[1] * 72
    gap = (high - low) * size.font_pt * 1.3 * lines / height_pt
    left, right = axes.get_xlim()
    at = right + (right - left) * reach
    places = spread([end[0] for end in ends], gap=gap, low=low + gap / 3, high=high - gap / 3)
    for (y, name, colour), place in zip(ends, places, strict=True):
        axes.plot([x, at], [y, place], color=colour, linewidth=0.8, clip_on=False, zorder=1)
        axes.text(
            at + (right - left) * 0.008, place, name, va="center", ha="left", color=INK, fontsize=size.font_pt - 0.5
        )


def week_axis(axes: Axes, first: int, last: int) -> None:
    """Whole weeks along the bottom."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(first, max(last, first + 1))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, steps=[1, 2, 4, 5, 10]))
    axes.tick_params(axis="x", length=4)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("Week of the run")


def y_title(axes: Axes, text: str, *, size: Size, above_in: float = 0.0) -> None:
    """Title of the vertical axis, written level above its top left corner and what stands above the axes."""
    position = axes.get_position()
    figure = figure_of(axes)
    height_in = figure.get_size_inches()[1]
    above = (size.font_pt * 0.75 / 72 + above_in) / height_in
    figure.text(0.004, position.y1 + above, text, ha="left", va="bottom")


def figure_of(axes: Axes) -> Figure:
    """The figure an axes was added to."""
    from matplotlib.figure import Figure

    figure = axes.get_figure()
    if not isinstance(figure, Figure):
        raise TypeError("the axes stand in no figure of their own")
    return figure
