"""Faults name file, row, column, value, what was expected, and the remedy."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

import allocation
from allocation.errors import Fault, InputError, expected_by


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (Fault("a.csv", "a file"), "a.csv: expected a file."),
        (
            Fault(
                "a.csv", "kg from 0.3 to 300", row=7, column="weight_kg", value="840", remedy="Check the decimal point."
            ),
            "a.csv, row 7, weight_kg: found '840'; expected kg from 0.3 to 300. Check the decimal point.",
        ),
    ],
)
def test_a_fault_reads_as_one_line(fault: Fault, line: str) -> None:
    assert str(fault) == line


def test_an_input_error_carries_every_fault_and_survives_a_process_boundary() -> None:
    error = InputError([Fault("a.csv", "x"), Fault("b.csv", "y")])
    back = pickle.loads(pickle.dumps(error))
    assert back.faults == error.faults
    assert str(back).splitlines() == ["a.csv: expected x.", "b.csv: expected y."]
    assert InputError(Fault("a.csv", "x")).faults == (Fault("a.csv", "x"),)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"type": "missing", "msg": "Field required"}, "a value"),
        ({"type": "less_than_equal", "msg": "", "ctx": {"le": 1.0}}, "1 or less"),
        ({"type": "less_than_equal", "msg": "", "ctx": {"le": 1e9}}, "1,000,000,000 or less"),
        ({"type": "greater_than", "msg": "", "ctx": {"gt": 0}}, "a number above 0"),
        (
            {"type": "string_pattern_mismatch", "msg": "", "ctx": {"pattern": "^[A-Z][A-Z0-9_-]*$"}},
            "the code of a place, of capital letters, digits, _ and -, such as SRIAP01",
        ),
        ({"type": "string_pattern_mismatch", "msg": "", "ctx": {"pattern": "^x$"}}, "text of the form ^x$"),
        ({"type": "literal_error", "msg": "", "ctx": {"expected": "'a' or 'b'"}}, "one of 'a' or 'b'"),
        ({"type": "value_error", "msg": "Value error, needs a note"}, "needs a note"),
    ],
)
def test_what_a_data_model_expected_is_told_in_our_words(found: dict[str, object], words: str) -> None:
    assert expected_by(found) == words


def test_every_pattern_of_a_model_has_words() -> None:
    package = Path(allocation.__file__).parent
    found = {
        pattern
        for path in package.rglob("*.py")
        for pattern in re.findall(r'Field\(pattern=r"(.*?)"\)', path.read_text(encoding="utf-8"))
    }
    assert len(found) >= 4
    for pattern in found:
        told = expected_by({"type": "string_pattern_mismatch", "msg": "", "ctx": {"pattern": pattern}})
        assert "^" not in told, pattern
