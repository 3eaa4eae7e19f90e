"""The criteria on the command line, for a rulebook of grades and for one of categories."""

from __future__ import annotations

import json
from io import StringIO

import pandas as pd
import pytest

from allocation.cli import main
from allocation.rules import load_rulebook
from allocation.rules.table import columns_of


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["criteria", *arguments]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("rulebook", "header"),
    [
        ("nhs", ["code", "base_grade", "highest_grade", "term", "title"]),
        ("prairie", ["code", "category", "strength", "term", "title"]),
    ],
)
def test_the_list_has_the_columns_of_its_kind(
    capsys: pytest.CaptureFixture[str], rulebook: str, header: list[str]
) -> None:
    lines = printed(capsys, "--rulebook", rulebook).splitlines()
    assert lines[0].split() == header
    assert len(lines) == 1 + len(load_rulebook(rulebook).entry)


@pytest.mark.parametrize("rulebook", ["nhs", "prairie"])
def test_csv_has_every_column(capsys: pytest.CaptureFixture[str], rulebook: str) -> None:
    table = pd.read_csv(StringIO(printed(capsys, "--rulebook", rulebook, "--format", "csv")))
    assert tuple(table.columns) == columns_of(load_rulebook(rulebook))


def test_one_code_of_the_prairie_criteria_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(printed(capsys, "pyoderma_gangrenosum", "--rulebook", "prairie", "--format", "json"))
    assert told["category"]["code"] == "do"
    assert told["strength"]["words"] == "may be considered"
    assert told["evidence"][0] == {
        "code": "SR (G8)",
        "words": {"SR": "systematic review", "G8": load_rulebook("prairie").evidence_code["G8"]},
    }
    outline = printed(capsys, "pyoderma_gangrenosum", "--rulebook", "prairie")
    assert "1 to 2 g/kg (1 used) over 2 days, intravenously, 4 to 6 courses (5 used) 4 weeks apart" in outline


def test_a_dose_by_the_prairie_criteria_shows_inches(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["dose", "--rulebook", "prairie", "--sex", "M", "--age", "50", "--height-cm", "175"]
    arguments += ["--weight-kg", "100", "--g-per-kg", "2", "--days", "2", "--vials", "5,10,20"]
    assert main(arguments) == 0
    steps = capsys.readouterr().out
    assert "50 + 2.3 x (175 cm - 152.4 cm) / 2.54 = 70.5 kg" in steps
    assert "to the nearest amount to whole vials of 5, 10 and 20 g: 165 g" in steps
