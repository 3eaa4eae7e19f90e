"""A simulated shortage: nobody waits without one, levers pull the right way, the books balance, runs repeat."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.errors import InputError
from allocation.rules import PanelSet, load_panels, load_products, load_rulebook, load_tiers
from allocation.scenario import Scenario, load_scenario
from allocation.simulation import FILES, OUTCOMES, RunResults, World, prepare, run_replications, write_run
from allocation.simulation.country import Country
from allocation.simulation.engine import play
from allocation.simulation.outcomes import outcomes_of
from allocation.simulation.record import MEASURES

AS_OF = date(2026, 11, 1)
DEEP = {"kind": "output_cut", "start_week": 1, "weeks": 30, "fraction": 0.4}

Make = Callable[..., World]


@pytest.fixture(scope="module")
def panels() -> PanelSet:
    """Four panels of two regions."""
    every = load_panels()
    return PanelSet(source=every.source, panel=every.panel[:4])


@pytest.fixture(scope="module")
def cohort(panels: PanelSet) -> pd.DataFrame:
    return generate_cohort(
        patients=300,
        seed=7,
        as_of=AS_OF,
        rulebook=load_rulebook(),
        panels=panels,
        products=load_products(),
        epidemiology=load_epidemiology(),
    )


@pytest.fixture(scope="module")
def make(cohort: pd.DataFrame, panels: PanelSet) -> Make:
    """World of a scenario with some keys changed; 26 weeks and 2 replications unless said otherwise."""

    def build(
        name: str = "baseline", disruption: list[dict[str, Any]] | None = None, **changes: dict[str, Any]
    ) -> World:
        data = load_scenario(name).model_dump()
        for part, keys in {"run": {"weeks": 26, "replications": 2}, **changes}.items():
            data[part] |= keys
        if disruption is not None:
            data["disruption"] = disruption
        return prepare(
            Scenario.model_validate(data),
            cohort,
            rulebook=load_rulebook(),
            panels=panels,
            products=load_products(),
            tiers=load_tiers(),
            epidemiology=load_epidemiology(),
        )

    return build


def mean(world: World, replications: int = 2) -> dict[str, float]:
    """Means of the outcomes, and the gram-weeks deferred, over a few replications."""
    rows = []
    for replication in range(replications):
        country = play(world, seed=11, replication=replication)
        waited = float(country.state.deferred_mg_weeks.sum()) / 1000
        rows.append(outcomes_of(country) | {"deferred_g_weeks": waited})
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def of_grade(country: Country, grade: int, measure: str) -> float:
    return float(country.record.cube[:, :, grade, :, MEASURES.index(measure)].sum())


# ------------------------------------------------------------------ without a shortage


def test_nobody_waits_where_nothing_happens(make: Make) -> None:
    world = make("no_disruption")
    for replication in range(3):
        country = play(world, seed=3, replication=replication)
        outcomes = outcomes_of(country)
        assert outcomes["patients_late"] == 0
        assert outcomes["unmet_g"] == 0
        assert outcomes["acute_patients"] > 20
        assert outcomes["fill_rate_percent"] == 100
        assert {week.tier for week in country.national} == {1}
        assert not any(week.solved for week in country.national)
        assert outcomes["grams_moved_g"] == outcomes["grams_switched_g"] == 0


def test_issued_grams_match_what_the_cohort_needs(make: Make) -> None:
    world = make("no_disruption", demand={"turnover_per_year": 0.0})
    country = play(world, seed=3, replication=0)
    weekly_g = world.start.weekly_mg.sum() / 1000
    long_term = np.flatnonzero(~country.state.people.acute)
    per_week = (
        country.state.people.course_mg[long_term]
        * np.ceil((182 - country.state.people.first_due_day[long_term]) / country.state.people.interval_days[long_term])
    ).sum() / 26_000
    assert per_week == pytest.approx(weekly_g, rel=0.05)
    issued = outcomes_of(country)["grams_issued_g"] / 26
    acute = world.expected.by_route.sum() / 1000
    assert issued == pytest.approx(weekly_g + acute, rel=0.1)


# ------------------------------------------------------------------ directions of effect


def test_a_deeper_cut_is_never_better(make: Make) -> None:
    results = [mean(make(disruption=[DEEP | {"fraction": size}])) for size in (0.15, 0.3, 0.45)]
    deferred = [result["deferred_g_weeks"] for result in results]
    assert deferred == sorted(deferred)
    assert deferred[0] < deferred[-1]
    cover = [result["lowest_cover_weeks"] for result in results]
    assert cover == sorted(cover, reverse=True)
    assert results[-1]["highest_tier"] >= 3


def test_less_stock_at_the_start_is_never_better(make: Make) -> None:
    deferred = [
        mean(make(disruption=[DEEP], supply={"opening_cover_weeks": weeks}))["deferred_g_weeks"]
        for weeks in (1.0, 3.0, 6.0)
    ]
    assert deferred == sorted(deferred, reverse=True)
    assert deferred[0] > deferred[-1]


def test_national_stock_helps_at_tier_4(make: Make) -> None:
    deep = DEEP | {"fraction": 0.6}
    none, some = (mean(make(disruption=[deep], supply={"national_cover_weeks": weeks})) for weeks in (0.0, 3.0))
    assert none["weeks_tier_4"] > 0
    assert some["deferred_g_weeks"] < none["deferred_g_weeks"]


def test_more_output_is_never_worse(make: Make) -> None:
    rise = {"kind": "output_rise", "start_week": 4, "weeks": 20, "fraction": 0.3}
    without, with_rise = mean(make(disruption=[DEEP])), mean(make(disruption=[DEEP, rise]))
    assert with_rise["grams_delivered_g"] > without["grams_delivered_g"]
    assert with_rise["deferred_g_weeks"] < without["deferred_g_weeks"]


def test_delay_of_imports_is_never_better(make: Make) -> None:
    delay = {"kind": "import_delay", "start_week": 2, "weeks": 6, "extra_days": 28}
    plain, late = mean(make()), mean(make(disruption=[delay]))
    assert late["lowest_cover_weeks"] < plain["lowest_cover_weeks"]
    assert late["deferred_g_weeks"] >= plain["deferred_g_weeks"]
    one_maker = mean(make(disruption=[delay | {"makers": ["Grifols"]}]))
    assert plain["lowest_cover_weeks"] >= one_maker["lowest_cover_weeks"] > late["lowest_cover_weeks"]


def test_withdrawn_maker_delivers_nothing_more_and_patients_are_switched(make: Make) -> None:
    gone = {"kind": "supplier_withdrawal", "start_week": 0, "maker": "Octapharma"}
    world = make(disruption=[gone], run={"weeks": 40})
    country, untouched = play(world, seed=11, replication=0), play(make(run={"weeks": 40}), seed=11, replication=0)
    theirs = np.array([product.maker == "Octapharma" for product in world.products.product])
    on_the_road = country.ledger.delivered[:, theirs].sum()
    assert on_the_road < 0.2 * untouched.ledger.delivered[:, theirs].sum()
    outcomes = outcomes_of(country)
    assert outcomes["highest_tier"] >= 2
    assert outcomes["grams_switched_g"] > 0
    back = play(make(disruption=[gone | {"weeks": 3}], run={"weeks": 40}), seed=11, replication=0)
    assert back.ledger.delivered[:, theirs].sum() > on_the_road


def test_recall_destroys_stock_and_what_is_on_the_road(make: Make) -> None:
    recall = {"kind": "batch_recall", "start_week": 2, "products": ["privigen_10", "octagam_10"]}
    world = make(disruption=[recall])
    country = play(world, seed=11, replication=0)
    hit = np.isin(world.places.products, recall["products"])
    assert country.ledger.destroyed[:, hit].sum() > 0
    assert country.ledger.destroyed[:, ~hit].sum() == 0
    days = {event.day for event in country.record.events if event.kind == "destroyed"}
    assert min(days) == 14
    assert max(days) > 14, "shipments sent before the recall arrive after it"
    half = play(make(disruption=[recall | {"fraction": 0.5}]), seed=11, replication=0)
    assert 0 < half.ledger.destroyed.sum() < country.ledger.destroyed.sum()
    assert mean(world)["lowest_cover_weeks"] < mean(make())["lowest_cover_weeks"]


def test_a_surge_brings_more_and_leaves_the_others_as_they_were(make: Make) -> None:
    surge = {"kind": "demand_surge", "start_week": 2, "weeks": 10, "fraction": 1.0}
    plain = play(make(), seed=11, replication=0).state.people
    acute = play(make(disruption=[surge]), seed=11, replication=0).state.people
    both = play(make(disruption=[surge | {"applies_to": "all"}]), seed=11, replication=0).state.people
    assert acute.acute.sum() > plain.acute.sum()
    assert (~acute.acute).sum() == (~plain.acute).sum()
    assert (~both.acute).sum() > 1.5 * (~plain.acute).sum()
    keys = [
        set(zip(one.first_due_day[one.acute], one.panel[one.acute], one.course_mg[one.acute], strict=True))
        for one in (plain, acute)
    ]
    assert keys[0] <= keys[1]
    extra = acute.first_due_day[acute.acute]
    during = ((extra >= 14) & (extra < 84)).sum()
    assert (
        during - (acute.acute.sum() - plain.acute.sum())
        == ((plain.first_due_day[plain.acute] >= 14) & (plain.first_due_day[plain.acute] < 84)).sum()
    )


def test_growth_and_reviews_change_demand(make: Make) -> None:
    def due(**demand: float) -> float:
        return mean(make("no_disruption", demand={"turnover_per_year": 0.0, **demand}))["grams_due_g"]

    level = due()
    assert due(growth_per_year=0.5) > level > due(growth_per_year=-0.5)
    assert due(overdue_reviews_done_per_week=0.2, review_stop_share=0.5) < level
    assert due(overdue_reviews_done_per_week=0.2, review_stop_share=0.0) == due(review_stop_share=0.0)


def test_reviews_done_raise_grades(make: Make) -> None:
    def by_grade(share: float) -> np.ndarray:
        world = make("no_disruption", demand={"overdue_reviews_done_per_week": share, "review_stop_share": 0.0})
        return np.bincount(play(world, seed=11, replication=0).state.grade, minlength=5)

    before, after = by_grade(0.0), by_grade(0.5)
    assert before.sum() == after.sum()
    assert (np.arange(5) * after).sum() > (np.arange(5) * before).sum()


def test_short_lived_stock_expires(make: Make) -> None:
    short = make(supply={"shelf_life_left_share": 0.04, "oldest_shelf_life_left_share": 0.005})
    country = play(short, seed=11, replication=0)
    expired = outcomes_of(country)["grams_expired_g"]
    assert expired > 0
    assert country.record.total_mg("expired") == country.ledger.expired.sum()
    assert mean(make())["grams_expired_g"] < expired


# ------------------------------------------------------------------ priority


def test_higher_grades_wait_less_in_a_deep_shortage(make: Make) -> None:
    country = play(make(disruption=[DEEP], run={"weeks": 40}), seed=11, replication=0)
    assert outcomes_of(country)["highest_tier"] == 4
    deferred = [of_grade(country, grade, "deferred") / of_grade(country, grade, "due") for grade in (4, 3, 2, 1)]
    assert deferred == sorted(deferred)
    assert deferred[0] < 0.1 < deferred[-1]


def test_escalation_protects_grade_4(make: Make) -> None:
    never = {
        "enter_tier_2_below_weeks": 0.0,
        "enter_tier_3_below_weeks": 0.0,
        "enter_tier_4_below_weeks": 0.0,
        "product_enter_tier_2_below_weeks": 0.0,
    }
    with_tiers = mean(make(disruption=[DEEP], run={"weeks": 40}))
    without = mean(make(disruption=[DEEP], run={"weeks": 40}, controller=never))
    assert without["highest_tier"] == 1
    assert with_tiers["fill_grade_4_percent"] > without["fill_grade_4_percent"]
    assert with_tiers["patients_late_grade_4"] < without["patients_late_grade_4"]


def test_holding_more_for_grade_4_costs_others(make: Make) -> None:
    little, much = (mean(make(disruption=[DEEP], controller={"grade_4_weeks_held": weeks})) for weeks in (0.0, 6.0))
    assert much["fill_grade_4_percent"] >= little["fill_grade_4_percent"]
    assert much["deferred_g_weeks"] >= little["deferred_g_weeks"]


def test_grade_1_is_suspended_at_tier_3(make: Make) -> None:
    country = play(make(disruption=[DEEP], run={"weeks": 40}), seed=11, replication=0)
    issued = country.record.cube[:, :, 1, :, MEASURES.index("issued")].sum(axis=(1, 2))
    tier = np.array([week.tier for week in country.national])
    # Acute patients may come on the days before a change of tier on the day of review.
    settled = (tier >= 3) & (np.roll(tier, 1) >= 3)
    assert settled.any()
    assert issued[settled].sum() == 0
    assert issued[tier == 1].sum() > 0


# ------------------------------------------------------------------ the books


def test_weeks_add_up(make: Make) -> None:
    country = play(make(disruption=[DEEP]), seed=11, replication=0)
    cube = country.record.cube.sum(axis=3)
    due, issued, deferred, unmet = (cube[..., MEASURES.index(name)] for name in ("due", "issued", "deferred", "unmet"))
    before = np.concatenate([np.zeros_like(deferred[:1]), deferred[:-1]])
    assert np.array_equal(before + due, issued + unmet + deferred)
    ledger = country.ledger
    assert np.array_equal(
        ledger.opening + ledger.delivered, ledger.issued + ledger.expired + ledger.destroyed + ledger.usable
    )
    assert issued.sum() == ledger.issued.sum()
    assert country.record.total_mg("moved") <= issued.sum()


def test_the_same_patients_meet_every_policy(make: Make) -> None:
    one = play(make(), seed=11, replication=0).state.people
    other = play(make(disruption=[DEEP], supply={"opening_cover_weeks": 2.0}), seed=11, replication=0).state.people
    for name in ("panel", "grade", "course_mg", "first_due_day", "leaves_day", "acute"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    again = play(make(), seed=11, replication=1).state.people
    assert not np.array_equal(one.leaves_day[:50], again.leaves_day[:50])


def run(world: World, folder: Path, **options: Any) -> RunResults:
    results = run_replications(world, **options)
    folder.mkdir()
    write_run(results, folder)
    return results


def test_same_seed_same_bytes_for_any_number_of_workers(make: Make, tmp_path: Path) -> None:
    world = make(disruption=[DEEP], run={"weeks": 10, "replications": 3})
    told: list[tuple[int, int]] = []
    run(world, tmp_path / "one", progress=lambda done, total: told.append((done, total)), cohort_name="small")
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    told.clear()
    run(
        world, tmp_path / "two", workers=2, progress=lambda done, total: told.append((done, total)), cohort_name="small"
    )
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    other = make(disruption=[DEEP], run={"weeks": 10, "replications": 3, "seed": 5})
    run(other, tmp_path / "other", cohort_name="small")
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(FILES)
    for name in FILES:
        one, two = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == two, name
    for name in ("weeks.parquet", "national.parquet", "outcomes.parquet"):
        assert (tmp_path / "one" / name).read_bytes() != (tmp_path / "other" / name).read_bytes()


def test_files_hold_what_they_promise(make: Make, tmp_path: Path) -> None:
    world = make("uk_2021_output_fall", disruption=[DEEP], run={"weeks": 20, "replications": 2})
    results = run(world, tmp_path / "run", cohort_name="small")
    weeks, national, outcomes, affected, events = (
        pd.read_parquet(tmp_path / "run" / f"{name}.parquet")
        for name in ("weeks", "national", "outcomes", "affected", "events")
    )
    keys = ["replication", "week", "panel", "grade", "product"]
    assert list(weeks.columns[:5]) == keys
    assert not weeks.duplicated(keys).any()
    grams = weeks[[f"{measure}_g" for measure in MEASURES]]
    assert (grams.to_numpy() >= 0).all()
    assert (grams.to_numpy().sum(axis=1) > 0).all()
    assert national.groupby("replication").size().tolist() == [20, 20]
    assert list(outcomes.columns) == ["replication", *OUTCOMES]
    issued = weeks.groupby("replication")["issued_g"].sum()
    assert issued.to_numpy() == pytest.approx(outcomes["grams_issued_g"].to_numpy())
    assert affected.groupby("replication")["patients_late"].sum().to_numpy() == pytest.approx(
        outcomes["patients_late"].to_numpy()
    )
    deferred = weeks.groupby("replication")["deferred_g"].sum().to_numpy()
    assert affected.groupby("replication")["deferred_g_weeks"].sum().to_numpy() == pytest.approx(deferred)
    assert affected.groupby("replication")["unmet_g"].sum().to_numpy() == pytest.approx(outcomes["unmet_g"].to_numpy())
    assert {"disruption_start", "tier", "dispatch"} <= set(events["kind"])
    assert events["day"].is_monotonic_increasing

    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["kind"] == "simulation"
    assert summary["cohort"]["name"] == "small"
    assert set(summary["outcomes"]) == set(OUTCOMES)
    for name, told in summary["outcomes"].items():
        known = outcomes[name].dropna()
        assert told["replications"] == len(known)
        if len(known):
            assert told["mean"] == pytest.approx(known.mean())
            assert told["low"] <= told["mean"] <= told["high"]
            assert [told["q05"], told["q50"], told["q95"]] == pytest.approx(known.quantile([0.05, 0.5, 0.95]).tolist())
        else:
            assert told["q05"] is told["q50"] is told["q95"] is None
    assert [one["kind"] for one in summary["disruptions"]] == ["output_cut"]
    assert all(one["text"] and one["confidence"] for one in summary["assumptions"])
    resolved = json.loads((tmp_path / "run" / "resolved.json").read_text(encoding="utf-8"))
    assert Scenario.model_validate(resolved) == results.scenario


def test_interruption_ends_the_workers(make: Make) -> None:
    world = make(run={"weeks": 26, "replications": 12})

    def interrupt(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_replications(world, workers=2, progress=interrupt)
    assert multiprocessing.active_children() == []


def test_a_cohort_without_long_term_patients_is_refused(cohort: pd.DataFrame, panels: PanelSet) -> None:
    nobody = cohort[cohort["indication"] == "gbs"].reset_index(drop=True)
    with pytest.raises(InputError, match="long-term"):
        prepare(
            load_scenario("baseline"),
            nobody,
            rulebook=load_rulebook(),
            panels=panels,
            products=load_products(),
            tiers=load_tiers(),
            epidemiology=load_epidemiology(),
        )
