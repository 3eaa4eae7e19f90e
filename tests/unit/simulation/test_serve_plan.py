"""From planned grams to whole courses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.rules import load_tiers
from allocation.simulation.serve import Issue, Queue, serve_plan, stage_of

G = 1000


def queue(**columns: list[int]) -> Queue:
    n = len(columns["owed_mg"])
    plain = {
        "group": [0] * n,
        "panel": [0] * n,
        "product": [0] * n,
        "stage": [0] * n,
        "rank": list(range(n)),
        "reducible": [False] * n,
        "mixes": [False] * n,
    }
    arrays = {name: np.array(values) for name, values in (plain | columns).items()}
    return Queue(**arrays)


def lines(
    one: Queue, given_mg: list[list[int]], *, smallest: float = 0.5, panels: int = 1
) -> list[tuple[int, int, int]]:
    given = np.array(given_mg)
    vial_mg = np.full(given.shape[1], 5 * G)
    issue: Issue = serve_plan(one, given, smallest_share=smallest, vial_mg=vial_mg, panels=panels)
    return sorted(zip(issue.person.tolist(), issue.product.tolist(), issue.mg.tolist(), strict=True))


def served(one: Queue, given_mg: list[list[int]], **options: float) -> dict[int, tuple[int, int]]:
    found = lines(one, given_mg, **options)
    assert len({person for person, *_ in found}) == len(found)
    return {person: (product, mg) for person, product, mg in found}


def test_whole_courses_in_order_of_rank() -> None:
    one = queue(owed_mg=[40 * G, 40 * G, 40 * G], rank=[2, 0, 1])
    assert served(one, [[80 * G]]) == {1: (0, 40 * G), 2: (0, 40 * G)}


def test_a_large_course_is_not_passed_over() -> None:
    one = queue(owed_mg=[100 * G, 10 * G])
    assert served(one, [[90 * G]]) == {}


def test_own_product_first_then_the_plans_other() -> None:
    one = queue(owed_mg=[40 * G, 40 * G], group=[0, 0])
    assert served(one, [[40 * G, 40 * G]]) == {0: (0, 40 * G), 1: (1, 40 * G)}


def test_what_classes_leave_is_offered_again() -> None:
    # Neither class's own grams make a course; together they make one, for the earlier in line.
    one = queue(owed_mg=[40 * G, 40 * G], group=[0, 1], rank=[1, 0])
    assert served(one, [[25 * G], [25 * G]]) == {1: (0, 40 * G)}


def test_an_earlier_stage_keeps_what_it_waits_for() -> None:
    # The second stage's 10 g would fit what is left, but the first stage still waits for the product.
    one = queue(owed_mg=[40 * G, 40 * G, 10 * G, 10 * G], group=[0, 0, 1, 1], stage=[0, 0, 1, 1])
    assert served(one, [[50 * G], [10 * G]]) == {0: (0, 40 * G), 2: (0, 10 * G)}


def test_one_reduced_course_in_whole_vials() -> None:
    one = queue(owed_mg=[40 * G, 40 * G], reducible=[True, True])
    assert served(one, [[67 * G]]) == {0: (0, 40 * G), 1: (0, 25 * G)}
    assert served(one, [[59 * G]]) == {0: (0, 40 * G)}, "15 g would be less than half"
    assert served(one, [[59 * G]], smallest=0.25) == {0: (0, 40 * G), 1: (0, 15 * G)}


def test_who_may_not_be_reduced_blocks_the_rest() -> None:
    one = queue(owed_mg=[40 * G, 40 * G], reducible=[False, True])
    assert served(one, [[30 * G]]) == {}


def test_panels_do_not_share() -> None:
    one = queue(owed_mg=[40 * G, 40 * G], group=[0, 1], panel=[0, 1])
    assert served(one, [[25 * G], [40 * G]], panels=2) == {1: (0, 40 * G)}


def test_patients_without_a_product_take_what_the_plan_gives() -> None:
    one = queue(owed_mg=[40 * G, 40 * G], product=[-1, -1])
    assert served(one, [[40 * G, 40 * G]]) == {0: (0, 40 * G), 1: (1, 40 * G)}


# --------------------------------------------------------- several products


def test_a_course_is_gathered_from_several_products() -> None:
    plan = [[30 * G, 40 * G]]
    assert lines(queue(owed_mg=[60 * G]), plan) == []
    own_first = [(0, 0, 30 * G), (0, 1, 30 * G)]
    assert lines(queue(owed_mg=[60 * G], mixes=[True]), plan) == own_first
    most_first = [(0, 0, 20 * G), (0, 1, 40 * G)]
    assert lines(queue(owed_mg=[60 * G], mixes=[True], product=[-1]), plan) == most_first


def test_one_product_where_one_makes_the_course_and_no_part_where_all_do_not() -> None:
    assert lines(queue(owed_mg=[40 * G], mixes=[True]), [[30 * G, 40 * G]]) == [(0, 1, 40 * G)]
    assert lines(queue(owed_mg=[80 * G], mixes=[True]), [[30 * G, 40 * G]]) == []


def test_who_is_planned_one_product_alone_is_given_no_other() -> None:
    # As the plan does for somebody locked to a product; the other class leaves 40 g of another one.
    one = queue(owed_mg=[60 * G, 90 * G], group=[0, 1], product=[0, 1], mixes=[True, False])
    assert lines(one, [[30 * G, 0], [0, 40 * G]]) == []


def test_products_of_others_are_not_switched_to_beyond_the_plan() -> None:
    # The second class leaves 40 g of its own product; only the 10 g planned for the first may be switched to.
    one = queue(owed_mg=[60 * G, 90 * G], group=[0, 1], product=[0, 1], mixes=[True, False])
    assert lines(one, [[30 * G, 10 * G], [0, 40 * G]]) == []
    assert lines(one, [[30 * G, 30 * G], [0, 40 * G]]) == [(0, 0, 30 * G), (0, 1, 30 * G)]


def test_several_products_in_the_order_of_the_line_and_of_stages() -> None:
    # The first cannot have a course of both products together, and nobody passes by.
    waits = queue(owed_mg=[90 * G, 60 * G], mixes=[True, True])
    assert lines(waits, [[40 * G, 40 * G]]) == []
    # Once the first is served, what is left makes a course of one product for the second.
    both = queue(owed_mg=[60 * G, 20 * G], mixes=[True, True])
    assert lines(both, [[40 * G, 40 * G]]) == [(0, 0, 40 * G), (0, 1, 20 * G), (1, 1, 20 * G)]
    # A later stage keeps its whole courses, and is offered what the first leaves.
    stages = queue(owed_mg=[60 * G, 30 * G, 20 * G], group=[0, 1, 1], stage=[0, 1, 1], mixes=[True, False, False])
    assert lines(stages, [[50 * G, 30 * G], [30 * G, 0]]) == [(0, 0, 50 * G), (0, 1, 10 * G), (1, 0, 30 * G)]
    stages = queue(owed_mg=[60 * G, 40 * G, 20 * G], group=[0, 1, 1], stage=[0, 1, 1], mixes=[True, False, False])
    assert lines(stages, [[50 * G, 30 * G], [30 * G, 0]]) == [(0, 0, 60 * G)]


@pytest.mark.parametrize(("tier", "stages"), [(1, [0, 1, 1, 1]), (3, [0, 3, 0, 4])])
def test_stage_of(tier: int, stages: list[int]) -> None:
    grade = np.array([4, 1, 4, 0])
    emergency = np.array([True, False, False, False])
    assert stage_of(load_tiers().of(tier), grade, emergency).tolist() == stages


@st.composite
def plans(draw: st.DrawFn) -> tuple[Queue, np.ndarray]:
    n = draw(st.integers(1, 12))
    classes = draw(st.integers(1, 4))
    ints = lambda high: st.lists(st.integers(0, high), min_size=n, max_size=n)  # noqa: E731
    group = np.array(draw(ints(classes - 1)))
    of_class = np.array(draw(st.lists(st.tuples(*[st.integers(0, 1)] * 3), min_size=classes, max_size=classes)))
    one = Queue(
        group=group,
        panel=of_class[group, 0],
        product=of_class[group, 1],
        stage=of_class[group, 2],
        rank=np.array(draw(st.permutations(range(n)))),
        owed_mg=(np.array(draw(ints(20))) + 1) * 5 * G,
        reducible=np.array(draw(ints(1))).astype(bool),
        mixes=np.array(draw(ints(1))).astype(bool),
    )
    given_mg = np.array(draw(st.lists(st.tuples(*[st.integers(0, 300 * G)] * 2), min_size=classes, max_size=classes)))
    return one, given_mg


@settings(max_examples=150, deadline=None)
@given(plans())
def test_never_more_than_planned_never_more_than_owed(case: tuple[Queue, np.ndarray]) -> None:
    one, given_mg = case
    vial_mg = np.array([5 * G, 2 * G])
    issue = serve_plan(one, given_mg, smallest_share=0.5, vial_mg=vial_mg, panels=2)
    assert (issue.mg > 0).all()
    assert len({*zip(issue.person.tolist(), issue.product.tolist(), strict=True)}) == len(issue.person)
    got, parts = np.zeros(len(one.group), dtype=np.int64), np.bincount(issue.person, minlength=len(one.group))
    np.add.at(got, issue.person, issue.mg)
    assert one.mixes[parts > 1].all()
    whole = got == one.owed_mg
    assert whole[parts > 1].all()
    assert (got <= one.owed_mg).all()
    assert (whole | (got == 0) | (one.reducible & (got >= 0.5 * one.owed_mg))).all()
    planned = np.zeros((2, 2), dtype=np.int64)
    for group, panel in {(int(g), int(p)) for g, p in zip(one.group, one.panel, strict=True)}:
        planned[panel] += given_mg[group]
    used = np.zeros((2, 2), dtype=np.int64)
    np.add.at(used, (one.panel[issue.person], issue.product), issue.mg)
    assert (used <= planned).all()
