"""Workbooks: what a run says, one tidy table a sheet, for people who work in a spreadsheet."""

from allocation.reporting.workbook.kinds import workbook_of
from allocation.reporting.workbook.model import Field, Sheet, Workbook
from allocation.reporting.workbook.stewardship import Savings
from allocation.reporting.workbook.write import workbook_bytes

__all__ = ["Field", "Savings", "Sheet", "Workbook", "workbook_bytes", "workbook_of"]
