"""Patients to classes, vials to milligrams, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from allocation.errors import InputError
from allocation.optimise.network import index_problem
from allocation.optimise.problem import build_problem, is_funded


def test_patients_alike_are_one_class(small):
    demand = small.patients({"due_g": 10}, {"due_g": 15}, {"due_g": 5, "grade": 4})
    classes = small.problem(demand, small.grams(), 3).classes
    assert classes[["grade", "patients", "due_mg"]].values.tolist() == [[4, 1, 5000], [3, 2, 25000]]
    assert classes["class_id"].tolist() == [0, 1]


def test_who_is_not_funded_or_due_nothing_is_not_in_it(small):
    demand = small.patients({"due_g": 10, "funded": False}, {"due_g": 0}, {"due_g": 7})
    assert small.problem(demand, small.grams(), 3).classes["due_mg"].tolist() == [7000]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"funded": [True, False]}, [True, False]),
        ({"funded": ["yes", "no"]}, [True, False]),
        ({"commissioned": ["routine", "no"]}, [True, False]),
        ({"commissioned": ["ifr", "routine"], "panel_decision": ["declined", "pending"]}, [False, True]),
        ({"patient_id": ["a", "b"]}, [True, True]),
    ],
)
def test_funding_is_read_from_what_is_there(columns, expected):
    assert is_funded(pd.DataFrame(columns)).tolist() == expected


def test_counts_stand_for_patients(small):
    demand = small.patients({"due_g": 100}).assign(patients=8)
    assert small.problem(demand, small.grams(), 3).classes["patients"].tolist() == [8]


def test_an_ungraded_patient_has_grade_0(small):
    assert small.problem(small.patients({"due_g": 1, "grade": None}), small.grams(), 3).classes["grade"].tolist() == [0]


def test_vials_add_up_to_milligrams(small):
    stock = small.shelf(("P1", "privigen_10", 10, 3), ("P1", "privigen_10", 2.5, 2), ("NATIONAL", "octagam_10", 20, 1))
    found = small.problem(small.patients({"due_g": 1}), stock, 1).stock
    assert found.values.tolist() == [["NATIONAL", "octagam_10", 20000], ["P1", "privigen_10", 35000]]


@pytest.mark.parametrize(
    ("frame", "column", "value"),
    [
        ("classes", "panel", "P9"),
        ("classes", "product", "unheard_of"),
        ("classes", "route", "PO"),
        ("classes", "grade", 5),
        ("classes", "due_mg", -1),
        ("classes", "due_mg", 0.5),
        ("stock", "location", "P9"),
        ("stock", "product", "unheard_of"),
        ("stock", "mg", -1),
    ],
)
def test_what_makes_no_sense_is_refused(small, frame, column, value):
    good = small.problem(small.patients({"due_g": 5}), small.grams(("P1", "privigen_10", 1)), 3)
    bad = getattr(good, frame).astype(object)
    bad.loc[0, column] = value
    bad = bad.infer_objects()
    with pytest.raises(InputError) as caught:
        replace(good, **{frame: bad})
    assert caught.value.faults[0].column == column


def test_a_class_named_twice_and_a_missing_column_are_refused(small):
    good = small.problem(small.patients({"due_g": 5}, {"due_g": 5, "grade": 4}), small.grams(), 3)
    with pytest.raises(InputError, match="each class once"):
        replace(good, classes=good.classes.assign(class_id=1))
    with pytest.raises(InputError, match="this column"):
        replace(good, stock=good.stock.drop(columns="mg"))


def test_the_reserve_is_for_a_pool_of_the_tier(small):
    demand, stock = small.patients({"due_g": 5}), small.grams()
    assert small.problem(demand, stock, 3, reserve=[("North", 5)]).pools == ("North", "South")
    assert small.problem(demand, stock, 4).pools == ("NATIONAL",)
    assert small.problem(demand, stock, 1).pools == ("P1", "P2", "P3")
    with pytest.raises(InputError, match="known code"):
        small.problem(demand, stock, 3, reserve=[("West", 5)])


def test_an_empty_demand_is_a_problem_too(small):
    empty = small.patients({"due_g": 5}).iloc[:0]
    assert len(small.problem(empty, small.grams(("P1", "privigen_10", 1)), 2).classes) == 0


def test_who_may_take_what(small):
    demand = small.patients(
        {"due_g": 1, "product": "privigen_10"},
        {"due_g": 2, "product": "privigen_10", "locked": True},
        {"due_g": 3, "product": ""},
        {"due_g": 4, "route": "SC", "product": "hizentra_20"},
        {"due_g": 5, "route": "IM", "product": ""},
        {"due_g": 6, "route": "IV", "product": "hizentra_20"},
        {"due_g": 7, "product": "", "locked": True},
    )
    iv, sc, im = {"privigen_10", "octagam_10"}, {"hizentra_20", "subgam_16"}, {"subgam_16"}
    expected = {
        1: [{"privigen_10"}, {"privigen_10"}, iv, {"hizentra_20"}, im, {"hizentra_20"}, iv],
        2: [iv, {"privigen_10"}, iv, sc, im, iv | {"hizentra_20"}, iv],
        4: [iv | sc, {"privigen_10"}, iv | sc, iv | sc, im, iv | sc, iv | sc],
    }
    for tier, sets in expected.items():
        net = index_problem(small.problem(demand, small.grams(), tier))
        found = {}
        for c, due in enumerate(net.due_mg.tolist()):
            row = net.choices[net.choice[c]].nonzero()[0] if net.choice[c] >= 0 else [net.own[c]]
            found[due // 1000] = {net.product_codes[p] for p in row}
        assert [found[n] for n in range(1, 8)] == sets


def test_stages_of_the_tiers(small):
    demand = small.patients(
        *({"due_g": 10 + grade, "grade": grade} for grade in range(5)),
        {"due_g": 1, "grade": 2, "emergency": True},
    )
    stages = {}
    for tier in (1, 3):
        net = index_problem(small.problem(demand, small.grams(), tier))
        stages[tier] = dict(zip((net.due_mg // 1000).tolist(), net.stage.tolist(), strict=True))
    assert stages[1] == {1: 0, 10: 1, 11: 1, 12: 1, 13: 1, 14: 1}
    assert stages[3] == {1: 2, 10: 4, 11: 3, 12: 2, 13: 1, 14: 0}


def test_a_grade_that_no_stage_names_has_none(small):
    tier = small.tier(3)
    tier = tier.model_copy(update={"stage": tier.stage[:2]})
    net = index_problem(small.problem(small.patients({"due_g": 1, "grade": 1}), small.grams(), tier))
    assert net.stage.tolist() == [-1]
    assert [len(pool.classes) for pool in net.pools] == [0, 0]


def test_the_limit_on_switching_is_a_share_of_the_panels_due(small):
    demand = small.patients({"due_g": 10}, {"due_g": 5.002, "grade": 1}, {"due_g": 8, "panel": "P2"})
    net = index_problem(small.problem(demand, small.grams(), 2))
    assert net.switch_limit_mg is not None
    assert net.switch_limit_mg.tolist() == [3750, 2000, 0]
    assert index_problem(small.problem(demand, small.grams(), 3)).switch_limit_mg is None


def test_rows_of_a_demand_table_may_lack_what_is_optional(small):
    bare = small.patients({"due_g": 4})[["panel", "grade", "route", "product", "due_mg"]]
    built = build_problem(
        bare, small.grams(), tier=small.tier(1), panels=small.panels(P1="North"), products=small.products()
    )
    assert built.classes[["emergency", "locked"]].values.tolist() == [[False, False]]
