"""Play a scenario out and leave a run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from allocation.errors import Fault, InputError
from allocation.records import manifest, new_folder
from allocation.resources import NATIONAL_COHORT, SAMPLE_COHORT, bundled, scenario_names
from allocation.workflow.cohorts import CohortRead, demand_of, read
from allocation.workflow.rules_in_use import RulesInUse
from allocation.workflow.run_folder import outputs_of, write_json

__all__ = ["SimulationDone", "default_cohort", "describe_library", "simulate"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SimulationDone:
    """What a simulation said in a few sentences, and how its cohort was read."""

    read: CohortRead
    headlines: tuple[str, ...]


def describe_library() -> tuple[tuple[str, str], ...]:
    """Name and title of every scenario of the library."""
    from allocation.scenario import load_scenario

    return tuple((name, load_scenario(name).title) for name in scenario_names())


def default_cohort() -> Path:
    """The national cohort where it is at hand, else the sample that every installation carries.

    Raises
    ------
    InputError
        Where neither is found, which means that the installation is broken.
    """
    path = bundled(NATIONAL_COHORT) or bundled(SAMPLE_COHORT)
    if path is None:
        raise InputError(Fault("--cohort", "a cohort file", remedy="This installation carries none; name one."))
    return path


def simulate(
    scenario: str,
    *,
    cohort: Path | None,
    replications: int | None,
    weeks: int | None,
    seed: int | None,
    workers: int,
    strict: bool,
    out: Path,
    progress: Progress | None,
    rules: RulesInUse,
) -> SimulationDone:
    """Run a scenario's replications and write ``out`` as one step at the end.

    The result is the same for any number of workers; ``workers`` is therefore not in the manifest.

    Raises
    ------
    InputError
        Where scenario, cohort or an option cannot be used, or ``out`` holds something that is not a run.
    VerificationError, SolverError
        Where a replication breaks a rule that every result must keep.
    """
    from allocation.cohort.epidemiology import load_epidemiology
    from allocation.cohort.write import write_rejects
    from allocation.reporting import run_headlines
    from allocation.scenario import load_scenario, with_run
    from allocation.simulation import prepare, run_replications, write_run

    played = with_run(load_scenario(scenario), weeks=weeks, replications=replications, seed=seed)
    path = cohort or default_cohort()
    found = read(path, strict=strict, rules=rules)
    with new_folder(out) as folder:
        found, _ = demand_of(found, as_of=played.run.as_of, weeks=1.0, strict=strict, rules=rules)
        world = prepare(
            played,
            found.good,
            rulebook=rules.rulebook,
            panels=rules.panels,
            products=rules.products,
            tiers=rules.tiers,
            epidemiology=load_epidemiology(),
        )
        results = run_replications(world, workers=workers, progress=progress, cohort_name=path.name)
        write_run(results, folder)
        if len(found.rejects):
            write_rejects(found.rejects, folder / "rejects.csv")
        record = manifest(
            command="simulate",
            inputs={"cohort": path, **_scenario_file(scenario), **rules.own_files},
            options={
                "scenario": played.name,
                "weeks": played.run.weeks,
                "replications": played.run.replications,
                "strict": strict,
            },
            seed=played.run.seed,
            rulebook=f"{rules.rulebook.id} {rules.rulebook.version}",
            extra={"outputs": outputs_of(folder)},
        )
        write_json(folder / "manifest.json", record)
        said = run_headlines(folder)
    return SimulationDone(found, said)


def _scenario_file(scenario: str) -> dict[str, Path]:
    path = Path(scenario)
    return {"scenario": path} if path.suffix == ".toml" and path.is_file() else {}
