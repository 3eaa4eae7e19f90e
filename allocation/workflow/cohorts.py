"""Cohort files: make one, check one, grade one, and read one for any other use."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from allocation.errors import Fault, InputError
from allocation.workflow.rules_in_use import RulesInUse

if TYPE_CHECKING:
    import pandas as pd

    from allocation.cohort.load import LoadedCohort

__all__ = ["CohortRead", "GradeResult", "check", "demand_of", "generate", "grade", "read"]


_FIRST_ROW = 2
"""Row of the first patient as a spreadsheet counts: the header is row 1."""


@dataclass(frozen=True, slots=True)
class CohortRead:
    """A cohort file after reading: the rows to go on with, and what was set aside."""

    path: Path
    good: pd.DataFrame
    rejects: pd.DataFrame
    faults: tuple[Fault, ...]

    @property
    def rows(self) -> int:
        """All rows of the file."""
        return len(self.good) + len(self.rejects)

    def without(self, positions: list[int], faults: tuple[Fault, ...], reason: str) -> CohortRead:
        """The same with some good rows, told by position, set aside after all.

        ``faults`` count rows as if the good rows were the file; they are told with the rows of the real file.
        """
        import pandas as pd

        from allocation.tables import text_frame

        if not positions:
            return self
        bad_rows = set(self.rejects["row"].tolist()) if len(self.rejects) else set()
        row_of = [row for row in range(_FIRST_ROW, _FIRST_ROW + self.rows) if row not in bad_rows]
        moved = text_frame(self.good.iloc[positions]).assign(
            row=[row_of[position] for position in positions], reasons=reason
        )
        rejects = pd.concat([self.rejects, moved], ignore_index=True) if len(self.rejects) else moved
        told = [
            replace(fault, source=str(self.path), row=row_of[(fault.row or _FIRST_ROW) - _FIRST_ROW])
            for fault in faults
        ]
        return replace(
            self,
            good=self.good.drop(index=self.good.index[positions]).reset_index(drop=True),
            rejects=rejects.sort_values("row", ignore_index=True),
            faults=(*self.faults, *told),
        )


@dataclass(frozen=True, slots=True)
class GradeResult:
    """A graded cohort, and how it was read."""

    read: CohortRead
    graded: pd.DataFrame
    rejects_path: Path | None


def generate(
    *, patients: int | None, seed: int, as_of: date, out: Path, review_share: float | None, rules: RulesInUse
) -> int:
    """Write a synthetic cohort; return its rows.

    Raises
    ------
    InputError
        Where the number of patients or the review share is out of range, or the file cannot be written.
    """
    from allocation.cohort.epidemiology import load_epidemiology
    from allocation.cohort.generate import generate_cohort
    from allocation.cohort.write import write_cohort

    if patients is not None and patients < 1:
        raise InputError(Fault("--patients", "1 or more", value=str(patients)))
    if review_share is not None and not 0 <= review_share <= 1:
        raise InputError(Fault("--review-share", "a share from 0 to 1", value=str(review_share)))
    cohort = generate_cohort(
        patients=patients,
        seed=seed,
        as_of=as_of,
        rulebook=rules.rulebook,
        panels=rules.panels,
        products=rules.products,
        epidemiology=load_epidemiology(),
        review_share=review_share,
    )
    write_cohort(cohort, out)
    return len(cohort)


def check(path: Path, *, rejects: Path | None, rules: RulesInUse) -> CohortRead:
    """Find every fault of a cohort file, and write the rows that have one where asked."""
    loaded = _load(path, strict=False, rules=rules)
    found = CohortRead(path, loaded.good, loaded.rejects, loaded.faults)
    if rejects is not None:
        from allocation.cohort.write import write_rejects

        write_rejects(found.rejects, rejects)
    return found


def read(path: Path, *, strict: bool, rules: RulesInUse) -> CohortRead:
    """Read a cohort for use; rows with faults are set aside in ``rejects``.

    Raises
    ------
    InputError
        Where the file cannot be used, has a fault under ``strict``, or has no good row at all.
    """
    loaded = _load(path, strict=strict, rules=rules)
    if loaded.good.empty:
        nothing = Fault(str(path), "at least one row that can be used", remedy="Mend the rows named above.")
        raise InputError((*loaded.faults, nothing))
    return CohortRead(path, loaded.good, loaded.rejects, loaded.faults)


def grade(path: Path, *, as_of: date, out: Path, rejects: Path | None, strict: bool, rules: RulesInUse) -> GradeResult:
    """Grade a cohort file and write it with grades and reasons.

    Rows set aside go to ``rejects``, or beside ``out`` where none is named.
    """
    from allocation.cohort.write import write_cohort, write_rejects
    from allocation.grading import grade_cohort, with_panel_status

    found = read(path, strict=strict, rules=rules)
    graded = with_panel_status(rules.rulebook, grade_cohort(rules.rulebook, found.good, as_of), as_of)
    place = rejects or (out.with_name(f"{out.stem}.rejects.csv") if len(found.rejects) else None)
    write_cohort(graded, out)
    if place is not None:
        write_rejects(found.rejects, place)
    return GradeResult(found, graded, place)


def demand_of(
    found: CohortRead, *, as_of: date, weeks: float, strict: bool, rules: RulesInUse
) -> tuple[CohortRead, pd.DataFrame]:
    """The cohort graded and dosed over a window; patients whose dose nobody knows are set aside.

    Raises
    ------
    InputError
        Where a dose is unknown under ``strict``, or no patient is left.
    """
    from allocation.cohort.demand import demand_table, unknown_doses
    from allocation.grading import grade_cohort

    graded = grade_cohort(rules.rulebook, found.good, as_of)
    demand = demand_table(graded, rulebook=rules.rulebook, products=rules.products, as_of=as_of, weeks=weeks)
    faults = unknown_doses(demand, str(found.path))
    if not faults:
        return found, demand
    positions = [(fault.row or _FIRST_ROW) - _FIRST_ROW for fault in faults]
    sound = found.without(positions, faults, "dose_g: the rulebook has no dose for this patient; record the dose given")
    if strict or sound.good.empty:
        raise InputError(sound.faults)
    return sound, demand.drop(index=demand.index[positions]).reset_index(drop=True)


def _load(path: Path, *, strict: bool, rules: RulesInUse) -> LoadedCohort:
    from allocation.cohort.load import load_cohort

    return load_cohort(path, rulebook=rules.rulebook, panels=rules.panels, products=rules.products, strict=strict)
