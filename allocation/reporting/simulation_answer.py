"""The sentences that answer the question of a simulation, and what they rest on.

They can be had without the tables of the report: the files of a run are gone through once, and of each replication no
more is kept than the numbers that a median or a quantile over replications needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from allocation.reporting import headlines
from allocation.reporting import simulation_measures as measures
from allocation.reporting.batches import RunningSums
from allocation.reporting.frames import records
from allocation.reporting.load_simulation import national_weeks, panel_sums, panel_weeks, people, people_sums

__all__ = ["Answer", "everybody_told", "read_answer", "sentences", "simulation_headlines"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sentences rest on.

    Attributes
    ----------
    lowest
        For each replication the lowest weeks of cover, and when.
    start_cover
        Weeks of cover in the first week, the median over replications.
    reached
        When each tier is reached.
    replications
        How many there are.
    grades
        Means over replications by grade, of which ``fill`` is told.
    everybody
        ``patients``, ``late``, ``days_each`` and ``unmet_g`` of all together; empty where nobody was counted.
    """

    lowest: pd.DataFrame
    start_cover: float
    reached: pd.DataFrame
    replications: int
    grades: pd.DataFrame
    everybody: Mapping[str, float | str]


def read_answer(folders: Sequence[Path], *, weeks: int) -> Answer:
    """The answer from the tables of a run.

    Of each replication stay the lowest weeks of cover and when it is, those of the first week, and for each tier it
    reaches the first week and how many: eight bytes each.

    Parameters
    ----------
    folders
        The folder of the run, or of each of its replications, in their order.
    weeks
        Length of the run.

    Raises
    ------
    InputError
        Where a table is missing, unreadable or short of a column, or has two rows for one week.
    """
    # Numbers alone: a frame for each batch would take far more than they do.
    lowest, first, met = [], [], []
    for national in national_weeks(folders):
        lowest.append(np.asarray(measures.lowest_cover(national), dtype=np.float64))
        first.append(np.asarray(measures.first_cover(national), dtype=np.float64))
        met.append(np.asarray(measures.tiers_met(national), dtype=np.int64))
    starts = np.concatenate(first)
    reached = pd.DataFrame(np.concatenate(met), columns=["tier", "first", "weeks"])
    grams = RunningSums("grade", measures.SUMMED)
    for rows in panel_weeks(folders, last_week=weeks - 1):
        grams.add(panel_sums(rows))
    counted = RunningSums("grade", measures.COUNTED)
    for rows in people(folders):
        counted.add(people_sums(rows, ["grade"]))
    grades = measures.grade_totals_of(grams.frame(), counted.frame(), len(starts))
    return Answer(
        lowest=pd.DataFrame(np.concatenate(lowest), columns=["cover_weeks", "week"]).astype({"week": "int64"}),
        start_cover=measures.start_cover(starts),
        reached=measures.tier_reached(reached, len(starts)),
        replications=len(starts),
        grades=grades,
        everybody={} if counted.frame().empty else everybody_told(measures.everybody(grades)),
    )


def everybody_told(totals: pd.DataFrame) -> dict[str, float | str]:
    """The row of :func:`~allocation.reporting.simulation_measures.everybody` by the names that sentences use."""
    row = records(totals)[0]
    names = {"patients": "patients", "late": "patients_late", "days_each": "days_each", "unmet_g": "unmet_g"}
    return {told: row[name] for told, name in names.items()}


def sentences(answer: Answer) -> tuple[str, ...]:
    """The answer in words."""
    said = [
        headlines.cover_sentence(answer.lowest, answer.start_cover),
        headlines.tier_sentence(answer.reached, answer.replications),
        headlines.fill_sentence(answer.grades),
        headlines.late_sentence(answer.everybody) if answer.everybody else "",
    ]
    return tuple(sentence for sentence in said if sentence)


def simulation_headlines(answer: Answer, summary: Mapping[str, Any]) -> tuple[str, ...]:
    """The sentences that the page opens with, and what the run left open."""
    left_open = (headlines.unplayed_sentence(summary), *headlines.precision_sentences(summary))
    return (*sentences(answer), *(sentence for sentence in left_open if sentence))
