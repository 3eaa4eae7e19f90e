"""What stewardship could free in the cohort of an allocation."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from allocation.errors import Fault, InputError
from allocation.records import sha256_of
from allocation.workflow.cohorts import read
from allocation.workflow.rules_in_use import RulesInUse, load_rules

if TYPE_CHECKING:
    from allocation.reporting.workbook import Savings

__all__ = ["savings_of_run"]


def savings_of_run(folder: Path, cohort: Path, *, rules: RulesInUse | None = None) -> Savings:
    """Savings in the cohort that an allocation was made from, on the day it was made for.

    Raises
    ------
    InputError
        Where the folder holds no allocation, the cohort or the rulebook is another than the run's, or the cohort
        cannot be used.
    """
    import pandas as pd

    from allocation.cohort.guideline import guideline_of
    from allocation.cohort.stewardship import savings_of
    from allocation.grading import grade_cohort
    from allocation.reporting.load import AllocationRun, load_run
    from allocation.reporting.workbook import Savings

    run = load_run(folder)
    if not isinstance(run, AllocationRun):
        raise InputError(Fault("--cohort", "the folder of an allocation", value=str(folder)))
    rules = rules or load_rules()
    _check_same(run.manifest.get("inputs", {}).get("cohort", {}).get("sha256"), cohort)
    book = f"{rules.rulebook.id} {rules.rulebook.version}"
    if run.manifest.get("rulebook") != book:
        remedy = "Name the rulebook of the run by --rulebook."
        raise InputError(Fault("--rulebook", str(run.manifest.get("rulebook")), value=book, remedy=remedy))
    as_of = date.fromisoformat(str(run.manifest["options"]["as_of"]))
    rulebook = rules.rulebook.on(as_of)
    graded = grade_cohort(rulebook, read(cohort, strict=False, rules=rules).good, as_of)
    guideline = guideline_of(graded, rulebook=rulebook, products=rules.products, as_of=as_of)
    saved = savings_of(graded, guideline, rulebook=rulebook, products=rules.products, as_of=as_of)
    return Savings(pd.concat([graded[["panel", "indication", "review_overdue"]], saved], axis=1))


def _check_same(noted: object, cohort: Path) -> None:
    if sha256_of(cohort) != noted:
        remedy = "Name the file that the allocation was made from, unchanged."
        raise InputError(Fault(str(cohort), "the cohort of the run, by its hash", remedy=remedy))
