"""Run folders to pages that people read: sentences, charts, tables, and what may be shared of them."""

from allocation.reporting.page import page_html
from allocation.reporting.pdf import browser_path, write_pdf
from allocation.reporting.study_sentences import breaking_headlines, sensitivity_headlines
from allocation.reporting.write import (
    Sheet,
    report,
    run_headlines,
    sheets_of,
    write_figures,
    write_report,
    write_workbook,
)

__all__ = [
    "Sheet",
    "breaking_headlines",
    "browser_path",
    "page_html",
    "report",
    "run_headlines",
    "sensitivity_headlines",
    "sheets_of",
    "write_figures",
    "write_pdf",
    "write_report",
    "write_workbook",
]
