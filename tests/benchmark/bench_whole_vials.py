"""What dealing vials anew brings and takes, in small pools.

    python tests/benchmark/bench_whole_vials.py [--rounds 5] [--out FILE]

Serves the same plans with the vials dealt anew and without, in turn, and checks each result: a panel of 80 patients
drawn from the national cohort, the sample cohort of 400, and the national cohort.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import pandas as pd

from allocation.optimise import (
    PatientResult,
    build_problem,
    emergency_reserve,
    make_stock,
    serve_patients,
    solve,
    verify,
)
from allocation.optimise.rearrange import Rearranging
from allocation.optimise.stock import check_stock
from allocation.tables import text_frame
from allocation.workflow.cohorts import demand_of, read
from allocation.workflow.rules_in_use import RulesInUse, load_rules
from allocation.workflow.serving import grams_of

FOLDER = Path(__file__).resolve().parents[2] / "data" / "patient_cohorts"
AS_OF, WEEKS = date(2026, 11, 1), 4
SHARES, TIERS = (0.6, 0.85), (1, 2, 3, 4)
PANEL, PATIENTS = "SRIAP11", 80


@dataclass(frozen=True)
class Measured:
    """One stock at one tier: grams planned and lost, patients treated and given nothing, seconds."""

    cohort: str
    share: float
    tier: int
    planned_g: float
    lost_before_g: float
    lost_g: float
    treated_before: int
    treated: int
    nothing_before: int
    nothing: int
    questions: int
    unproven: int
    seconds_before: float
    seconds: float


def cohorts(rules: RulesInUse) -> Iterator[tuple[str, pd.DataFrame]]:
    def demand(name: str) -> pd.DataFrame:
        found = read(FOLDER / name, strict=False, rules=rules)
        return demand_of(found, as_of=AS_OF, weeks=WEEKS, strict=False, rules=rules)[1]

    national = demand("national_cohort.parquet")
    one = national[national["panel"] == PANEL].sample(PATIENTS, random_state=1).sort_index()
    yield f"one panel, {PATIENTS} patients", one.reset_index(drop=True)
    yield "sample, 400 patients", demand("sample_cohort.csv")
    yield "national, 10,000 patients", national


def measure(name: str, demand: pd.DataFrame, share: float, number: int, rules: RulesInUse, rounds: int) -> Measured:
    made = make_stock(demand, products=rules.products, panels=rules.panels, share=share, seed=0, as_of=AS_OF)
    stock = check_stock(text_frame(made), "made", products=rules.products, panels=rules.panels, as_of=AS_OF).good
    tier = rules.tiers.of(number)
    problem = build_problem(
        demand,
        grams_of(stock),
        tier=tier,
        panels=rules.panels,
        products=rules.products,
        reserve=emergency_reserve(demand, tier, rules.panels, weeks=WEEKS),
    )
    plan = solve(problem)
    anew = Rearranging.more_for
    taken: dict[bool, list[float]] = {False: [], True: []}
    results: dict[bool, PatientResult] = {}
    for _ in range(rounds):
        for dealt in (False, True):
            Rearranging.more_for = anew if dealt else lambda _self, _patient, _others: []  # type: ignore[method-assign]
            start = time.perf_counter()
            results[dealt] = serve_patients(demand, problem, plan, stock, seed=1)
            taken[dealt].append(time.perf_counter() - start)
    Rearranging.more_for = anew  # type: ignore[method-assign]
    verify(problem, plan, demand=demand, stock=stock, result=results[True]).raise_if_failed()
    before, after = results[False], results[True]
    return Measured(
        *(name, share, number, float(plan.given["mg"].sum()) / 1000),
        *(result.rounding[-1].lost_mg / 1000 for result in (before, after)),
        *(int((result.patients["status"] == "treated").sum()) for result in (before, after)),
        *(int(result.patients["status"].isin(["deferred", "suspended"]).sum()) for result in (before, after)),
        *(after.rearranged.asked, after.rearranged.unproven),
        *(statistics.median(taken[dealt]) for dealt in (False, True)),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    rules = load_rules().on(AS_OF)
    found = []
    print("| cohort | stock | tier | planned, g | lost, g | treated | given nothing | questions (unproven) | seconds |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, demand in cohorts(rules):
        for share in SHARES:
            for tier in TIERS:
                m = measure(name, demand, share, tier, rules, chosen.rounds)
                found.append(asdict(m))
                print(
                    f"| {name} | {share:.0%} | {tier} | {m.planned_g:,.0f} | {m.lost_before_g:,.0f} -> {m.lost_g:,.0f} "
                    f"| {m.treated_before:,} -> {m.treated:,} | {m.nothing_before:,} -> {m.nothing:,} "
                    f"| {m.questions} ({m.unproven}) | {m.seconds_before:.2f} -> {m.seconds:.2f} |",
                    flush=True,
                )
    if chosen.out is not None:
        chosen.out.write_text(json.dumps(found, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
