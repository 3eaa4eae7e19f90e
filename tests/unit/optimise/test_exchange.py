"""The small integer program: how much one patient could be given, were others given something else."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.errors import SolverError
from allocation.optimise.exchange import Exchange, Group, most_by_exchange
from allocation.optimise.linear import INFINITY, LinearProgram
from allocation.optimise.packing import packed
from allocation.optimise.solvers import open_whole

SOLVERS = ("highs", "cbc")
A, B, C = 0, 1, 2


def asked(*, due=40_000, least=None, groups=(), vials, products=(A, B), own=A, **rest) -> Exchange:
    """A question of somebody whose own product is A, with no limit on switching unless one is given."""
    return Exchange(
        panel=0,
        own=own,
        products=products,
        least_mg=due if least is None else least,
        due_mg=due,
        groups=tuple(groups),
        vials=vials,
        switch_mg=rest.get("switch_mg", {}),
        most_changed=rest.get("most_changed"),
    )


@pytest.fixture(params=SOLVERS)
def found(request):
    return lambda question: most_by_exchange(question, open_whole(request.param))


def test_another_gives_up_the_only_product_that_makes_the_course(found):
    group = Group(panel=0, own=A, products=(A, B), mg=20_000, now={A: 1})
    answer = found(asked(groups=[group], vials={A: {20_000: 2}, B: {20_000: 1}}))
    assert (answer.mg, answer.product, answer.after) == (40_000, A, ({B: 1},))


def test_nobody_is_changed_where_that_is_not_needed(found):
    group = Group(panel=0, own=A, products=(A, B), mg=20_000, now={A: 1})
    answer = found(asked(due=20_000, groups=[group], vials={A: {20_000: 2}, B: {20_000: 2}}))
    assert (answer.mg, answer.product, answer.after) == (20_000, A, ({A: 1},))


def test_vials_of_one_product_are_shared_in_another_way(found):
    """Two have 10 g in small vials and 10 g is left in one piece: they take that, and 5 g + 5 g are free."""
    group = Group(panel=0, own=A, products=(A,), mg=10_000, now={A: 1})
    question = asked(due=10_000, least=5_000, groups=[group], vials={A: {5_000: 2, 10_000: 1}}, products=(A,))
    assert found(question).mg == 10_000


def test_large_vials_do_not_count_for_small_courses(found):
    """Of 20 g in one vial nobody who is due 10 g can have anything, though the grams would do for two."""
    group = Group(panel=0, own=A, products=(A,), mg=10_000, now={A: 1})
    assert found(asked(due=10_000, groups=[group], vials={A: {10_000: 1, 20_000: 1}}, products=(A,))) is None


def test_least_of_use_binds(found):
    vials = {A: {10_000: 1}}
    assert found(asked(least=20_000, vials=vials, products=(A,))) is None
    assert found(asked(least=10_000, vials=vials, products=(A,))).mg == 10_000


def test_several_move_up_in_a_row_unless_only_one_may(found):
    """The asker needs A; who has A can only take B; who has B can only take C."""
    groups = [
        Group(panel=0, own=A, products=(A, B), mg=20_000, now={A: 1}),
        Group(panel=0, own=B, products=(B, C), mg=20_000, now={B: 1}),
    ]
    vials = {A: {20_000: 1}, B: {20_000: 1}, C: {20_000: 1}}
    chain = {"due": 20_000, "groups": groups, "vials": vials, "products": (A,)}
    assert found(asked(**chain)).after == ({B: 1}, {C: 1})
    assert found(asked(**chain, most_changed=1)) is None


def test_switching_keeps_within_its_limit(found):
    group = Group(panel=0, own=A, products=(A, B), mg=20_000, now={A: 1})
    question = {"due": 20_000, "groups": [group], "vials": {A: {20_000: 1}, B: {20_000: 1}}, "products": (A,)}
    assert found(asked(**question, switch_mg={0: 20_000})).after == ({B: 1},)
    assert found(asked(**question, switch_mg={0: 19_999})) is None


def test_of_equal_grams_the_fewest_are_of_another_product(found):
    """Either of two may give way; the one whose own product is left does."""
    groups = [
        Group(panel=0, own=A, products=(A, B), mg=20_000, now={A: 1}),
        Group(panel=0, own=B, products=(A, B), mg=20_000, now={A: 1}),
    ]
    answer = found(asked(due=20_000, groups=groups, vials={A: {20_000: 2}, B: {20_000: 1}}, products=(A,)))
    assert answer.after == ({A: 1}, {B: 1})


def test_where_no_vial_fits_there_is_no_program():
    def never(_program):
        raise AssertionError("a program was opened")

    assert most_by_exchange(asked(vials={A: {}, B: {}}), never) is None


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_cannot_be_is_no_answer(solver):
    """Twice a whole number is never odd."""
    program = LinearProgram()
    program.whole.extend(program.add_columns([9.0]).tolist())
    program.add_row([0], [2.0], low=5.0, high=5.0)
    with pytest.raises(SolverError, match="no optimum"):
        open_whole(solver)(program).minimise([0], [1.0])


@pytest.mark.parametrize("solver", SOLVERS)
def test_what_is_not_proven_in_its_branches_is_no_answer(solver):
    """Five sums of forty amounts, each to be halved: known to take far more branches than there are."""
    rng, program = np.random.default_rng(1), LinearProgram()
    columns = program.add_columns([1.0] * 40).tolist()
    program.whole.extend(columns)
    off = []
    for amounts in rng.integers(0, 100, (5, 40)):
        over, under = program.add_columns([INFINITY, INFINITY]).tolist()
        half = float(amounts.sum() // 2)
        program.add_row([*columns, over, under], [*map(float, amounts), 1.0, -1.0], low=half, high=half)
        off += [over, under]
    with pytest.raises(SolverError, match="no optimum"):
        open_whole(solver)(program).minimise(off, [1.0] * len(off))


def test_another_solver_is_refused():
    with pytest.raises(SolverError, match="highs or cbc"):
        open_whole("abacus")


@st.composite
def questions(draw) -> Exchange:
    grams = st.sampled_from((5_000, 10_000, 15_000, 20_000))
    may = st.sampled_from(((A,), (B,), (A, B)))
    sizes = st.sampled_from((2_500, 5_000, 10_000, 20_000))
    having = []
    for _ in range(draw(st.integers(0, 3))):
        products = draw(may)
        having.append((draw(st.sampled_from(products)), products, draw(grams)))
    vials = {p: draw(st.dictionaries(sizes, st.integers(1, 3), max_size=3)) for p in (A, B)}
    # Those served have what they have in vials that are there.
    for at, _, mg in having:
        size, count = (5_000, 3) if mg == 15_000 else (mg, 1)
        vials[at][size] = vials[at].get(size, 0) + count
    groups = [Group(panel=0, own=at, products=products, mg=mg, now={at: 1}) for at, products, mg in having]
    due = draw(grams)
    limit = draw(st.sampled_from(({}, {0: 0}, {0: 10_000}, {0: 25_000})))
    return asked(
        due=due,
        least=draw(st.sampled_from((1, due // 2, due))),
        groups=groups,
        vials=vials,
        products=draw(may),
        own=draw(st.sampled_from((A, B))),
        switch_mg=limit,
        most_changed=draw(st.sampled_from((None, 0, 1))),
    )


def by_trying_all(question: Exchange) -> int:
    """The most, by every way of having products and every packing."""
    best = 0
    for deal in product(*(group.products for group in question.groups)):
        changed = sum(p not in group.now for p, group in zip(deal, question.groups, strict=True))
        if question.most_changed is not None and changed > question.most_changed:
            continue
        for mine in question.products:
            for level in range(question.least_mg, question.due_mg + 1):
                if level % 2_500 or level <= best:
                    continue
                switched = sum(g.mg for p, g in zip(deal, question.groups, strict=True) if p != g.own) + level * (
                    mine != question.own
                )
                if switched > question.switch_mg.get(0, switched):
                    continue
                needs = {A: [], B: []}
                for p, group in zip(deal, question.groups, strict=True):
                    needs[p].append(group.mg)
                needs[mine].append(level)
                if all(packed(of, question.vials[p]) is not None for p, of in needs.items()):
                    best = level
    return best


@settings(deadline=None)
@given(questions())
def test_the_answer_is_the_most_that_any_deal_makes(question):
    answer = most_by_exchange(question, open_whole("highs"))
    assert (0 if answer is None else answer.mg) == by_trying_all(question)


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(questions())
def test_both_solvers_find_the_same_amount(question):
    one, other = (most_by_exchange(question, open_whole(solver)) for solver in SOLVERS)
    assert (one and one.mg) == (other and other.mg)
