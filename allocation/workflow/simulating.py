"""Play a scenario out and leave a run folder."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from allocation.errors import Fault, InputError
from allocation.records import canonical_json, manifest, new_folder, sha256_of
from allocation.resources import NATIONAL_COHORT, SAMPLE_COHORT, bundled, package_data, scenario_names
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


def describe_library() -> tuple[tuple[str, str, str], ...]:
    """Name, title and the first sentence of the description of every scenario of the library."""
    from allocation.scenario import load_scenario

    found = [load_scenario(name) for name in scenario_names()]
    return tuple((one.name, one.title, _first_sentence(one.description)) for one in found)


def _first_sentence(text: str) -> str:
    first, stop, _ = " ".join(text.split()).partition(". ")
    return first + stop.strip()


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
    resume: bool = False,
    precision: Mapping[str, float] | None = None,
    most_replications: int | None = None,
) -> SimulationDone:
    """Run a scenario's replications and write ``out`` as one step at the end.

    The result is the same for any number of workers, and whether or not the run was resumed; ``workers`` and ``resume``
    are therefore not in the manifest. Replications done are kept in a folder beside ``out`` until then.

    Parameters
    ----------
    resume
        Go on with the replications that an earlier run to ``out`` left behind, and keep those done if interrupted;
        begin afresh where False.
    precision, most_replications
        As in the scenario's ``[run]``; None leaves the scenario's.

    Raises
    ------
    InputError
        Where scenario, cohort or an option cannot be used, ``out`` holds something that is not a run, or what was left
        behind is of a run with other inputs.
    VerificationError, SolverError
        Where a replication breaks a rule that every result must keep.
    """
    from allocation.cohort.epidemiology import load_epidemiology
    from allocation.cohort.write import write_rejects
    from allocation.reporting import run_headlines
    from allocation.scenario import load_scenario, with_run
    from allocation.simulation import PartStore, check_precision, head_of, join_parts, played_in_parts, prepare

    played = with_run(
        load_scenario(scenario),
        weeks=weeks,
        replications=replications,
        seed=seed,
        precision=precision,
        most_replications=most_replications,
    )
    check_precision(played.run)
    path = cohort or default_cohort()
    found = read(path, strict=strict, rules=rules)
    with new_folder(out) as folder:
        found, _ = demand_of(found, as_of=played.run.as_of, weeks=1.0, strict=strict, rules=rules)
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
        )
        run = played.model_dump(exclude={"run": {"replications", "precision", "most_replications"}})
        store = PartStore.open(
            out.with_name(f".{out.name}.work"), run_id=_run_id(record, run), resume=resume, building=folder
        )
        try:
            world = prepare(
                played,
                found.good,
                rulebook=rules.rulebook,
                panels=rules.panels,
                products=rules.products,
                tiers=rules.tiers,
                epidemiology=load_epidemiology(),
            )
            head = head_of(world, path.name)
            parts, reached = played_in_parts(world, head, store, workers=workers, progress=progress)
        except KeyboardInterrupt:
            # Who stops a run by hand wants it gone, unless it was started as one to go on with.
            if not resume:
                store.remove()
            raise
        finally:
            store.remove_if_empty()
        join_parts(head, parts, folder, precision=reached)
        if len(found.rejects):
            write_rejects(found.rejects, folder / "rejects.csv")
        write_json(folder / "manifest.json", record | {"outputs": outputs_of(folder)})
        said = run_headlines(folder)
    store.remove()
    return SimulationDone(found, said)


def _run_id(record: Mapping[str, object], scenario: Mapping[str, object]) -> str:
    """Hash of all that decides a replication: inputs, scenario, versions and our own files.

    How many replications there are decides none of them, so a run may be gone on with to have more.
    """
    package = package_data()
    ours = {
        path.relative_to(package).as_posix(): sha256_of(path)
        for path in sorted(package.rglob("*"))
        if path.suffix in {".py", ".toml"}
    }
    decided = {name: value for name, value in record.items() if name != "options"}
    text = canonical_json({**decided, "scenario": scenario, "package": ours})
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _scenario_file(scenario: str) -> dict[str, Path]:
    path = Path(scenario)
    return {"scenario": path} if path.suffix == ".toml" and path.is_file() else {}
