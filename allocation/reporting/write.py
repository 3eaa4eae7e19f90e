"""A run folder to its report, and the report to its file."""

from __future__ import annotations

from pathlib import Path

from allocation.records import write_text_atomic
from allocation.reporting.blocks import Chart, Page
from allocation.reporting.load import SimulationRun, load_run

__all__ = ["REPORT", "SHARED_REPORT", "report", "run_headlines", "write_figures", "write_report"]

REPORT = "report.html"
SHARED_REPORT = "report_shared.html"
"""Kept apart from the internal page, so that neither overwrites the other."""


def report(folder: Path | str, *, share: bool = False) -> str:
    """The report of a run as one HTML page.

    Parameters
    ----------
    folder
        What ``igalloc simulate`` or ``igalloc allocate`` wrote.
    share
        Whether the page is for others, and small counts must be hidden.

    Raises
    ------
    InputError
        Where the folder is no run folder, or a file of it is missing, unreadable or short of a column.
    """
    from allocation.reporting.page import page_html

    return page_html(_page(Path(folder), share=share))


def _page(folder: Path, *, share: bool) -> Page:
    run = load_run(folder)
    if isinstance(run, SimulationRun):
        from allocation.reporting.simulation_page import simulation_page

        return simulation_page(run, share=share)
    from allocation.reporting.allocation_page import allocation_page

    return allocation_page(run, share=share)


def run_headlines(folder: Path | str) -> tuple[str, ...]:
    """The sentences that answer the question a run was made for; the internal page opens with the same.

    Raises
    ------
    InputError
        As :func:`report`.
    """
    run = load_run(Path(folder))
    if isinstance(run, SimulationRun):
        from allocation.reporting.simulation_page import simulation_headlines

        return simulation_headlines(run)
    from allocation.reporting.allocation_page import allocation_headlines

    return allocation_headlines(run)


def write_figures(folder: Path | str, *, share: bool = False) -> tuple[Path, ...]:
    """Write each chart of the report as an SVG file of its own, for slides and papers.

    Returns
    -------
    tuple of Path
        ``figures/KEY.svg``, or ``figures_shared/KEY.svg`` where small counts are hidden, in the order of the page.

    Raises
    ------
    InputError
        As :func:`report`, and where a file cannot be written.
    """
    page = _page(Path(folder), share=share)
    parts = [page.lead, *(part for section in page.sections for part in section.parts)]
    place = Path(folder) / ("figures_shared" if share else "figures")
    written = []
    for part in parts:
        if isinstance(part, Chart):
            path = place / f"{part.key}.svg"
            write_text_atomic(path, part.wide + "\n")
            written.append(path)
    return tuple(written)


def write_report(folder: Path | str, *, share: bool = False) -> Path:
    """Write the report into the run folder, whole or not at all.

    Returns
    -------
    Path
        ``report.html``, or ``report_shared.html`` for a page with small counts hidden.
    """
    html = report(folder, share=share)
    path = Path(folder) / (SHARED_REPORT if share else REPORT)
    write_text_atomic(path, html)
    return path
