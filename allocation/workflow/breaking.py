"""Search for the smallest shock that breaks a scenario."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
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
from allocation.workflow.worlds import make_ready

if TYPE_CHECKING:
    import pandas as pd

    from allocation.scenario import Scenario
    from allocation.simulation.breaking import BreakingPoint
    from allocation.simulation.demand import Bools, Floats
    from allocation.simulation.variants import Variants

__all__ = ["LIMIT", "OUTCOME", "Limit", "breaking_point"]

OUTCOME = "fill_grade_4_percent"
LIMIT = 99.9
"""Below it, in percent, grade 4 goes unmet: a few courses smaller than any vial left are no breach."""

_HALVINGS = 6
"""Of the range, where no tolerance is given."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A replication breaks where the outcome is on the wrong side of a number."""

    side: str
    number: float

    def broken(self, values: Floats) -> Bools:
        """Which replications break; one without a value (a tier never reached) does not."""
        import numpy as np

        known = ~np.isnan(values)
        return known & ((values < self.number) if self.side == "below" else (values > self.number))


@dataclass(frozen=True, slots=True)
class _Turned:
    """A key and its range."""

    key: str
    label: str
    low: float
    high: float
    base: float
    whole: bool


def breaking_point(
    scenario: str,
    *,
    vary: Sequence[str],
    ranges: Sequence[str],
    steps: int,
    tolerance: float | None,
    outcome: str,
    below: float | None,
    above: float | None,
    share: float,
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
    """Find the breaking point and write ``out`` as one step at the end.

    Parameters
    ----------
    vary, ranges
        One key and its range ``LOW:HIGH``; a second pair makes a map: the search is made at ``steps`` even values
        of the second key.
    tolerance
        In the key's own unit; None for a 64th of the range.
    outcome, below, above
        A replication breaks where this outcome is below, or above, a number. Neither given: below :data:`LIMIT`, which
        only :data:`OUTCOME` allows.
    share
        The scenario breaks where so large a share of the replications does.
    progress
        Called with scenarios played and the most there may be.

    Raises
    ------
    InputError
        Where an option, the scenario or the cohort cannot be used.
    """
    from allocation.reporting import breaking_headlines
    from allocation.scenario import load_scenario, with_run
    from allocation.scenario.vary import with_numbers
    from allocation.simulation.breaking import find_breaking_point
    from allocation.simulation.results import outcome_interval
    from allocation.simulation.variants import variants_of
    from allocation.tables import write_table

    limit = _limit(outcome, below, above)
    if not 0 < share <= 1:
        raise InputError(Fault("--share", "above 0 and at most 1", value=f"{share:g}"))
    played = with_run(load_scenario(scenario), weeks=weeks, replications=replications, seed=seed)
    turned = _turned(played, vary, ranges)
    first = turned[0]
    step = tolerance if tolerance is not None else (first.high - first.low) / 2**_HALVINGS
    if not 0 < step < math.inf:
        raise InputError(Fault("--tolerance", "a finite number above 0", value=f"{step:g}"))
    seconds: list[float | None] = [*_even(turned[1], steps)] if len(turned) > 1 else [None]
    with new_folder(out) as folder:
        ready = make_ready(played, cohort=cohort, strict=strict, rules=rules)
        finest = max(step, 1.0) if first.whole else step
        most = len(seconds) * (2 + max(0, math.ceil(math.log2((first.high - first.low) / finest))))
        rows: list[dict[str, object]] = []

        def broken_at(variants: Variants, value: float, second: float | None) -> Bools:
            numbers = {first.key: value} if second is None else {first.key: value, turned[1].key: second}
            [outcomes] = variants.outcomes([with_numbers(played, numbers)])
            found = outcomes[outcome]
            broken = limit.broken(found)
            mean = outcome_interval(outcome, found)
            rows.append(
                {"second_value": second, "value": value, "replications": len(broken), "broken": int(broken.sum())}
                | {f"outcome_{name}": number for name, number in asdict(mean).items() if name != "replications"}
            )
            if progress is not None:
                progress(min(len(rows), most), most)
            return broken

        with variants_of(ready.world, workers=workers) as variants:
            points = [
                (
                    second,
                    find_breaking_point(
                        partial(broken_at, variants, second=second),
                        low=first.low,
                        high=first.high,
                        tolerance=step,
                        share=share,
                        whole=first.whole,
                    ),
                )
                for second in seconds
            ]
        write_table(_tried(rows), folder / "tried.csv")
        table = _points(points)
        write_table(table, folder / "breaking_points.csv")
        summary = head_of_study(ready, "breaking_point") | {
            "vary": [asdict(one) for one in turned],
            "outcome": outcome_words(outcome),
            "limit": asdict(limit),
            "share_of_replications": share,
            "tolerance": step,
            "played": len(rows),
            "contradictions": sum(point.contradictions for _, point in points),
        }
        said = breaking_headlines(summary, table)
        write_json(folder / "summary.json", summary | {"headlines": list(said)})
        end_study(
            folder,
            command="breaking-point",
            scenario=scenario,
            ready=ready,
            rules=rules,
            strict=strict,
            outcomes=(outcome,),
            options={
                "vary": [f"{one.key}={one.low:g}:{one.high:g}" for one in turned],
                "steps": steps,
                "tolerance": step,
                "limit": f"{limit.side} {limit.number:g}",
                "share": share,
            },
        )
    return StudyDone(ready.read, said)


def _limit(outcome: str, below: float | None, above: float | None) -> Limit:
    check_outcomes([outcome])
    if below is not None and above is not None:
        raise InputError(Fault("--below", "either --below or --above", value=f"{below:g}"))
    for option, number in (("--below", below), ("--above", above)):
        if number is not None and not math.isfinite(number):
            raise InputError(Fault(option, "a finite number", value=f"{number:g}"))
    if below is not None:
        return Limit("below", below)
    if above is not None:
        return Limit("above", above)
    if outcome != OUTCOME:
        remedy = f"Say from which number on {outcome} counts as broken."
        raise InputError(Fault("--outcome", "--below or --above beside it", value=outcome, remedy=remedy))
    return Limit("below", LIMIT)


def _turned(scenario: Scenario, vary: Sequence[str], ranges: Sequence[str]) -> tuple[_Turned, ...]:
    from allocation.scenario.vary import is_whole, label_of, number_at, with_numbers

    if not 1 <= len(vary) <= 2 or len(vary) != len(ranges) or len(set(vary)) != len(vary):
        remedy = "For example --vary disruption.0.fraction --range 0.05:0.6; a second pair makes a map."
        raise InputError(
            Fault("--vary", "one or two different keys, and a --range for each", value=", ".join(vary), remedy=remedy)
        )
    found = []
    for key, text in zip(vary, ranges, strict=True):
        number_at(scenario, key)
        low, high = read_range(text, "--range")
        for end in (low, high):
            with_numbers(scenario, {key: end}, option="--range")
        base, whole = number_at(scenario, key), is_whole(scenario, key)
        found.append(_Turned(key, label_of(scenario, key), low, high, base, whole))
    return tuple(found)


def _even(turned: _Turned, steps: int) -> list[float]:
    if steps < 2:
        raise InputError(Fault("--steps", "2 or more", value=str(steps)))
    values = [turned.low + (turned.high - turned.low) * place / (steps - 1) for place in range(steps)]
    return sorted({float(round(value)) for value in values}) if turned.whole else values


def _tried(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """Every scenario played, with the share that broke and its interval."""
    import pandas as pd

    from allocation.simulation.breaking import share_interval

    table = pd.DataFrame(rows)
    ends = [
        share_interval(broken, of)
        for broken, of in zip(table["broken"].tolist(), table["replications"].tolist(), strict=True)
    ]
    table.insert(4, "share_broken", table["broken"] / table["replications"])
    table.insert(5, "share_low", [low for low, _ in ends])
    table.insert(6, "share_high", [high for _, high in ends])
    return table.astype({"second_value": "float64"}).sort_values(["second_value", "value"], ignore_index=True)


def _points(points: Sequence[tuple[float | None, BreakingPoint]]) -> pd.DataFrame:
    import pandas as pd

    rows = [
        {
            "second_value": second,
            "status": point.status,
            "holds_at": point.holds_at,
            "breaks_at": point.breaks_at,
            "tried": len(point.tried),
            "contradictions": point.contradictions,
        }
        for second, point in points
    ]
    return pd.DataFrame(rows).astype({"second_value": "float64", "holds_at": "float64", "breaks_at": "float64"})
