"""Patients of a simulated shortage: reviews lapse and are done, who left and why, and each keeps the own luck."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocation.cohort.epidemiology import load_epidemiology
from allocation.scenario import load_scenario
from allocation.simulation import World, prepare
from allocation.simulation.country import Country
from allocation.simulation.demand import ROUTES
from allocation.simulation.engine import play
from allocation.simulation.outcomes import affected_of, outcomes_of
from allocation.simulation.record import MEASURES
from allocation.workflow.cohorts import read
from allocation.workflow.rules_in_use import load_rules
from small_worlds import DEEP, Make, world_maker

COHORTS = Path(__file__).resolve().parents[2] / "data" / "patient_cohorts"
PLENTY = {"output_share_of_demand": 3.0, "opening_cover_weeks": 30.0, "highest_cover_weeks": 40.0}


@pytest.fixture(scope="module")
def make() -> Make:
    """World of a scenario, 300 patients in four panels, with other disruptions, mitigations and settings."""
    return world_maker(patients=300, panels=4, weeks=26, replications=2)


def played(world: World, replication: int = 0) -> Country:
    return play(world, seed=11, replication=replication)


def asked_for_reviews(country: Country) -> np.ndarray:
    return np.isfinite(country.state.people.review_days)


# ------------------------------------------------------------------ reviews


def test_a_grade_follows_the_review_of_the_patient_all_along(make: Make) -> None:
    """With nobody waiting everyone's grade at the end is the one the criteria give for the state of the review."""
    country = played(make(weeks=80, supply=PLENTY))
    state, people = country.state, country.state.people
    asked = asked_for_reviews(country) & (people.first_due_day < 79 * 7) & (state.leaves_day > 80 * 7)
    open_ = state.review_open & asked
    assert 0.1 < open_.sum() / asked.sum() < 0.35
    settled = asked & (state.owed_mg == 0)
    assert np.array_equal(state.grade[open_ & settled], people.grade_if_lapsed[open_ & settled])
    reviewed = settled & ~open_
    assert np.array_equal(state.grade[reviewed], people.grade_if_reviewed[reviewed])
    # Some who were in date have lapsed, and some who had lapsed are in date.
    assert (open_ & ~people.review_overdue).sum() > 20
    assert (asked & people.review_overdue & ~open_).sum() > 20
    week = 79 * 7
    assert (state.review_due_day[open_] <= week).all()
    assert (state.review_due_day[asked & ~open_] > week).all()


def test_nothing_lapses_where_every_review_is_on_time(make: Make) -> None:
    country = played(make(weeks=60, demand={"reviews_on_time_share": 1.0, "overdue_reviews_done_per_week": 0.0}))
    people, state = country.state.people, country.state
    began = ~people.review_overdue
    assert not state.review_open[began].any()
    assert np.array_equal(state.grade, people.grade)


def test_who_starts_is_reviewed_where_the_panel_approved(make: Make) -> None:
    country = played(make(weeks=80, demand={"turnover_per_year": 0.5}))
    people = country.state.people
    new = asked_for_reviews(country) & (np.arange(len(people)) >= len(country.world.start))
    approved = new & people.first_year_counts
    assert approved.sum() > 100
    assert not people.review_overdue[approved].any()
    assert np.array_equal(people.grade[approved], people.grade_if_reviewed[approved])
    assert (people.review_due_day[approved] - people.first_due_day[approved] == 366).all()
    other = new & ~people.first_year_counts
    assert people.review_overdue[other].all()
    assert np.array_equal(people.grade[other], people.grade_if_lapsed[other])


def test_the_share_overdue_of_the_baseline_stays_where_the_cohort_has_it(make: Make) -> None:
    world = make(weeks=156, supply=PLENTY)
    start = world.start
    at_first = start.review_overdue.sum()
    overdue = np.mean([[week.reviews_overdue for week in played(world, one).national] for one in range(4)], axis=0)
    assert overdue[:52].mean() == pytest.approx(at_first, rel=0.12)
    assert overdue[104:].mean() == pytest.approx(at_first, rel=0.15)


def test_patients_stay_as_many_whatever_reviews_find(make: Make) -> None:
    demand = {"review_stop_share": 0.5}
    some = [played(make(weeks=104, supply=PLENTY, demand=demand), one).national for one in range(4)]
    first, last = (np.mean([weeks[at].demand_mg for weeks in some]) for at in (0, -1))
    assert last == pytest.approx(first, rel=0.08)


def test_fewer_reviews_on_time_mean_more_overdue_lower_grades_and_later_courses(make: Make) -> None:
    shares = (1.0, 0.6, 0.2)
    ones = [
        [played(make(weeks=52, disruption=[DEEP], demand={"reviews_on_time_share": share}), one) for one in range(2)]
        for share in shares
    ]
    overdue = [np.mean([outcomes_of(one)["mean_reviews_overdue"] for one in some]) for some in ones]
    assert overdue == sorted(overdue)
    assert overdue[2] > 1.5 * overdue[0]
    due = MEASURES.index("due")
    high = [sum(one.record.cube[:, :, 3:, :, due].sum() for one in some) for some in ones]
    assert high == sorted(high, reverse=True)
    deferred = MEASURES.index("deferred")
    low = [sum(one.record.cube[:, :, 1:3, :, deferred].sum() for one in some) for some in ones]
    assert low[0] < low[2]


def test_faster_reviews_leave_fewer_overdue(make: Make) -> None:
    overdue = [
        outcomes_of(played(make(demand={"overdue_reviews_done_per_week": pace})))["mean_reviews_overdue"]
        for pace in (0.0, 0.05, 0.5)
    ]
    assert overdue == sorted(overdue, reverse=True)
    assert overdue[0] > 2 * overdue[2]


def test_the_books_balance_by_grade_while_grades_change_in_a_shortage(make: Make) -> None:
    country = played(make(weeks=60, disruption=[DEEP], demand={"overdue_reviews_done_per_week": 0.3}))
    cube = country.record.cube.sum(axis=3)
    due, issued, deferred, unmet = (cube[..., MEASURES.index(name)] for name in ("due", "issued", "deferred", "unmet"))
    before = np.concatenate([np.zeros_like(deferred[:1]), deferred[:-1]])
    assert np.array_equal(before + due, issued + unmet + deferred)
    assert (country.state.grade != country.state.people.grade).sum() > 30


# ------------------------------------------------------------------ who left


def test_deaths_are_told_apart_from_stops_and_losses(make: Make) -> None:
    demand = {"turnover_per_year": 0.1, "deaths_per_year": 0.2, "review_stop_share": 0.0}
    country = played(make(weeks=52, disruption=[DEEP], demand=demand))
    found = outcomes_of(country)
    n = len(country.world.start)
    assert found["patients_died"] == pytest.approx(0.18 * n, rel=0.35)
    assert found["patients_stopped"] == pytest.approx(0.09 * n, rel=0.5)
    assert found["patients_lost_waiting"] == country.state.lost.sum() > found["acute_lost_patients"]
    for name, column in (("patients_died", "died"), ("patients_stopped", "stopped")):
        assert found[name] == sum(getattr(week, column) for week in country.national)
    none = played(make(weeks=52, demand=demand | {"deaths_per_year": 0.0}))
    assert outcomes_of(none)["patients_died"] == 0
    # The hazard of stopping draws from a stream of its own.
    first, other = (one.state.people for one in (country, none))
    stops = (first.leaves_day < first.death_day)[:n]
    assert np.array_equal(first.leaves_day[:n][stops], other.leaves_day[:n][stops])


def test_a_stop_at_a_review_is_a_stop(make: Make) -> None:
    demand = {"turnover_per_year": 0.0, "deaths_per_year": 0.3, "overdue_reviews_done_per_week": 0.5}
    few, many = (
        outcomes_of(played(make(supply=PLENTY, demand=demand | {"review_stop_share": share}))) for share in (0.0, 1.0)
    )
    assert few["patients_stopped"] == 0
    assert many["patients_stopped"] > 30
    assert many["patients_died"] < few["patients_died"] + 15


# ------------------------------------------------------------------ luck

NEW = {"kind": "new_indication", "start_week": 2, "weeks": 10, "fraction": 0.3, "like": "cidp", "grade": 2}
SURGE = {"kind": "demand_surge", "start_week": 2, "weeks": 10, "fraction": 0.5}
CUT = {"kind": "output_cut", "start_week": 3, "weeks": 4, "fraction": 0.01}
TRIAL = {"kind": "titration_trial", "start_week": 1, "starting_weeks": 8, "trial_weeks": 8, "patients_share": 0.5}
TRIAL |= {"fraction": 0.36, "back_share": 0.3, "stop_share": 0.2, "indications": ["cidp"]}
WEAN = {
    "kind": "weaning",
    "start_week": 4,
    "weeks": 12,
    "fraction": 0.3,
    "indications": ["secondary_antibody_deficiency"],
}
EXCHANGE = {"kind": "plasma_exchange", "start_week": 0, "weeks": 20, "fraction": 0.5, "indications": ["gbs"]}
FAILS = {"kind": "supply_failures", "start_week": 0, "weeks": 26, "maker": "Octapharma"}
FAILS |= {"fails_per_week": 0.2, "recovers_per_week": 0.4}
SPREAD = SURGE | {"fraction_spread": {"distribution": "uniform", "low": 0.2, "high": 0.8}}


@pytest.fixture(scope="module")
def plain(make: Make) -> Country:
    return played(make(supply=PLENTY, disruption=[FAILS, SURGE], mitigation=[TRIAL, WEAN, EXCHANGE]))


@pytest.mark.parametrize(
    "more",
    [
        [NEW],
        [SURGE | {"applies_to": "all", "start_week": 3}],
        [CUT],
        [FAILS | {"maker": "CSL Behring"}],
        [NEW, CUT, NEW | {"like": "pid"}],
    ],
    ids=["new indication", "surge of all", "cut", "another maker fails", "several"],
)
def test_who_else_comes_and_what_else_happens_changes_nobodys_luck(make: Make, plain: Country, more: list) -> None:
    # What is new stands first, so that places in the list move; a surge alike comes after the one there was.
    alike = more[0]["kind"] == "demand_surge"
    disruption = [FAILS, SURGE, *more] if alike else [*more, FAILS, SURGE]
    other = played(make(supply=PLENTY, disruption=disruption, mitigation=[TRIAL, WEAN, EXCHANGE]))
    one, two = plain.state, other.state
    _, here, there = np.intersect1d(one.people.luck, two.people.luck, return_indices=True)
    assert len(here) == len(one.people), "everybody is there again"
    for name in ("panel", "grade", "course_mg", "first_due_day", "leaves_day", "review_due_day"):
        assert np.array_equal(getattr(one.people, name)[here], getattr(two.people, name)[there]), name
    assert one.people.review_overdue.any()
    for name in ("review_open", "review_due_day", "leaves_day", "grade", "course_mg", "ever_due"):
        assert np.array_equal(getattr(one, name)[here], getattr(two, name)[there]), name
    for week in (0, 9):
        assert np.array_equal(plain.luck.lottery(here, week), other.luck.lottery(there, week))
    first, second = (
        country.happenings.trials[place] for country in (plain, other) for place in country.happenings.trials
    )
    for name in ("inside", "first_day", "back", "stops"):
        assert np.array_equal(getattr(first, name)[here], getattr(second, name)[there]), name
    down, again = plain.happenings.down, other.happenings.down
    mine = next(
        number for number, what in enumerate(other.happenings.every) if getattr(what, "maker", "") == "Octapharma"
    )
    assert np.array_equal(down[0], again[mine])


def test_an_acute_surge_leaves_who_comes_anyway_and_their_stay(make: Make) -> None:
    one, two = (played(make(supply=PLENTY, disruption=some)).state for some in ([], [SURGE, SURGE | {"weeks": 4}]))
    _, here, there = np.intersect1d(one.people.luck, two.people.luck, return_indices=True)
    assert len(here) == len(one.people) < len(two.people)
    for name in ("first_due_day", "leaves_day", "course_mg", "route", "death_day"):
        assert np.array_equal(getattr(one.people, name)[here], getattr(two.people, name)[there]), name
    assert len(np.unique(two.people.luck)) == len(two.people)


# ------------------------------------------------------------------ ample supply


@pytest.mark.parametrize(
    ("name", "replications"),
    [("sample_cohort.csv", 4), pytest.param("national_cohort.parquet", 1, marks=pytest.mark.slow)],
)
def test_with_ample_supply_nobody_waits_but_for_a_rare_second_arrival(name: str, replications: int) -> None:
    rules = load_rules(rulebook="nhs", products=None, panels=None, tiers=None)
    cohort: pd.DataFrame = read(COHORTS / name, strict=False, rules=rules).good
    world = prepare(
        load_scenario("no_disruption"), cohort, rulebook=rules.rulebook, panels=rules.panels, products=rules.products,
        tiers=rules.tiers, epidemiology=load_epidemiology(),
    )  # fmt: skip
    for replication in range(replications):
        country = play(world, seed=world.scenario.run.seed, replication=replication)
        state, people = country.state, country.state.people
        late = (state.longest_wait_days > 0) | (state.unmet_mg > 0)
        assert late.sum() <= 2
        assert late.sum() / state.ever_due.sum() < 0.004
        assert state.unmet_mg.sum() < 0.0005 * country.record.total_mg("due")
        assert not state.switched.any()
        if len(people) > 5000:
            assert set(people.route[late].tolist()) <= {ROUTES.index("IM")}
            assert late.sum() / state.ever_due.sum() < 0.0003


def test_who_waits_counts_under_the_grade_of_that_time(make: Make) -> None:
    country = played(make(weeks=60, disruption=[DEEP]))
    state, people = country.state, country.state.people
    late = state.longest_wait_days > 0
    moved = late & (state.told_grade != state.grade)
    assert moved.sum() > 5, "some have another grade by the end"
    assert np.isin(state.told_grade[moved], (*people.grade_if_lapsed[moved], *people.grade_if_reviewed[moved])).all()
    assert np.array_equal(state.told_grade[~late & (state.unmet_mg == 0)], state.grade[~late & (state.unmet_mg == 0)])
    found, told = outcomes_of(country), affected_of(country)
    for grade in (4, 3, 2, 1):
        assert found[f"patients_late_grade_{grade}"] == told.patients_late[told.grade == grade].sum()
    assert (told.patients_late <= told.patients).all()
    assert told.patients.sum() == state.ever_due.sum()
    # The days told beside late patients are each one's longest delay.
    assert told.days_late_total.sum() == state.longest_wait_days.sum() < state.total_wait_days.sum()
    assert told.days_late_total.sum() / told.patients_late.sum() == pytest.approx(found["mean_days_late"])
