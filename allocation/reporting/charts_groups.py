"""Charts over groups of people: panels, grades, indications. One function a chart, frame in, figure out."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from allocation.reporting.disclosure import is_hidden, shown
from allocation.reporting.style import Size, ink_on, palette, shades, tint_map
from allocation.reporting.words import HIDDEN, grade_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["MOST_PANELS", "bars", "heat", "names_beside", "statuses"]

MOST_PANELS = 40
"""Panels a heat map can hold and still be read."""

_ROW_IN = 0.235


def _frame(size: Size, *, rows: float, left_in: float, right_in: float, top_in: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    height = top_in + rows + 0.1
    figure = Figure(figsize=(size.width_in, height))
    box = (
        left_in / size.width_in,
        0.1 / height,
        (size.width_in - left_in - right_in) / size.width_in,
        rows / height,
    )
    return figure, figure.add_axes(box)


def _bare(axes: Axes) -> None:
    axes.grid(visible=False)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def heat(
    frame: pd.DataFrame, *, size: Size, value: str, text: Callable[[object], str], fewer_is_darker: bool = False
) -> Figure:
    """Panels down, grades across, each cell with its number and darker where it is worse.

    Parameters
    ----------
    frame
        ``panel``, ``panel_name``, ``grade`` and the value column: numbers, ``*`` where hidden, NaN where nothing
        was due.
    size
        Screen it is for; a phone shows codes only.
    value
        Column to show.
    text
        Turns a value into what the cell says.
    fewer_is_darker
        Shade small values instead of large ones, for shares given.
    """
    from matplotlib.patches import Rectangle

    panels = list(dict.fromkeys(frame["panel"]))
    grades = sorted(frame["grade"].unique(), key=lambda grade: -int(grade))
    names = dict(zip(frame["panel"], frame["panel_name"], strict=True))
    left = 0.85 if size.narrow else 2.5
    figure, axes = _frame(size, rows=_ROW_IN * len(panels), left_in=left, right_in=0.05, top_in=0.3)
    numbers = shown(frame, value)
    darkness = (1 - numbers) if fewer_is_darker else numbers
    most = float(np.nanmax(darkness.to_numpy())) if darkness.notna().any() else 0.0
    tints = tint_map()
    there = set(zip(frame["panel"], frame["grade"], strict=True))
    for x, grade in enumerate(grades):
        for y, panel in enumerate(panels):
            if (panel, grade) not in there:
                axes.add_patch(Rectangle((x, y), 1, 1, facecolor="#FFFFFF", edgecolor="#D9D9D9", linewidth=0.6))
    for place, (panel, grade, raw) in enumerate(zip(frame["panel"], frame["grade"], frame[value], strict=True)):
        x, y = grades.index(grade), panels.index(panel)
        level = float(darkness.iloc[place])
        nothing = math.isnan(level)
        share = 0.0 if nothing or most <= 0 else max(level, 0.0) / most
        face = "#FFFFFF" if nothing else tints(share)
        axes.add_patch(Rectangle((x, y), 1, 1, facecolor=face, edgecolor="#D9D9D9", linewidth=0.6))
        said = text(raw).replace("under ", "<")
        axes.text(x + 0.5, y + 0.53, said, ha="center", va="center", fontsize=size.font_pt - 1.5, color=ink_on(face))
    axes.set_xlim(0, len(grades))
    axes.set_ylim(max(len(panels), 1), 0)
    axes.xaxis.tick_top()
    axes.set_xticks([i + 0.5 for i in range(len(grades))], [grade_name(int(grade)) for grade in grades])
    labels = panels if size.narrow else [names[panel] for panel in panels]
    axes.set_yticks([i + 0.5 for i in range(len(panels))], labels)
    axes.tick_params(axis="both", labelsize=size.font_pt - (1.5 if size.narrow else 1))
    _bare(axes)
    return figure


def bars(
    frame: pd.DataFrame,
    *,
    size: Size,
    name: str,
    value: str,
    label: str,
    low: str = "",
    high: str = "",
    most: float | None = None,
    left_in: float = 3.35,
) -> Figure:
    """Level bars, one a row, each with its name and its number; a thin line for the band where one is given.

    Parameters
    ----------
    frame
        Rows from the top down.
    size
        Screen it is for; on a phone the name stands above its bar.
    name, value, label
        Columns of the name, the number and what is written at the end of the bar.
    low, high
        Columns of the band, empty for none.
    most
        Right end of the scale; None: the largest number shown.
    left_in
        Room for the names, in inches, on a desk.
    """
    numbers = shown(frame, value)
    titles = [_wrapped(str(title), 42) for title in frame[name]]
    tall = 2.0 if size.narrow else 1.45 if any("\n" in title for title in titles) else 1.25
    left = 0.08 if size.narrow else left_in
    figure, axes = _frame(size, rows=_ROW_IN * tall * max(len(frame), 1), left_in=left, right_in=0.1, top_in=0.05)
    ends = shown(frame, high).combine_first(numbers) if high else numbers
    scale = most if most is not None else (float(ends.max()) if ends.notna().any() and ends.max() > 0 else 1.0)
    letters = max((len(str(text)) for text in frame[label]), default=1)
    width_pt = (size.width_in - left - 0.1) * 72
    room = min(0.62, letters * size.font_pt * 0.58 / width_pt + 0.03)
    axes.set_xlim(0, scale / (1 - room))
    for place, (title, amount, said) in enumerate(zip(frame[name], numbers, frame[label], strict=True)):
        centre = place + (0.68 if size.narrow else 0.5)
        end = 0.0
        if not math.isnan(amount):
            axes.barh(centre, amount, height=0.42 if size.narrow else 0.62, color=palette()[0])
            end = amount
        if low and high:
            begin, finish = float(shown(frame, low).iloc[place]), float(shown(frame, high).iloc[place])
            if finish > begin:
                axes.plot([begin, finish], [centre, centre], color=palette()[3], linewidth=2.2, solid_capstyle="butt")
                end = max(end, finish)
        offset = scale * 0.012
        axes.text(end + offset, centre, str(said), va="center", ha="left", fontsize=size.font_pt - 1)
        if size.narrow:
            axes.text(0, place + 0.24, _cut(str(title), 44), va="center", ha="left", fontsize=size.font_pt - 1)
    axes.set_ylim(max(len(frame), 1), 0)
    axes.set_xticks([])
    axes.set_yticks([])
    if not size.narrow:
        names_beside(axes, titles, size=size)
    _bare(axes)
    axes.axvline(0, color="#8A8A8A", linewidth=1)
    return figure


def statuses(
    frame: pd.DataFrame, *, size: Size, columns: list[tuple[str, str]], text: Callable[[object], str]
) -> Figure:
    """What becomes of the patients of each grade: a small bar for each status, all on one scale to 100 %.

    Parameters
    ----------
    frame
        ``grade`` and a share for each status: numbers or ``*``.
    size
        Screen it is for.
    columns
        Column and heading of each status, from left to right.
    text
        Turns a share into what stands beside its bar.
    """
    left = 0.68 if size.narrow else 0.95
    figure, axes = _frame(
        size, rows=0.34 * len(frame), left_in=left, right_in=0.02, top_in=0.42 if size.narrow else 0.3
    )
    longest = 0.4 if size.narrow else 0.58
    for across, (column, _) in enumerate(columns):
        for down, raw in enumerate(frame[column]):
            share = 0.0 if is_hidden(raw) or raw is None or math.isnan(float(raw)) else float(raw)
            axes.barh(down + 0.5, share * longest, left=across, height=0.62, color=palette()[0], zorder=2)
            axes.text(
                across + share * longest + 0.03,
                down + 0.52,
                HIDDEN if is_hidden(raw) else text(raw),
                va="center",
                ha="left",
                fontsize=size.font_pt - (2 if size.narrow else 1),
                zorder=3,
            )
        axes.plot([across, across], [0, len(frame)], color="#8A8A8A", linewidth=1)
    axes.set_xlim(-0.005, len(columns))
    axes.set_ylim(max(len(frame), 1), 0)
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(columns)), [h.replace(" ", "\n", 1) if size.narrow else h for _, h in columns], ha="left")
    axes.set_yticks([i + 0.5 for i in range(len(frame))], [grade_name(int(grade)) for grade in frame["grade"]])
    axes.tick_params(axis="both", labelsize=size.font_pt - (2.5 if size.narrow else 0.5))
    for down in range(len(frame) + 1):
        axes.axhline(down, color=shades()[0], linewidth=0.6, zorder=0)
    _bare(axes)
    return figure


def names_beside(axes: Axes, titles: list[str], *, size: Size) -> None:
    """Names to the left of their rows, a text for each line: lines of one text would shift in a reader's font."""
    gap = -0.06 / (axes.get_position().width * size.width_in)
    transform = axes.get_yaxis_transform()
    for place, title in enumerate(titles):
        lines = title.split("\n")
        for k, line in enumerate(lines):
            y = place + 0.5 + (k - (len(lines) - 1) / 2) * 0.42
            axes.text(gap, y, line, transform=transform, va="center", ha="right", fontsize=size.font_pt - 1)


def _wrapped(text: str, letters: int) -> str:
    """A name on at most two lines."""
    lines = textwrap.wrap(text, letters)
    return "\n".join([*lines[:1], *([_cut(" ".join(lines[1:]), letters)] if len(lines) > 1 else [])])


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: letters - 1].rstrip()}…"
