"""Which workbook goes with which run. A new kind of run needs one entry here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from allocation.errors import Fault, InputError
from allocation.reporting.load import AllocationRun, SimulationRun, load_run
from allocation.reporting.workbook.allocation_run import allocation_workbook
from allocation.reporting.workbook.comparison_run import comparison_workbook
from allocation.reporting.workbook.forecast_run import forecast_workbook
from allocation.reporting.workbook.model import Workbook
from allocation.reporting.workbook.simulation_run import simulation_workbook
from allocation.reporting.workbook.stewardship import Savings, savings_sheets
from allocation.reporting.workbook.study_run import breaking_workbook, sensitivity_workbook

__all__ = ["BUILDERS", "workbook_of"]


def _run(folder: Path, *, share: bool, savings: Savings | None) -> Workbook:
    run = load_run(folder)
    if isinstance(run, AllocationRun):
        more = savings_sheets(savings, share=share) if savings else ()
        return allocation_workbook(run, share=share, more=more)
    if isinstance(run, SimulationRun):
        return simulation_workbook(run, share=share)
    return _STUDIES[run.kind](run, share=share)


def _forecast(folder: Path, *, share: bool, savings: Savings | None) -> Workbook:  # noqa: ARG001
    return forecast_workbook(folder, share=share)


_STUDIES: Mapping[str, Callable[..., Workbook]] = {
    "comparison": comparison_workbook,
    "breaking_point": breaking_workbook,
    "sensitivity": sensitivity_workbook,
}
BUILDERS: Mapping[str, Callable[..., Workbook]] = {
    "allocate": _run,
    "simulate": _run,
    "compare": _run,
    "breaking-point": _run,
    "sensitivity": _run,
    "forecast": _forecast,
}
"""By the command in the manifest: run folder, ``share`` and ``savings`` to the workbook."""


def workbook_of(folder: Path, *, share: bool = False, savings: Savings | None = None) -> Workbook:
    """The workbook of a run folder.

    Parameters
    ----------
    share
        Whether it is for others: no row of a patient, and small counts hidden.
    savings
        What stewardship could free in the cohort of an allocation, where the cohort is at hand.

    Raises
    ------
    InputError
        Where the folder is no run folder, its kind has no workbook, or a file of it cannot be used.
    """
    command = _command(folder)
    builder = BUILDERS.get(command, _run)
    if command and command not in BUILDERS:
        expected = f"a run of igalloc {', '.join(BUILDERS)}"
        raise InputError(Fault(str(folder / "manifest.json"), expected, column="command", value=command))
    return builder(folder, share=share, savings=savings)


def _command(folder: Path) -> str:
    """The command that made a run folder; blank where that cannot be told."""
    try:
        record = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(record.get("command", "")) if isinstance(record, dict) else ""
