"""What a panel's one-page report needs besides who gets what: its cohort, its reviews, its shelf."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.quantities import MG_PER_G

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["panel_cohort", "panel_stock"]


def panel_cohort(demand: pd.DataFrame, patients: pd.DataFrame) -> pd.DataFrame:
    """Patients and overdue reviews by panel and grade, whether anything was due or not.

    Parameters
    ----------
    demand
        The demand table with ``patient_id``, ``review_overdue`` and ``due_mg``, a row for each patient of the cohort.
    patients
        What each patient who was due gets: ``patient_id`` and ``given_g``.

    Returns
    -------
    DataFrame
        ``panel``, ``grade`` (0 where ungraded), ``patients``, ``patients_due``, ``reviews_overdue``, ``overdue_due``
        (of these, due now), ``overdue_due_g`` and ``overdue_given_g`` (grams due and given of these).
    """
    given = patients.set_index("patient_id")["given_g"].reindex(demand["patient_id"]).fillna(0.0).to_numpy()
    due = demand["due_mg"].astype("int64")
    late = demand["review_overdue"].astype(str).eq("yes")
    rows = demand[["panel"]].astype(str)
    rows = rows.assign(
        grade=demand["grade"].fillna(0).astype("int64"),
        patients=1,
        patients_due=due.gt(0).astype("int64"),
        reviews_overdue=late.astype("int64"),
        overdue_due=(late & due.gt(0)).astype("int64"),
        overdue_due_g=(due / MG_PER_G).where(late, 0.0),
        overdue_given_g=0.0,
    )
    rows["overdue_given_g"] = given * late.to_numpy()
    summed = rows.groupby(["panel", "grade"], sort=True).sum().reset_index()
    summed[["overdue_due_g", "overdue_given_g"]] = summed[["overdue_due_g", "overdue_given_g"]].round(3)
    return summed.sort_values(["panel", "grade"], ascending=[True, False], ignore_index=True)


def panel_stock(demand: pd.DataFrame, stock: pd.DataFrame, *, weeks: float) -> pd.DataFrame:
    """Grams on each shelf and for how many weeks they last at what the panel's funded patients are due a week.

    Parameters
    ----------
    stock
        Vials that the allocation could use: ``location``, ``vial_mg`` and ``vials``.
    weeks
        Weeks of the allocation, over which the grams due are spread.

    Returns
    -------
    DataFrame
        ``location`` (panels and the national stock), ``stock_g``, ``weekly_g`` and ``cover_weeks``; the last two are
        blank where nothing is due.
    """
    funded = demand[demand["funded"].astype(bool)]
    weekly = funded.assign(panel=funded["panel"].astype(str)).groupby("panel")["due_mg"].sum() / MG_PER_G / weeks
    shelf = (stock["vial_mg"] * stock["vials"]).groupby(stock["location"].astype(str)).sum() / MG_PER_G
    places = sorted({*weekly.index, *shelf.index})
    weekly = weekly.reindex(places)
    weekly = weekly.where(weekly > 0)
    held = shelf.reindex(places).fillna(0.0)
    table = held.round(3).rename("stock_g").rename_axis("location").to_frame()
    table["weekly_g"] = weekly.round(3)
    table["cover_weeks"] = (held / weekly).round(3)
    return table.reset_index()
