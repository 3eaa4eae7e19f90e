"""Makers that differ, recalls of stock on hold, chairs still asked for, and tiers called by grades and products."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from allocation.errors import InputError, VerificationError
from allocation.scenario import load_scenario
from allocation.simulation import World, run_replications, write_run
from allocation.simulation.country import Country
from allocation.simulation.engine import play
from allocation.simulation.outcomes import outcomes_of
from small_worlds import Make, world_maker

DEEP = {"kind": "output_cut", "start_week": 1, "weeks": 10, "fraction": 0.5}
RISE = {"kind": "output_rise", "start_week": 11, "weeks": 30, "fraction": 0.4}
OFF = {f"enter_tier_{tier}_below_weeks": 0.0 for tier in (2, 3, 4)} | {"product_enter_tier_2_below_weeks": 0.0}
NEVER = 99


@pytest.fixture(scope="module")
def make() -> Make:
    """World of a scenario, 150 patients in two panels, with some keys changed."""
    return world_maker(patients=150, panels=2, weeks=20, replications=1)


def played(world: World) -> Country:
    return play(world, seed=11, replication=0)


def tiers(world: World) -> list[int]:
    return [week.tier for week in played(world).national]


def first_at(tier: int, found: list[int]) -> int:
    return next((week for week, one in enumerate(found) if one >= tier), NEVER)


# ------------------------------------------------------------------ makers

MINE = """
name = "own_makers"
title = "Makers that differ"
extends = "baseline"

[supply]
lead_time_days = { distribution = "triangular", mean = 11.0, low = 4.0, high = 21.0 }

[[supply.maker]]
maker = "Grifols"
output_share_of_demand = 0.5
lead_time_days = { distribution = "lognormal", mean = 28.0, sd = 10.0 }

[[supply.maker]]
maker = "Octapharma"
lead_time_days = { distribution = "empirical", mean = 9.0, sd = 0.0, days = [7.0, 7.0, 8.0, 14.0] }

[[disruption]]
kind = "supplier_withdrawal"
maker = "CSL Behring"
start_week = 6
weeks = 10
fraction = 0.4
spread = { fraction = { low = 0.3, high = 0.6 } }

[[assumption]]
id = "SIM03"
title = "Lead times"
text = "Between 4 and 21 days, 11 on average. Made up for a test."
confidence = "P"
keys = ["supply.lead_time_days"]

[[assumption]]
id = "OWN01"
title = "Two makers of their own"
text = "One contracts half of its demand and is late, one has lead times as observed. Made up for a test."
confidence = "P"
keys = ["supply.maker"]

[[assumption]]
id = "OWN02"
title = "A maker sends less"
text = "30 to 60 % less for ten weeks, most often 40 %. Made up for a test."
confidence = "P"
keys = ["disruption.0.fraction", "disruption.0.weeks", "disruption.0.start_week", "disruption.0.spread"]
"""


def sent_by(country: Country, first_day: int = 0, last_day: int = 10_000) -> dict[str, float]:
    """Grams dispatched by each maker; ``last_day`` does not count."""
    found: dict[str, float] = {}
    for event in country.record.events:
        if event.kind == "dispatch" and first_day <= event.day < last_day:
            found[event.text] = found.get(event.text, 0.0) + event.amount_g
    return found


def test_a_scenario_whose_makers_differ(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "own_makers.toml"
    path.write_text(MINE, encoding="utf-8")
    scenario = load_scenario(path)
    # Panels that never fill up take all that is sent, so what was sent is what makers could.
    room = {"highest_cover_weeks": 500.0}
    base = load_scenario("baseline").supply.model_dump()
    own = played(make(scenario, supply=room))
    plain = played(make(supply=base | room))
    assert own.world.lead_days[own.world.places.products.index("octagam_10")] == 9.0
    early = [sent_by(one, 0, 6 * 7) for one in (own, plain)]
    ratio = {maker: early[0][maker] / early[1][maker] for maker in early[1]}
    assert ratio["Grifols"] == pytest.approx(0.5 / 1.03, rel=0.01)
    assert ratio["CSL Behring"] == ratio["Octapharma"] == pytest.approx(1.0, rel=0.01)
    late = [sent_by(one, 6 * 7, 16 * 7) for one in (own, plain)]
    assert 0.4 < late[0]["CSL Behring"] / late[1]["CSL Behring"] < 0.7


def test_one_makers_lead_time_changes_no_others_deliveries(make: Make) -> None:
    slow = {"maker": "Grifols", "lead_time_days": {"mean": 40.0, "sd": 10.0}}
    world = make()
    ones = [Country(one, 11, 0) for one in (world, make(supply={"maker": [slow]}))]
    for maker in ("Octapharma", "Grifols"):
        plain, own = ([(part.arrival_day, part.mg.tolist()) for part in one.dispatch(maker, 7)] for one in ones)
        assert (plain == own) == (maker != "Grifols")
    sent = [played(one.world).dispatcher.in_transit_mg for one in ones]
    theirs = np.array([product.maker == "Grifols" for product in world.products.product])
    assert sent[1][:, theirs].sum() > 2 * sent[0][:, theirs].sum()
    with pytest.raises(InputError, match=r"supply\.maker\.0\.maker"):
        make(supply={"maker": [slow | {"maker": "Grifol"}]})


def test_a_larger_part_withdrawn_means_less_sent(make: Make) -> None:
    gone = {"kind": "supplier_withdrawal", "maker": "CSL Behring", "start_week": 2, "weeks": 15}
    sent = [
        sent_by(played(make(disruption=[gone | {"fraction": size}])), 14).get("CSL Behring", 0.0)
        for size in (0.3, 0.6, 1.0)
    ]
    assert sent[0] > sent[1] > sent[2]
    assert sent_by(played(make(disruption=[gone])), 14, 17 * 7).get("CSL Behring", 0.0) == 0


def test_what_is_sent_out_is_delivered_or_on_the_road(make: Make) -> None:
    parts = {"probability": 0.5, "first_share_low": 0.3, "first_share_high": 0.7, "rest_days": {"mean": 9.0, "sd": 4.0}}
    recall = {"kind": "batch_recall", "start_week": 5, "products": ["privigen_10"], "fraction": 0.5}
    late = {"kind": "import_delay", "start_week": 15, "weeks": 10, "extra_days": 30}
    country = played(make(supply={"partial_deliveries": parts}, disruption=[recall, late]))
    dispatcher, delivered = country.dispatcher, country.ledger.delivered
    assert dispatcher.in_transit_mg.sum() > 0
    assert np.array_equal(dispatcher.dispatched_mg, delivered[:-1] + dispatcher.in_transit_mg)
    dispatcher.check()
    dispatcher.in_transit_mg[0, 0] += 1
    with pytest.raises(VerificationError, match="on the road"):
        dispatcher.check()
    dispatcher.dispatched_mg[0, 0] += 1
    with pytest.raises(VerificationError, match="on the road"):
        dispatcher.check()


def test_a_recall_also_destroys_what_a_hold_has_put_aside(make: Make) -> None:
    hold = {"kind": "quality_hold", "start_week": 2, "weeks": 8, "products": ["privigen_10"], "fraction": 0.7}
    recall = {"kind": "batch_recall", "start_week": 5, "products": ["privigen_10"]}
    gone = {"kind": "supplier_withdrawal", "start_week": 1, "maker": "CSL Behring", "products": ["privigen_10"]}
    ones = [played(make(disruption=[gone, *more])) for more in ([recall], [hold, recall], [hold])]
    product = ones[0].world.places.products.index("privigen_10")
    destroyed, held, usable = (
        [int(getattr(one.ledger, name)[:, product].sum()) for one in ones]
        for name in ("destroyed", "on_hold", "usable")
    )
    assert destroyed[1] >= destroyed[0] > 0, "stock on hold was not used up before the recall"
    assert destroyed[2] == 0
    assert held == [0, 0, 0]
    assert usable[1] == usable[0] == 0, "nothing recalled comes back when the hold ends"


# ------------------------------------------------------------------ chairs


def test_who_still_waits_for_a_chair_is_counted(make: Make) -> None:
    slow = {"infusion_chairs": 2, "infusion_hours": {"mean": 60.0, "sd": 10.0}}
    country = played(make("no_disruption", panels=slow))
    found = outcomes_of(country)
    waiting = found["infusions_waiting_at_end"]
    assert waiting > found["infusions"] / 2
    # A queue that grows evenly is half as long on average as at the end, which those seated alone do not show.
    assert found["mean_chair_queue"] == pytest.approx(waiting / 2, rel=0.3)
    assert found["patients_late"] > 0.5 * len(country.world.start)
    plenty = outcomes_of(played(make("no_disruption", panels={"infusion_chairs": 500})))
    assert plenty["infusions_waiting_at_end"] == 0
    assert plenty["infusions"] == pytest.approx(found["infusions"] + waiting, rel=0.2)
    assert np.isnan(outcomes_of(played(make("no_disruption", weeks=2)))["infusions_waiting_at_end"])


# ------------------------------------------------------------------ tiers


@pytest.mark.parametrize(
    ("place", "name"), list(enumerate(("grade_4", "grades_4_to_3", "grades_4_to_2", "grades_4_to_1")))
)
def test_a_higher_threshold_of_a_grade_calls_its_tier_sooner(make: Make, place: int, name: str) -> None:
    cover = [week.grade_cover_weeks[place] for week in played(make(disruption=[DEEP], controller=OFF)).national]
    low, high = min(cover), cover[0]
    assert low < high
    reached = []
    for weeks in (0.9 * low, low + 0.2 * (high - low), low + 0.8 * (high - low)):
        grades = {"grade_cover": {name: {"enter_tier_3_below_weeks": float(weeks)}}}
        reached.append(first_at(3, tiers(make(disruption=[DEEP], controller=OFF | grades))))
    assert reached[0] == NEVER
    assert reached[2] < reached[1] < NEVER


@pytest.mark.parametrize("tier", [2, 3, 4])
def test_a_higher_threshold_of_a_product_calls_its_tier_sooner(make: Make, tier: int) -> None:
    gone = {"kind": "supplier_withdrawal", "start_week": 1, "maker": "CSL Behring", "weeks": 15}
    key = f"enter_tier_{tier}_below_weeks"
    for settings in (
        [{f"product_{key}": weeks} for weeks in (0.0, 1.0, 3.0)],
        [{"product": [{"product": "privigen_10", key: weeks}]} for weeks in (0.0, 1.0, 3.0)],
    ):
        reached = [first_at(tier, tiers(make(disruption=[gone], controller=OFF | one))) for one in settings]
        assert reached[0] == NEVER
        assert reached[2] < reached[1] < NEVER


def test_a_longer_lag_and_a_wider_margin_hold_for_grades_too(make: Make) -> None:
    grades = {"grade_cover": {"grades_4_to_1": {"enter_tier_3_below_weeks": 3.0}}}
    controls = OFF | grades | {"minimum_stay_weeks": 0, "leave_margin_weeks": 0.0, "decision_lag_weeks": 0}
    lags = [
        first_at(3, tiers(make(disruption=[DEEP, RISE], controller=controls | {"decision_lag_weeks": lag})))
        for lag in (0, 3)
    ]
    assert lags[1] == lags[0] + 3
    above = [
        sum(one >= 3 for one in tiers(make(disruption=[DEEP, RISE], weeks=40, controller=controls | margin)))
        for margin in ({}, {"leave_margin_weeks": 1.0})
    ]
    assert above[1] > above[0] > 0


def test_recovery_waits_for_the_backlog(make: Make) -> None:
    long, deep = DEEP | {"weeks": 16, "fraction": 0.6}, RISE | {"start_week": 17, "fraction": 0.6, "weeks": 40}
    worlds = [
        make(disruption=[long, deep], weeks=50, controller={"backlog_share_in_recovery": share}) for share in (0.0, 1.0)
    ]
    longer = []
    for replication in range(3):
        plain, counted = (
            [week.tier for week in play(world, seed=11, replication=replication).national] for world in worlds
        )
        assert max(plain) > 2
        assert first_at(2, plain) == first_at(2, counted), "a backlog brings no tier sooner"
        assert counted[-1] == 1, "the backlog is served in the end"
        longer.append(sum(counted) - sum(plain))
    assert min(longer) >= 0 < max(longer)


def test_cover_is_told_by_grade_and_by_product(make: Make, tmp_path: Path) -> None:
    world = make(disruption=[DEEP], weeks=12)
    results = run_replications(world, cohort_name="small")
    write_run(results, tmp_path)
    national = pd.read_parquet(tmp_path / "national.parquet")
    columns = [f"cover_grade_{grade}_weeks" for grade in (4, 3, 2, 1)]
    assert (national[columns].diff(axis=1).iloc[:, 1:] <= 0).all().all(), "more grades need more"
    # The country's need is that of all grades and of the ungraded.
    assert (national["cover_grade_1_weeks"] >= national["cover_weeks"] - 1e-9).all()
    products = pd.read_parquet(tmp_path / "product_cover.parquet")
    assert products["cover_weeks"].to_numpy() == pytest.approx((products["stock_g"] / products["use_g"]).to_numpy())
    assert not products.duplicated(["replication", "week", "product"]).any()
    stock = products.groupby("week")["stock_g"].sum()
    assert stock.to_numpy() == pytest.approx(national["stock_g"].to_numpy())
    use = products.groupby("week")["use_g"].sum()
    assert use.to_numpy() == pytest.approx(national["demand_g"].to_numpy(), rel=0.05), "but for the season"
