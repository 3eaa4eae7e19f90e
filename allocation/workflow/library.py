"""The scenarios side by side: one page of Markdown from the folders of their runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from allocation.errors import Fault, InputError
from allocation.records import write_text_atomic
from allocation.reporting.words import NO_VALUE, count, days, grams, number, percent

__all__ = ["library_table", "write_library_table"]

Words = Callable[[object], str]


def _share(value: object) -> str:
    return percent(None if value is None else float(value) / 100)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Column:
    """An outcome, its heading, and how its numbers are said."""

    outcome: str
    heading: str
    words: Words


_PATIENTS = (
    _Column("fill_rate_percent", "grams due that were given", _share),
    _Column("fill_grade_4_percent", "of grade 4", _share),
    _Column("patients_late", "patients with a late course", count),
    _Column("mean_days_late", "mean of their longest delay, days", days),
    _Column("patients_late_over_14_days", "patients more than 14 days late", count),
    _Column("patients_late_grade_4", "grade 4 patients with a late course", count),
    _Column("unmet_grade_4_g", "grade 4 grams missed for good", grams),
)
_SUPPLY = (
    _Column("lowest_cover_weeks", "lowest cover, weeks", number),
    _Column("first_tier_2_week", "first week at tier 2", number),
    _Column("first_tier_3_week", "first week at tier 3", number),
    _Column("weeks_tier_3", "weeks at tier 3", number),
    _Column("weeks_tier_4", "weeks at tier 4", number),
    _Column("grams_switched_g", "given of another product", grams),
    _Column("grams_expired_g", "expired", grams),
)


def library_table(folders: Iterable[Path], *, remake: str) -> str:
    """Markdown with the headline outcomes of runs of different scenarios.

    Parameters
    ----------
    folders
        Run folders of ``igalloc simulate``.
    remake
        The command that makes the page again, shown on it.

    Raises
    ------
    InputError
        Where there is no folder, or one holds no simulation, or the runs are of different cohorts, seeds or versions
        and so cannot be set side by side.
    """
    runs = sorted((_run(folder) for folder in folders), key=lambda run: run["scenario"])
    if not runs:
        raise InputError(Fault("folders", "the folder of a run at least"))
    for key, what in (("cohort", "cohort"), ("seed", "seed"), ("version", "version of igalloc")):
        differ = sorted({json.dumps(run[key], sort_keys=True) for run in runs})
        if len(differ) > 1:
            remedy = "Runs are set side by side only where the scenario alone differs."
            raise InputError(Fault("folders", f"runs of one {what}", value=", ".join(differ), remedy=remedy))
    first = runs[0]
    level = f"{100 * first['confidence_level']:g} %"
    played = sorted({run["replications"] for run in runs})
    many = f"{played[0]}" if len(played) == 1 else f"{played[0]} to {played[-1]}"
    lines = [
        "# What the scenarios come to",
        "",
        f"The scenarios below on the cohort `{first['cohort']}` with seed {first['seed']}, {many} replications,",
        f"igalloc {first['version']}. The mean over replications, in brackets its {level} interval: that says how",
        "well these replications tell the mean, not how far one future may lie from another. Where something",
        f"happens in some replications only, the mean is over those; {NO_VALUE} where in none. What the numbers rest",
        "on is in the assumptions of each scenario: they compare scenarios and are no forecast.",
        "",
        "Made by code from the run folders, not by hand. To make it again:",
        "",
        "```",
        remake,
        "```",
        "",
        "## Patients",
        "",
        *_table(runs, _PATIENTS, before=("scenario", "weeks", "replications"), told=_size),
        "",
        "## Tiers and stock",
        "",
        *_table(runs, _SUPPLY, before=("scenario", "reach tier 2", "reach tier 3", "highest tier"), told=_reach),
        "",
        "## Scenarios",
        "",
        *(f"- `{run['scenario']}`: {run['title']}" for run in runs),
        "",
    ]
    return "\n".join(lines)


def write_library_table(folders: Iterable[Path], target: Path, *, remake: str) -> None:
    """Write :func:`library_table` to a file, whole or not at all."""
    write_text_atomic(target, library_table(folders, remake=remake))


def _run(folder: Path) -> dict[str, Any]:
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        named = {"simulation": summary}[summary["kind"]]
        return {
            **{key: named[key] for key in ("scenario", "title", "weeks", "seed", "replications", "outcomes")},
            "confidence_level": named["confidence_level"],
            "cohort": named["cohort"]["name"],
            "version": manifest["version"],
        }
    except (OSError, ValueError, KeyError) as error:
        remedy = "Make it with igalloc simulate."
        raise InputError(Fault(str(folder), "the folder of a simulation", value=str(error), remedy=remedy)) from None


def _table(
    runs: Sequence[Mapping[str, Any]],
    columns: Sequence[_Column],
    *,
    before: Sequence[str],
    told: Callable[[Mapping[str, Any]], tuple[str, ...]],
) -> list[str]:
    head = [*before, *(column.heading for column in columns)]
    rows = [[f"`{run['scenario']}`", *told(run), *(_cell(run, column) for column in columns)] for run in runs]
    rule = ["---", *("---:" for _ in head[1:])]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rows)]


def _size(run: Mapping[str, Any]) -> tuple[str, ...]:
    return f"{run['weeks']}", f"{run['replications']}"


def _reach(run: Mapping[str, Any]) -> tuple[str, ...]:
    found, of = run["outcomes"], run["replications"]
    reached = (found[f"first_tier_{tier}_week"]["replications"] / of for tier in (2, 3))
    return (*(percent(share, 0) for share in reached), _said(found["highest_tier"], number))


def _cell(run: Mapping[str, Any], column: _Column) -> str:
    return _said(run["outcomes"][column.outcome], column.words)


def _said(found: Mapping[str, Any], words: Words) -> str:
    mean, low, high = (found[key] for key in ("mean", "low", "high"))
    if mean is None:
        return NO_VALUE
    if low is None:
        return words(mean)
    ends = (words(low), words(high))
    # An interval of one value, as a number that is the same in every replication has, says nothing more.
    return words(mean) if ends == (words(mean),) * 2 else f"{words(mean)} ({ends[0]} to {ends[1]})"
