"""An allocation to the small tables its report shows: people counted, grams summed, never a row of a patient."""

from __future__ import annotations

import re

import pandas as pd

from allocation.reporting.load import AllocationRun
from allocation.reporting.words import panel_name
from allocation.rules import NATIONAL

__all__ = [
    "STATUSES",
    "fill_by_grade",
    "fill_by_panel",
    "flow_table",
    "reason_table",
    "served_and_short",
    "shadow_table",
    "status_by_grade",
    "unpriced_words",
]

STATUSES = ("treated", "reduced", "deferred", "suspended", "not_funded")
"""What may be said of a patient, in the order of how well they are served."""

# Grades and tiers are what a reason is about; every other figure is one patient's own.
_FIGURE = re.compile(r"(?i)(?<!grade )(?<!tier )(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w-])")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


def _with_shares(frame: pd.DataFrame) -> pd.DataFrame:
    due = frame["due_g"].where(frame["due_g"] > 0)
    return frame.assign(fill_rate=frame["given_g"] / due, planned_rate=frame["planned_g"] / due)


def fill_by_grade(run: AllocationRun) -> pd.DataFrame:
    """By grade, 4 first: patients, grams due, planned, given and unmet, with the shares given and planned."""
    sums = run.panels.groupby("grade")[["patients", "due_g", "planned_g", "given_g", "unmet_g"]].sum().reset_index()
    return _with_shares(sums).sort_values("grade", ascending=False, ignore_index=True)


def fill_by_panel(run: AllocationRun) -> pd.DataFrame:
    """By panel and grade: patients, grams due, planned, given and unmet, with the shares given and planned."""
    names = ["panel", "grade", "patients", "due_g", "planned_g", "given_g", "unmet_g"]
    frame = _with_shares(run.panels[names])
    frame["panel_name"] = [panel_name(code) for code in frame["panel"]]
    return frame.sort_values(["panel", "grade"], ascending=[True, False], ignore_index=True)


def served_and_short(run: AllocationRun, keys: list[str]) -> pd.DataFrame:
    """By ``keys``: patients who are due and funded and get something (``served``), or less than all (``short``)."""
    funded = run.patients[run.patients["status"] != "not_funded"]
    rows = funded[keys].assign(
        served=(funded["given_g"] > 0).astype("int64"), short=(funded["status"] != "treated").astype("int64")
    )
    return rows.groupby(keys)[["served", "short"]].sum().reset_index()


def status_by_grade(run: AllocationRun) -> pd.DataFrame:
    """By grade, 4 first: patients, and how many of them are in each status."""
    counts = pd.crosstab(run.patients["grade"].astype(int), run.patients["status"])
    extra = [name for name in counts.columns if name not in STATUSES]
    counts = counts.reindex(columns=[*STATUSES, *extra], fill_value=0).rename_axis(None, axis="columns")
    counts.insert(0, "patients", counts.sum(axis=1))
    return counts.reset_index().sort_values("grade", ascending=False, ignore_index=True).astype("int64")


def flow_table(run: AllocationRun) -> pd.DataFrame:
    """Grams between places, the largest first: from, to, product, grams, whether moved, and patients served by it.

    ``patients`` had their whole course of it; ``most`` adds those who had a course of several parts, some of them from
    the place and some of the product.
    """
    keys = ["from_location", "panel", "product"]
    flows = run.flows.groupby(keys)["grams"].sum().reset_index()
    served = run.patients[run.patients["given_g"] > 0].groupby(keys).size().rename("patients").reset_index()
    flows = flows.merge(served, on=keys, how="left").merge(_most_served(run), on=keys, how="left")
    flows = flows.fillna({"patients": 0, "most": 0})
    flows["moved"] = flows["from_location"] != flows["panel"]
    flows["between"] = ["national stock" if place == NATIONAL else place for place in flows["from_location"]]
    flows = flows[flows["grams"] > 0]
    return flows.sort_values(["grams", *keys], ascending=[False, True, True, True], ignore_index=True)


def _most_served(run: AllocationRun) -> pd.DataFrame:
    """By place, panel and product: patients who had something from there and something of it."""
    rows = run.patients.loc[run.patients["given_g"] > 0, ["from_location", "panel", "product"]]
    for name in ("from_location", "product"):
        rows = rows.assign(**{name: rows[name].str.split("+")}).explode(name)
    return rows.groupby(["from_location", "panel", "product"]).size().rename("most").reset_index()


def reason_table(run: AllocationRun) -> pd.DataFrame:
    """How many patients were given each reason, with panels by their part and a patient's own figures left out."""
    said = _places_by_role(run.patients)
    said = said.str.replace(_DATE, "(date)", regex=True).str.replace(_FIGURE, "…", regex=True)
    frame = pd.DataFrame({"grade": run.patients["grade"], "status": run.patients["status"], "reason": said})
    counts = frame.groupby(["status", "reason"]).size().rename("patients").reset_index()
    return counts.sort_values(["patients", "status", "reason"], ascending=[False, True, True], ignore_index=True)


def _places_by_role(patients: pd.DataFrame) -> pd.Series[str]:
    """Reasons with panel codes told as the patient's own panel or another, so that equal reasons count together."""
    codes = sorted(set(patients["panel"]), key=len, reverse=True)
    if not codes:
        return patients["reason"]
    any_code = re.compile(rf"\b(?:{'|'.join(re.escape(code) for code in codes)})\b")
    said = []
    for own, reason in zip(patients["panel"], patients["reason"], strict=True):
        without_own = re.sub(rf"\b{re.escape(own)}\b", "the own panel", reason) if own else reason
        said.append(any_code.sub("another panel", without_own))
    return pd.Series(said, index=patients.index, dtype=object)


def unpriced_words(run: AllocationRun) -> tuple[str, ...]:
    """Which kilograms were not tried, one sentence for panels that miss the same products; none where all were."""
    return tuple(
        f"Not priced at {', '.join(part['panels'])}: {', '.join(part['products'])}, because {part['why']}."
        for part in run.result.get("shadow_prices_left_out", ())
    )


def shadow_table(run: AllocationRun) -> pd.DataFrame:
    """What one more kilogram would buy, most first; places where it buys nothing are left out."""
    frame = run.shadow_prices[run.shadow_prices["grams_per_kg"].abs() > 0]
    keys = ["grade", "grams_per_kg", "panel", "product"]
    return frame.sort_values(keys, ascending=[False, False, True, True], ignore_index=True)
