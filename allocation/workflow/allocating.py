"""Share a stock out once, and leave a folder that says who gets what, from where and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

from allocation.errors import Fault, InputError
from allocation.quantities import DAYS_PER_WEEK, MG_PER_G, to_g
from allocation.records import manifest, new_folder
from allocation.workflow.beside_the_tier import put_beside, read_limits, told_of, told_wrong
from allocation.workflow.cohorts import CohortRead, demand_of, read
from allocation.workflow.looking_ahead import check_horizon, look
from allocation.workflow.noticing import notice, over_weeks
from allocation.workflow.panel_facts import panel_cohort, panel_stock
from allocation.workflow.rules_in_use import RulesInUse
from allocation.workflow.run_folder import outputs_of, write_json
from allocation.workflow.serving import grams_of, serve_now

if TYPE_CHECKING:
    import pandas as pd

    from allocation.optimise import Certificate, PatientResult, Plan, Problem
    from allocation.rules import Entry

__all__ = ["SOLVERS", "AllocationDone", "StockMade", "allocate", "describe_policies", "make_stock"]

SOLVERS = ("highs", "cbc")
_LEVERS = ("full", "reduced", "reduced_given", "stretched", "deferred")
_WEEKS_LOW, _WEEKS_HIGH = 0, 104


@dataclass(frozen=True, slots=True)
class AllocationDone:
    """What an allocation said in a few sentences, what is to be known of it, and what was set aside on the way."""

    read: CohortRead
    faults: tuple[Fault, ...]
    rows_set_aside: int
    limits_set_aside: int
    headlines: tuple[str, ...]
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StockMade:
    """Lines and grams of a synthetic stock file, and how the cohort behind it was read."""

    read: CohortRead
    lines: int
    grams: float


def make_stock(
    *, cohort: Path, as_of: date, out: Path, share: float, weeks: float, seed: int, rules: RulesInUse
) -> StockMade:
    """Write synthetic stock worth a share of a cohort's demand.

    Raises
    ------
    InputError
        Where the cohort cannot be used, a number is out of range, or the file cannot be written.
    """
    from allocation.optimise import make_stock as make
    from allocation.tables import write_table

    _check_weeks(weeks)
    found = read(cohort, strict=False, rules=rules)
    found, demand = demand_of(found, as_of=as_of, weeks=weeks, strict=False, rules=rules)
    stock = make(demand, products=rules.products, panels=rules.panels, share=share, seed=seed, as_of=as_of)
    write_table(stock, out)
    return StockMade(found, len(stock), float((stock["vial_g"] * stock["vials"]).sum()))


def allocate(
    *,
    cohort: Path,
    stock: Path,
    tier: int,
    as_of: date,
    weeks: float,
    policy: str,
    solver: str,
    seed: int,
    strict: bool,
    out: Path,
    rules: RulesInUse,
    limits: Path | None = None,
    horizon_weeks: int | None = None,
    step: Callable[[str], None] = lambda _step: None,
) -> AllocationDone:
    """Allocate at one tier and write ``out`` as one step at the end.

    ``step`` is told in words what is under way. Every result passes the independent verifier before anything is
    written.

    Raises
    ------
    InputError
        Where an option, the cohort or the stock cannot be used, or ``out`` holds something that is not a run.
    SolverError
        Where the program has no proven optimum.
    VerificationError
        Where the result breaks a rule; a defect of ours.
    """
    from allocation.cohort.write import write_rejects
    from allocation.optimise import emergency_reserve, load_stock
    from allocation.optimise.levers import mark_stretch
    from allocation.optimise.policies import find_policy, settled_prices, told, verify_settled
    from allocation.reporting import run_headlines
    from allocation.rules.rests_on import assumptions_used
    from allocation.tables import write_table

    _check_options(tier=tier, solver=solver)
    _check_weeks(weeks)
    chosen = find_policy(policy)
    check_horizon(horizon_weeks, weeks=weeks, policy=policy)
    side = read_limits(limits, policy=policy, rules=rules, strict=strict)
    step("Reading the cohort and the stock")
    found = read(cohort, strict=strict, rules=rules)
    shelf = load_stock(stock, products=rules.products, panels=rules.panels, as_of=as_of)
    nothing = shelf.good.empty and shelf.deliveries.empty
    if shelf.faults and (strict or nothing):
        raise InputError((*found.faults, *shelf.faults))
    with new_folder(out) as folder:
        regime = rules.tiers.of(tier)
        found, demand = demand_of(found, as_of=as_of, weeks=weeks, strict=strict, rules=rules)
        reserve = emergency_reserve(demand, regime, rules.panels, weeks=weeks)
        usable = shelf.good
        demand = mark_stretch(demand, regime, weeks=weeks)
        beside = put_beside(side, limits, demand=demand, stock_mg=grams_of(usable), rules=rules)
        demand, within = beside.demand, beside.limits
        ahead = None
        if horizon_weeks is not None:
            step(f"Looking ahead over {horizon_weeks} weeks")
            ahead = look(
                found, demand, shelf, tier=regime, as_of=as_of, weeks=weeks, horizon=horizon_weeks, seed=seed,
                reserve=reserve, solver=solver, rules=rules, side=side, limits=within,
            )  # fmt: skip
            demand, usable, within = ahead.demand, ahead.first.stock, ahead.first.limits
        step("Planning grams and giving whole vials")
        served = serve_now(
            demand, usable, within, ahead=ahead, policy=chosen, tier=regime, reserve=reserve, all_stock=shelf.good,
            seed=seed, solver=solver, rules=rules,
        )  # fmt: skip
        asked, asked_demand, settled, ahead = served.asked, demand, served.settled, served.ahead
        problem, plan = settled.problem, settled.plan
        demand, usable, people = served.demand, served.usable, served.people
        step("Checking the result without the solver")
        certificate = verify_settled(settled, demand=demand, stock=usable, result=people)
        certificate.raise_if_failed()
        people = told(settled, people)
        parts: tuple[tuple[Problem, Plan], ...] = ((problem, plan),)
        over, everybody = asked, asked_demand
        if ahead is not None:
            offered = ahead.offered(people, certificate, stock=shelf.good, seed=seed, solver=solver, rules=rules)
            people, certificate, demand = offered.people, offered.certificate, ahead.everybody
            parts += offered.parts
            everybody = demand
            over = over_weeks(asked, found, shelf, as_of=as_of, weeks=ahead.horizon.weeks, rules=rules)
            write_table(ahead.plan.weeks, folder / "horizon.csv")
        noticed = notice(asked, people, over=over, demand=everybody, shelf=shelf, side=side, source=str(limits))
        write_table(_with_blank_grade(_due_again(people.patients, as_of, weeks)), folder / "patients.csv")
        write_table(_panels(parts, people), folder / "panels.csv")
        write_table(_flows(parts), folder / "flows.csv")
        write_table(_with_blank_grade(panel_cohort(demand, people.patients)), folder / "panel_cohort.csv")
        write_table(panel_stock(demand, shelf.good, weeks=weeks), folder / "panel_stock.csv")
        step("Pricing one kilogram more and one fewer")
        prices = settled_prices(settled)
        write_table(prices.lines, folder / "shadow_prices.csv")
        if len(found.rejects):
            write_rejects(found.rejects, folder / "rejects.csv")
        if beside.faults:
            write_table(told_wrong(beside.faults), folder / "limits_rejects.csv")
        if len(shelf.rejects):
            write_rejects(shelf.rejects, folder / "stock_rejects.csv")
        settings = {"tier": tier, "as_of": as_of, "weeks": weeks, "policy": policy}
        if horizon_weeks is not None:
            settings["horizon_weeks"] = horizon_weeks
        under = "" if settled.by_tier else f" Policy {chosen.name}: {chosen.policy.rule}."
        record = _result(parts, people, certificate, settings=settings, tier_name=f"{regime.name}.{under}")
        record["policy_used"] = {**chosen.record(), "rounds": [asdict(one) for one in settled.rounds]}
        record["deliveries_g"] = to_g(int((shelf.deliveries["vial_mg"] * shelf.deliveries["vials"]).sum()))
        record["assumptions"] = assumptions_used(rules.rulebook, _entries_used(demand, as_of=as_of, rules=rules))
        if ahead is not None:
            record["horizon"] = ahead.record(offered)
        record |= noticed.record
        if side is not None:
            record["side_limits"] = told_of(side.limits)
        if prices.left_out:
            record["shadow_prices_left_out"] = [asdict(part) for part in prices.left_out]
        write_json(folder / "result.json", record)
        written = manifest(
            command="allocate",
            inputs={
                "cohort": cohort,
                "stock": stock,
                **rules.own_files,
                **({} if limits is None else {"limits": limits}),
            },
            options={**settings, "solver": plan.solver, "strict": strict},
            seed=seed,
            rulebook=f"{rules.rulebook.id} {rules.rulebook.version}",
            # The seconds in result.json differ from run to run, so its hash would too.
            extra={"policy": chosen.record(), "outputs": outputs_of(folder, leave_out=("result.json",))},
        )
        write_json(folder / "manifest.json", written)
        said = run_headlines(folder)
    return AllocationDone(
        read=found,
        faults=(*found.faults, *shelf.faults, *beside.faults),
        rows_set_aside=len(found.rejects) + len(shelf.rejects),
        limits_set_aside=beside.set_aside,
        headlines=said,
        notices=noticed.texts,
    )


def describe_policies() -> tuple[tuple[str, str, str], ...]:
    """Name, package and rule of every policy that can be used; then name, nothing and why of each that cannot."""
    from allocation.optimise.policies import list_policies, unusable_policies

    usable = ((one.name, f"{one.distribution} {one.version}", one.policy.rule) for one in list_policies())
    return (*usable, *((name, "cannot be used", why) for name, why in unusable_policies()))


def _check_options(*, tier: int, solver: str) -> None:
    faults = []
    if tier not in (1, 2, 3, 4):
        faults.append(Fault("--tier", "a tier from 1 to 4", value=str(tier)))
    if solver not in SOLVERS:
        faults.append(Fault("--solver", f"one of {', '.join(SOLVERS)}", value=solver))
    if faults:
        raise InputError(faults)


def _entries_used(demand: pd.DataFrame, *, as_of: date, rules: RulesInUse) -> list[Entry]:
    """Entries of the rulebook that some patient was graded by, in its order."""
    from allocation.grading import entries_of

    in_force = rules.rulebook.on(as_of)
    places = sorted(set(entries_of(in_force, demand).tolist()))
    return [in_force.entry[place] for place in places if place >= 0]


def _check_weeks(weeks: float) -> None:
    if not _WEEKS_LOW < weeks <= _WEEKS_HIGH:
        raise InputError(
            Fault("--weeks", f"more than {_WEEKS_LOW} and at most {_WEEKS_HIGH} weeks", value=f"{weeks:g}")
        )


def _with_blank_grade(table: pd.DataFrame) -> pd.DataFrame:
    # Blank, as in a graded cohort, where the program counts with 0.
    return table.assign(grade=_blank_for_none(table["grade"]))


def _due_again(patients: pd.DataFrame, as_of: date, weeks: float) -> pd.DataFrame:
    """With the day from which a stretched patient is due: that of the next allocation."""
    if "stretched_days" not in patients:
        return patients
    day = as_of + timedelta(days=ceil(weeks * DAYS_PER_WEEK))
    return patients.assign(next_due_date=patients["stretched_days"].gt(0).map({True: day.isoformat(), False: ""}))


def _blank_for_none(grade: pd.Series[int]) -> pd.Series[str]:
    return grade.astype(str).mask(grade == 0, "")


def _panels(parts: Sequence[tuple[Problem, Plan]], people: PatientResult) -> pd.DataFrame:
    """Grams due, planned and given by panel and grade, of patients who are funded."""
    import pandas as pd

    keys = ["panel", "grade"]
    funded = people.patients[people.patients["status"] != "not_funded"]
    table = funded.groupby(keys).agg(
        patients=("patient_id", "size"), due_g=("due_g", "sum"), given_g=("given_g", "sum")
    )
    of_parts = [plan.given.merge(problem.classes[["class_id", *keys]], on="class_id") for problem, plan in parts]
    planned = pd.concat(of_parts).groupby(keys)["mg"].sum()
    table["planned_g"] = (planned / MG_PER_G).reindex(table.index).fillna(0.0)
    table["unmet_g"] = (table["due_g"] - table["given_g"]).round(3)
    table["fill_rate"] = (table["given_g"] / table["due_g"]).round(6)
    table = table.reset_index().sort_values(keys, ascending=[True, False], ignore_index=True)
    columns = [*keys, "patients", "due_g", "planned_g", "given_g", "unmet_g", "fill_rate"]
    mixes = [
        plan.levers.merge(problem.classes[["class_id", "grade"]], on="class_id")
        for problem, plan in parts
        if plan.levers is not None
    ]
    if mixes:
        mix = pd.concat(mixes)
        named = {f"{name}_mg": f"planned_{name}_g" for name in _LEVERS}
        grams = (mix.groupby(keys)[list(named)].sum() / MG_PER_G).rename(columns=named).reset_index()
        table = table.merge(grams, on=keys, how="left").fillna(dict.fromkeys(named.values(), 0.0))
        columns += named.values()
    return table.assign(grade=_blank_for_none(table["grade"]))[columns]


def _flows(parts: Sequence[tuple[Problem, Plan]]) -> pd.DataFrame:
    import pandas as pd

    (_, plan), *more = parts
    flows = plan.flows
    if more:
        keys = ["panel", "product", "from_location"]
        flows = pd.concat([one.flows for _, one in parts]).groupby(keys, sort=False)["mg"].sum().reset_index()
    return flows.assign(grams=flows["mg"] / MG_PER_G)[["from_location", "panel", "product", "grams"]]


def _result(
    parts: Sequence[tuple[Problem, Plan]],
    people: PatientResult,
    certificate: Certificate,
    *,
    settings: dict[str, object],
    tier_name: str,
) -> dict[str, object]:
    """What the contract asks of ``result.json``; grams unless a name says otherwise."""
    from allocation.optimise.horizon import joined_objectives

    patients, plans = people.patients, [plan for _, plan in parts]
    return {
        "kind": "allocation",
        "status": "optimal",
        "description": f"Tier {settings['tier']}: {tier_name}",
        **settings,
        "objectives": [asdict(stage) for stage in joined_objectives(parts)],
        "certificate": certificate.as_dict(),
        "rounding": {
            "lost_g": to_g(people.rounding[-1].lost_mg),
            "bound_g": to_g(people.rounding[-1].bound_mg),
            "stages": [
                {
                    "stage": stage.stage,
                    "planned_g": to_g(stage.planned_mg),
                    "given_g": to_g(stage.given_mg),
                    "lost_so_far_g": to_g(stage.lost_mg),
                    "bound_g": to_g(stage.bound_mg),
                }
                for stage in people.rounding
            ],
            "dealt_anew": {
                "questions": people.rearranged.asked,
                "given_more": people.rearranged.given_more,
                "more_g": to_g(people.rearranged.more_mg),
                "unproven": people.rearranged.unproven,
                "searched": list(people.rearranged.searched),
            },
        },
        "switched_g": to_g(sum(plan.switched_mg for plan in plans)),
        "moved_g": to_g(sum(plan.moved_mg for plan in plans)),
        "reserve_held_g": to_g(int((people.held["vial_mg"] * people.held["vials"]).sum())),
        "left_g": to_g(int((people.left["vial_mg"] * people.left["vials"]).sum())),
        "patients": {status: int(count) for status, count in patients["status"].value_counts().sort_index().items()},
        "nothing_due": people.nothing_due,
        "solver": plans[0].solver,
        "programs_solved": sum(plan.programs for plan in plans),
        "pools_proven_without_solver": plans[0].parts[0],
        "pools_solved": plans[0].parts[1],
        "seconds": round(sum(plan.seconds for plan in plans), 3),
    }
