"""Where each patient stands with the panel: the prescribing and the review pathway of the rulebook.

The rules are data (``[[panel_rule]]`` in the rulebook). A patient's facts make up one whole number; each number is
looked up once in the rules, so that a scalar and a million rows go the same way.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.grading.columns import day_of, days_of, entries_of, is_value, need_columns
from allocation.rules.models import Rulebook
from allocation.rules.pathway import PATHWAY_FACTS, PanelRule, every_case, rule_for

__all__ = ["PATHWAY_COLUMN", "panel_status", "with_panel_status"]

PATHWAY_COLUMN = "panel_status"
"""The column that :func:`with_panel_status` adds."""

_NEEDED = (
    *("indication", "situation", "interval_weeks", "start_date", "last_review_date", "panel_decision"),
    *("clinical_trial", "commissioned", "prior_approval"),
)

Places = npt.NDArray[np.int64]


def panel_status(rules: tuple[PanelRule, ...], **facts: npt.ArrayLike) -> npt.NDArray[np.object_]:
    """Status of each patient from the facts.

    Parameters
    ----------
    rules
        A pathway; without rules every status is blank.
    **facts
        For each of :data:`~allocation.rules.pathway.PATHWAY_FACTS` one value or an array of values.

    Returns
    -------
    ndarray of object
        Of the common shape of the facts.

    Raises
    ------
    KeyError
        Where a fact is missing.
    ValueError
        Where a value is none of the fact's.
    """
    places = [_places(fact, np.asarray(facts[fact], dtype=object)) for fact in PATHWAY_FACTS]
    return _looked_up(rules, *places)


def with_panel_status(rulebook: Rulebook, graded: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """A graded cohort with the column :data:`PATHWAY_COLUMN`.

    Parameters
    ----------
    rulebook
        The one it was graded by.
    graded
        A graded cohort frame. It is not changed; the result shares its columns.
    as_of
        Day on which reviews are judged, the same as for the grades.

    Raises
    ------
    InputError
        Where a column is missing, or the rulebook does not grade.
    """
    need_columns(graded, _NEEDED, "graded cohort")
    today, rules = rulebook.on(as_of), rulebook.panel_rule
    decision = np.full(len(graded), "none", dtype=object)
    for value in ("pending", "approved", "declined"):
        decision[is_value(graded["panel_decision"], value)] = value
    found = _looked_up(
        rules,
        _places("commissioned", graded["commissioned"].to_numpy(dtype=object)),
        _places("decision", decision),
        _places("approval", graded["prior_approval"].to_numpy(dtype=object)),
        _terms(today, graded),
        _reviews(graded, valid_days=rulebook.settings.review_valid_days, today=day_of(as_of)),
        _places("trial", np.where(is_value(graded["clinical_trial"], "yes"), "yes", "no").astype(object)),
    )
    told = graded.copy(deep=False)
    told[PATHWAY_COLUMN] = found
    return told


def _looked_up(rules: tuple[PanelRule, ...], *places: Places) -> npt.NDArray[np.object_]:
    """Status of each case, told by the place of its value of each fact."""
    cases = np.ravel_multi_index(np.broadcast_arrays(*places), tuple(map(len, PATHWAY_FACTS.values())))
    statuses = [rules[rule_for(rules, case)].status if rules else "" for case in every_case()]
    return np.array(statuses, dtype=object)[cases]


def _places(fact: str, values: npt.NDArray[np.object_]) -> Places:
    known = PATHWAY_FACTS[fact]
    found = np.full(values.shape, -1, dtype=np.int64)
    for place, value in enumerate(known):
        found[values == value] = place
    if (found < 0).any():
        wrong = sorted({str(value) for value in values[found < 0].ravel().tolist()})
        raise ValueError(f"{fact} is one of {', '.join(known)}, not {', '.join(wrong)}")
    return found


def _terms(rulebook: Rulebook, graded: pd.DataFrame) -> Places:
    """Long-term is what the rulebook says so of, and either-term treatment that is repeated; as for the grades."""
    short, long = (PATHWAY_FACTS["term"].index(value) for value in ("short", "long"))
    terms = [entry.term for entry in rulebook.entry]
    entries = entries_of(rulebook, graded)
    always = np.array([*(term == "long" for term in terms), False])[entries]
    either = np.array([*(term == "either" for term in terms), False])[entries]
    repeated = ~np.isnan(graded["interval_weeks"].to_numpy(dtype=np.float64))
    listed = is_value(graded["commissioned"], "routine")
    return np.where(listed & (always | (either & repeated)), long, short)


def _reviews(graded: pd.DataFrame, *, valid_days: int, today: int) -> Places:
    in_date, first_year, lapsed, unknown = range(len(PATHWAY_FACTS["review"]))
    reviewed, has_review = days_of(graded["last_review_date"])
    started, has_start = days_of(graded["start_date"])
    past = has_review & (reviewed <= today)
    early = has_start & (today - started <= valid_days)
    found = np.where(past | has_start, lapsed, unknown)
    found = np.where(early, first_year, found)
    return np.where(past & (today - reviewed <= valid_days), in_date, found)
