"""The parts of a simulation's page that speak of groups: panels, indications, and the outcomes of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from allocation.reporting import charts_groups
from allocation.reporting.blocks import Chart, Column, Section, Table, chart, table
from allocation.reporting.disclosure import is_hidden, shown
from allocation.reporting.frames import highest, records
from allocation.reporting.headlines import precision_sentences
from allocation.reporting.simulation_facts import Facts
from allocation.reporting.simulation_measures import counts_people, is_share
from allocation.reporting.words import count, days, grade_name, kilograms, number, percent, whole

__all__ = ["indication_section", "outcome_section", "panel_section"]

_MOST_BARS = 12


def panel_section(facts: Facts) -> Section:
    """Mean wait and grams given up by panel and grade, as heat maps and a table."""
    frame = facts.panels.assign(grade_name=[grade_name(int(grade)) for grade in facts.panels["grade"]])
    columns = [
        Column("panel_name", "Panel", roomy=True),
        Column("grade_name", "Grade"),
        Column("patients", "Patients", count, counts_people=True),
        Column("patients_late", "Late at least once", count, counts_people=True),
        Column("late_share", "Late, %", percent),
        Column("due_g", "Due, kg", kilograms),
        Column("unmet_g", "Given up, kg", kilograms),
        Column("unmet_share", "Given up, % of due", percent),
        Column("wait_days", "Mean wait of a gram, days", days),
    ]
    data = table(frame, columns, key="panels-data", caption="Panels and grades over the whole run", heads=2)
    parts: list[Chart | Table] = []
    for key, column, what, unit, text, caption in (
        ("wait", "wait_days", "Longest wait", " days", days, "Mean wait of a gram due, in days, over the whole run."),
        ("unmet", "unmet_share", "Most given up", "", percent, "Grams never given, as a share of the grams due."),
    ):
        if (shown(frame, column).fillna(0.0) > 0).any():
            parts.append(_heat(frame, key=key, column=column, what=what, unit=unit, text=text, caption=caption))
    words = () if parts else ("No panel has grams waiting or given up that can be shown.",)
    return Section(key="panels-section", title="Waiting and given up, by panel", words=words, parts=(*parts, data))


def _heat(
    frame: pd.DataFrame, *, key: str, column: str, what: str, unit: str, text: Callable[[object], str], caption: str
) -> Chart:
    caption += " Mean of the replications; a darker cell is worse."
    worst = highest(frame, shown(frame, column))
    finding = f"{what}: {worst['panel_name']}, {str(worst['grade_name']).lower()}, {text(worst[column])}{unit}"
    most = charts_groups.MOST_PANELS
    cells = frame
    if frame["panel"].nunique() > most:
        order = shown(frame, column).groupby(frame["panel"]).max().sort_values(ascending=False, kind="stable")
        cells = frame[frame["panel"].isin(order.head(most).index)]
        caption += f" The {most} panels that fare worst; the table has all."
    if any(is_hidden(value) for value in cells[column]):
        caption += " * is hidden."
    return chart(
        lambda size: charts_groups.heat(cells, size=size, value=column, text=text),
        key=f"heat-{key}",
        finding=finding,
        description=f"{finding}. The table of panels and grades below holds every value.",
        caption=caption,
    )


def indication_section(facts: Facts) -> Section:
    """Who was late, by indication: bars for the most, a table for all."""
    key, title = "indications-section", "Who waits, by indication"
    frame = facts.indications
    if frame.empty:
        return Section(key=key, title=title, words=("No patient was counted as affected.",))
    columns = [
        Column("name", "Indication", roomy=True),
        Column("patients", "Patients", count, counts_people=True),
        Column("patients_late", "Late at least once", count, counts_people=True),
        Column("late_p05", "5%", count, counts_people=True),
        Column("late_p95", "95%", count, counts_people=True),
        Column("late_share", "Late, %", percent),
        Column("days_each", "Longest delay of a late patient, days", days),
        Column("unmet_g", "Given up, kg", kilograms),
    ]
    note = "Means over replications; 5% and 95% are quantiles over replications of the patients late."
    data = table(frame, columns, key="indications", caption="Patients late by indication", note=note)
    some = frame[shown(frame, "patients_late") > 0].head(_MOST_BARS)
    if some.empty:
        words = "No number of late patients is large enough to be shown." if facts.share else "No patient was late."
        return Section(key=key, title=title, words=(words,), parts=(data,))
    some = some.assign(
        label=[
            count(row["patients_late"])
            + ("" if is_hidden(row["late_share"]) else f" ({percent(row['late_share'], 0)})")
            for row in records(some)
        ]
    )
    top = records(some)[0]
    finding = f"Most patients late: {top['name']}, {count(top['patients_late'])} patients"
    if not is_hidden(top["days_each"]):
        finding += f", by {days(top['days_each'])} days on average"
    banded = facts.replications > 1
    bars = chart(
        lambda size: charts_groups.bars(
            some,
            size=size,
            name="name",
            value="patients_late",
            label="label",
            low="late_p05" if banded else "",
            high="late_p95" if banded else "",
        ),
        key="late",
        finding=finding,
        description=f"{finding}. Bars for the {len(some)} indications with most patients late; the table has all.",
        caption="Patients with at least one course late, mean of the replications; in brackets their share of the "
        f"patients with that indication.{' Orange line: the middle 90% of replications.' if banded else ''}",
    )
    return Section(key=key, title=title, parts=(bars, data))


def outcome_section(facts: Facts) -> Section:
    """Every outcome of the run with the interval of its mean and the spread of single replications."""
    numbers = (
        ("mean", "Mean"),
        ("low", "Low"),
        ("high", "High"),
        ("p05", "5%"),
        ("median", "Median"),
        ("p95", "95%"),
    )
    frame = facts.outcomes
    # A first week that never came is an answer; what the run does not model, such as chairs, is none.
    frame = frame[(frame["replications"] > 0) | (frame["unit"] == "week")].copy()
    for column, _ in numbers:
        frame[column] = [by_unit(value, unit) for value, unit in zip(frame[column], frame["unit"], strict=True)]
    columns = [
        Column("label", "Outcome", roomy=True),
        Column("unit", "Unit"),
        *(Column(key, label, str) for key, label in numbers),
        Column("replications", "Replications", whole),
    ]
    made = table(frame, columns, key="outcomes", caption="Outcomes with their intervals")
    people = [counts_people(str(unit)) for unit in frame["unit"]]
    rows = tuple(
        tuple(
            replace(cell, people=True) if counted and 0 <= place - 2 < len(numbers) else cell
            for place, cell in enumerate(row)
        )
        for row, counted in zip(made.rows, people, strict=True)
    )
    level = facts.run.summary.get("confidence_level")
    interval = f"{percent(float(level), 0)} confidence interval" if level else "confidence interval"
    words = (
        (
            f"Low and high are the ends of the {interval} of the mean, which narrows as replications are added. The "
            "columns headed 5%, median and 95% show how far single replications spread."
        ),
        # Half an interval of a count tells of the count, so a shared page goes without.
        *(() if facts.share else precision_sentences(facts.run.summary)),
    )
    return Section(
        key="outcomes-section", title="Outcomes", words=words, parts=(replace(made, rows=rows, folded=False),)
    )


def by_unit(value: object, unit: object) -> str:
    """An outcome's number as its unit wants it."""
    name = str(unit).lower()
    if counts_people(name):
        return count(value)
    if is_share(name):
        per_cent = name in ("%", "percent", "per cent")
        return percent(float(value) / 100 if per_cent and not isinstance(value, str) else value)  # type: ignore[arg-type]
    size = 0.0 if isinstance(value, str) else abs(float(value))  # type: ignore[arg-type]
    return number(value, 0 if size >= 100 or size.is_integer() else 1 if size >= 10 else 2)
