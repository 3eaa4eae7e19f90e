"""A run folder to its report, and the report to its file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from allocation.errors import Fault, InputError
from allocation.records import atomic_path, write_text_atomic
from allocation.reporting.blocks import Chart, Page
from allocation.reporting.load import AllocationRun, SimulationRun, StudyRun, load_run, run_head
from allocation.reporting.load_forecast import ForecastRun, is_forecast, load_forecast

if TYPE_CHECKING:
    from allocation.reporting.workbook import Savings

__all__ = [
    "REPORT",
    "SHARED_REPORT",
    "Sheet",
    "report",
    "run_headlines",
    "sheets_of",
    "write_figures",
    "write_report",
    "write_workbook",
]

REPORT = "report.html"
SHARED_REPORT = "report_shared.html"
"""Kept apart from the internal page, so that neither overwrites the other."""

EVERY_PANEL = "all"
_MADE = ("manifest-section", "made-section")


class Sheet(NamedTuple):
    """A page of a run with the name of its file, without ending."""

    name: str
    page: Page


def report(folder: Path | str, *, share: bool = False, checks: Sequence[Path] = ()) -> str:
    """The report of a run as one HTML page.

    Parameters
    ----------
    folder
        What a command of igalloc left behind.
    share
        Whether the page is for others, and small counts must be hidden.
    checks
        Inputs of the run, to see whether they have changed since.

    Raises
    ------
    InputError
        Where the folder is no run folder, or a file of it is missing, unreadable or short of a column; where a file to
        check is no input of the run.
    """
    from allocation.reporting.page import page_html

    return page_html(sheets_of(Path(folder), share=share, checks=checks)[0].page)


def sheets_of(
    folder: Path,
    *,
    share: bool,
    panel: str | None = None,
    savings: Savings | None = None,
    checks: Sequence[Path] = (),
) -> tuple[Sheet, ...]:
    """The page of a run, or of one panel or every panel of an allocation, marked where they are out of date.

    Parameters
    ----------
    panel
        Code of a panel, or ``all``; None for the page of the whole run.
    savings
        What stewardship could free in the cohort of an allocation, where the cohort is at hand.
    checks
        Inputs of the run, to see whether they have changed since.

    Raises
    ------
    InputError
        As :func:`report`; and where a panel is asked of what is no allocation, or of one that has no such panel.
    """
    from allocation.reporting.stale import freshness_of

    run = load_forecast(folder) if is_forecast(folder) else load_run(folder)
    ending = "_shared" if share else ""
    if panel is None:
        pages = [(f"report{ending}", _page(run, share=share, savings=savings))]
    elif isinstance(run, AllocationRun):
        from allocation.reporting.panel_facts import panel_codes
        from allocation.reporting.panel_page import panel_page

        codes = panel_codes(run) if panel == EVERY_PANEL else (panel,)
        pages = [(f"panel_{code}{ending}", panel_page(run, code, share=share)) for code in codes]
    else:
        raise InputError(Fault("--panel", "the folder of an allocation", value=str(folder)))
    fresh = freshness_of(run.manifest, checks)
    return tuple(Sheet(name, _marked(page, fresh.stale, fresh.note)) for name, page in pages)


def _marked(page: Page, stale: tuple[str, ...], note: str) -> Page:
    sections = tuple(
        replace(section, words=(*section.words, note)) if section.key in _MADE and note else section
        for section in page.sections
    )
    return replace(page, stale=stale, sections=sections)


def _page(run: SimulationRun | StudyRun | ForecastRun | AllocationRun, *, share: bool, savings: Savings | None) -> Page:
    if isinstance(run, SimulationRun):
        from allocation.reporting.simulation_page import simulation_page

        return simulation_page(run, share=share)
    if isinstance(run, StudyRun):
        from allocation.reporting.study_page import STUDY_PAGES

        return STUDY_PAGES[run.kind](run, share=share)
    if isinstance(run, ForecastRun):
        from allocation.reporting.forecast_page import forecast_page

        return forecast_page(run, share=share)
    from allocation.reporting.allocation_page import allocation_page

    return allocation_page(run, share=share, savings=None if savings is None else savings.rows)


def run_headlines(folder: Path | str, *, replications: Sequence[Path] = ()) -> tuple[str, ...]:
    """The sentences that answer the question a run was made for; the internal page opens with the same.

    Parameters
    ----------
    folder
        What a command of igalloc left behind.
    replications
        The folders of a simulation's replications, in their order, while there are such. Their tables are read in place
        of the whole run's, of which the directory alone takes some 20 kB of memory for each replication.

    Raises
    ------
    InputError
        As :func:`report`.
    """
    place = Path(folder)
    if is_forecast(place):
        from allocation.reporting.forecast_page import forecast_headlines

        return forecast_headlines(load_forecast(place))
    kind, summary = run_head(place)
    if kind == "simulation":
        from allocation.reporting.simulation_answer import read_answer, simulation_headlines

        return simulation_headlines(read_answer(replications or [place], weeks=int(summary["weeks"])), summary)
    run = load_run(place)
    if isinstance(run, AllocationRun):
        from allocation.reporting.allocation_page import allocation_headlines

        return allocation_headlines(run)
    return tuple(run.summary["headlines"])


def write_figures(folder: Path | str, *, share: bool = False, savings: Savings | None = None) -> tuple[Path, ...]:
    """Write each chart of the report as an SVG file of its own, for slides and papers.

    Parameters
    ----------
    savings
        As :func:`sheets_of`.

    Returns
    -------
    tuple of Path
        ``figures/KEY.svg``, or ``figures_shared/KEY.svg`` where small counts are hidden, in the order of the page.

    Raises
    ------
    InputError
        As :func:`report`, and where a file cannot be written.
    """
    page = sheets_of(Path(folder), share=share, savings=savings)[0].page
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


def write_workbook(folder: Path | str, *, share: bool = False, savings: Savings | None = None) -> Path:
    """Write the workbook into the run folder, whole or not at all.

    Parameters
    ----------
    savings
        What stewardship could free in the cohort of an allocation, where the cohort is at hand.

    Returns
    -------
    Path
        ``report.xlsx``, or ``report_shared.xlsx`` for one with small counts hidden and no row of a patient.
    """
    from allocation.reporting.workbook import workbook_bytes, workbook_of

    made = workbook_bytes(workbook_of(Path(folder), share=share, savings=savings))
    path = (Path(folder) / (SHARED_REPORT if share else REPORT)).with_suffix(".xlsx")
    with atomic_path(path) as part:
        part.write_bytes(made)
    return path
