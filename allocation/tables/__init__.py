"""Tables in files: CSV, Parquet and XLSX read to the same text, and written to the same bytes each time."""

from allocation.tables.read import RawTable, of_sheet, read_rows, read_table
from allocation.tables.text import text_frame
from allocation.tables.write import write_table

__all__ = ["RawTable", "of_sheet", "read_rows", "read_table", "text_frame", "write_table"]
