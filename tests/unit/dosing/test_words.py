"""Warnings and notes about a weight, and the data they come from."""

from __future__ import annotations

import pytest

from allocation.dosing.parameters import load_parameters
from allocation.dosing.words import is_pregnancy, listed, note_warning, vials_text
from allocation.rules import load_rulebook


@pytest.mark.parametrize(
    ("note", "code"),
    [
        ("", None),
        ("booking", None),
        ("amputation", "WEIGHT_AMPUTATION"),
        (" Amputation ", "WEIGHT_AMPUTATION"),
        ("fluid", "WEIGHT_FLUID"),
        ("estimated", "WEIGHT_ESTIMATED"),
        ("left leg", "WEIGHT_NOTE"),
    ],
)
def test_weight_notes(note, code) -> None:
    found = note_warning(note)
    assert (found.code if found else None) == code
    assert found is None or found.text.endswith(".")


def test_an_unknown_note_is_not_repeated() -> None:
    """Free text may hold more than a code; it stays in the file it came in."""
    assert "left leg" not in str(note_warning("left leg"))


def test_who_is_treated_for_a_pregnancy() -> None:
    book = load_rulebook("nhs")
    pregnant = {entry.key for entry in book.entry if any(is_pregnancy(regimen, entry.key) for regimen in entry.regimen)}
    assert pregnant == {
        "alloimmune_thrombocytopenia/fmait",
        "gestational_alloimmune_liver_disease",
        "congenital_heart_block_prevention",
        "itp/pregnancy",
    }
    assert set(load_parameters().pregnancy_rows.entries) <= {entry.key for entry in book.entry}


def test_every_figure_has_a_source() -> None:
    found = load_parameters()
    parts = [
        found.month,
        found.neonate,
        found.pregnancy,
        found.subcutaneous,
        found.trough,
        found.child_bmi,
        *found.stop,
    ]
    for part in parts:
        assert part.source.document
        assert part.source.confidence in ("F", "F*", "D", "M", "P")


def test_medians_of_body_mass_index_are_those_of_childhood() -> None:
    rows = load_parameters().child_bmi.row
    assert rows[0].age_years == 2
    assert 18 <= rows[-1].age_years < 18.1
    for row in rows:
        assert 15 < row.female_kg_m2 < 22
        assert 15 < row.male_kg_m2 < 22
        assert abs(row.male_kg_m2 - row.female_kg_m2) < 0.7


def test_words() -> None:
    assert listed([]) == ""
    assert listed(["5"]) == "5"
    assert vials_text({20_000: 5, 2_500: 1}) == "5 x 20 g + 1 x 2.5 g"
