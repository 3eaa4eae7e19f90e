"""The consequences layer: closed forms, directions, cohort totals only, and nothing else changed by a byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocation.scenario import load_scenario, with_run
from allocation.simulation import FILES, World, head_of, join_parts, run_replications, write_run
from allocation.simulation.consequences import (
    consequence_labels,
    consequences_of,
    draw_parameters,
    load_parameters,
    play_troughs,
    usual_rise_g_per_l,
    weeks_without,
)
from allocation.simulation.engine import play
from allocation.simulation.write import CONSEQUENCES_FILE, write_part
from small_worlds import DEEP, Make, world_maker


@pytest.fixture(scope="module")
def make() -> Make:
    worlds = world_maker(patients=200, panels=3, weeks=30, replications=2)
    return lambda *name, enabled=True, **changes: worlds(*name, consequences={"enabled": enabled}, **changes)


def told(world: World, replication: int = 0) -> dict[str, float]:
    return consequences_of(play(world, seed=3, replication=replication))


def drawn() -> dict[str, float]:
    """Every number as told."""
    return {one.name: one.value for one in load_parameters().parameter}


def course_days(intervals: list[float], times: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Courses of one patient after these intervals, over and over; whole courses."""
    day = np.cumsum([0.0, *np.tile(intervals, times)])
    return np.zeros(len(day), dtype=np.int64), day, np.ones(len(day))


def troughs(doses: tuple[np.ndarray, np.ndarray, np.ndarray], days: int, interval: float = 28.0, **more: float) -> Any:
    one = np.ones(1)
    first_due = more.get("first_due", 0.0) * one
    return play_troughs(
        drawn(),
        interval_days=interval * one,
        first_due_day=first_due,
        begins_day=0 * one,
        leaves_day=np.inf * one,
        doses=doses,
        days=days,
    )


# ------------------------------------------------------------------ closed forms


def test_on_time_the_trough_is_the_usual_one_and_nothing_is_extra() -> None:
    found = troughs(course_days([28.0], 13), 364)
    numbers = drawn()
    usual = numbers["own_igg_g_per_l"] + usual_rise_g_per_l(numbers)
    assert found.trough_g_per_l == pytest.approx(usual)
    assert found.fall_g_per_l == pytest.approx(0, abs=1e-9)
    assert found.pneumonias_extra == pytest.approx(0, abs=1e-9)
    rate = 0.113 * 0.726 ** (usual - 5)
    assert found.pneumonias == pytest.approx(rate * 364 / 365.25)


@pytest.mark.parametrize(("late", "half_life"), [(7.0, 25.5), (14.0, 25.5)])
def test_steady_state_of_longer_intervals_is_that_of_decay_in_one_compartment(late: float, half_life: float) -> None:
    # Lift a at each course, decay k: the trough after interval t tends to a e^(-kt) / (1 - e^(-kt)).
    numbers = drawn()
    assert numbers["half_life_days"] == half_life
    decay, usual, longer = np.log(2) / half_life, 28.0, 28.0 + late
    rise = usual_rise_g_per_l(numbers)
    lift = rise * (np.exp(decay * usual) - 1)
    steady = lift * np.exp(-decay * longer) / (1 - np.exp(-decay * longer))
    times = 60
    who, day, share = course_days([longer], times)
    whole = int(longer * times)
    before = troughs((who, day, share), whole - int(longer))
    after = troughs((who, day, share), whole)
    # The fall over one whole late interval at steady state, day by day: the trough to come, then the level itself.
    each = np.arange(1, int(longer) + 1)
    peak = steady + lift
    levels = np.where(each <= usual, peak * np.exp(-decay * usual), peak * np.exp(-decay * each))
    days = (whole - int(longer), whole)
    last = after.fall_g_per_l * days[1] - before.fall_g_per_l * days[0]
    assert last / int(longer) == pytest.approx(rise - levels.mean(), rel=1e-6)
    assert steady < rise


def test_half_courses_halve_the_rise_in_the_end() -> None:
    who, day, share = course_days([28.0], 60)
    found = [troughs((who, day, share * 0.5), days) for days in (28 * 58, 28 * 59)]
    last = found[1].fall_g_per_l * 59 - found[0].fall_g_per_l * 58
    assert last == pytest.approx(usual_rise_g_per_l(drawn()) / 2, rel=1e-6)


def test_rates_are_those_published() -> None:
    numbers = drawn()
    at = numbers["pneumonia_per_year_at_5_g_per_l"] * numbers["pneumonia_rate_ratio_per_g_per_l"] ** 5
    assert at == pytest.approx(0.023, abs=0.0005), "the same source's rate at 10 g/L"


def test_hazards_of_relapse_are_those_of_the_trials() -> None:
    by_name = {one.name: one for one in load_parameters().parameter}
    cidp = by_name["relapse_per_week_late_cidp"]
    assert cidp.low == pytest.approx(-np.log(0.37) / 24, rel=0.01)
    assert cidp.high == pytest.approx(-np.log(0.11) / 12, rel=0.01)
    assert cidp.value == pytest.approx(np.sqrt(cidp.low * cidp.high), rel=0.01)
    mmn = by_name["relapse_per_week_late_mmn"]
    assert mmn.low == pytest.approx(-np.log(1 - 0.357) / 12, rel=0.01)
    assert mmn.high == pytest.approx(-np.log(1 - 0.690) / 12, rel=0.01)
    assert mmn.value == pytest.approx(np.sqrt(mmn.low * mmn.high), rel=0.01)
    half_dose = -np.log(0.65 / 0.80) / 24
    assert by_name["reduced_course_weight"].value == pytest.approx(half_dose / (0.5 * cidp.value), rel=0.02)


def test_weeks_without_treatment_by_hand() -> None:
    # On time; a week late at first and then at the end still waiting; a course given by half.
    doses = (
        np.array([0, 0, 0, 1, 2, 2, 2]),
        np.array([0.0, 28.0, 56.0, 7.0, 0.0, 28.0, 56.0]),
        np.array([1.0, 1.0, 1.0, 1.0, 0.5, 1.0, 1.0]),
    )
    found = weeks_without(
        interval_days=np.full(4, 28.0),
        first_due_day=np.zeros(4),
        leaves_day=np.array([np.inf, np.inf, np.inf, 21.0]),
        doses=doses,
        days=84,
        reduced_weight=0.2,
    )
    assert found.tolist() == pytest.approx([0.0, 1.0 + 7.0, 0.2 * 2.0, 3.0])


def test_draws_follow_their_distributions() -> None:
    parameters = load_parameters()
    luck = (np.arange(2000) + 0.5) / 2000
    for one in parameters.parameter:
        values = np.array([one.at(float(draw)) for draw in luck])
        assert (np.diff(values) >= 0).all(), one.name
        if one.distribution in ("normal", "lognormal"):
            assert np.quantile(values, [0.025, 0.975]) == pytest.approx([one.low, one.high], rel=0.02), one.name
        else:
            reach = 0.03 * (one.high - one.low) + 1e-12
            assert (values.min(), values.max()) == pytest.approx((one.low, one.high), abs=reach), one.name
        assert one.source, f"{one.name} has no source"
        none_found = one.source == "None found"
        assert not none_found or (one.confidence == "P" and one.text.startswith("Searched: ")), one.name
        assert one.low < one.high, f"{one.name} is not drawn"
    assert draw_parameters(parameters, seed=1, replication=0) != draw_parameters(parameters, seed=1, replication=1)


# ------------------------------------------------------------------ in a run


def test_without_a_shortage_nothing_is_lost(make: Make) -> None:
    found = told(make("no_disruption"))
    assert found["replacement_patient_years"] > 20
    assert found["trough_fall_g_per_l"] == pytest.approx(0, abs=0.01)
    assert found["infections_extra"] == pytest.approx(0, abs=0.01 * found["infections_expected"])
    assert found["relapses_expected"] == pytest.approx(0, abs=1e-6)
    assert found["neuropathy_patients"] > 5


@pytest.mark.slow
def test_deeper_shortage_means_lower_troughs_more_infections_and_more_relapses(make: Make) -> None:
    rows = [told(make(disruption=[DEEP | {"fraction": size}])) for size in (0.2, 0.4, 0.6)]
    for name in ("trough_fall_g_per_l", "infections_extra", "pneumonias_extra", "weeks_without_treatment"):
        values = [row[name] for row in rows]
        assert values == sorted(values), name
        assert values[0] < values[-1], name
    relapses = [row["relapses_expected"] for row in rows]
    assert relapses == sorted(relapses)
    groups = sum(value for name, value in rows[-1].items() if name.startswith("relapses_expected_"))
    assert groups == pytest.approx(relapses[-1])
    assert relapses[-1] <= rows[-1]["neuropathy_patients"]


def test_smaller_doses_lower_the_trough(make: Make) -> None:
    cut = {"kind": "dose_optimisation", "start_week": 2, "fraction": 0.3, "indications": ["pid"]}
    assert told(make("no_disruption", mitigation=[cut]))["trough_fall_g_per_l"] > 0.1


def test_the_layer_changes_nothing_else_by_a_byte(make: Make, tmp_path: Path) -> None:
    for enabled in (False, True):
        folder = tmp_path / str(enabled)
        folder.mkdir()
        world = make(disruption=[DEEP], enabled=enabled, weeks=12)
        write_run(run_replications(world, cohort_name="small"), folder)
    off, on = tmp_path / "False", tmp_path / "True"
    assert {path.name for path in on.iterdir()} - {path.name for path in off.iterdir()} == {CONSEQUENCES_FILE}
    for name in FILES:
        if name.endswith(".parquet"):
            assert (off / name).read_bytes() == (on / name).read_bytes(), name
    summaries = [json.loads((folder / "summary.json").read_text(encoding="utf-8")) for folder in (off, on)]
    layer = summaries[1].pop("consequences")
    assert summaries[0] == summaries[1]
    assert "never a prediction for a person" in layer["caveat"]
    assert all(one["source"] for one in layer["parameters"])
    table = pd.read_parquet(on / CONSEQUENCES_FILE)
    assert list(table.columns) == ["replication", *consequence_labels()]
    assert len(table) == 2, "one row a replication: no row a patient"
    for name, outcome in layer["outcomes"].items():
        assert outcome["mean"] == pytest.approx(table[name].mean())
        assert outcome["label"]
        assert outcome["unit"]


def test_parts_joined_are_the_same_bytes(make: Make, tmp_path: Path) -> None:
    world = make(disruption=[DEEP], weeks=8)
    results = run_replications(world, cohort_name="small")
    head = head_of(world, "small")
    folders = [tmp_path / name for name in ("whole", "joined", "part-0", "part-1")]
    for folder in folders:
        folder.mkdir()
    write_run(results, folders[0])
    for one, folder in zip(results.replications, folders[2:], strict=True):
        write_part(head, one, folder)
    join_parts(head, folders[2:], folders[1])
    for name in (*FILES, CONSEQUENCES_FILE):
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name


def test_asked_for_by_option_or_by_scenario() -> None:
    scenario = load_scenario("baseline")
    assert not scenario.consequences.enabled
    assert with_run(scenario, consequences=True).consequences.enabled
    assert with_run(with_run(scenario, consequences=True)).consequences.enabled


def test_a_run_that_kept_no_courses_is_refused(make: Make) -> None:
    with pytest.raises(ValueError, match="does not ask"):
        consequences_of(play(make(enabled=False, weeks=2), seed=1, replication=0))
