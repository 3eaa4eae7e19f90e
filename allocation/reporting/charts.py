"""Charts over the weeks of a simulation: one function a chart, frame in, figure out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from allocation.reporting.frames import lowest
from allocation.reporting.style import (
    INK,
    Size,
    figure_of,
    label_ends,
    palette,
    shades,
    week_axis,
    y_title,
)
from allocation.reporting.words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Mark", "cover", "fill", "tiers"]

Mark = tuple[str, float, float]
"""A disruption: letter, first week, week after the last."""

_FULL = 1 - 1e-9
_STEPS = (0.25, 0.5, 0.75, _FULL)
_STEP_NAMES = ("up to 25%", "up to 50%", "up to 75%", "under 100%", "100%")


def _axes(size: Size, *, height_in: float, right_in: float, left_in: float, top_in: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(size.width_in, height_in))
    bottom = 0.55
    box = (
        left_in / size.width_in,
        bottom / height_in,
        (size.width_in - left_in - right_in) / size.width_in,
        (height_in - bottom - top_in) / height_in,
    )
    return figure, figure.add_axes(box)


def _mark_disruptions(axes: Axes, marks: list[Mark], *, size: Size, letters: bool = True) -> None:
    """Grey spans with a letter above, explained under the chart and in the table of disruptions."""
    left, right = axes.get_xlim()
    height_in = axes.get_position().height * figure_of(axes).get_size_inches()[1]
    transform = axes.get_xaxis_transform()
    for place, (letter, start, end) in enumerate(marks):
        low, high = max(start, left), min(end, right)
        if high <= low:
            continue
        axes.axvspan(low, high, color="#F0F0F0", zorder=0, linewidth=0)
        if letters:
            level = 1 + (0.06 + 0.2 * (place % 2)) / height_in
            axes.plot([low, high], [level, level], color="#6F6F6F", lw=1.2, clip_on=False, transform=transform)
            at = level + 0.03 / height_in
            axes.text(
                low, at, letter, transform=transform, fontsize=size.font_pt - 1, va="bottom", ha="left", color=INK
            )


def cover(frame: pd.DataFrame, *, size: Size, marks: list[Mark]) -> Figure:
    """Weeks of cover: median over replications with the middle half and the middle nine tenths.

    Parameters
    ----------
    frame
        ``week`` and the five quantiles.
    size
        Screen it is for.
    marks
        Disruptions as letter, first week and week after the last.
    """
    right = 0.72 if size.narrow else 1.12
    top = 0.68 if marks else 0.32
    figure, axes = _axes(size, height_in=3.3 if size.narrow else 3.4, right_in=right, left_in=0.42, top_in=top)
    frame = frame.dropna(subset=["median"])
    week = frame["week"].to_numpy()
    week_axis(axes, int(week.min()), int(week.max()))
    banded = _band(axes, frame)
    axes.set_ylim(0, float(frame["p95"].max()) * 1.05 or 1.0)
    _mark_disruptions(axes, marks, size=size)
    last = frame.iloc[-1]
    ends = [(float(last["median"]), "median", palette()[0])]
    if banded:
        gap = "\n" if size.narrow else " "
        ends.append((float(last["p95"] + last["p75"]) / 2, f"90%{gap}of runs", shades()[1]))
        ends.append((float(last["p25"] + last["median"]) / 2, f"half{gap}of runs", shades()[2]))
    label_ends(axes, float(week.max()), ends, size=size, reach=0.03, lines=2 if size.narrow and banded else 1)
    y_title(axes, "Weeks of cover", size=size, above_in=top - 0.3)
    return figure


def _band(axes: Axes, frame: pd.DataFrame) -> bool:
    """Median with its two bands; whether there is any band to see."""
    week = frame["week"].to_numpy()
    banded = bool(((frame["p95"] - frame["p05"]) > 0).any())
    if banded:
        axes.fill_between(week, frame["p05"], frame["p95"], color=shades()[0], linewidth=0)
        axes.fill_between(week, frame["p25"], frame["p75"], color=shades()[1], linewidth=0)
    axes.plot(week, frame["median"], color=palette()[0], linewidth=2)
    return banded


def tiers(frame: pd.DataFrame, *, size: Size, names: dict[int, str]) -> Figure:
    """Share of replications in each tier, week by week: a strip for each tier, darker for more.

    Parameters
    ----------
    frame
        ``week``, ``tier``, ``share``.
    size
        Screen it is for.
    names
        Short name of each tier.
    """
    order = sorted(frame["tier"].unique())
    top = 0.62 if size.narrow else 0.38
    figure, axes = _axes(
        size, height_in=(1.2 if size.narrow else 0.95) + 0.4 * len(order), right_in=0.15, left_in=0.62, top_in=top
    )
    first, last = int(frame["week"].min()), int(frame["week"].max())
    week_axis(axes, first, last + 1)
    for place, tier in enumerate(order):
        one = frame[frame["tier"] == tier].sort_values("week")
        axes.axhline(place, color="#D9D9D9", linewidth=0.8, zorder=0)
        for start, length, step in _runs(one):
            axes.broken_barh([(start, length)], (place - 0.4, 0.8), facecolors=shades()[step], linewidth=0)
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.set_yticks(range(len(order)), [names.get(tier, f"Tier {tier}") for tier in order])
    axes.grid(visible=False)
    _key(figure, size=size)
    return figure


def _runs(one: pd.DataFrame) -> list[tuple[int, int, int]]:
    """Weeks in a row with the same step of shade, as (first week, how many, step); none for no replication."""
    made: list[tuple[int, int, int]] = []
    for week, share in zip(one["week"].astype(int), one["share"], strict=True):
        if share <= 0:
            continue
        step = sum(share > edge for edge in _STEPS)
        if made and made[-1][2] == step and made[-1][0] + made[-1][1] == week:
            made[-1] = (made[-1][0], made[-1][1] + 1, step)
        else:
            made.append((week, 1, step))
    return made


def _key(figure: Figure, *, size: Size) -> None:
    """The five shades with what each stands for, on one line, or on two for a phone."""
    from matplotlib.patches import Rectangle

    width, height = figure.get_size_inches()
    text_pt = size.font_pt - 1
    letter_in = text_pt * 0.53 / 72
    x, y = 0.05, height - 0.14
    head = "Share of replications:"
    figure.text(x / width, y / height, head, va="center", fontsize=text_pt)
    x += letter_in * (len(head) + 1)
    for colour, name in zip(shades(), _STEP_NAMES, strict=True):
        length = 0.2 + letter_in * (len(name) + 1.2)
        if x + length > width:
            x, y = 0.05, y - 0.22
        box = Rectangle((x / width, (y - 0.065) / height), 0.14 / width, 0.13 / height, color=colour, linewidth=0)
        box.set_transform(figure.transFigure)
        figure.add_artist(box)
        figure.text((x + 0.19) / width, y / height, name, va="center", fontsize=text_pt)
        x += length


def fill(frame: pd.DataFrame, *, size: Size, marks: list[Mark]) -> Figure:
    """Share of the grams owed that is given in each week, a strip for each grade with its bands.

    Strips of their own, because grades that are served in full would lie on top of each other in one.

    Parameters
    ----------
    frame
        ``week``, ``grade`` (4 to 1), the five quantiles and the ``least``.
    size
        Screen it is for.
    marks
        Disruptions as in :func:`cover`.
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import PercentFormatter

    frame = frame.dropna(subset=["median"])
    grades = sorted((int(grade) for grade in frame["grade"].unique()), reverse=True)
    strip, gap, bottom, left, right = 0.62, 0.42, 0.55, 0.58, 0.15
    top = 0.72 if marks else 0.32
    height = top + strip * len(grades) + gap * (len(grades) - 1) + bottom
    figure = Figure(figsize=(size.width_in, height))
    first, last = int(frame["week"].min()), int(frame["week"].max())
    for place, grade in enumerate(grades):
        one = frame[frame["grade"] == grade]
        base = height - top - strip * (place + 1) - gap * place
        width = (size.width_in - left - right) / size.width_in
        axes = figure.add_axes((left / size.width_in, base / height, width, strip / height))
        week_axis(axes, first, last)
        _band(axes, one)
        axes.set_ylim(0, 1.04)
        axes.set_yticks([0, 0.5, 1])
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
        _mark_disruptions(axes, marks, size=size, letters=place == 0)
        lifted = (top - 0.32) if place == 0 else 0.0
        figure.text(0.004, (base + strip + 0.09 + lifted) / height, _strip_title(grade, one), ha="left", va="bottom")
        if place < len(grades) - 1:
            axes.set_xlabel("")
            axes.tick_params(axis="x", labelbottom=False)
    return figure


def _strip_title(grade: int, one: pd.DataFrame) -> str:
    """Name of a grade with its lowest point, which is what a strip is searched for."""
    low = lowest(one, one["median"])
    least = float(one["least"].min())
    if least >= _FULL:
        return f"Grade {grade}: 100% in every week"
    if low["median"] >= _FULL:
        return f"Grade {grade}: 100%, at worst {percent(least, 0)}"
    return f"Grade {grade}: lowest {percent(low['median'], 0)}, in week {int(low['week'])}"
