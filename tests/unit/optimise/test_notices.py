"""What is told of inputs that are sound and yet serve nobody."""

from __future__ import annotations

import pytest

from allocation.optimise.limit_notices import limit_notices
from allocation.optimise.network import index_problem
from allocation.optimise.notices import stock_notices, unusable_mg
from allocation.optimise.patients import serve_patients
from allocation.optimise.problem import build_problem
from allocation.optimise.program import solve
from allocation.optimise.side_limits import limits_in_use, mark_patients
from allocation.rules.limits import Delivery, Infusion, LimitSet, Lock, RingFence, SwitchQuota


def network(small, people, vials, tier):
    return index_problem(small.problem(people, vials, tier))


@pytest.mark.parametrize(
    ("tier", "then"),
    [(1, "brings them nothing from elsewhere"), (3, "what others in South hold"), (4, "what the national pool holds")],
)
def test_a_panel_with_demand_and_no_row_of_the_stock(small, tier, then):
    people = small.patients({"due_g": 10}, {"due_g": 30, "panel": "P3"}, {"due_g": 10, "panel": "P3"})
    net = network(small, people, small.shelf(("P1", "privigen_10", 10, 1)), tier)
    (told,) = stock_notices(net, rows_at={"P1", "P2"})
    assert (told.kind, told.about, told.mg) == ("no_stock_row", "P3", 40_000)
    assert "P3: 40 g are due to 2 patients, and the stock has no sound row" in told.text
    assert then in told.text
    # A row of 0 vials says that there is none, and nobody needs to be told.
    assert stock_notices(net, rows_at={"P1", "P3"}) == []


def test_who_reads_a_reason_is_told_that_there_never_was_any(small):
    people = small.patients({"due_g": 10}, {"due_g": 10, "panel": "P3"}, {"due_g": 10, "panel": "P3", "product": ""})
    vials = small.shelf(("P1", "privigen_10", 10, 1))
    for tier, own, either in (
        (1, "P3 holds no privigen_10", "P3 holds no privigen_10 or octagam_10"),
        (3, "South holds no privigen_10 or octagam_10", "South holds no privigen_10 or octagam_10"),
    ):
        problem = small.problem(people, vials, tier)
        reasons = serve_patients(people, problem, solve(problem), vials, seed=1).patients["reason"].tolist()
        assert own in reasons[1]
        assert either in reasons[2]
    problem = small.problem(people, vials, 4)
    found = serve_patients(people, problem, solve(problem), vials, seed=1).patients
    short = found[found["status"] == "deferred"]
    assert short["reason"].str.contains("is left in the country").all()
    assert short["reason"].str.contains("neither privigen_10 nor any of the 3 others|none of the 4 products").all()
    assert short["would_help"].str.contains("10 g more of privigen_10 or one of the 3 others|one of the 4").all()


def test_stock_of_a_product_nobody_may_take_is_told_apart_from_what_is_left(small):
    people = small.patients({"due_g": 10}, {"due_g": 10, "panel": "P3", "route": "SC", "product": "hizentra_20"})
    vials = small.shelf(
        ("P1", "privigen_10", 10, 2),
        ("P2", "hizentra_20", 4, 3),
        ("P3", "hizentra_20", 10, 1),
        ("P1", "octagam_10", 5, 1),
    )
    net = network(small, people, vials, 3)
    (told,) = stock_notices(net, rows_at={"P1", "P2", "P3"})
    assert (told.kind, told.about, told.mg) == ("nobody_may_take", "hizentra_20", 12_000)
    assert "12 g in stock at P2 may be given to nobody at tier 3" in told.text
    assert unusable_mg(net, vials) == 12_000
    # At tier 1 nobody changes product, so the octagam is idle too; at tier 4 everything is of use.
    assert {one.about for one in stock_notices(network(small, people, vials, 1), rows_at={"P1", "P3"})} == {
        "hizentra_20",
        "octagam_10",
    }
    assert stock_notices(network(small, people, vials, 4), rows_at={"P1", "P3"}) == []


def test_stock_that_no_panel_holds_is_out_of_reach_below_tier_4(small):
    people = small.patients({"due_g": 10})
    vials = small.shelf(("P1", "privigen_10", 10, 1), ("NATIONAL", "privigen_10", 10, 2))
    (told,) = stock_notices(network(small, people, vials, 3), rows_at={"P1"})
    assert (told.kind, told.mg) == ("out_of_reach", 20_000)
    assert unusable_mg(network(small, people, vials, 3), vials) == 20_000
    assert stock_notices(network(small, people, vials, 4), rows_at={"P1"}) == []


KINDS = {
    "delivery": Delivery,
    "infusion": Infusion,
    "switch_quota": SwitchQuota,
    "ring_fence": RingFence,
    "lock": Lock,
}
FENCE = {"product": "privigen_10", "indication": "gbs"}


@pytest.mark.parametrize(
    ("tier", "kind", "row", "mg", "words"),
    [
        (3, "ring_fence", {**FENCE, "indication": "polio"}, 20_000, "keeps 20 g from everybody: nobody who is due has"),
        (3, "ring_fence", {**FENCE, "product": "hizentra_20"}, 10_000, "nobody with this indication may be given hiz"),
        (3, "ring_fence", {**FENCE, "location": "P3"}, 10_000, "it lies where nobody with this indication is reached"),
        (3, "ring_fence", {**FENCE, "product": "subgam_16"}, 0, "no stock of subgam_16 is free for it"),
        (3, "ring_fence", FENCE, 0, ""),
        (3, "lock", {"indication": "polio"}, 0, "holds for nobody"),
        (1, "lock", {"indication": "gbs"}, 10_000, "changes nothing for 10 g due: tier 1 lets nobody change product"),
        (3, "lock", {"indication": "gbs"}, 0, ""),
        (
            2,
            "delivery",
            {"into": "P1", "grams": 5},
            5000,
            "of 5 g limits nothing: tier 2 moves no stock between places",
        ),
        (3, "delivery", {"out_of": "NATIONAL", "grams": 5}, 5000, "tier 3 moves no stock to or from NATIONAL"),
        (3, "delivery", {"out_of": "P3", "grams": 5}, 5000, "tier 3 moves no stock to or from P3"),
        (3, "delivery", {"into": "P2", "grams": 5}, 5000, "nobody is due at P2"),
        (4, "delivery", {"out_of": "NATIONAL", "grams": 5}, 0, ""),
        (1, "switch_quota", {"panel": "P1", "grams": 5}, 5000, "tier 1 lets nobody change product"),
        (3, "switch_quota", {"panel": "P2", "share": 0.5}, 0, "nobody due at P2 has a product on record"),
        (3, "switch_quota", {"panel": "P1", "grams": 5}, 0, ""),
        (3, "infusion", {"panel": "P3", "courses": 5}, 0, "nobody due at P3 is infused"),
        (3, "infusion", {"panel": "P1", "grams": 5}, 0, ""),
    ],
)
def test_a_limit_that_can_do_nothing_is_told_with_why(small, tier, kind, row, mg, words):
    people = small.patients({"due_g": 10}, {"due_g": 10, "panel": "P3", "route": "SC", "product": "hizentra_20"})
    people = people.assign(indication=["gbs", "cidp"], situation="")
    asked = LimitSet(**{kind: (KINDS[kind](assumption="Ours.", **row),)})
    places = small.panels(P1="North", P2="North", P3="South")
    stock = small.grams(("P1", "privigen_10", 10), ("P3", "privigen_10", 10), ("P3", "hizentra_20", 10))
    side, faults = limits_in_use(asked, stock, panels=tuple(places.by_code), source="limits.toml")
    assert faults == ()
    demand = mark_patients(people, asked)
    problem = build_problem(demand, stock, tier=small.tier(tier), panels=places, products=small.products(), limits=side)
    found = limit_notices(asked, index_problem(problem), demand, source="limits.toml")
    assert len(found) == bool(words)
    if words:
        assert words in found[0].text
        assert (found[0].mg, found[0].kind) == (mg, "limit_without_effect")
        assert found[0].text.startswith(f"limits.toml: {found[0].about} ")


def test_without_limits_there_is_nothing_to_tell(small):
    people = small.patients({"due_g": 10})
    net = network(small, people, small.shelf(("P1", "privigen_10", 10, 1)), 3)
    assert limit_notices(LimitSet(), net, people, source="") == []
