"""How long an allocation takes, against plain ways of doing the same in PuLP.

    python tests/benchmark/bench_allocation.py [--rounds 5] [--patients 17000] [--out reports/bench_allocation.json]

One national instance, a product withdrawn and the rest at 70 % of four weeks' demand, at each tier. The ways are run in
turn, round after round, so that a noisy machine troubles all of them alike; only the ratios of one run mean anything.
In a round each way runs for a quarter of a second at least, and its time is the mean of its runs: one run of a few
milliseconds would tell more of the machine's scheduler than of the work.

- ``ours``: ``allocation.optimise.solve``, full leximin.
- ``ours, program``: the same with every share found by the staged program in HiGHS, none by proof.
- ``naive``: the program as one writes it down, ``move[location, panel, product]`` and ``give[class, product]``, built
  anew in PuLP and solved by CBC at each stage. Fairness is the least share alone, which is less than ours does.
- ``in place``: that program built once and edited in HiGHS between stages.
- ``scipy``, ``pyomo``: the rows of that program in these two (``allocation_peers.py``).

The textbook form with one variable for each location, product and class is run at tier 3 of one region, since
nationally it has half a million variables. Each way must reach the same grams unmet and the same least shares, or the
run stops.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pulp
from allocation_peers import Rows, by_pyomo, by_scipy, rows_of

from allocation.cohort.demand import demand_table
from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.grading import grade_cohort
from allocation.optimise import Problem, build_problem, emergency_reserve, make_stock, solve
from allocation.optimise.verify_rules import DemandClass, Rules
from allocation.quantities import to_mg
from allocation.rules import load_panels, load_products, load_rulebook, load_tiers

AS_OF, WEEKS, SHARE, WITHDRAWN = date(2026, 11, 1), 4, 0.7, "gamunex_10"
CLOSE = 1e-4
LEAST_SECONDS = 0.25


def national_problems(patients: int) -> dict[int, Problem]:
    """One problem a tier, of the same patients and the same stock."""
    rulebook, products, panels = load_rulebook("nhs"), load_products(), load_panels()
    cohort = generate_cohort(
        patients=patients,
        seed=1,
        as_of=AS_OF,
        rulebook=rulebook,
        panels=panels,
        products=products,
        epidemiology=load_epidemiology(),
    )
    graded = grade_cohort(rulebook, cohort, AS_OF)
    demand = demand_table(graded, rulebook=rulebook, products=products, as_of=AS_OF, weeks=WEEKS)
    made = make_stock(demand, products=products, panels=panels, share=SHARE, national_share=0.1, seed=1, as_of=AS_OF)
    stock = made[made["product"] != WITHDRAWN].assign(vial_mg=lambda frame: to_mg(frame["vial_g"].to_numpy()))
    problems = {}
    for tier in load_tiers().tier:
        reserve = emergency_reserve(demand, tier, panels, weeks=WEEKS)
        problems[tier.tier] = build_problem(demand, stock, tier=tier, panels=panels, products=products, reserve=reserve)
    return problems


def one_region(problem: Problem, region: str) -> Problem:
    """The part of a problem that lies in one region."""
    members = [panel for panel, name in zip(problem.panels, problem.region_of, strict=True) if name == region]
    held = problem.reserve_mg
    return Problem(
        tier=problem.tier,
        panels=tuple(members),
        region_of=(region,) * len(members),
        products=problem.products,
        classes=problem.classes[problem.classes["panel"].isin(members)],
        stock=problem.stock[problem.stock["location"].isin(members)],
        reserve_mg=None if held is None else held[held["pool"] == region],
    )


class Plain:
    """The program written down plainly. ``textbook`` has a variable for each location, product and class."""

    def __init__(self, problem: Problem, *, textbook: bool = False) -> None:
        self.rules, self.textbook = Rules(problem), textbook
        self.classes = [c for c in self.rules.classes.values() if c.stage >= 0 and c.due_mg]
        self.cells: dict[tuple[object, ...], list[DemandClass]] = {}
        for c in self.classes:
            self.cells.setdefault(c.cell, []).append(c)

    def stated(self) -> tuple[pulp.LpProblem, dict[str, Any], dict[str, Any]]:
        """The program without an objective, its totals, and a level variable for each stage."""
        prob = pulp.LpProblem("plain", pulp.LpMinimize)
        give, moved, used = (self._textbook if self.textbook else self._split)(prob)
        rules = self.rules
        held: dict[tuple[str, str], Any] = {}
        for pool, mg in rules.reserve.items():
            for product in rules.routes:
                stock = sum(rules.stock.get((at, product), 0) for at in rules.pools[pool]) / 1000
                if stock and "IV" in rules.routes[product]:
                    held[pool, product] = prob.add_variable(f"hold_{pool}_{product}", 0, stock)
                    out = [used[at, product] for at in rules.pools[pool] if (at, product) in used]
                    prob += pulp.lpSum([*out, held[pool, product]]) <= stock
            prob += pulp.lpSum(var for (name, _), var in held.items() if name == pool) <= mg / 1000
        for c in self.classes:
            prob += pulp.lpSum(give[c.id].values()) <= c.due_mg / 1000
        switched = [var for c in self.classes for p, var in give[c.id].items() if c.own not in ("", p)]
        if rules.switch_limit is not None:
            for panel, mg in rules.switch_limit.items():
                mine = [
                    var
                    for c in self.classes
                    for p, var in give[c.id].items()
                    if c.panel == panel and c.own not in ("", p)
                ]
                prob += pulp.lpSum(mine) <= mg / 1000
        totals: dict[str, Any] = {"switched": pulp.lpSum(switched), "moved": pulp.lpSum(moved)}
        totals["held"] = -pulp.lpSum(held.values())
        levels: dict[str, Any] = {}
        for number in range(len(rules.tier.stage)):
            mine = [c for c in self.classes if c.stage == number]
            served = pulp.lpSum(var for c in mine for var in give[c.id].values())
            totals[f"unmet {number}"] = sum(c.due_mg for c in mine) / 1000 - served
            level = levels[f"level {number}"] = prob.add_variable(f"level_{number}", 0, 1)
            for cell, members in self.cells.items():
                if cell[0] == number:
                    share = pulp.lpSum(var for c in members for var in give[c.id].values())
                    prob += share >= sum(c.due_mg for c in members) / 1000 * level
        return prob, totals, levels

    def _textbook(
        self, prob: pulp.LpProblem
    ) -> tuple[dict[int, dict[str, Any]], list[Any], dict[tuple[str, str], Any]]:
        give: dict[int, dict[str, Any]] = {}
        moved, out = [], {key: [] for key in self.rules.stock}
        for c in self.classes:
            parts: dict[str, list[Any]] = {}
            for (place, product), mg in self.rules.stock.items():
                if mg and product in c.allowed and self.rules.in_reach(place, c.panel):
                    x = prob.add_variable(f"x_{c.id}_{place}_{product}", 0)
                    parts.setdefault(product, []).append(x)
                    out[place, product].append(x)
                    if place != c.panel:
                        moved.append(x)
            give[c.id] = {product: pulp.lpSum(found) for product, found in parts.items()}
        used = {key: pulp.lpSum(found) for key, found in out.items()}
        for key, total in used.items():
            prob += total <= self.rules.stock[key] / 1000
        return give, moved, used

    def _split(self, prob: pulp.LpProblem) -> tuple[dict[int, dict[str, Any]], list[Any], dict[tuple[str, str], Any]]:
        rules, panels = self.rules, self.rules.problem.panels
        give = {c.id: {p: prob.add_variable(f"g_{c.id}_{p}", 0) for p in sorted(c.allowed)} for c in self.classes}
        move = {
            (place, panel, product): prob.add_variable(f"m_{place}_{panel}_{product}", 0)
            for (place, product), mg in rules.stock.items()
            for panel in panels
            if mg and rules.in_reach(place, panel)
        }
        used = {}
        for (place, product), mg in rules.stock.items():
            used[place, product] = pulp.lpSum(
                move[place, panel, product] for panel in panels if (place, panel, product) in move
            )
            prob += used[place, product] <= mg / 1000
        at: dict[tuple[str, str], list[Any]] = {}
        for c in self.classes:
            for product, var in give[c.id].items():
                at.setdefault((c.panel, product), []).append(var)
        into: dict[tuple[str, str], list[Any]] = {}
        for (_, panel, product), var in move.items():
            into.setdefault((panel, product), []).append(var)
        for key, given in at.items():
            prob += pulp.lpSum(given) <= pulp.lpSum(into.get(key, []))
        return give, [var for (place, panel, _), var in move.items() if place != panel], used

    def order(self) -> list[str]:
        """Objectives in order; a level is raised, so it stands for its negative."""
        names = []
        for number in range(len(self.rules.tier.stage)):
            names += [f"unmet {number}", f"level {number}"]
            if number == 0 and self.rules.reserve:
                names.append("held")
        return [*names, "switched", "moved"]

    def rows(self) -> Rows:
        """The program in plain lists, for other tools."""
        prob, totals, levels = self.stated()
        return rows_of(prob, {**totals, **{key: -1 * var for key, var in levels.items()}}, self.order())

    def rebuilt(self) -> dict[str, float]:
        """Everything stated anew for CBC at each stage."""
        found: dict[str, float] = {}
        for name in self.order():
            prob, totals, levels = self.stated()
            goals = {**totals, **{key: -1 * var for key, var in levels.items()}}
            for earlier, value in found.items():
                # CBC tells its answer in eight digits.
                prob += goals[earlier] <= value + 1e-6 + 2e-7 * abs(value)
            prob.setObjective(pulp.LpAffineExpression(goals[name]))
            prob.solve(pulp.COIN_CMD(path=pulp.PULP_CBC_CMD.pulp_cbc_path, msg=False))
            assert prob.sol_status == pulp.LpSolutionOptimal, pulp.LpStatus[prob.status]
            found[name] = float(pulp.value(goals[name]))
        return found

    def in_place(self) -> dict[str, float]:
        """Stated once; HiGHS is given each objective in turn and keeps its basis."""
        prob, totals, levels = self.stated()
        goals = {key: pulp.LpAffineExpression(goal) for key, goal in totals.items()}
        goals |= {key: pulp.LpAffineExpression(-1 * var) for key, var in levels.items()}
        prob.setObjective(goals["moved"])
        solver = pulp.HiGHS(msg=False, threads=1, solver="simplex", random_seed=1)
        solver.createAndConfigureSolver(prob)
        solver.buildSolverModel(prob)
        model = prob.solverModel
        every = np.arange(model.getNumCol(), dtype=np.int32)
        found: dict[str, float] = {}
        for name in self.order():
            goal = goals[name]
            at = np.array([var.index for var in goal], dtype=np.int32)
            cost = np.zeros(len(every))
            cost[at] = list(goal.values())
            model.changeColsCost(len(every), every, cost)
            model.run()
            assert model.modelStatusToString(model.getModelStatus()) == "Optimal"
            value = float(cost @ np.array(model.getSolution().col_value))
            model.addRow(-np.inf, value + 1e-6, len(at), at, cost[at])
            found[name] = value + goal.constant
        return found


def ours(problem: Problem, *, by_program: bool = False) -> dict[str, float]:
    """Our objectives under the names of the plain program."""
    plan = solve(problem, by_program=by_program)
    by_name = {item.name: item.value for item in plan.objectives}
    found = {}
    for number, stage in enumerate(problem.tier.stage):
        found[f"unmet {number}"] = by_name[f"{stage.name}: unmet, g"]
        found[f"level {number}"] = -by_name[f"{stage.name}: least share served"]
    return found


def agree(results: dict[str, dict[str, float]]) -> None:
    """Stop where two ways differ in grams unmet or a least share."""
    first = next(iter(results.values()))
    for way, found in results.items():
        for name, value in first.items():
            if abs(found[name] - value) > CLOSE * max(1.0, abs(value)):
                sys.exit(f"{way} differs in {name}: {found[name]} against {value}")


def race(ways: dict[str, Callable[[], dict[str, float]]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each way in each round, the ways taking turns."""
    agree({way: run() for way, run in ways.items()})
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, run in ways.items():
            runs, start = 0, time.perf_counter()
            while not runs or time.perf_counter() - start < LEAST_SECONDS:
                run()
                runs += 1
            seconds[way].append((time.perf_counter() - start) / runs)
    return seconds


def told(title: str, seconds: dict[str, list[float]]) -> dict[str, Any]:
    """Print what each way takes against ours, round by round, with the spread; return it."""
    print(f"\n{title}")
    lines = {}
    for way, times in seconds.items():
        ratios = sorted(slow / fast for slow, fast in zip(times, seconds["ours"], strict=True))
        median = statistics.median(times)
        lines[way] = {"median_seconds": median, "times_ours": statistics.median(ratios), "ratios": ratios}
        spread = f"{ratios[0]:.1f} to {ratios[-1]:.1f}"
        print(
            f"  {way:14} {median * 1000:10.1f} ms   {lines[way]['times_ours']:8.1f} times ours ({spread})", flush=True
        )
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patients", type=int, default=17_000)
    parser.add_argument("--no-peers", action="store_true", help="leave out SciPy and Pyomo")
    parser.add_argument("--tiers", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--out", type=Path, default=Path("reports/bench_allocation.json"))
    options = parser.parse_args(arguments)
    problems = national_problems(options.patients)
    machine = {"system": platform.platform(), "processor": platform.machine(), "python": platform.python_version()}
    print(machine, f"{len(problems[4].classes)} classes", f"{options.rounds} rounds", sep="; ")
    record: dict[str, Any] = {"machine": machine, "classes": len(problems[4].classes), "cases": {}}
    for number in options.tiers:
        problem = problems[number]
        plain = Plain(problem)
        ways: dict[str, Callable[[], dict[str, float]]] = {
            "ours": lambda problem=problem: ours(problem),
            "ours, program": lambda problem=problem: ours(problem, by_program=True),
            "in place": plain.in_place,
            "naive": plain.rebuilt,
        }
        if not options.no_peers:
            rows = plain.rows()
            ways |= {"scipy": lambda rows=rows: by_scipy(rows), "pyomo": lambda rows=rows: by_pyomo(rows)}
        title = f"National, tier {number}"
        record["cases"][title] = told(title, race(ways, options.rounds))
    if 3 in options.tiers:
        region = one_region(problems[3], "London")
        ways = {"ours": lambda: ours(region), "textbook": Plain(region, textbook=True).rebuilt}
        record["cases"]["London, tier 3"] = told("London, tier 3", race(ways, options.rounds))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8", newline="\n")
    print(f"\nWritten to {options.out}")


if __name__ == "__main__":
    main()
