"""Figures: the same bytes each time, told in words, no id twice, no label outside."""

from __future__ import annotations

import re
import warnings
from itertools import pairwise
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from allocation.reporting import charts, charts_flows, charts_groups, charts_panel, charts_savings
from allocation.reporting.style import NARROW, WIDE, chart_style, ink_on, palette, shades, spread
from allocation.reporting.svg import both_sizes
from allocation.reporting.words import percent

MARKS = [("A", 3.0, 9.0), ("B", 5.0, float("inf"))]


def _band(values: list[float]) -> pd.DataFrame:
    frame = pd.DataFrame({"week": range(len(values)), "median": values})
    for name, factor in (("p05", 0.8), ("p25", 0.9), ("p75", 1.05), ("p95", 1.1)):
        frame[name] = frame["median"] * factor
    return frame


def _cover(size):
    return charts.cover(_band([5, 4, 3, 2, 1, 1, 2, 3, 4, 5, 5, 5]), size=size, marks=MARKS)


def _fill(size):
    frames = [_band([1.0, 0.9, 0.4 + grade / 10, 0.8]).assign(grade=grade, least=0.3) for grade in (4, 3, 2, 1)]
    return charts.fill(pd.concat(frames), size=size, marks=MARKS)


def _tiers(size):
    rows = [(week, tier, 0.5 if tier < 3 else 0.0) for week in range(10) for tier in (1, 2, 3, 4)]
    return charts.tiers(pd.DataFrame(rows, columns=["week", "tier", "share"]), size=size, names={1: "Tier 1"})


def _heat(size):
    frame = pd.DataFrame(
        {
            "panel": ["A", "A", "B", "B"],
            "panel_name": ["A north", "A north", "B south", "B south"],
            "grade": [4, 1, 4, 1],
            "value": pd.Series([0.0, 0.4, "*", float("nan")], dtype=object),
        }
    )
    return charts_groups.heat(frame, size=size, value="value", text=percent)


def _bars(size):
    frame = pd.DataFrame({"name": ["One", "A name too long for any chart to hold in one line"], "n": [10.0, 2.0]})
    frame = frame.assign(label=["10", "2"], low=[8.0, 1.0], high=[14.0, 2.5])
    return charts_groups.bars(frame, size=size, name="name", value="n", label="label", low="low", high="high")


def _statuses(size):
    frame = pd.DataFrame({"grade": [4, 1], "treated_share": [1.0, 0.5], "deferred_share": [0.0, "*"]})
    columns = [("treated_share", "Treated in full"), ("deferred_share", "Deferred")]
    return charts_groups.statuses(frame, size=size, columns=columns, text=percent)


def _flows(size):
    frame = pd.DataFrame(
        {"between": ["national stock", "SRIAP01"], "panel": ["SRIAP02", "SRIAP03"], "grams": [90.0, 30.0]}
    )
    return charts_flows.flows(frame.assign(label=["90 g", "30 g"]), size=size)


def _waterfall(size):
    names = ["Used a year as treated now", "Dose back to the highest dose that is printed", "Weaning", "Left"]
    frame = pd.DataFrame({"name": names, "total": [True, False, False, True]})
    frame["grams"] = pd.Series([100.0, 20.0, "*", "*"], dtype=object)
    return charts_savings.waterfall(frame.assign(label=["100 g", "−20 g", "*", "*"]), size=size)


def _beside(size):
    frame = pd.DataFrame({"grade": [4, 3, 2], "others": [1.0, 0.7, float("nan")]})
    frame["fill_rate"] = pd.Series([1.0, 0.5, "*"], dtype=object)
    return charts_panel.beside_others(frame.assign(label=["100% of 12.3 kg", "50% of 999 g", "*"]), size=size)


ALL = {
    "cover": _cover,
    "fill": _fill,
    "tiers": _tiers,
    "heat": _heat,
    "bars": _bars,
    "statuses": _statuses,
    "flows": _flows,
    "waterfall": _waterfall,
    "beside": _beside,
}


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_chart_is_the_same_bytes_each_time_and_speaks(name):
    made = [both_sizes(ALL[name], key=name, title="What <is> found", description="In words & more") for _ in range(2)]
    assert made[0] == made[1]
    for text in made[0]:
        root = ET.fromstring(text)
        assert root.get("role") == "img"
        title, desc = root[0], root[1]
        assert title.text == "What <is> found"
        assert desc.text == "In words & more"
        assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
        assert "dc:date" not in text
        assert "<style" not in text
        assert "viewBox" in root.attrib
        assert "width" not in root.attrib


def test_ids_are_single_on_a_page_of_all_charts():
    page = "".join(part for name in ALL for part in both_sizes(ALL[name], key=name, title=name, description=name))
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    for target in re.findall(r'(?:href="#|url\(#)([^")]+)', page):
        assert target in ids


@pytest.mark.parametrize("name", sorted(ALL))
@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_no_label_is_cut_off_or_runs_into_another(name, size):
    """Measured in the wide font the charts are laid out in, so narrower fonts of readers fit too."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with chart_style(size, salt="t"):
        figure = ALL[name](size)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
        boxes = []
        for text in figure.findobj(match=lambda artist: hasattr(artist, "get_text")):
            if not text.get_text().strip() or not text.get_visible():
                continue
            box = text.get_window_extent(renderer)
            boxes.append((text.get_text(), box))
        width, height = figure.get_size_inches() * figure.dpi
    slack = 2.0
    for said, box in boxes:
        assert box.y0 >= -slack, said
        assert box.y1 <= height + slack, said
        assert box.x1 <= width * 1.06, said
    for place, (said, box) in enumerate(boxes):
        for other, there in boxes[place + 1 :]:
            across = min(box.x1, there.x1) - max(box.x0, there.x0)
            down = min(box.y1, there.y1) - max(box.y0, there.y0)
            assert across <= 6 or down <= 4, (said, other)


def test_a_hidden_cell_says_so_and_is_not_shaded():
    with chart_style(WIDE, salt="t"):
        figure = _heat(WIDE)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["0%", "40.0%", "*", "–"]
    assert [patch.get_facecolor()[:3] for patch in axes.patches][2:] == [(1, 1, 1), (1, 1, 1)]


def test_a_panel_without_patients_of_a_grade_has_an_empty_cell():
    frame = pd.DataFrame({"panel": ["A", "B"], "panel_name": ["A", "B"], "grade": [4, 1], "value": [0.1, 0.2]})
    with chart_style(WIDE, salt="t"):
        axes = charts_groups.heat(frame, size=WIDE, value="value", text=percent).axes[0]
    assert len(axes.patches) == 4
    assert sorted(text.get_text() for text in axes.texts) == ["10.0%", "20.0%"]


def test_one_replication_has_no_band():
    frame = _band([5.0, 4.0, 3.0])
    for name in ("p05", "p25", "p75", "p95"):
        frame[name] = frame["median"]
    with chart_style(WIDE, salt="t"):
        figure = charts.cover(frame, size=WIDE, marks=[])
    assert len(figure.axes[0].collections) == 0
    assert "90% of runs" not in [text.get_text() for text in figure.axes[0].texts]


def test_the_palette_is_that_of_government_analysis():
    assert palette() == ("#12436D", "#28A197", "#801650", "#F46A25")
    assert len(shades()) == 5
    assert ink_on("#FFFFFF") != ink_on("#12436D")


def test_matplotlib_settings_end_with_the_chart():
    import matplotlib as mpl

    before = mpl.rcParams["svg.fonttype"], mpl.rcParams["font.size"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both_sizes(_cover, key="x", title="t", description="d")
    assert (mpl.rcParams["svg.fonttype"], mpl.rcParams["font.size"]) == before


def test_labels_keep_their_order_and_their_distance():
    placed = spread([0.0, 0.0, 0.1, 9.0], gap=1.0, low=0.0, high=10.0)
    assert placed == sorted(placed)
    assert min(b - a for a, b in pairwise(placed)) >= 1.0 - 1e-9
    assert placed[-1] == 9.0
    crowded = spread([5.0] * 5, gap=4.0, low=0.0, high=8.0)
    assert (min(crowded), max(crowded)) == (0.0, 8.0)


def test_a_waterfall_comes_down_to_what_is_left():
    frame = pd.DataFrame(
        {"name": ["Now", "A", "B", "Left"], "total": [True, False, False, True], "grams": [9.0, 2, 3, 4]}
    )
    with chart_style(WIDE, salt="x"):
        figure = charts_savings.waterfall(frame.assign(label=["9", "2", "3", "4"]), size=WIDE)
    boxes = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in figure.axes[0].patches]
    assert boxes == [(0, 9), (7, 9), (4, 7), (0, 4)]
