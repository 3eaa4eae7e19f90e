"""What studies of a scenario share: ranges as people write them, outcomes by name, and how a run folder is ended."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from allocation.errors import Fault, InputError
from allocation.records import manifest
from allocation.workflow.cohorts import CohortRead
from allocation.workflow.rules_in_use import RulesInUse
from allocation.workflow.run_folder import outputs_of, write_json
from allocation.workflow.worlds import Ready, input_files

__all__ = ["Progress", "StudyDone", "check_outcomes", "end_study", "head_of_study", "outcome_words", "read_range"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class StudyDone:
    """What a study said in a few sentences, and how its cohort was read."""

    read: CohortRead
    headlines: tuple[str, ...]


def read_range(text: str, option: str) -> tuple[float, float]:
    """``LOW:HIGH`` as two finite numbers, the lower first.

    Raises
    ------
    InputError
        Where it is anything else.
    """
    low, colon, high = text.partition(":")
    try:
        ends = float(low), float(high)
    except ValueError:
        ends = math.nan, math.nan
    if not colon or not all(map(math.isfinite, ends)) or ends[0] >= ends[1]:
        raise InputError(Fault(option, "LOW:HIGH, two numbers, the lower first, for example 0.05:0.5", value=text))
    return ends


def check_outcomes(names: Iterable[str], option: str = "--outcome") -> None:
    """Refuse the name of an outcome that does not exist.

    Raises
    ------
    InputError
        With the names nearest to each.
    """
    from allocation.simulation import OUTCOMES

    faults = []
    for name in names:
        if name not in OUTCOMES:
            near = difflib.get_close_matches(name, OUTCOMES, n=3)
            remedy = f"Did you mean {' or '.join(near)}?" if near else f"Outcomes are {', '.join(OUTCOMES)}."
            faults.append(Fault(option, "the name of an outcome", value=name, remedy=remedy))
    if faults:
        raise InputError(faults)


def outcome_words(name: str) -> dict[str, str]:
    """Name, label and unit of an outcome."""
    from allocation.simulation import OUTCOMES

    label, unit = OUTCOMES[name]
    return {"name": name, "label": label, "unit": unit}


def head_of_study(ready: Ready, kind: str) -> dict[str, object]:
    """What the summary of every study opens with: the simulation's own head, without its outcomes."""
    from allocation.simulation import head_of, head_summary

    return {**head_summary(head_of(ready.world, ready.cohort.name)), "kind": kind}


def end_study(
    folder: Path,
    *,
    command: str,
    scenario: str,
    ready: Ready,
    rules: RulesInUse,
    options: Mapping[str, object],
    strict: bool,
    outcomes: Sequence[str],
) -> None:
    """Write what is left to write in the folder of a study: rejects, and the manifest last."""
    from allocation.cohort.write import write_rejects

    run = ready.world.scenario.run
    if len(ready.read.rejects):
        write_rejects(ready.read.rejects, folder / "rejects.csv")
    record = manifest(
        command=command,
        inputs=input_files(scenario, ready.cohort, rules),
        options={
            "scenario": ready.world.scenario.name,
            "weeks": run.weeks,
            "replications": run.replications,
            "strict": strict,
            "outcomes": list(outcomes),
            **options,
        },
        seed=run.seed,
        rulebook=f"{rules.rulebook.id} {rules.rulebook.version}",
    )
    write_json(folder / "manifest.json", record | {"outputs": outputs_of(folder)})
