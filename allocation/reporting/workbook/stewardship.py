"""Sheets of what stewardship could free: by kind, by panel and by indication, with the reviews overdue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.cohort.stewardship import KINDS, stewardship_table
from allocation.cohort.stewardship_settings import load_stewardship
from allocation.quantities import MG_PER_G
from allocation.reporting.disclosure import protect
from allocation.reporting.words import indication_name, panel_name
from allocation.reporting.workbook.model import Field, Sheet

__all__ = ["Savings", "savings_sheets"]

_NOTE = (
    "Grams in the year ahead. Each kind of saving is counted on what those before it leave, so that they add up. "
    "Nothing here says that a saving is right for a person; weaning is counted as if it succeeded in everybody."
)


@dataclass(frozen=True, slots=True, eq=False)
class Savings:
    """What stewardship could free, patient by patient; summed here and never shown row by row.

    Attributes
    ----------
    rows
        ``panel``, ``indication``, ``review_overdue`` and the columns of
        :func:`allocation.cohort.stewardship.savings_of`, in milligrams a year.
    """

    rows: pd.DataFrame


def savings_sheets(savings: Savings, *, share: bool) -> tuple[Sheet, ...]:
    """The sheets, with small counts and the grams behind them hidden where they are to be shared."""
    return (
        _by_kind(savings.rows, share=share),
        _by_group(savings.rows, "panel", share=share),
        _by_group(savings.rows, "indication", share=share),
    )


def _by_kind(rows: pd.DataFrame, *, share: bool) -> Sheet:
    texts = load_stewardship().kind
    columns = [(texts[kind].title, texts[kind].text, f"saving_{kind}_mg") for kind in KINDS]
    columns.append(("Together", "All kinds of saving.", "saving_mg"))
    frame = pd.DataFrame(
        [
            (title, text, float((rows[name] > 0).sum()), float(rows[name].sum()) / MG_PER_G)
            for title, text, name in columns
        ],
        columns=["kind", "text", "patients", "grams"],
    )
    used = float(rows["now_mg"].sum()) / MG_PER_G
    frame["part"] = frame["grams"] / used if used else np.nan
    if share:
        hide = ("patients",)
        frame = protect(frame, counts=hide, grams={"grams": hide}, resting={"part": hide})
    fields = (
        Field("kind", "Saving", "Kind of saving, in the order in which grams are attributed."),
        Field("patients", "Patients", "Patients with a saving of this kind.", "count"),
        Field("grams", "Freed (g a year)", "Grams in the year ahead that it could free.", "grams", digits=0),
        Field("part", "Freed (% of use)", "Grams freed as a share of all grams used a year now.", "share"),
        Field("text", "What it is", "The saving in words.", roomy=True),
    )
    return Sheet("Savings", "What each kind of stewardship could free in the year ahead", fields, frame, note=_NOTE)


def _by_group(rows: pd.DataFrame, by: str, *, share: bool) -> Sheet:
    table = stewardship_table(rows, [by])
    overdue = rows[rows["review_overdue"] == "yes"].groupby(by)["now_mg"].sum()
    frame = table[[by, "patients", "patients_with_savings", "reviews_overdue", "share"]].copy()
    amounts = {"now_mg": "now_g", "saving_mg": "saving_g", **{f"saving_{kind}_mg": f"{kind}_g" for kind in KINDS}}
    for source, name in amounts.items():
        frame[name] = table[source] / MG_PER_G
    frame["overdue_g"] = (overdue.reindex(table[by]).fillna(0.0) / MG_PER_G).to_numpy()
    frame["name"] = [panel_name(str(code)) if by == "panel" else indication_name(str(code)) for code in frame[by]]
    freed, late = ("patients_with_savings",), ("reviews_overdue",)
    if share:
        frame = protect(
            frame,
            counts=("patients", *freed, *late),
            grams={"now_g": ("patients",), "saving_g": ("patients", *freed), "overdue_g": ("patients", *late)},
            resting={"share": ("patients", *freed)},
        ).sort_values("name", ignore_index=True)
    titles = load_stewardship().kind
    each = (
        ()
        if share
        else tuple(
            Field(f"{kind}_g", f"{titles[kind].title} (g a year)", titles[kind].text, "grams", digits=0)
            for kind in KINDS
        )
    )
    fields = (
        Field("name", "Panel" if by == "panel" else "Indication", "Code or condition, with its name.", roomy=True),
        Field("patients", "Patients", "Patients of the cohort.", "count"),
        Field("reviews_overdue", "Reviews overdue", "Patients whose annual review is overdue.", "count"),
        Field(
            "overdue_g",
            "Used by those overdue (g a year)",
            "Grams a year of patients whose review is overdue.",
            "grams",
            digits=0,
        ),
        Field("now_g", "Used now (g a year)", "Grams a year as treated now, in whole vials.", "grams", digits=0),
        Field("patients_with_savings", "Patients with a saving", "Patients with a saving of any kind.", "count"),
        Field("saving_g", "Freed (g a year)", "Grams that all kinds together could free.", "grams", digits=0),
        Field("share", "Freed (% of use)", "Grams freed as a share of the grams used now.", "share"),
        *each,
    )
    what = f"Reviews overdue and what stewardship could free, by {by}"
    return Sheet(f"Savings by {by}", what, fields, frame, note=_NOTE)
