"""One number of a scenario changed: the right one, within what the scenario allows."""

from __future__ import annotations

import pytest

from allocation.errors import InputError
from allocation.scenario import load_scenario
from allocation.scenario.vary import assumed_keys, is_whole, label_of, number_at, number_keys, with_numbers

SCENARIO = load_scenario("uk_2021_output_fall")


def test_a_number_is_reached_by_place_and_by_kind() -> None:
    assert number_at(SCENARIO, "disruption.0.fraction") == 0.14
    assert number_at(SCENARIO, "disruption.output_rise.fraction") == 0.10
    assert number_at(SCENARIO, "supply.lead_time_days.mean") == 10


def test_only_the_number_named_changes() -> None:
    changed = with_numbers(SCENARIO, {"disruption.output_cut.fraction": 0.3})
    assert changed.disruption[0].fraction == 0.3  # type: ignore[union-attr]
    assert with_numbers(changed, {"disruption.0.fraction": 0.14}) == SCENARIO


def test_a_key_of_weeks_takes_the_nearest_whole_number() -> None:
    assert is_whole(SCENARIO, "disruption.0.weeks")
    assert not is_whole(SCENARIO, "disruption.0.fraction")
    assert with_numbers(SCENARIO, {"disruption.0.weeks": 11.6}).disruption[0].weeks == 12


def test_a_number_that_is_turned_no_longer_spreads() -> None:
    spread = {"fraction": {"low": 0.1, "high": 0.2}}
    data = SCENARIO.model_dump()
    data["disruption"][0]["spread"] = spread
    spreading = type(SCENARIO).model_validate(data)
    turned = with_numbers(spreading, {"disruption.0.fraction": 0.5})
    assert turned.disruption[0].fraction == 0.5  # type: ignore[union-attr]
    assert turned.disruption[0].spread == {}


def test_every_key_told_can_be_read_and_set_to_what_it_is() -> None:
    keys = number_keys(SCENARIO)
    assert with_numbers(SCENARIO, {key: number_at(SCENARIO, key) for key in keys}) == SCENARIO
    assert "run.seed" not in keys
    assert "run.replications" not in keys


def test_proposals_are_the_keys_behind_assumptions_marked_so() -> None:
    proposed = assumed_keys(SCENARIO)
    assert "supply.opening_cover_weeks" in proposed
    assert "disruption.0.fraction" not in proposed  # read in a source


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("disruption.0.fractoin", "disruption.0.fraction"),
        ("disruption.9.fraction", "disruption.0.fraction"),
        ("run.seed", "run.weeks"),
        ("description", "numbers are"),
    ],
)
def test_a_key_that_is_no_number_is_refused_with_near_ones(key: str, near: str) -> None:
    with pytest.raises(InputError) as caught:
        number_at(SCENARIO, key)
    assert key in str(caught.value)
    assert near in str(caught.value)


def test_a_number_the_scenario_does_not_allow_is_refused() -> None:
    with pytest.raises(InputError, match=r"disruption\.0\.fraction = 3"):
        with_numbers(SCENARIO, {"disruption.0.fraction": 3.0})
    with pytest.raises(InputError, match="finite"):
        with_numbers(SCENARIO, {"disruption.0.fraction": float("nan")})


def test_a_label_names_what_happens_and_not_its_place_in_a_list() -> None:
    assert label_of(SCENARIO, "disruption.0.fraction") == "fraction (output cut)"
    assert label_of(SCENARIO, "supply.lead_time_days.mean") == "lead time days mean (supply)"
