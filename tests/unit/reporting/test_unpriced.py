"""Kilograms that were not priced are named on the page and in the workbook, and only where there are any."""

from __future__ import annotations

import io
import json
from pathlib import Path

import openpyxl
import pytest

from allocation.reporting import report
from allocation.reporting.workbook import workbook_bytes, workbook_of

WORDS = "Not priced at P1, P2: octagam_10, privigen_10, because pricing stops there."


@pytest.fixture
def unpriced(allocation_copy: Path) -> Path:
    path = allocation_copy / "result.json"
    missing = {"panels": ["P1", "P2"], "products": ["octagam_10", "privigen_10"], "why": "pricing stops there"}
    result = json.loads(path.read_text(encoding="utf-8")) | {"shadow_prices_left_out": [missing]}
    path.write_text(json.dumps(result), encoding="utf-8")
    return allocation_copy


def told_in_workbook(folder: Path) -> str:
    book = openpyxl.load_workbook(io.BytesIO(workbook_bytes(workbook_of(folder))))
    return "\n".join(str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row)


def test_the_page_names_what_was_not_priced(unpriced):
    html = report(unpriced)
    assert WORDS in html
    assert "the grams that would reach patients of a grade" in html


def test_nothing_is_said_to_buy_nothing_where_it_was_not_priced(unpriced):
    (unpriced / "shadow_prices.csv").write_text("panel,product,grade,grams_per_kg\n", encoding="utf-8")
    html = report(unpriced)
    assert WORDS in html
    assert "would buy nothing" not in html


def test_the_workbook_names_what_was_not_priced(unpriced):
    assert WORDS in told_in_workbook(unpriced)


def test_where_all_was_priced_nothing_is_named(allocation_copy):
    assert "Not priced" not in report(allocation_copy)
    assert "Not priced" not in told_in_workbook(allocation_copy)
