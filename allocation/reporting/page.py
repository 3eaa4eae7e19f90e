"""Values to one HTML page that needs nothing else: no script, no font, no picture from anywhere."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from allocation.reporting.blocks import Chart, Page, Table
from allocation.reporting.disclosure import NOTE
from allocation.resources import package_data

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["page_html"]


@lru_cache(maxsize=1)
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = package_data("reporting", "templates")
    environment = Environment(
        loader=FileSystemLoader(str(folder), encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        newline_sequence="\n",
        keep_trailing_newline=True,
    )
    environment.tests["chart"] = lambda part: isinstance(part, Chart)
    environment.tests["folded_table"] = _folded
    return environment


_LONG = 30
"""Tables with more rows start closed, unless they say otherwise."""


def _folded(part: object) -> bool:
    if not isinstance(part, Table):
        return False
    return len(part.rows) > _LONG if part.folded is None else part.folded


def page_html(page: Page) -> str:
    """The page as HTML, ending with a newline."""
    text = _environment().get_template("page.html.j2").render(page=page, disclosure_note=NOTE)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"
