"""Subcutaneous for intravenous, gram for gram, and doses in turn."""

from __future__ import annotations

import pytest

from allocation.dosing.equivalence import alternating_mg, equivalent_g, switched_phase
from allocation.dosing.schedule import make_schedule
from allocation.errors import InputError
from allocation.rules import load_rulebook

HIZENTRA = (1000, 2000, 4000, 10000)


def test_the_printed_doses_of_replacement_are_equivalent() -> None:
    """0.4-0.6 g/kg every four weeks by vein, 0.1-0.15 g/kg every week under the skin: what the ratio rests on."""
    pid = {regimen.id: regimen for regimen in load_rulebook("nhs").find("pid").regimen}
    for end in ("dose_low", "dose_high"):
        weekly = equivalent_g(getattr(pid["replacement"], end), from_weeks=4, to_weeks=1)
        assert weekly[0] == pytest.approx(getattr(pid["subcutaneous"], end))


@pytest.mark.parametrize(("weeks", "grams"), [(1, 7.5), (2, 15.0), (4, 30.0)])
def test_weekly_and_fortnightly_from_four_weekly_and_back(weeks, grams) -> None:
    there = equivalent_g(30, from_weeks=4, to_weeks=weeks)
    assert there.tolist() == [grams]
    back = equivalent_g(there, from_weeks=weeks, to_weeks=4, from_route="SC", to_route="IV")
    assert back.tolist() == [30.0]


def test_doses_in_turn_make_up_what_vials_cannot() -> None:
    assert alternating_mg(7.5, HIZENTRA, 4) == (7_000, 8_000, 7_000, 8_000)
    assert alternating_mg(27.4, (5000, 10000), 3) == (25_000, 25_000, 30_000)
    assert alternating_mg(0.4, HIZENTRA, 3) == (0, 0, 1_000)
    with pytest.raises(InputError, match="turn"):
        alternating_mg(7.5, HIZENTRA, 0)


def test_a_switch_keeps_the_grams_of_four_weeks() -> None:
    lasting = switched_phase(30_000, from_weeks=4, to_weeks=1, vial_mg=HIZENTRA, courses=None)
    schedule = make_schedule([lasting], weeks=8)
    assert schedule.total_mg == 60_000
    assert [course.mg for course in schedule.courses][:4] == [7_000, 8_000, 7_000, 8_000]
    back = switched_phase(
        7_500, from_weeks=1, to_weeks=4, vial_mg=(5000, 10000), from_route="SC", to_route="IV", courses=None
    )
    assert [course.mg for course in make_schedule([back], weeks=12).courses] == [30_000] * 3


def test_an_interval_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match="interval_weeks"):
        equivalent_g(30, from_weeks=0, to_weeks=1)
