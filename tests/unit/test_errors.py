"""Faults name file, row, column, value, what was expected, and the remedy."""

from __future__ import annotations

import pickle

import pytest

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
        ({"type": "greater_than", "msg": "", "ctx": {"gt": 0}}, "a number above 0"),
        ({"type": "literal_error", "msg": "", "ctx": {"expected": "'a' or 'b'"}}, "one of 'a' or 'b'"),
        ({"type": "value_error", "msg": "Value error, needs a note"}, "needs a note"),
    ],
)
def test_what_a_data_model_expected_is_told_in_our_words(found: dict[str, object], words: str) -> None:
    assert expected_by(found) == words
