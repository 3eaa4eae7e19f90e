"""The doses of a cohort: guideline against record, whole vials, savings; a table for people and totals for a panel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

from allocation.workflow.cohorts import CohortRead, read
from allocation.workflow.rules_in_use import RulesInUse

if TYPE_CHECKING:
    import pandas as pd

    from allocation.cohort.stewardship import SavingsOptions
    from allocation.dosing import ChildMethod

__all__ = ["DosedCohort", "dose_cohort", "stewardship_text"]


@dataclass(frozen=True, slots=True)
class DosedCohort:
    """A dosed cohort, and how it was read.

    Attributes
    ----------
    table
        One row a patient, as written.
    totals, by_panel, by_indication
        Stewardship tables in milligrams a year.
    explained
        Arithmetic of patients of different kinds, one list of lines each; empty unless asked for.
    rejects_path
        Where rows set aside went, None where there were none and no place was named.
    """

    read: CohortRead
    table: pd.DataFrame
    totals: pd.DataFrame
    by_panel: pd.DataFrame
    by_indication: pd.DataFrame
    explained: tuple[list[str], ...]
    rejects_path: Path | None


def dose_cohort(
    path: Path,
    *,
    as_of: date,
    out: Path,
    rules: RulesInUse,
    rejects: Path | None = None,
    strict: bool = False,
    explain: int = 0,
    child_method: ChildMethod | None = None,
    options: SavingsOptions | None = None,
) -> DosedCohort:
    """Dose every patient of a cohort file and write the table.

    Parameters
    ----------
    explain
        How many patients of different kinds to explain step by step.
    options
        What the savings rest on.

    Raises
    ------
    InputError
        Where the file cannot be used, or the rulebook does not grade.
    """
    import pandas as pd

    from allocation.cohort.demand import courses_in_vials
    from allocation.cohort.dosed import dosed_table
    from allocation.cohort.explain import different_patients, explained
    from allocation.cohort.guideline import compare, guideline_of
    from allocation.cohort.stewardship import savings_of, stewardship_table
    from allocation.cohort.write import write_rejects
    from allocation.grading import grade_cohort
    from allocation.tables import write_table

    found = read(path, strict=strict, rules=rules)
    rulebook, products = rules.rulebook.on(as_of), rules.products
    graded = grade_cohort(rulebook, found.good, as_of)
    guideline = guideline_of(graded, rulebook=rulebook, products=products, as_of=as_of, child_method=child_method)
    comparison = compare(graded, guideline)
    savings = savings_of(graded, guideline, rulebook=rulebook, products=products, as_of=as_of, options=options)
    course_mg, _ = courses_in_vials(graded, rulebook=rulebook, products=products, as_of=as_of)
    if child_method is not None:
        # The demand goes by the rulebook's own method, so a dose that nobody recorded is taken from here.
        unrecorded = graded["dose_g"].isna().to_numpy()
        course_mg[unrecorded] = guideline.course_mg[unrecorded]
    table = dosed_table(graded, guideline, comparison, savings, course_mg=course_mg, rulebook=rulebook)
    chosen = different_patients(graded, guideline, comparison, explain)
    steps = tuple(
        explained(
            row,
            graded,
            guideline,
            comparison,
            savings,
            course_mg=int(course_mg[row]),
            rulebook=rulebook,
            child_method=child_method,
        )
        for row in chosen
    )
    place = rejects or (out.with_name(f"{out.stem}.rejects.csv") if len(found.rejects) else None)
    write_table(table, out)
    if place is not None:
        write_rejects(found.rejects, place)
    counted = pd.concat([graded[["panel", "indication", "review_overdue"]], savings], axis=1)
    return DosedCohort(
        read=found,
        table=table,
        totals=stewardship_table(counted, []),
        by_panel=stewardship_table(counted, ["panel"]),
        by_indication=stewardship_table(counted, ["indication"]),
        explained=steps,
        rejects_path=place,
    )


def stewardship_text(dosed: DosedCohort) -> str:
    """The stewardship tables in grams a year, as columns of text."""
    from allocation.cohort.stewardship_settings import KINDS, load_stewardship

    total = dosed.totals.iloc[0]
    titles = load_stewardship().kind
    first = (
        f"Grams a year: {_g(total['now_mg'])} used now by {int(total['patients']):,} patients; "
        f"{_g(total['saving_mg'])} ({_percent(total['share'])}) could be freed in "
        f"{int(total['patients_with_savings']):,} of them; "
        f"{int(total['reviews_overdue']):,} annual reviews are overdue."
    )
    by_kind = [[titles[k].title, total[f"saving_{k}_mg"]] for k in KINDS] + [["together", total["saving_mg"]]]
    share_of = [[title, _g(mg), _percent(mg / total["now_mg"] if total["now_mg"] else 0.0)] for title, mg in by_kind]
    lines = [first, "", *_columns([["kind of saving, each after those above it", "g a year", "share"], *share_of])]
    for name, table in (("panel", dosed.by_panel), ("indication", dosed.by_indication)):
        lines += ["", *_columns(_group_rows(name, table, KINDS))]
    lines += ["", "A planning figure: whether a saving is right for a person is for the clinician and the panel."]
    return "\n".join(lines) + "\n"


def _group_rows(name: str, table: pd.DataFrame, kinds: tuple[str, ...]) -> list[list[str]]:
    header = [name, "patients", "overdue", "g a year", *(kind.replace("_", " ") for kind in kinds), "together", "share"]
    rows = [
        [
            str(row[name]),
            f"{row['patients']:,}",
            f"{row['reviews_overdue']:,}",
            _g(row["now_mg"]),
            *(_g(row[f"saving_{kind}_mg"]) for kind in kinds),
            _g(row["saving_mg"]),
            _percent(row["share"]),
        ]
        for row in table.to_dict(orient="records")
    ]
    return [header, *rows]


def _columns(rows: list[list[str]]) -> list[str]:
    """Text columns: the first to the left, numbers to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        ).rstrip()
        for row in rows
    ]


def _g(milligrams: float) -> str:
    return f"{milligrams / 1000:,.0f}"


def _percent(share: float) -> str:
    return "-" if isnan(share) else f"{100 * share:.1f} %"
