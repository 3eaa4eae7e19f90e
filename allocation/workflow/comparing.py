"""Play a scenario under several policies on the same patients and the same luck, and leave a folder of differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from allocation.errors import Fault, InputError
from allocation.records import manifest, new_folder
from allocation.workflow.cohorts import CohortRead
from allocation.workflow.comparison_tables import SideResult, write_comparison
from allocation.workflow.rules_in_use import RulesInUse
from allocation.workflow.run_folder import outputs_of, write_json
from allocation.workflow.simulating import asked_precision, what_decides
from allocation.workflow.worlds import Ready, input_files, make_ready

if TYPE_CHECKING:
    from allocation.optimise.policies import FoundPolicy
    from allocation.scenario import Scenario
    from allocation.simulation import PartStore, World
    from allocation.simulation.demand import Floats

__all__ = ["ComparisonDone", "compare"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class ComparisonDone:
    """What a comparison said in a few sentences, and how its cohort was read."""

    read: CohortRead
    headlines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Side:
    """One policy: its world, where its replications are kept, and their folders once played."""

    found: FoundPolicy
    world: World
    store: PartStore
    parts: tuple[Path, ...] = ()


def compare(
    scenario: str,
    *,
    policies: Sequence[str],
    cohort: Path | None,
    replications: int | None,
    weeks: int | None,
    seed: int | None,
    workers: int,
    strict: bool,
    out: Path,
    progress: Progress | None,
    rules: RulesInUse,
    resume: bool = False,
    precision: Mapping[str, float] | None = None,
    most_replications: int | None = None,
) -> ComparisonDone:
    """Compare policies and write ``out`` as one step at the end.

    The result is the same for any number of workers, and whether or not it was resumed. The same replication under two
    policies draws from the same named streams, so differences are paired.

    Parameters
    ----------
    policies
        Two or more, each once; the others are compared with the first.
    precision, most_replications
        As in the scenario's ``[run]``, but of differences: more replications of every policy are played until the
        interval of each difference from the first policy is as narrow. None leaves the scenario's.
    resume
        As for a simulation.
    progress
        Called with replications done and replications in all, those of all policies together.

    Raises
    ------
    InputError
        Where scenario, policies, cohort or an option cannot be used, or ``out`` holds something that is not a run.
    VerificationError, SolverError
        Where a replication breaks a rule that every result must keep.
    """
    from allocation.scenario import load_scenario, with_run
    from allocation.simulation import OUTCOMES, check_precision, head_of

    found = _find(policies)
    played = with_run(
        load_scenario(scenario),
        weeks=weeks,
        replications=replications,
        seed=seed,
        policy=found[0].name,
        precision=precision,
        most_replications=most_replications,
    )
    check_precision(played.run, "--precision" if precision else "run.precision")
    with new_folder(out) as folder:
        ready = make_ready(played, cohort=cohort, strict=strict, rules=rules)
        record = manifest(
            command="compare",
            inputs=input_files(scenario, ready.cohort, rules),
            options={
                "scenario": played.name,
                "policies": [one.name for one in found],
                "weeks": played.run.weeks,
                "replications": played.run.replications,
                "strict": strict,
                **asked_precision(played.run),
            },
            seed=played.run.seed,
            rulebook=f"{rules.rulebook.id} {rules.rulebook.version}",
            extra={"policies": [one.record() for one in found]},
        )
        work = out.with_name(f".{out.name}.work")
        sides = _sides(ready, found, record, work=work, resume=resume, building=folder, rules=rules)
        try:
            sides, reached = _play(sides, played, workers=workers, progress=progress or _silent)
        except KeyboardInterrupt:
            # Who stops a run by hand wants it gone, unless it was started as one to go on with.
            if resume:
                raise KeyboardInterrupt(
                    "; ".join(f"{side.found.name}: {side.store.kept()}" for side in sides)
                ) from None
            _remove(sides, work)
            raise
        finally:
            for side in sides:
                side.store.remove_if_empty()
            _remove_empty(work)
        results = [SideResult(side.found.record(), _outcomes(side, tuple(OUTCOMES)), side.parts) for side in sides]
        said = write_comparison(folder, results, head_of(ready.world, ready.cohort.name), reached)
        if len(ready.read.rejects):
            from allocation.cohort.write import write_rejects

            write_rejects(ready.read.rejects, folder / "rejects.csv")
        write_json(folder / "manifest.json", record | {"outputs": outputs_of(folder)})
    _remove(sides, work)
    return ComparisonDone(ready.read, said)


def _find(policies: Sequence[str]) -> tuple[FoundPolicy, ...]:
    from allocation.optimise.policies import find_policy

    names = [name.strip() for name in policies if name.strip()]
    if len(names) < 2 or len(set(names)) != len(names):
        remedy = "For example --policies grade_order,pro_rata."
        raise InputError(Fault("--policies", "two or more policies, each once", value=",".join(names), remedy=remedy))
    return tuple(find_policy(name, "--policies") for name in names)


def _under(world: World, found: FoundPolicy, rules: RulesInUse) -> World:
    """The world under another policy: nothing but the policy and what it changes of the tiers differs."""
    from allocation.optimise.policies import tiers_under
    from allocation.scenario import with_run

    return replace(
        world,
        scenario=with_run(world.scenario, policy=found.name),
        tiers=tiers_under(found, rules.tiers),
    )


def _sides(
    ready: Ready,
    found: Sequence[FoundPolicy],
    record: Mapping[str, object],
    *,
    work: Path,
    resume: bool,
    building: Path,
    rules: RulesInUse,
) -> list[_Side]:
    from allocation.simulation import PartStore

    sides = []
    for number, one in enumerate(found):
        world = _under(ready.world, one, rules)
        # Policies that are compared besides decide nothing of this one's replications.
        own = {**record, "policies": one.record()}
        decided = what_decides(own, world.scenario)
        store = PartStore.open(work / f"policy-{number:02d}", decided=decided, resume=resume, building=building)
        sides.append(_Side(one, world, store))
    return sides


def _play(
    sides: Sequence[_Side], scenario: Scenario, *, workers: int, progress: Progress
) -> tuple[list[_Side], Mapping[str, object] | None]:
    """Play as many replications of every policy as the scenario says, or as the differences need."""
    from allocation.scenario import with_run
    from allocation.simulation import head_of, played_in_parts
    from allocation.simulation.precision import next_total, report_of

    run = scenario.run
    total = run.replications
    pilot: dict[str, int] = {}
    while True:
        played = []
        for number, side in enumerate(sides):
            plain = side.world.scenario.model_copy(update={"run": run.model_copy(update={"precision": {}})})
            world = replace(side.world, scenario=with_run(plain, replications=total, policy=side.found.name))
            parts, _ = played_in_parts(
                world,
                head_of(world, ""),
                side.store,
                workers=workers,
                progress=_part_of(progress, number, len(sides)),
            )
            played.append(replace(side, parts=parts))
        if not run.precision:
            return played, None
        base, *others = [_outcomes(side, tuple(run.precision)) for side in played]
        gaps = [{name: values[name] - base[name] for name in run.precision} for values in others]
        needed = _widest([next_total(one, run) for one in gaps])
        pilot = pilot or needed
        following = min(max(needed.values()), 2 * total, max(run.most_replications, run.replications))
        if following <= total:
            # Told of the policy whose difference is the least certain.
            reports = [report_of(one, run, pilot) for one in gaps]
            return played, {name: max((report[name] for report in reports), key=_width) for name in run.precision}
        total = following


def _widest(needed: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {name: max(one[name] for one in needed) for name in needed[0]}


def _width(report: object) -> float:
    half = report.get("half_width") if isinstance(report, dict) else None
    return float("inf") if half is None else float(half)


def _part_of(progress: Progress, number: int, count: int) -> Progress:
    return lambda done, total: progress(number * total + done, count * total)


def _outcomes(side: _Side, names: Sequence[str]) -> dict[str, Floats]:
    """Outcomes of each replication in the order of their numbers, NaN where there is none."""
    import numpy as np

    rows = [side.store.outcomes(number) for number in range(len(side.parts))]
    return {name: np.array([row[name] for row in rows], dtype=np.float64) for name in names}


def _remove(sides: Sequence[_Side], work: Path) -> None:
    for side in sides:
        side.store.remove()
    _remove_empty(work)


def _remove_empty(work: Path) -> None:
    if work.is_dir() and not any(work.iterdir()):
        work.rmdir()


def _silent(done: int, total: int) -> None:
    """Tell nobody."""
