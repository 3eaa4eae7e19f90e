"""Charts of studies: tornado, breaking point, breaking-point map, policy differences. Frame in, figure out."""

from __future__ import annotations

import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from allocation.reporting.frames import records
from allocation.reporting.style import INK, Size, palette, shades, y_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["breaking_curve", "breaking_map", "differences", "tornado"]

_ROW_IN = 0.46
_LETTER_IN = 0.085
_BROKEN = "#F0E0E6"


def _strip(size: Size, *, rows: int, left_in: float, right_in: float, top_in: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    bottom = 0.62
    height = top_in + rows * _ROW_IN + bottom
    figure = Figure(figsize=(size.width_in, height))
    width = (size.width_in - left_in - right_in) / size.width_in
    return figure, figure.add_axes((left_in / size.width_in, bottom / height, width, rows * _ROW_IN / height))


def _labels(names: list[str], *, size: Size) -> tuple[list[str], float]:
    """Names broken to at most two lines, and the inches they need."""
    width = 18 if size.narrow else 34
    broken = ["\n".join(textwrap.wrap(name.replace("_", " "), width)[:3]) for name in names]
    longest = max((len(line) for name in broken for line in name.split("\n")), default=1)
    return broken, 0.15 + longest * _LETTER_IN


def _value(number: float) -> str:
    return f"{number:.3g}".replace("-", "−")


def tornado(frame: pd.DataFrame, *, size: Size, axis: str) -> Figure:
    """Effect of each input's low and high end on one outcome, the largest swing on top.

    Parameters
    ----------
    frame
        ``label``, ``end`` (low, high), ``value`` (of the input), ``difference``, ``low``, ``high``; of one outcome, in
        the order of the rows.
    size
        Screen it is for.
    axis
        Name and unit of the outcome's difference.
    """
    keys = list(dict.fromkeys(frame["label"]))
    names, left = _labels(keys, size=size)
    figure, axes = _strip(size, rows=len(keys), left_in=left, right_in=0.45, top_in=0.3)
    fill = {"low": shades()[1], "high": shades()[3]}
    ends = frame[["difference", "low", "high"]].to_numpy(dtype=np.float64)
    most = float(np.nanmax(np.abs(ends))) if np.isfinite(ends).any() else 0.0
    axes.set_xlim(-(most * 1.3 or 1.0), most * 1.3 or 1.0)
    for row in records(frame):
        y = len(keys) - 1 - keys.index(row["label"])
        offset = 0.19 if row["end"] == "low" else -0.19
        difference = float(row["difference"])
        if math.isnan(difference):
            axes.text(0, y + offset, " no value", va="center", fontsize=size.font_pt - 2)
            continue
        axes.barh(y + offset, difference, height=0.34, color=fill[row["end"]], linewidth=0)
        reach = difference
        if not math.isnan(float(row["low"])):
            axes.plot([row["low"], row["high"]], [y + offset] * 2, color=INK, linewidth=0.9)
            reach = float(row["high"]) if difference >= 0 else float(row["low"])
        right = reach >= 0
        text = f" at {_value(float(row['value']))} "
        axes.text(
            reach, y + offset, text, va="center", ha="left" if right else "right", fontsize=size.font_pt - 2, color=INK
        )
    axes.axvline(0, color=INK, linewidth=0.9)
    axes.set_yticks(range(len(keys)), list(reversed(names)))
    axes.set_ylim(-0.6, len(keys) - 0.4)
    axes.grid(visible=False, axis="y")
    axes.tick_params(length=0)
    # Centred under the bars, which begin where the names end: a longer line would leave the drawing on the right.
    letters = int((size.width_in - left) / _LETTER_IN)
    axes.set_xlabel("\n".join(textwrap.wrap(axis, max(letters, 18))[:3]))
    return figure


def breaking_curve(
    frame: pd.DataFrame, *, size: Size, axis: str, share: float, bracket: tuple[float, float] | None, base: float
) -> Figure:
    """Share of replications that break at each size tried, with its interval.

    Parameters
    ----------
    frame
        ``value``, ``share_broken``, ``share_low``, ``share_high``.
    size
        Screen it is for.
    axis
        Name of the number turned.
    share
        From which share on the scenario counts as broken.
    bracket
        Sizes at which it holds and breaks; None where no breaking point was found.
    base
        What the scenario has.
    """
    from matplotlib.ticker import PercentFormatter

    figure, axes = _strip(size, rows=6, left_in=0.6, right_in=0.3, top_in=0.55)
    frame = frame.sort_values("value")
    low, high = float(frame["value"].min()), float(frame["value"].max())
    room = (high - low) * 0.04 or 1.0
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(-0.04, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    if bracket is not None:
        holds, breaks = bracket
        edge = high + room if breaks > holds else low - room
        axes.axvspan(min(breaks, edge), max(breaks, edge), color=_BROKEN, linewidth=0, zorder=0)
        middle = (breaks + edge) / 2
        if abs(edge - breaks) > (high - low) * 0.2:
            axes.text(middle, 1.02, "breaks", ha="center", va="bottom", transform=axes.get_xaxis_transform(), color=INK)
    axes.axhline(share, color="#6F6F6F", linewidth=0.9, linestyle=(0, (4, 3)))
    axes.text(
        low - room, share + 0.02, f" broken from {share:.0%} on", fontsize=size.font_pt - 1.5, va="bottom",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1}, zorder=3,
    )  # fmt: skip
    axes.vlines(frame["value"], frame["share_low"], frame["share_high"], color=shades()[1], linewidth=2.2)
    axes.plot(frame["value"], frame["share_broken"], color=palette()[0], linewidth=1.4, marker="o", markersize=5)
    if low <= base <= high:
        axes.annotate(
            "as written", (base, 0), (base, -0.17), xycoords=("data", "axes fraction"), ha="center", va="top",
            fontsize=size.font_pt - 1.5, arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.8},
        )  # fmt: skip
    axes.set_xlabel(axis, labelpad=14)
    y_title(axes, "Replications that break", size=size, above_in=0.2)
    return figure


def breaking_map(frame: pd.DataFrame, *, size: Size, first: str, second: str, low: float, high: float) -> Figure:
    """Where a scenario breaks, for several values of a second number.

    Parameters
    ----------
    frame
        ``second_value``, ``status``, ``holds_at``, ``breaks_at``.
    size
        Screen it is for.
    first, second
        Names of the number searched, across, and of the other one, down.
    low, high
        Range that was searched.
    """
    figure, axes = _strip(size, rows=len(frame), left_in=0.95, right_in=0.3, top_in=0.45)
    frame = frame.sort_values("second_value", ascending=False, ignore_index=True)
    axes.set_xlim(low, high)
    for y, row in enumerate(reversed(records(frame))):
        status, breaks, holds = row["status"], float(row["breaks_at"]), float(row["holds_at"])
        if status == "never":
            _bar(axes, y, (low, high), shades()[0], "holds throughout", size)
            continue
        if status == "already":
            _bar(axes, y, (low, high), _BROKEN, "breaks throughout", size)
            continue
        rising = breaks > holds
        _bar(axes, y, (low, holds) if rising else (holds, high), shades()[0], "holds", size)
        _bar(axes, y, (breaks, high) if rising else (low, breaks), _BROKEN, "breaks" if rising else "", size)
        axes.plot([breaks] * 2, [y - 0.38, y + 0.38], color=INK, linewidth=1.6)
        axes.text(breaks, y, f" {_value(breaks)}", ha="left", va="center", fontsize=size.font_pt - 2, color=INK)
    axes.set_yticks(range(len(frame)), [_value(value) for value in reversed(frame["second_value"].tolist())])
    axes.set_ylim(-0.55, len(frame) - 0.3)
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(first)
    y_title(axes, second, size=size, above_in=0.05)
    return figure


def _bar(axes: Axes, y: float, ends: tuple[float, float], colour: str, text: str, size: Size) -> None:
    left, right = ends
    axes.barh(y, right - left, left=left, height=0.72, color=colour, linewidth=0)
    low, high = axes.get_xlim()
    if (right - left) > (high - low) * (0.28 if size.narrow else 0.14):
        axes.text((left + right) / 2, y, text, ha="center", va="center", fontsize=size.font_pt - 2, color=INK)


def differences(frame: pd.DataFrame, *, size: Size, against: str) -> Figure:
    """Paired differences of policies against one, a strip for each outcome with its own scale.

    Parameters
    ----------
    frame
        ``outcome`` (label with unit), ``policy``, ``difference``, ``low``, ``high``, in the order of the strips; a
        hidden or missing number is NaN.
    size
        Screen it is for.
    against
        Name of the policy at zero.
    """
    from matplotlib.figure import Figure

    outcomes, policies = list(dict.fromkeys(frame["outcome"])), list(dict.fromkeys(frame["policy"]))
    names, left = _labels(policies, size=size)
    strip, gap, top, bottom = 0.3 * len(policies) + 0.1, 0.62, 0.42, 0.7
    height = top + len(outcomes) * strip + (len(outcomes) - 1) * gap + bottom
    figure = Figure(figsize=(size.width_in, height))
    for place, outcome in enumerate(outcomes):
        part = frame[frame["outcome"] == outcome]
        base = height - top - strip * (place + 1) - gap * place
        width = (size.width_in - left - 0.3) / size.width_in
        axes = figure.add_axes((left / size.width_in, base / height, width, strip / height))
        ends = part[["difference", "low", "high"]].to_numpy(dtype=np.float64)
        most = (float(np.nanmax(np.abs(ends))) if np.isfinite(ends).any() else 0.0) or 1.0
        axes.set_xlim(-most * 1.15, most * 1.15)
        for row in records(part):
            y = len(policies) - 1 - policies.index(row["policy"])
            if math.isnan(float(row["difference"])):
                axes.text(0, y, " no value", va="center", fontsize=size.font_pt - 2)
                continue
            clear = not (float(row["low"]) <= 0 <= float(row["high"])) and not math.isnan(float(row["low"]))
            axes.plot([row["low"], row["high"]], [y, y], color=palette()[0], linewidth=1.6)
            axes.plot(
                [row["difference"]], [y], marker="o", markersize=6.5, color=palette()[0],
                markerfacecolor=palette()[0] if clear else "#FFFFFF",
            )  # fmt: skip
        axes.axvline(0, color=INK, linewidth=0.9, zorder=0)
        axes.set_yticks(range(len(policies)), list(reversed(names)))
        axes.set_ylim(-0.6, len(policies) - 0.4)
        axes.grid(visible=False, axis="y")
        axes.tick_params(length=0)
        title = "\n".join(textwrap.wrap(outcome, 42 if size.narrow else 90)[:2])
        figure.text(0.004, (base + strip + 0.08) / height, title, ha="left", va="bottom", linespacing=1.1)
        if place == len(outcomes) - 1:
            axes.set_xlabel("\n".join(textwrap.wrap(f"Difference to {against}, mean and 95% interval", 44)))
    return figure
