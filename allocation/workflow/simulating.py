"""Play a scenario out and leave a run folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from allocation.records import manifest, new_folder, sha256_of
from allocation.resources import package_data, scenario_names
from allocation.workflow.cohorts import CohortRead
from allocation.workflow.rules_in_use import RulesInUse
from allocation.workflow.run_folder import outputs_of, write_json
from allocation.workflow.worlds import input_files, make_ready

if TYPE_CHECKING:
    from allocation.scenario import Run, Scenario

__all__ = ["SimulationDone", "asked_precision", "describe_library", "simulate", "what_decides"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class SimulationDone:
    """What a simulation said in a few sentences, and how its cohort was read."""

    read: CohortRead
    headlines: tuple[str, ...]


def describe_library() -> tuple[tuple[str, str, str], ...]:
    """Name, title and the first sentence of the description of every scenario of the library."""
    from allocation.scenario import load_scenario

    found = [load_scenario(name) for name in scenario_names()]
    return tuple((one.name, one.title, _first_sentence(one.description)) for one in found)


def _first_sentence(text: str) -> str:
    first, stop, _ = " ".join(text.split()).partition(". ")
    return first + stop.strip()


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
    resume: bool = False,
    precision: Mapping[str, float] | None = None,
    consequences: bool = False,
    most_replications: int | None = None,
    cluster: str | None = None,
    verify: bool = False,
    policy: str | None = None,
) -> SimulationDone:
    """Run a scenario's replications and write ``out`` as one step at the end.

    The result is the same for any number of workers, on a cluster, and whether or not the run was resumed; ``workers``,
    ``cluster`` and ``resume`` are therefore not in the manifest. Replications done are kept in a folder beside ``out``
    until then.

    Parameters
    ----------
    resume
        Go on with the replications that an earlier run to ``out`` left behind, and keep those done if interrupted;
        begin afresh where False.
    consequences
        Reckon what waiting may mean for infections and relapses besides, also where the scenario does not ask for it.
    precision, most_replications
        As in the scenario's ``[run]``; None leaves the scenario's.
    cluster
        Address of a dask scheduler whose workers play the replications, in place of processes here.
    verify
        Play the first replication once more and put its weekly plans before the verifier; the summary says what came
        of it, and everything else stays the same to the byte.
    policy
        Who goes first; None leaves the scenario's.

    Raises
    ------
    InputError
        Where scenario, cohort or an option cannot be used, ``out`` holds something that is not a run, or what was left
        behind is of a run with other inputs.
    VerificationError, SolverError
        Where a replication breaks a rule that every result must keep, or a plan does not pass the verifier.
    """
    from allocation.cohort.write import write_rejects
    from allocation.optimise.policies import find_policy
    from allocation.reporting import run_headlines
    from allocation.scenario import load_scenario, with_run
    from allocation.simulation import PartStore, check_precision, head_of, join_parts, played_in_parts
    from allocation.simulation.cluster import check_cluster
    from allocation.simulation.prove import verify_weeks

    if cluster is not None:
        check_cluster(cluster)

    played = with_run(
        load_scenario(scenario),
        weeks=weeks,
        replications=replications,
        seed=seed,
        policy=policy,
        precision=precision,
        consequences=consequences,
        most_replications=most_replications,
    )
    check_precision(played.run, "--precision" if precision else "run.precision")
    chosen = find_policy(played.run.policy, "--policy" if policy is not None else "run.policy")
    with new_folder(out) as folder:
        ready = make_ready(played, cohort=cohort, strict=strict, rules=rules)
        world, found = ready.world, ready.read
        record = manifest(
            command="simulate",
            inputs=input_files(scenario, ready.cohort, rules),
            options={
                "scenario": played.name,
                "weeks": played.run.weeks,
                "replications": played.run.replications,
                "strict": strict,
                **asked_precision(played.run),
            },
            seed=played.run.seed,
            rulebook=f"{rules.rulebook.id} {rules.rulebook.version}",
            extra={"policy": chosen.record()},
        )
        store = PartStore.open(
            out.with_name(f".{out.name}.work"), decided=what_decides(record, played), resume=resume, building=folder
        )
        try:
            head = head_of(world, ready.cohort.name)
            parts, reached = played_in_parts(world, head, store, workers=workers, cluster=cluster, progress=progress)
            proved = verify_weeks(world, expected=store.outcomes(0)) if verify else None
        except KeyboardInterrupt:
            # Who stops a run by hand wants it gone, unless it was started as one to go on with.
            if resume:
                raise KeyboardInterrupt(store.kept()) from None
            store.remove()
            raise
        finally:
            store.remove_if_empty()
        join_parts(head, parts, folder, precision=reached, verification=proved)
        if len(found.rejects):
            write_rejects(found.rejects, folder / "rejects.csv")
        write_json(folder / "manifest.json", record | {"outputs": outputs_of(folder)})
        said = run_headlines(folder, replications=parts)
    store.remove()
    return SimulationDone(found, said)


def asked_precision(run: Run) -> dict[str, object]:
    """What was asked of the intervals, for the manifest; nothing where nothing was."""
    return {"precision": dict(run.precision), "most_replications": run.most_replications} if run.precision else {}


def what_decides(record: Mapping[str, object], scenario: Scenario) -> dict[str, object]:
    """All that decides a replication: inputs, scenario, versions and our own files.

    How many replications there are decides none of them, so a run may be gone on with to have more.

    Parameters
    ----------
    record
        The manifest of the run.
    scenario
        As it is played.
    """
    package = package_data()
    ours = {
        path.relative_to(package).as_posix(): sha256_of(path)
        for path in sorted(package.rglob("*"))
        if path.suffix in {".py", ".toml"}
    }
    played = scenario.model_dump(exclude={"run": {"replications", "precision", "most_replications"}})
    played["demand"] = scenario.record()["demand"]
    return {**{name: value for name, value in record.items() if name != "options"}, "scenario": played, "package": ours}
