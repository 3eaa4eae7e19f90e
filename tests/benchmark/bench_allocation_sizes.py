"""How the cost of an allocation grows: one panel of 80 patients, the country, 500 panels, a million patients.

    python tests/benchmark/bench_allocation_sizes.py [--rounds 5] [--out reports/bench_allocation_sizes.json]

Instances are drawn as arrays. Arcs are those of the network as it is written down: a class and each product it may
take, and a move for each panel and product that the tier lets travel. Time is put beside arcs times their logarithm;
only how these grow together means anything. For the million, seconds of each step and peak memory are told; patients
are served their vials for a part of them (``--vials``), since that step is linear in patients.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from bench_allocation import AS_OF, SHARE, WEEKS, WITHDRAWN

from allocation.cohort.demand import demand_table
from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.grading import grade_cohort
from allocation.optimise import Problem, build_problem, make_stock, serve_patients, solve
from allocation.optimise.network import index_problem
from allocation.quantities import to_mg
from allocation.rules import ProductSet, load_panels, load_products, load_rulebook, load_tiers

IV, SC, GRADES = 10, 4, (4, 3, 2, 1)
LOCKED, SPREAD, REGION = 0.1, (0.2, 1.2), 20
LEAST_SECONDS = 0.25


def drawn(panels: int, tier: int, *, patients: int | None = None, seed: int = 1) -> Problem:
    """Demand of every grade and product at every panel, or of some patients alone; stock at 70 % of it, uneven."""
    rng = np.random.default_rng(seed)
    every = load_products().product
    chosen = [p for p in every if p.route == "IV"][:IV] + [p for p in every if p.route == "SC"][:SC]
    names = tuple(f"P{number:03}" for number in range(panels))
    at = [part.ravel() for part in np.meshgrid(np.arange(panels), GRADES, np.arange(len(chosen)), indexing="ij")]
    if patients is not None:
        at = [part[rng.integers(0, len(part), patients)] for part in at]
    rows = pd.DataFrame(
        {
            "panel": np.array(names, dtype=object)[at[0]],
            "grade": at[1],
            "emergency": False,
            "route": np.array([product.route for product in chosen], dtype=object)[at[2]],
            "product": np.array([product.code for product in chosen], dtype=object)[at[2]],
            "locked": rng.random(len(at[0])) < LOCKED,
            "due_mg": rng.integers(1, 60, len(at[0])) * 5000,
        }
    )
    classes = rows.groupby(list(rows.columns[:-1]), as_index=False).agg(
        patients=("due_mg", "size"), due_mg=("due_mg", "sum")
    )
    classes.insert(0, "class_id", np.arange(len(classes)))
    stock = classes.groupby(["panel", "product"], as_index=False)["due_mg"].sum()
    share = SHARE * rng.uniform(*SPREAD, len(stock))
    return Problem(
        tier=load_tiers().of(tier),
        panels=names,
        region_of=tuple(f"R{number // REGION:02}" for number in range(panels)),
        products=ProductSet(product=tuple(chosen)),
        classes=classes,
        stock=pd.DataFrame(
            {
                "location": stock["panel"],
                "product": stock["product"],
                "mg": (stock["due_mg"].to_numpy() * share).astype(np.int64),
            }
        ),
    )


def arcs(problem: Problem) -> int:
    """Arcs of the network: classes to products, and products at panels to the pool."""
    net = index_problem(problem)
    width = np.where(net.choice >= 0, net.choices.sum(axis=1)[net.choice] if len(net.choices) else 1, 1)
    moves = 0 if problem.tier.stock_reach == "panel" else net.n_panels * net.stock_mg.shape[1]
    return int(width.sum()) + moves


def timed(run: Callable[[], object]) -> float:
    """Mean processor seconds of a run, over a quarter of a second at least; others' work does not count."""
    runs, start = 0, time.process_time()
    while not runs or time.process_time() - start < LEAST_SECONDS:
        run()
        runs += 1
    return (time.process_time() - start) / runs


def growing(rounds: int) -> dict[str, Any]:
    """Seconds and arcs from 24 to 500 panels at each tier, sizes taking turns."""
    record: dict[str, Any] = {}
    for tier in (1, 2, 3, 4):
        problems = {panels: drawn(panels, tier) for panels in (24, 125, 250, 500)}
        seconds: dict[int, list[float]] = {panels: [] for panels in problems}
        for _ in range(rounds):
            for panels, problem in problems.items():
                seconds[panels].append(timed(lambda problem=problem: solve(problem)))
        print(f"\nTier {tier}")
        for panels, problem in problems.items():
            size = arcs(problem)
            times = [value / (size * math.log(size)) * 1e9 for value in seconds[panels]]
            line = {
                "arcs": size,
                "median_seconds": statistics.median(seconds[panels]),
                "ns_per_arc_log": statistics.median(times),
                "spread": [min(times), max(times)],
            }
            record[f"tier {tier}, {panels} panels"] = line
            spread = f"{min(times):.0f} to {max(times):.0f}"
            print(
                f"  {panels:4} panels {size:8} arcs {line['median_seconds'] * 1000:9.1f} ms"
                f"   {line['ns_per_arc_log']:6.0f} ns an arc x log ({spread})",
                flush=True,
            )
    return record


def smallest(rounds: int) -> dict[str, float]:
    """Seconds for one panel of 80 patients at each tier."""
    found = {}
    for tier in (1, 2, 3, 4):
        problem = drawn(1, tier, patients=80)
        found[f"tier {tier}"] = statistics.median(timed(lambda problem=problem: solve(problem)) for _ in range(rounds))
    print("\nOne panel, 80 patients: " + ", ".join(f"{name} {value * 1000:.1f} ms" for name, value in found.items()))
    return found


def million(patients: int, vials: int) -> dict[str, float]:
    """Seconds of each step for a million patients, and peak memory in GB."""
    rulebook, products, panels = load_rulebook("nhs"), load_products(), load_panels()
    cohort = generate_cohort(
        patients=17_000,
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
    shelf = made[made["product"] != WITHDRAWN].assign(vial_mg=lambda frame: to_mg(frame["vial_g"].to_numpy()))
    tier = load_tiers().of(4)
    found: dict[str, float] = {}
    for name, count, serve in (("vials", vials, True), ("million", patients, False)):
        many = pd.concat([demand] * -(-count // len(demand)), ignore_index=True).iloc[:count]
        many = many.assign(patient_id=[f"Q{number:07}" for number in range(count)])
        stock = shelf.assign(vials=shelf["vials"] * count // len(demand))
        start = time.perf_counter()
        problem = build_problem(many, stock, tier=tier, panels=panels, products=products)
        built = time.perf_counter()
        plan = solve(problem)
        found |= {f"{name}: build_problem, s": built - start, f"{name}: solve, s": time.perf_counter() - built}
        if serve:
            start = time.perf_counter()
            serve_patients(many, problem, plan, stock, seed=1)
            found[f"{name}: serve_patients of {count}, s"] = time.perf_counter() - start
    # Kilobytes on Linux, bytes on macOS.
    found["peak memory, GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1e9 if sys.platform == "darwin" else 1e6
    )
    for name, value in found.items():
        print(f"  {name}: {value:.2f}")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--patients", type=int, default=1_000_000)
    parser.add_argument("--vials", type=int, default=17_000, help="patients who are served vials")
    parser.add_argument("--out", type=Path, default=Path("reports/bench_allocation_sizes.json"))
    options = parser.parse_args(arguments)
    machine = {"system": platform.platform(), "processor": platform.machine(), "python": platform.python_version()}
    print(machine)
    record = {
        "machine": machine,
        "80 patients": smallest(options.rounds),
        "panels": growing(options.rounds),
    }
    print(f"\n{options.patients} patients, tier 4")
    record["patients"] = million(options.patients, options.vials)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8", newline="\n")
    print(f"\nWritten to {options.out}")


if __name__ == "__main__":
    main()
