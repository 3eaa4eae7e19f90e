"""The same cohort and stock at several tiers side by side: one page of Markdown from the folders of allocations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allocation.errors import Fault, InputError
from allocation.records import write_text_atomic
from allocation.reporting.words import NO_VALUE, count, grade_name, grams, percent

if TYPE_CHECKING:
    from allocation.reporting.load import AllocationRun

__all__ = ["tiers_page", "write_tiers_page"]

_GRADES = (4, 3, 2, 1, 0)
_STATUSES = ("treated", "reduced", "deferred", "suspended", "not_funded")
_WAITING = ("deferred",)
_PATIENTS_TOLD = 5


def tiers_page(folders: Iterable[Path], *, remake: str) -> str:
    """Markdown with what each tier gives to whom, and why some patients wait.

    Parameters
    ----------
    folders
        Run folders of ``igalloc allocate`` on one cohort and one stock, each at another tier.
    remake
        The command that makes the page again, shown on it.

    Raises
    ------
    InputError
        Where there is no folder, one holds no allocation, or two differ in more than the tier.
    """
    runs = sorted((_run(folder) for folder in folders), key=lambda run: int(run.result["tier"]))
    if not runs:
        raise InputError(Fault("folders", "the folder of an allocation at least"))
    inputs = {tuple(sorted((name, one["sha256"]) for name, one in run.manifest["inputs"].items())) for run in runs}
    tiers = [int(run.result["tier"]) for run in runs]
    if len(inputs) > 1 or len(set(tiers)) < len(tiers):
        remedy = "Set side by side only allocations of the same cohort and stock, each at another tier."
        raise InputError(Fault("folders", "allocations that differ in the tier alone", value=f"{tiers}", remedy=remedy))
    first = runs[0].result
    named = ", ".join(f"`{one['file']}`" for one in runs[0].manifest["inputs"].values())
    lines = [
        "# One shortage at each tier",
        "",
        f"The same patients and the same stock ({named}), allocated at each tier on {first['as_of']}",
        f"for {first['weeks']:g} weeks by policy `{first['policy']}`. Every result is a proven optimum and passed the",
        "check that does not use the solver.",
        "",
        "Made by code from the run folders, not by hand. To make it again:",
        "",
        "```",
        remake,
        "```",
        "",
        "## Share of the grams due that is given",
        "",
        *_table(runs, [(grade_name(grade), _fill(grade)) for grade in _GRADES]),
        "",
        "## Patients",
        "",
        *_table(runs, [(status.replace("_", " "), _status(status)) for status in _STATUSES]),
        "",
        "## How",
        "",
        *_table(runs, _HOW),
        "",
        f"## Why {_PATIENTS_TOLD} of them wait",
        "",
        "In the words of `patients.csv`, with what would have helped.",
        "",
        *_told(runs),
        "",
    ]
    return "\n".join(lines)


def write_tiers_page(folders: Iterable[Path], target: Path, *, remake: str) -> None:
    """Write :func:`tiers_page` to a file, whole or not at all."""
    write_text_atomic(target, tiers_page(folders, remake=remake))


def _run(folder: Path) -> AllocationRun:
    from allocation.reporting.load import AllocationRun, load_run

    run = load_run(folder)
    if not isinstance(run, AllocationRun):
        raise InputError(Fault(str(folder), "the folder of an allocation", remedy="Make it with igalloc allocate."))
    return run


def _fill(grade: int) -> Callable[[AllocationRun], str]:
    def told(run: AllocationRun) -> str:
        rows = run.panels[run.panels["grade"] == grade]
        due = float(rows["due_g"].sum())
        return percent(float(rows["given_g"].sum()) / due) if due else NO_VALUE

    return told


def _status(status: str) -> Callable[[AllocationRun], str]:
    return lambda run: count(float((run.patients["status"] == status).sum()))


def _result(key: str) -> Callable[[AllocationRun], str]:
    return lambda run: grams(run.result[key])


def _rounding(key: str) -> Callable[[AllocationRun], str]:
    return lambda run: grams(run.result["rounding"][key])


_HOW: tuple[tuple[str, Callable[[AllocationRun], str]], ...] = (
    ("given as another product", _result("switched_g")),
    ("moved between places", _result("moved_g")),
    ("held as emergency reserve", _result("reserve_held_g")),
    ("left on the shelf", _result("left_g")),
    ("given more by dealing vials anew", lambda run: grams(run.result["rounding"]["dealt_anew"]["more_g"])),
    ("lost to whole vials against the plan", _rounding("lost_g")),
    ("the most that could have been lost", _rounding("bound_g")),
)


def _table(runs: Sequence[AllocationRun], rows: Sequence[tuple[str, Callable[[AllocationRun], str]]]) -> list[str]:
    head = ["", *(f"tier {run.result['tier']}" for run in runs)]
    body = [[name, *(told(run) for run in runs)] for name, told in rows]
    rule = ["---", *("---:" for _ in runs)]
    return [f"| {' | '.join(row)} |" for row in (head, rule, *body)]


def _told(runs: Sequence[AllocationRun]) -> list[str]:
    """Patients who get nothing now, of different grades, statuses and tiers as far as may be; without their names."""
    from allocation.reporting.frames import records

    found: list[dict[str, Any]] = []
    for run in runs:
        waiting = run.patients[run.patients["status"].isin(_WAITING) & (run.patients["grade"] > 0)]
        first = waiting.drop_duplicates(["grade", "status"])
        found += records(first)
    kinds: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in found:
        kinds.setdefault((int(row["grade"]), str(row["status"])), []).append(row)
    # The kinds that most tiers know first, each at the tier after the one before, so that the five differ.
    ordered = sorted(kinds.items(), key=lambda item: (-len(item[1]), -item[0][0], item[0][1]))
    turned = [rows[place % len(rows) :] + rows[: place % len(rows)] for place, (_, rows) in enumerate(ordered)]
    # One of each kind, then, where there are too few kinds, a second at another tier.
    by_turn = [row for turn in zip_longest(*turned) for row in turn if row is not None]
    chosen = by_turn[:_PATIENTS_TOLD]
    return [
        f"{place}. {row['panel']}, {row['due_g']:g} g due, {row['given_g']:g} g given. {row['reason']} "
        f"What would have helped: {str(row.get('would_help', ''))[:1].lower()}{str(row.get('would_help', ''))[1:]}"
        for place, row in enumerate(chosen, start=1)
    ]
