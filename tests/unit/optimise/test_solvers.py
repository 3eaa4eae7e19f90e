"""Both solvers hold a program and solve it again and again."""

from __future__ import annotations

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from allocation.errors import SolverError
from allocation.optimise.linear import INFINITY, LinearProgram, Row
from allocation.optimise.program import solve
from allocation.optimise.solvers import open_quickly, open_session, solver_title


def two_columns():
    """x + y at most 4, each at most 3."""
    program = LinearProgram()
    program.add_columns([3.0, 3.0])
    program.add_row([0, 1], [1.0, 1.0], low=-INFINITY, high=4.0)
    return program


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_a_program_is_changed_between_solves(solver):
    session = open_session(solver)(two_columns())
    first = session.minimise([0, 1], [-2.0, -1.0])
    assert first.x.tolist() == pytest.approx([3, 1])
    assert first.objective == pytest.approx(-7)
    assert abs(first.row_dual[0]) == pytest.approx(1)
    session.bound([0], np.array([0.0]), np.array([0.5]))
    assert session.minimise([0, 1], [-2.0, -1.0]).x.tolist() == pytest.approx([0.5, 3])
    rows = session.add_rows([Row([0, 1], [1.0, 1.0], 0.7, 2.0), Row([1], [1.0], -INFINITY, 0.25)])
    assert session.minimise([0, 1], [-2.0, -1.0]).x.tolist() == pytest.approx([0.5, 0.25], abs=1e-6)
    session.free(rows[1:])
    assert session.minimise([1], [-1.0]).x.sum() == pytest.approx(2)
    assert session.minimise([0, 1], [1.0, 1.0]).x.sum() == pytest.approx(0.7)
    session.free(rows[:1])
    assert session.minimise([], []).objective == 0


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_only_a_proven_optimum_is_a_result(solver):
    impossible = two_columns()
    impossible.add_row([0, 1], [1.0, 1.0], low=9.0, high=INFINITY)
    with pytest.raises(SolverError, match="no optimum"):
        open_session(solver)(impossible).minimise([0], [1.0])
    endless = LinearProgram()
    endless.add_columns([INFINITY])
    endless.add_row([0], [1.0], low=0.0, high=INFINITY)
    with pytest.raises(SolverError, match="no optimum"):
        open_session(solver)(endless).minimise([0], [-1.0])


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_a_program_without_columns_is_solved(solver):
    assert open_session(solver)(LinearProgram()).minimise([], []).objective == 0


def transport(seed):
    """From places to panels at random costs; every fifth asks for more than there is."""
    rng = np.random.default_rng(seed)
    places, panels = rng.integers(1, 6, size=2)
    program = LinearProgram()
    program.add_columns(rng.integers(1, 50, size=places * panels).astype(float))
    at = np.arange(places * panels).reshape(places, panels)
    for row in at:
        program.add_row(row.tolist(), [1.0] * panels, low=-INFINITY, high=float(rng.integers(1, 90)))
    for column in at.T:
        program.add_row(column.tolist(), [1.0] * places, low=1e6 if seed % 5 == 0 else 0.5, high=INFINITY)
    return program, rng.random(places * panels)


def answers(opener, seeds):
    """Bytes of the values and duals of each program, or that there is none."""
    found = {}
    for seed in seeds:
        program, cost = transport(seed)
        try:
            solution = opener(program).minimise(np.arange(len(cost)), cost)
            found[seed] = solution.x.tobytes(), solution.row_dual.tobytes()
        except SolverError:
            found[seed] = None
    return found


def test_a_solver_kept_from_week_to_week_brings_nothing_along():
    seeds = list(range(150))
    fresh = answers(open_quickly("highs"), seeds)
    assert sum(answer is not None for answer in fresh.values()) > 50
    assert sum(answer is None for answer in fresh.values()) >= 30
    for order in range(3):
        random.Random(order).shuffle(seeds)
        assert answers(open_quickly("highs", in_turn=True), seeds) == fresh


def test_each_thread_keeps_a_solver_of_its_own():
    seeds = list(range(60))
    fresh = answers(open_quickly("highs"), seeds)
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(lambda _: answers(open_quickly("highs", in_turn=True), seeds), range(8)):
            assert found == fresh


def test_cbc_gives_back_more_than_the_eight_digits_it_writes():
    program = LinearProgram()
    program.add_columns([123456.789123])
    program.add_row([0], [1.0], low=-INFINITY, high=123456.789122)
    assert open_session("cbc")(program).minimise([0], [-1.0]).x[0] == pytest.approx(123456.789122, abs=1e-7)


def test_another_solver_is_refused(small):
    with pytest.raises(SolverError, match="highs or cbc"):
        solve(small.problem(small.patients({"due_g": 1}), small.grams(), 1), solver="abacus")


def test_solvers_are_named_with_their_version():
    assert solver_title("highs").startswith("HiGHS 1.15")
    assert "PuLP 3.3" in solver_title("cbc")


def test_solvers_are_not_loaded_before_they_are_needed():
    late = "assert not {'pulp', 'highspy'} & set(sys.modules)"
    code = f"import sys, allocation.optimise.program, allocation.optimise.solvers; {late}"
    subprocess.run([sys.executable, "-c", code], check=True)
