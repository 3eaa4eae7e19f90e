"""What stewardship could free, on the page: sums that add up, and nothing to be had by subtraction when shared."""

from __future__ import annotations

import pandas as pd
import pytest

from allocation.cohort.stewardship import KINDS
from allocation.reporting.blocks import Chart, Section, Table
from allocation.reporting.savings_section import savings_section


def rows(few: int) -> pd.DataFrame:
    """Forty patients of two panels; weaning would free grams of thirty, other packs of few."""
    frame = pd.DataFrame({"panel": ["SRIAP01"] * 30 + ["SRIAP02"] * 10, "indication": "cidp"})
    frame["review_overdue"] = ["yes" if place < 12 else "no" for place in range(40)]
    frame["now_mg"] = 500_000
    for kind in KINDS:
        frame[f"saving_{kind}_mg"] = 0
    frame.loc[:29, "saving_weaning_mg"] = 100_000
    frame.loc[: few - 1, "saving_packs_mg"] = 7_000
    frame["saving_mg"] = frame[[f"saving_{kind}_mg" for kind in KINDS]].sum(axis=1)
    frame["left_mg"] = frame["now_mg"] - frame["saving_mg"]
    return frame


def kinds(section: Section) -> dict[str, list[str]]:
    drawn = section.parts[0]
    assert isinstance(drawn, Chart)
    assert drawn.data is not None
    return {row[0].text: [cell.text for cell in row[1:4]] for row in drawn.data.rows}


def test_steps_come_down_from_what_is_used_to_what_is_left():
    found = kinds(savings_section(rows(5), share=False))
    assert found["Used a year as treated now"] == ["40", "20,000", "100%"]
    assert found["Weaning"] == ["30", "3,000", "15.0%"]
    assert found["Packs that fit"] == ["5", "35", "0.2%"]
    assert found["Left"] == ["40", "16,965", "84.8%"]


def test_what_is_left_goes_with_a_step_that_is_hidden():
    found = kinds(savings_section(rows(5), share=True))
    assert found["Packs that fit"] == ["*", "*", "*"]
    assert found["Left"][1:] == ["*", "*"]
    assert found["Weaning"] == ["30", "3,000", "15.0%"]


def test_nothing_is_hidden_where_nobody_is_few():
    found = kinds(savings_section(rows(12), share=True))
    assert found["Packs that fit"] == ["10", "100", "0.4%"]
    assert found["Left"][1] == "16,900"


@pytest.mark.parametrize("share", [False, True])
def test_panels_with_their_overdue_reviews(share):
    made = savings_section(rows(5), share=share).parts[1]
    assert isinstance(made, Table)
    cells = {row[0].text[:7]: [cell.text for cell in row[1:4]] for row in made.rows}
    assert cells["SRIAP01"] == ["30", "10" if share else "12", "6,000"]
    assert cells["SRIAP02"] == ["10", "0", "0"]


def test_a_cohort_that_uses_nothing():
    frame = rows(5)
    frame[[name for name in frame if name.endswith("_mg")]] = 0
    assert "uses nothing" in savings_section(frame, share=False).words[0]
