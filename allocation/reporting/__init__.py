"""Run folders to pages that people read: sentences, charts, tables, and what may be shared of them."""

from allocation.reporting.write import report, run_headlines, write_figures, write_report

__all__ = ["report", "run_headlines", "write_figures", "write_report"]
