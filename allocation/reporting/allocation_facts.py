"""The measures of one allocation, each worked out once and already fit to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from allocation.reporting import allocation_measures as measures
from allocation.reporting.disclosure import HIDDEN, is_hidden, is_national, protect, shown
from allocation.reporting.frames import lowest
from allocation.reporting.load import AllocationRun

__all__ = ["AllocationFacts", "allocation_facts", "option_of"]


@dataclass(frozen=True, slots=True)
class AllocationFacts:
    """What is said of an allocation, as frames; ``*`` stands where disclosure control hid a value.

    Attributes
    ----------
    run, share, national
        The run, whether small counts are hidden, and whether every panel of England is in it.
    grades, panels
        Patients, grams and shares by grade, and by panel and grade.
    statuses, everybody
        Patients by grade and status with their shares, and the same for all together in one row.
    """

    run: AllocationRun
    share: bool
    national: bool
    grades: pd.DataFrame
    panels: pd.DataFrame
    statuses: pd.DataFrame
    everybody: pd.DataFrame

    @property
    def lowest_panel(self) -> tuple[str, float | str] | None:
        """The panel whose grade 4 is served least, and how much; None where all are served alike."""
        four = self.panels[self.panels["grade"] == 4]
        numbers = shown(four, "fill_rate").dropna()
        if len(numbers) < 2 or numbers.max() - numbers.min() < 1e-9:
            return None
        return str(lowest(four, shown(four, "fill_rate"))["panel_name"]), float(numbers.min())


def allocation_facts(run: AllocationRun, *, share: bool) -> AllocationFacts:
    """All measures of a run, with small counts hidden where it is to be shared."""
    national = is_national(run.panels["panel"])
    statuses, everybody = _statuses(measures.status_by_grade(run), share=share, national=national)
    # Exact grams of a grade less what its many got would tell what the few hidden beside them got.
    exact = national and not any(is_hidden(value) for name in statuses for value in statuses[name])
    return AllocationFacts(
        run=run,
        share=share,
        national=national,
        grades=_grams(run, measures.fill_by_grade(run), share=share, national=exact, whole=national),
        panels=_grams(run, measures.fill_by_panel(run), share=share, national=False, whole=False),
        statuses=statuses,
        everybody=everybody,
    )


def option_of(run: AllocationRun, key: str) -> str:
    """A setting of the run, from the result or else from the manifest."""
    options = run.manifest.get("options", {})
    for place in (run.result, options if isinstance(options, Mapping) else {}):
        value = place.get(key)
        if value is not None and not isinstance(value, Mapping | list):
            return str(value)
    return ""


def _grams(run: AllocationRun, frame: pd.DataFrame, *, share: bool, national: bool, whole: bool) -> pd.DataFrame:
    """Grams and shares as they may be shown: hidden with the patients they are due to, given to, or kept from.

    Of a ``whole`` grade of the country the share given rests on all its patients, not on the few who got less.
    """
    if not share:
        return frame
    keys = [name for name in ("panel", "grade") if name in frame.columns]
    counts = measures.served_and_short(run, keys)
    frame = frame.merge(counts, on=keys, how="left").fillna({"served": 0, "short": 0})
    given = ("patients",) if whole else ("patients", "served", "short")
    result = protect(
        frame,
        counts=("patients", "served", "short"),
        grams={
            "due_g": ("patients",),
            "planned_g": given,
            "given_g": given,
            "unmet_g": ("patients", "short") if whole else given,
        },
        resting={"fill_rate": given, "planned_rate": given},
        national=national,
    )
    names = ["due_g", "planned_g", "given_g", "unmet_g"]
    unknown = (frame["patients"] == 0) & (frame["due_g"] > 0)
    result.loc[unknown, [*names, "fill_rate", "planned_rate"]] = HIDDEN
    return result.drop(columns=["served", "short"])


def _statuses(frame: pd.DataFrame, *, share: bool, national: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Statuses by grade with their shares, and the same for everybody in one row, as they may be shown."""
    names = [name for name in frame.columns if name not in ("grade", "patients")]
    total = frame[["patients", *names]].sum().to_frame().T.astype("float64")
    frame = frame.astype(dict.fromkeys(("patients", *names), "float64"))
    shares = {f"{name}_share": (name, "patients") for name in names}
    for name, (part, base) in shares.items():
        frame[name] = frame[part] / frame[base].where(frame[base] > 0)
    if share:
        frame = protect(frame, counts=("patients", *names), shares=shares, national=national)
        hidden = any(is_hidden(value) for name in ("patients", *names) for value in frame[name])
        total = protect(total, counts=("patients", *names), national=national and not hidden)
    return frame, total
