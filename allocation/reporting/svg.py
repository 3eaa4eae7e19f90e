"""A figure as inline SVG: the same bytes every time, with a title and a description for those who hear the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from allocation.reporting.style import NARROW, WIDE, Size, chart_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawing", "both_sizes", "figure_svg"]

Drawing = Callable[[Size], "Figure"]

_XLINK = "{http://www.w3.org/1999/xlink}href"
_READER_FONTS = "Arial, Helvetica, 'Liberation Sans', 'DejaVu Sans', sans-serif"
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def both_sizes(draw: Drawing, *, key: str, title: str, description: str, desk: Size = WIDE) -> tuple[str, str]:
    """A chart for desks and the same for phones.

    Parameters
    ----------
    draw
        Takes a size and gives the figure.
    key
        Told apart from every other chart of the page.
    title, description
        What the chart shows in a few words, and what can be read from it.
    desk
        Size for desks.
    """
    made = []
    for size in (desk, NARROW):
        name = f"{key}-{size.name}"
        with chart_style(size, salt=f"igalloc {name}"):
            made.append(figure_svg(draw(size), key=name, title=title, description=description))
    return made[0], made[1]


def figure_svg(figure: Figure, *, key: str, title: str, description: str) -> str:
    """One figure as an ``<svg>`` element.

    Text stays text. It is laid out in a wide font and shown in the reader's own narrower one, so that no label
    runs into another. Ids get the key as a prefix, since several charts share a page.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    root = ET.fromstring(buffer.getvalue())  # noqa: S314 - what matplotlib wrote a line above
    _without_metadata(root)
    _own_ids(root, key)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        if "style" in element.attrib:
            element.set("style", element.attrib["style"].replace("'DejaVu Sans'", _READER_FONTS))
        if element.get("transform", "").startswith(("rotate(-0 ", "rotate(0 ")):
            del element.attrib["transform"]
        element.text = (element.text or "").strip() or None
        element.tail = None
    for name in ("width", "height", "version"):
        root.attrib.pop(name, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{key}-title {key}-desc")
    root.set("focusable", "false")
    root.set("stroke-linejoin", "round")
    for place, (name, text) in enumerate((("title", title), ("desc", description))):
        element = ET.Element(name, {"id": f"{key}-{name}"})
        element.text = text
        root.insert(place, element)
    return _compact(ET.tostring(root, encoding="unicode"))


def _without_metadata(root: ET.Element) -> None:
    for parent in list(root.iter()):
        for child in list(parent):
            # The style sheet matplotlib adds would apply to the whole page.
            if child.tag.endswith(("}metadata", "}style")):
                parent.remove(child)


def _own_ids(root: ET.Element, key: str) -> None:
    used = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            used.update(_REFERENCE.findall(value))
            if name == _XLINK:
                used.add(value.removeprefix("#"))
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in used:
            element.set("id", f"{key}-{own}")
        for name, value in list(element.attrib.items()):
            if name == _XLINK:
                del element.attrib[name]
                element.set("href", f"#{key}-{value.removeprefix('#')}")
            elif "url(#" in value:
                element.set(name, _REFERENCE.sub(rf"url(#{key}-\1)", value))


def _compact(text: str) -> str:
    text = text.replace("<defs />", "").replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return re.sub(r" {2,}", " ", text)
