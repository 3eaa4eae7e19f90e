"""What stewardship could free in the cohort of an allocation: the waterfall, its table, and the panels."""

from __future__ import annotations

import pandas as pd

from allocation.cohort.stewardship import KINDS, stewardship_table
from allocation.cohort.stewardship_settings import load_stewardship
from allocation.quantities import MG_PER_G
from allocation.reporting import charts_savings
from allocation.reporting.blocks import Chart, Column, Section, Table, chart, table
from allocation.reporting.disclosure import HIDDEN, is_hidden, protect
from allocation.reporting.frames import records
from allocation.reporting.words import count, grams, panel_name, percent, whole

__all__ = ["savings_section"]

_CAVEAT = (
    "Grams in the year ahead. Each kind is counted on what those before it leave, so that they add up. Nothing here "
    "says that a saving is right for a person; weaning is counted as if it succeeded in everybody."
)
_NOW, _LEFT = "Used a year as treated now", "Left"


def savings_section(rows: pd.DataFrame, *, share: bool) -> Section:
    """Grams a year that stewardship could free.

    Parameters
    ----------
    rows
        ``panel``, ``review_overdue`` and the columns of :func:`allocation.cohort.stewardship.savings_of`, a patient a
        row; summed here and never shown row by row.
    share
        Whether small counts must be hidden.
    """
    key, title = "savings-section", "What stewardship could free"
    if not rows["now_mg"].sum():
        return Section(key=key, title=title, words=("The cohort uses nothing in the year ahead.",))
    words = (_CAVEAT,)
    return Section(key=key, title=title, words=words, parts=(_waterfall(rows, share=share), _panels(rows, share=share)))


def _kinds(rows: pd.DataFrame, *, share: bool) -> pd.DataFrame:
    """What is used, each kind of saving and what is left, as they may be shown."""
    texts = load_stewardship().kind
    steps = [(_NOW, "now_mg", "In whole vials, as recorded or as the rulebook doses.", True)]
    steps += [(texts[kind].title, f"saving_{kind}_mg", texts[kind].text, False) for kind in KINDS]
    steps.append((_LEFT, "left_mg", "After all kinds of saving.", True))
    frame = pd.DataFrame(
        [
            (name, text, total, float((rows[mg] > 0).sum()), float(rows[mg].sum()) / MG_PER_G)
            for name, mg, text, total in steps
        ],
        columns=["name", "text", "total", "patients", "grams"],
    )
    frame["part"] = frame["grams"] / frame["grams"].iloc[0]
    if not share:
        return frame
    made = protect(frame, counts=("patients",), grams={"grams": ("patients",)}, resting={"part": ("patients",)})
    if any(is_hidden(value) for value in made["grams"].iloc[:-1]):
        # What is left, taken from what is used, would give the sum of the steps that are hidden.
        made.loc[made.index[-1], ["grams", "part"]] = HIDDEN
    return made


def _waterfall(rows: pd.DataFrame, *, share: bool) -> Chart:
    frame = _kinds(rows, share=share)
    frame["label"] = [
        HIDDEN
        if is_hidden(row["grams"])
        else grams(row["grams"])
        if row["total"]
        else f"{chr(0x2212)}{grams(row['grams'])}"
        if row["grams"]
        else "nothing"
        for row in records(frame)
    ]
    steps = frame[~frame["total"].astype(bool)]
    known = steps[[not is_hidden(value) and value > 0 for value in steps["grams"]]]
    if known.empty:
        finding = "No saving can be shown" if share else "Stewardship would free nothing"
    else:
        best = records(known.sort_values("grams", key=lambda column: -column.astype(float), kind="stable"))[0]
        finding = f"Most could be freed by “{best['name'].lower()}”: {grams(best['grams'])} a year"
        finding += "" if is_hidden(best["part"]) else f", {percent(best['part'])} of what is used"
    columns = [
        Column("name", "Step"),
        Column("patients", "Patients", count, counts_people=True),
        Column("grams", "Grams a year", whole),
        Column("part", "Of what is used, %", percent),
        Column("text", "What it is", roomy=True),
    ]
    spoken = "; ".join(f"{row['name']} {row['label']}" for row in records(frame))
    return chart(
        lambda size: charts_savings.waterfall(frame, size=size),
        key="savings",
        finding=finding,
        description=f"{spoken}.",
        caption="From the grams used a year now down to what would be left, kind by kind.",
        data=table(frame, columns, key="savings-data", caption="What each kind of stewardship could free"),
    )


def _panels(rows: pd.DataFrame, *, share: bool) -> Table:
    found = stewardship_table(rows, ["panel"])
    overdue = rows[rows["review_overdue"] == "yes"].groupby("panel")["now_mg"].sum()
    frame = found[["panel", "patients", "patients_with_savings", "reviews_overdue", "share"]].assign(
        now_g=found["now_mg"] / MG_PER_G,
        saving_g=found["saving_mg"] / MG_PER_G,
        overdue_g=(overdue.reindex(found["panel"]).fillna(0.0) / MG_PER_G).to_numpy(),
        name=[panel_name(str(code)) for code in found["panel"]],
    )
    freed, late = ("patients", "patients_with_savings"), ("patients", "reviews_overdue")
    if share:
        frame = protect(
            frame,
            counts=("patients", "patients_with_savings", "reviews_overdue"),
            grams={"now_g": ("patients",), "saving_g": freed, "overdue_g": late},
            resting={"share": freed},
        ).sort_values("name", ignore_index=True)
    columns = [
        Column("name", "Panel", roomy=True),
        Column("patients", "Patients", count, counts_people=True),
        Column("reviews_overdue", "Reviews overdue", count, counts_people=True),
        Column("overdue_g", "Used a year by those overdue, g", whole),
        Column("now_g", "Used a year, g", whole),
        Column("patients_with_savings", "Patients with a saving", count, counts_people=True),
        Column("saving_g", "Could be freed, g", whole),
        Column("share", "Of what is used, %", percent),
    ]
    return table(frame, columns, key="savings-panels", caption="Savings and overdue reviews by panel")
