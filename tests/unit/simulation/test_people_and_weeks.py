"""Patients in arrays, what they are owed, who they draw from, and the week that needs no program."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from allocation.errors import VerificationError
from allocation.rules import PanelSet, load_panels, load_products, load_tiers
from allocation.scenario import Demand, DemandSurge, load_scenario
from allocation.simulation import allocate as weekly
from allocation.simulation.allocate import Waiting, allocate_week
from allocation.simulation.bedside import serve_acute
from allocation.simulation.demand import NO_PRODUCT, People, Places, draw_arrivals, people_of
from allocation.simulation.engine import play
from allocation.simulation.long_term import draw_long_term
from allocation.simulation.outcomes import outcomes_of
from allocation.simulation.record import Recorder
from allocation.simulation.state import State
from allocation.simulation.stock import Ledger
from allocation.simulation.world import World, build_world

G = 1000
DAY_0 = pd.Timestamp("2026-11-01")
PANELS = PanelSet(panel=load_panels().panel[:4])
PRODUCTS = load_products()
TIERS = load_tiers()
PLACES = Places(tuple(PANELS.by_code), tuple(PRODUCTS.by_code), (("cidp", ""), ("gbs", "")))
PRIVIGEN, OCTAGAM, HIZENTRA = (PLACES.products.index(code) for code in ("privigen_10", "octagam_10", "hizentra_20"))


def table(rows: int = 1, **columns: object) -> pd.DataFrame:
    """A demand table of long-term patients, valid unless told otherwise."""
    plain: dict[str, object] = {
        "panel": PLACES.panels[0],
        "indication": "cidp",
        "situation": "",
        "route": "IV",
        "product": "privigen_10",
        "grade": 3,
        "review_overdue": "no",
        "course_mg": 40 * G,
        "cycle_weeks": 4.0,
        "next_due_date": DAY_0,
        "emergency": False,
        "funded": True,
    }
    frame = pd.DataFrame({name: pd.Series([value] * rows) for name, value in plain.items()})
    for name, value in columns.items():
        frame[name] = value
    frame["grade"] = frame["grade"].astype("Int8")
    return frame


def people(rows: int = 1, **columns: object) -> People:
    return people_of(table(rows, **columns), PLACES, as_of=DAY_0, acute=False)


class Arrivals:
    """Acute patients of 30 g, one a day in the first panel in the mean."""

    keys = (("gbs", ""),)

    def rate_per_day(self, days: int) -> np.ndarray:
        rate = np.zeros((days, 1, len(PLACES.panels)))
        rate[:, 0, 0] = 1.0
        return rate

    def draw(self, rng: np.random.Generator, line: np.ndarray, panel: np.ndarray) -> pd.DataFrame:
        grams = rng.choice([20 * G, 40 * G], len(line))
        codes = np.array(PLACES.panels, dtype=object)[panel]
        return table(len(line), indication="gbs", panel=codes, grade=4, emergency=True, course_mg=grams)


def world(start: People, **demand: float) -> World:
    scenario = load_scenario("baseline")
    scenario = scenario.model_copy(update={"demand": scenario.demand.model_copy(update=demand)})
    return build_world(
        scenario, start=start, acute=Arrivals(), places=PLACES, panels=PANELS, products=PRODUCTS, tiers=TIERS
    )


DEMAND = Demand(
    acute_patience_days=3,
    growth_per_year=0.0,
    turnover_per_year=0.0,
    overdue_reviews_done_per_week=0.0,
    review_stop_share=0.0,
)


# -------------------------------------------------------------------- people


def test_columns_become_codes() -> None:
    got = people(2, product=["hizentra_20", ""], route=["SC", "IV"], grade=[pd.NA, 2], locked=["yes", ""])
    assert got.product.tolist() == [HIZENTRA, NO_PRODUCT]
    assert got.route.tolist() == [1, 0]
    assert got.grade.tolist() == [0, 2]
    assert got.locked.tolist() == [True, False]
    assert got.weekly_mg.tolist() == [10 * G, 10 * G]


def test_due_days_and_intervals() -> None:
    due = pd.to_datetime(pd.Series(["2026-11-08", "2026-10-30", None, None]))
    got = people(4, next_due_date=due, cycle_weeks=[4.0, 4.0, 0.5, np.nan])
    assert got.first_due_day[:2].tolist() == [7, -2]
    assert np.isnan(got.first_due_day[2:]).all()
    assert got.course_mg[2] == 80 * G, "two courses a week are one delivery a week"
    assert got.interval_days[2] == 7
    assert np.isinf(got.interval_days[3])
    drawn = draw_long_term(got, DEMAND, [], seed=1, replication=0, days=70)
    assert 0 <= drawn.first_due_day[2] < 7
    assert drawn.first_due_day[3] == 0


def test_turnover_and_growth_have_their_rates() -> None:
    start = people(4000)
    demand = DEMAND.model_copy(update={"turnover_per_year": 0.2, "growth_per_year": 0.1})
    drawn = draw_long_term(start, demand, [], seed=1, replication=0, days=365)
    stopped = (drawn.leaves_day[:4000] < 365).mean()
    assert stopped == pytest.approx(1 - np.exp(-0.2), abs=0.02)
    here = (drawn.first_due_day <= 365) & (drawn.leaves_day > 365)
    assert here.sum() / 4000 == pytest.approx(1.1, abs=0.03)
    shrinking = draw_long_term(
        start, DEMAND.model_copy(update={"growth_per_year": -0.1}), [], seed=1, replication=0, days=365
    )
    assert len(shrinking) == 4000
    assert (shrinking.leaves_day > 365.25).mean() == pytest.approx(0.9, abs=0.02)


def test_arrivals_come_at_their_rate_and_surges_on_top() -> None:
    surge = DemandSurge(kind="demand_surge", start_week=2, weeks=4, fraction=2.0)
    drawn = {"seed": 1, "replication": 0, "days": 364}
    plain = draw_arrivals(Arrivals(), PLACES, DEMAND, [], **drawn)
    more = draw_arrivals(Arrivals(), PLACES, DEMAND, [surge], **drawn)
    assert len(plain) == pytest.approx(364, abs=4 * np.sqrt(364))
    extra = len(more) - len(plain)
    assert extra == pytest.approx(56, abs=4 * np.sqrt(56))
    assert (np.diff(more.first_due_day) >= 0).all()
    assert (more.leaves_day - more.first_due_day == 4).all()
    assert (more.product == NO_PRODUCT).all()
    assert np.isinf(more.interval_days).all()


def test_what_is_held_back_is_the_quantile_it_says() -> None:
    one = world(people(1, grade=4))
    tier = TIERS.of(3)
    rng = np.random.default_rng(1)
    counts = rng.poisson(7 * tier.reserve_weeks, 20_000)
    weekly_mg = np.array([rng.choice([20 * G, 40 * G], n).sum() for n in counts])
    quantile = np.quantile(weekly_mg, tier.reserve_quantile)
    names, _ = one.pools(tier)
    own = one.start.weekly_mg.sum() + one.expected.grade_4.sum()
    kept = one.held_mg(tier)[names.index(PANELS.panel[0].region)]
    assert kept - 2 * own == pytest.approx(quantile, rel=0.03)
    assert one.held_mg(TIERS.of(1)).sum() == 0
    assert one.held_mg(TIERS.of(4)).tolist() == [pytest.approx(kept, rel=0.01)]


class Nobody(Arrivals):
    def rate_per_day(self, days: int) -> np.ndarray:
        return np.zeros((days, 1, len(PLACES.panels)))


def test_a_country_that_needs_nothing_more_still_ends_well() -> None:
    scenario = load_scenario("baseline")
    scenario = scenario.model_copy(update={"run": scenario.run.model_copy(update={"weeks": 3})})
    start = people(1, cycle_weeks=np.nan, next_due_date=pd.Timestamp("2026-11-10"))
    one = build_world(
        scenario, start=start, acute=Nobody(), places=PLACES, panels=PANELS, products=PRODUCTS, tiers=TIERS
    )
    outcomes = outcomes_of(play(one, seed=1, replication=0))
    assert outcomes["grams_due_g"] == outcomes["grams_issued_g"] == 40
    assert np.isnan(outcomes["lowest_cover_weeks"])


# -------------------------------------------------------------------- state


def test_reduced_course_leaves_the_rest_unmet_and_moves_the_next() -> None:
    record = Recorder(4, len(PLACES.panels), len(PLACES.products))
    state = State(people(2), record)
    both = np.array([0, 1])
    state.fall_due(both, 0)
    state.serve(both[:1], product=np.array([OCTAGAM]), mg=np.array([25 * G]), day=0, week=0)
    state.close_week(0)
    state.serve(both[1:], product=np.array([PRIVIGEN]), mg=np.array([40 * G]), day=7, week=1)
    state.close_week(1)
    record.check()
    assert state.due_day.tolist() == [28, 35]
    assert state.unmet_mg.tolist() == [15 * G, 0]
    assert state.longest_wait_days.tolist() == [0, 7]
    assert state.deferred_mg_weeks.tolist() == [0, 40 * G]
    assert [int(record.total_mg(name)) for name in ("due", "issued", "unmet", "switched")] == [
        80 * G,
        65 * G,
        15 * G,
        25 * G,
    ]


def test_a_course_of_several_products_is_one_course() -> None:
    record = Recorder(1, len(PLACES.panels), len(PLACES.products))
    state = State(people(3), record, doses=[])
    state.fall_due(np.arange(3), 0)
    given = state.serve(
        np.array([2, 0, 1, 0]),
        product=np.array([PRIVIGEN, PRIVIGEN, PRIVIGEN, OCTAGAM]),
        mg=np.array([25, 25, 40, 15]) * G,
        day=0,
        week=0,
    )
    state.close_week(0)
    record.check()
    assert given.tolist() == [2, 1, 0]
    assert state.reduced.tolist() == [False, False, True]
    assert state.switched.tolist() == [True, False, False]
    assert state.unmet_mg.tolist() == [0, 0, 15 * G]
    assert state.due_day.tolist() == [28, 28, 28]
    assert [int(record.total_mg(name)) for name in ("issued", "switched")] == [105 * G, 15 * G]
    assert state.doses is not None
    [(who, _, mg)] = state.doses
    assert (who.tolist(), mg.tolist()) == ([2, 1, 0], [25 * G, 40 * G, 40 * G])


def test_time_before_the_run_is_not_counted_as_waiting() -> None:
    state = State(people(1, next_due_date=pd.Timestamp("2026-10-01")), Recorder(4, 4, len(PLACES.products)))
    state.fall_due(np.array([0]), 0)
    state.close_run(1)
    assert state.longest_wait_days.tolist() == [7]


def test_a_broken_record_is_found() -> None:
    record = Recorder(2, 4, len(PLACES.products))
    record.add("issued", week=0, panel=0, grade=3, product=0, mg=5)
    with pytest.raises(VerificationError, match="add up"):
        record.check()


# -------------------------------------------------------------------- the week


def waiting_of(who: People) -> Waiting:
    lottery = np.random.default_rng(1).random(len(who))
    return Waiting(np.arange(len(who)), who.grade, who.course_mg, who.first_due_day, lottery)


def mixed() -> People:
    rng = np.random.default_rng(5)
    n = 120
    product = rng.choice(["privigen_10", "octagam_10", "hizentra_20", ""], n)
    return people(
        n,
        panel=np.array(PLACES.panels, dtype=object)[rng.integers(0, 4, n)],
        product=product,
        route=np.where(product == "hizentra_20", "SC", "IV"),
        # Grade 1 is left out, as tiers 3 and 4 suspend it.
        grade=rng.choice([0, 2, 3, 4], n),
        course_mg=rng.integers(1, 20, n) * 5 * G,
    )


@pytest.mark.parametrize("tier", [1, 2, 3, 4])
def test_plain_week_is_what_the_program_would_do(monkeypatch: pytest.MonkeyPatch, tier: int) -> None:
    who = mixed()
    one = world(who)
    stock = np.full((len(PLACES.panels) + 1, len(PLACES.products)), 20_000 * G)
    options = {"tier": TIERS.of(tier), "usable_mg": stock, "held_mg": one.held_mg(TIERS.of(tier))}
    plain = allocate_week(one, who, waiting_of(who), **options)
    assert not plain.solved
    plainly = weekly._plainly
    monkeypatch.setattr(weekly, "_plainly", lambda *a: (plainly(*a)[0], np.zeros(len(who), dtype=bool)))
    solved = allocate_week(one, who, waiting_of(who), **options)
    assert solved.solved
    for done in (plain, solved):
        given = np.zeros(len(who), dtype=np.int64)
        given[done.issue.person] = done.issue.mg
        assert np.array_equal(given, who.course_mg)
        tied = who.product[done.issue.person] != NO_PRODUCT
        assert np.array_equal(done.issue.product[tied], who.product[done.issue.person][tied])
        assert done.moved_mg.sum() == 0
        assert done.mg.sum() == who.course_mg.sum()


@pytest.mark.parametrize("tier", [1, 2, 3, 4])
def test_a_short_week_takes_no_more_than_there_is(tier: int) -> None:
    who = mixed()
    one = world(who)
    rng = np.random.default_rng(6)
    stock = rng.integers(0, 60, (len(PLACES.panels) + 1, len(PLACES.products))) * 5 * G
    stock[:, [index for index in range(len(PLACES.products)) if index not in (PRIVIGEN, OCTAGAM, HIZENTRA)]] = 0
    done = allocate_week(
        one, who, waiting_of(who), tier=TIERS.of(tier), usable_mg=stock, held_mg=one.held_mg(TIERS.of(tier))
    )
    assert done.solved
    drawn = np.zeros_like(stock)
    np.add.at(drawn, (done.place, done.product), done.mg)
    assert (drawn <= stock).all()
    assert done.mg.sum() == done.issue.mg.sum()
    assert done.moved_mg.sum() == done.mg[done.place != done.panel].sum()
    if tier < 3:
        assert done.moved_mg.sum() == 0
    if tier == 1:
        own = who.product[done.issue.person]
        assert ((done.issue.product == own) | (own == NO_PRODUCT)).all()


def test_stock_held_back_is_not_given_to_lower_grades() -> None:
    who = people(10, grade=3)
    one = world(who)
    tier = TIERS.of(4)
    stock = np.zeros((len(PLACES.panels) + 1, len(PLACES.products)), dtype=np.int64)
    stock[0, PRIVIGEN] = 500 * G
    held = np.array([300 * G])
    done = allocate_week(one, who, waiting_of(who), tier=tier, usable_mg=stock, held_mg=held)
    assert done.issue.mg.sum() == 200 * G
    highest = who.with_(grade=np.full(10, 4))
    done = allocate_week(one, highest, waiting_of(highest), tier=tier, usable_mg=stock, held_mg=held)
    assert done.issue.mg.sum() == 400 * G


@pytest.mark.parametrize(
    ("tier", "grade", "locked", "served"),
    [(2, 4, "no", 1), (3, 4, "no", 2), (4, 4, "no", 2), (4, 3, "no", 1), (4, 4, "yes", 0)],
)
def test_a_week_gives_several_products_to_grades_that_may_have_them(
    tier: int, grade: int, locked: str, served: int
) -> None:
    who = people(1, grade=grade, locked=locked)
    one = world(who)
    stock = np.zeros((len(PLACES.panels) + 1, len(PLACES.products)), dtype=np.int64)
    stock[0, PRIVIGEN] = 20 * G
    stock[0, OCTAGAM] = 10 * G
    stock[1, OCTAGAM] = 10 * G
    if tier == 2:
        stock[0, OCTAGAM] = 20 * G
    held = np.zeros(len(one.pools(TIERS.of(tier))[0]), dtype=np.int64)
    done = allocate_week(one, who, waiting_of(who), tier=TIERS.of(tier), usable_mg=stock, held_mg=held)
    assert len(done.issue.person) == served
    drawn = np.zeros_like(stock)
    np.add.at(drawn, (done.place, done.product), done.mg)
    assert (drawn <= stock).all()
    assert done.issue.mg.sum() == drawn.sum()
    if served == 2:
        assert sorted(done.issue.product.tolist()) == sorted([PRIVIGEN, OCTAGAM])
        assert done.issue.mg.sum() == 40 * G
        assert done.moved_mg.sum() == drawn[1].sum() == 10 * G


# -------------------------------------------------------------------- bedside


def bedside(
    tier: int, stock: dict[tuple[int, int], int], *, held: int = 0, grade: int = 4, **columns: object
) -> tuple[State, Ledger]:
    who = people_of(table(1, grade=grade, emergency=True, **columns), PLACES, as_of=DAY_0, acute=True)
    state = State(who.with_(first_due_day=np.zeros(1)), Recorder(1, len(PLACES.panels), len(PLACES.products)))
    state.fall_due(np.array([0]), 0)
    ledger = Ledger(len(PLACES.panels) + 1, len(PLACES.products))
    for (place, product), grams in stock.items():
        ledger.open_with(place, product, expiry_day=99, mg=grams * G)
    one = replace(world(people(1)), start=who)
    names, _ = one.pools(TIERS.of(tier))
    serve_acute(
        one,
        state,
        np.array([0]),
        ledger=ledger,
        tier=TIERS.of(tier),
        held_mg=np.full(len(names), held * G),
        day=0,
        week=0,
    )
    return state, ledger


def test_acute_patient_is_served_from_the_own_panel() -> None:
    state, ledger = bedside(1, {(0, PRIVIGEN): 50, (1, PRIVIGEN): 500})
    assert state.owed_mg[0] == 0
    assert ledger.issued[0, PRIVIGEN] == 40 * G


@pytest.mark.parametrize(("tier", "served"), [(1, False), (2, False), (3, True), (4, True)])
def test_reach_follows_the_tier(tier: int, served: bool) -> None:
    state, _ = bedside(tier, {(1, PRIVIGEN): 500})
    assert (state.owed_mg[0] == 0) == served
    assert state.record.total_mg("moved") == (40 * G if served else 0)


def test_national_stock_only_at_tier_4_and_a_course_may_be_gathered() -> None:
    national = PLACES.national
    assert bedside(3, {(national, PRIVIGEN): 500})[0].owed_mg[0] > 0
    state, ledger = bedside(4, {(0, PRIVIGEN): 10, (2, PRIVIGEN): 10, (national, PRIVIGEN): 25})
    assert state.owed_mg[0] == 0
    assert ledger.issued[:, PRIVIGEN].tolist() == [10 * G, 0, 5 * G, 0, 25 * G]
    assert state.record.total_mg("moved") == 30 * G


@pytest.mark.parametrize(("tier", "served"), [(1, False), (2, False), (3, True), (4, True)])
def test_several_products_where_the_tier_lets_the_grade_have_them(tier: int, served: bool) -> None:
    stock = {(0, PRIVIGEN): 10, (0, OCTAGAM): 10, (1, OCTAGAM): 25}
    state, ledger = bedside(tier, stock)
    assert (state.owed_mg[0] == 0) == served
    assert not state.reduced[0]
    # Of the most plentiful first, the own panel's before that of another.
    given = [(place, product) for place in (0, 1) for product in (PRIVIGEN, OCTAGAM)]
    taken = [5 * G, 10 * G, 0, 25 * G] if served else [0, 0, 0, 0]
    assert [int(ledger.issued[cell]) for cell in given] == taken
    assert ledger.issued.sum() == state.record.total_mg("issued") == sum(taken)
    assert state.record.total_mg("moved") == taken[3]
    ledger.check()


def test_several_products_only_for_a_whole_course_and_not_for_the_locked() -> None:
    assert bedside(4, {(0, PRIVIGEN): 20, (1, OCTAGAM): 15})[1].issued.sum() == 0
    assert bedside(4, {(0, PRIVIGEN): 20, (1, OCTAGAM): 20}, locked="yes")[1].issued.sum() == 0
    _, ledger = bedside(4, {(0, PRIVIGEN): 20, (1, OCTAGAM): 40})
    assert ledger.issued[:, PRIVIGEN].sum() == 0, "one product where one makes the course"


def test_one_product_and_the_right_route() -> None:
    assert bedside(4, {(0, PRIVIGEN): 20, (0, OCTAGAM): 20}, grade=3)[0].owed_mg[0] > 0
    assert bedside(4, {(0, PRIVIGEN): 20, (0, HIZENTRA): 500})[0].owed_mg[0] > 0
    assert bedside(4, {(0, HIZENTRA): 500})[0].owed_mg[0] > 0


def test_reserve_is_for_the_first_stage_and_suspended_grades_wait() -> None:
    stock = {(0, PRIVIGEN): 100}
    assert bedside(3, stock, held=80, grade=4)[0].owed_mg[0] == 0
    assert bedside(3, stock, held=80, grade=3)[0].owed_mg[0] > 0
    assert bedside(3, stock, held=60, grade=3)[0].owed_mg[0] == 0
    assert bedside(3, stock, grade=1)[0].owed_mg[0] > 0
    assert bedside(1, stock, grade=1)[0].owed_mg[0] == 0
