"""How many replications are enough: intervals no wider than asked for, judged from those played so far."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

import numpy as np

from allocation.errors import Fault, InputError
from allocation.scenario import Run
from allocation.simulation.demand import Floats
from allocation.simulation.outcomes import OUTCOMES
from allocation.simulation.statistics import half_width, replications_needed

__all__ = ["check_precision", "next_total", "report_of"]


def check_precision(run: Run, named: str = "run.precision") -> None:
    """Refuse precision asked of an outcome that does not exist.

    Parameters
    ----------
    named
        Where the user asked for it.

    Raises
    ------
    InputError
        With the names nearest to each unknown one.
    """
    faults = []
    for name in run.precision:
        if name not in OUTCOMES:
            near = difflib.get_close_matches(name, OUTCOMES, n=3)
            remedy = f"Did you mean {' or '.join(near)}?" if near else f"Outcomes are {', '.join(OUTCOMES)}."
            faults.append(Fault(named, "the name of an outcome", value=name, remedy=remedy))
    if faults:
        raise InputError(faults)


def next_total(values: Mapping[str, Floats], run: Run) -> dict[str, int]:
    """For each outcome asked about, how many replications its interval needs, judged from those played.

    It may be more than the run allows: who is told can weigh whether that is worth it.

    One that no replication has (a tier never reached) asks for no more; one that a single replication has asks for
    twice as many as were played.

    Parameters
    ----------
    values
        Value of each replication, NaN where there is none.
    """
    needed = {}
    for name, wanted in run.precision.items():
        known = values[name][~np.isnan(values[name])]
        played = len(values[name])
        if len(known) == 0 and played > 1:
            needed[name] = played
        elif len(known) < 2:
            needed[name] = 2 * played
        else:
            enough = replications_needed(float(known.std(ddof=1)), wanted)
            # Where some replications have no value, so many more must be played for as many that have.
            needed[name] = int(np.ceil(enough * played / len(known)))
    return needed


def report_of(values: Mapping[str, Floats], run: Run, pilot: Mapping[str, int]) -> dict[str, object]:
    """What was asked, what the first replications said would be needed, and what came of it."""
    told: dict[str, object] = {}
    for name, wanted in run.precision.items():
        known = values[name][~np.isnan(values[name])]
        half = half_width(float(known.std(ddof=1)), len(known)) if len(known) > 1 else None
        told[name] = {
            "half_width_wanted": wanted,
            "half_width": half,
            "reached": half is not None and half <= wanted,
            "pilot_replications": run.replications,
            "replications_needed_by_pilot": pilot[name],
        }
    return told
