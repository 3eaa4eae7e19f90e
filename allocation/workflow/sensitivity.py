"""Which of a scenario's numbers matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from allocation.errors import Fault, InputError
from allocation.records import new_folder
from allocation.workflow.rules_in_use import RulesInUse
from allocation.workflow.run_folder import write_json
from allocation.workflow.study_parts import (
    Progress,
    StudyDone,
    check_outcomes,
    end_study,
    head_of_study,
    outcome_words,
    read_range,
)
from allocation.workflow.worlds import Ready, make_ready

if TYPE_CHECKING:
    import pandas as pd

    from allocation.scenario import Scenario
    from allocation.simulation.demand import Floats
    from allocation.simulation.sensitivity import Range

__all__ = ["METHODS", "OUTCOMES_TOLD", "sensitivity"]

METHODS = ("one_way", "sobol")
OUTCOMES_TOLD = ("fill_grade_4_percent", "patients_late", "lowest_cover_weeks")
"""Where no outcome is named."""


def sensitivity(
    scenario: str,
    *,
    vary: Sequence[str],
    swing: float,
    method: str,
    samples: int,
    outcomes: Sequence[str],
    cohort: Path | None,
    replications: int | None,
    weeks: int | None,
    seed: int | None,
    workers: int,
    strict: bool,
    out: Path,
    progress: Progress | None,
    rules: RulesInUse,
) -> StudyDone:
    """Turn a scenario's numbers and write which of them matter, as one step at the end.

    Parameters
    ----------
    vary
        ``KEY=LOW:HIGH``, one for each number. None: every number behind which stands an assumption marked as a
        proposal, ``swing`` of it to either side as far as the scenario allows.
    method
        ``one_way`` or ``sobol``.
    samples
        For ``sobol``; a power of 2.
    progress
        Called with replications played and replications in all.

    Raises
    ------
    InputError
        Where an option, the scenario or the cohort cannot be used.
    """
    from allocation.reporting import sensitivity_headlines
    from allocation.scenario import load_scenario, with_run
    from allocation.scenario.vary import label_of
    from allocation.tables import write_table

    if method not in METHODS:
        raise InputError(Fault("--method", f"one of {', '.join(METHODS)}", value=method))
    names = tuple(dict.fromkeys(outcomes)) or OUTCOMES_TOLD
    check_outcomes(names)
    played = with_run(load_scenario(scenario), weeks=weeks, replications=replications, seed=seed)
    ranges, left_out = _named(played, vary) if vary else _assumed(played, swing)
    with new_folder(out) as folder:
        ready = make_ready(played, cohort=cohort, strict=strict, rules=rules)
        found = _one_way if method == "one_way" else _sobol
        table = found(ready, played, ranges, names, samples=samples, workers=workers, progress=progress)
        write_table(table, folder / "sensitivity.csv")
        only_sobol: dict[str, object] = {"samples": samples} if method == "sobol" else {}
        summary = head_of_study(ready, "sensitivity") | {
            "method": method,
            **only_sobol,
            "vary": [{**asdict(one), "label": label_of(played, one.key)} for one in ranges],
            "left_out": list(left_out),
            "outcomes": [outcome_words(name) for name in names],
        }
        said = sensitivity_headlines(summary, table)
        write_json(folder / "summary.json", summary | {"headlines": list(said)})
        end_study(
            folder,
            command="sensitivity",
            scenario=scenario,
            ready=ready,
            rules=rules,
            strict=strict,
            outcomes=names,
            options={"vary": [f"{one.key}={one.low:g}:{one.high:g}" for one in ranges], "method": method, **only_sobol},
        )
    return StudyDone(ready.read, said)


def _named(scenario: Scenario, vary: Sequence[str]) -> tuple[tuple[Range, ...], tuple[str, ...]]:
    from allocation.scenario.vary import number_at, with_numbers
    from allocation.simulation.sensitivity import Range

    found: dict[str, Range] = {}
    for text in vary:
        key, equals, span = text.partition("=")
        if not equals or key in found:
            raise InputError(Fault("--vary", "KEY=LOW:HIGH, each key once", value=text))
        base = number_at(scenario, key)
        low, high = read_range(span, "--vary")
        for end in (low, high):
            with_numbers(scenario, {key: end})
        found[key] = Range(key, base, low, high)
    return tuple(found.values()), ()


def _assumed(scenario: Scenario, swing: float) -> tuple[tuple[Range, ...], tuple[str, ...]]:
    """Ranges about the proposals, and the keys left out as the scenario does not allow both ends."""
    from allocation.scenario.vary import assumed_keys, is_whole, number_at, with_numbers
    from allocation.simulation.sensitivity import Range

    if not 0 < swing < 1:
        raise InputError(Fault("--swing", "above 0 and below 1", value=f"{swing:g}"))
    found, left_out = [], []
    for key in assumed_keys(scenario):
        base = number_at(scenario, key)
        low, high = base * (1 - swing), base * (1 + swing)
        if is_whole(scenario, key):
            low, high = float(min(round(low), base - 1)), float(max(round(high), base + 1))
        try:
            for end in (low, high):
                with_numbers(scenario, {key: end})
        except InputError:
            left_out.append(key)
            continue
        if low < high:
            found.append(Range(key, base, low, high))
        else:
            left_out.append(key)
    if not found:
        remedy = "Name them: --vary supply.output_share_of_demand=0.9:1.1."
        raise InputError(Fault("--vary", "numbers to turn; no proposal of the scenario can be turned", remedy=remedy))
    return tuple(found), tuple(left_out)


def _one_way(
    ready: Ready,
    scenario: Scenario,
    ranges: Sequence[Range],
    names: Sequence[str],
    *,
    samples: int,  # noqa: ARG001 - of the other method
    workers: int,
    progress: Progress | None,
) -> pd.DataFrame:
    from allocation.scenario.vary import with_numbers
    from allocation.simulation.sensitivity import one_at_a_time
    from allocation.simulation.variants import variants_of

    sides = [(one.key, side, end) for one in ranges for side, end in (("low", one.low), ("high", one.high))]
    variants = [scenario, *(with_numbers(scenario, {key: end}) for key, _, end in sides)]
    with variants_of(ready.world, workers=workers) as playing:
        base, *found = playing.outcomes(variants, progress)
    ends = {(key, side): outcomes for (key, side, _), outcomes in zip(sides, found, strict=True)}
    return one_at_a_time(ranges, base, ends, names)


def _sobol(
    ready: Ready,
    scenario: Scenario,
    ranges: Sequence[Range],
    names: Sequence[str],
    *,
    samples: int,
    workers: int,
    progress: Progress | None,
) -> pd.DataFrame:
    import numpy as np

    from allocation.scenario.vary import with_numbers
    from allocation.simulation.sensitivity import sobol
    from allocation.simulation.variants import variants_of

    keys = [one.key for one in ranges]

    def means_at(settings: Floats) -> Floats:
        turned = [with_numbers(scenario, dict(zip(keys, row, strict=True))) for row in settings.tolist()]
        with variants_of(ready.world, workers=workers) as playing:
            found = playing.outcomes(turned, progress)
        # A replication without a value leaves the mean missing: an index of those left would compare unlike runs.
        means: Floats = np.array([[one[name].mean() for one in found] for name in names], dtype=np.float64)
        return means

    return sobol(ranges, means_at, names, samples=samples, seed=scenario.run.seed)
