"""The page of one allocation: its numbers to sentences, charts and tables."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from allocation.reporting import allocation_measures as measures
from allocation.reporting import charts_groups
from allocation.reporting.allocation_proof import (
    flow_section,
    limits_section,
    proof_section,
    reason_section,
    shadow_section,
    status_name,
)
from allocation.reporting.blocks import Chart, Column, Page, Section, chart, table
from allocation.reporting.disclosure import HIDDEN, is_hidden, is_national, protect, shown
from allocation.reporting.frames import lowest, records
from allocation.reporting.headlines import allocation_sentences
from allocation.reporting.load import AllocationRun
from allocation.reporting.shared_parts import manifest_section
from allocation.reporting.style import LEAD
from allocation.reporting.words import (
    count,
    grade_name,
    grams,
    number,
    percent,
    whole,
    whole_percent,
    words_of,
)

__all__ = ["allocation_headlines", "allocation_page"]


def allocation_page(run: AllocationRun, *, share: bool) -> Page:
    """Everything the page of an allocation says, in order.

    Parameters
    ----------
    run
        From :func:`~allocation.reporting.load.load_run`.
    share
        Whether small counts must be hidden.
    """
    national = is_national(run.panels["panel"])
    grades = _grams(measures.fill_by_grade(run), share=share, national=national)
    panels = _grams(measures.fill_by_panel(run), share=share, national=False)
    statuses, everybody = _statuses(measures.status_by_grade(run), share=share, national=national)
    tier = _option(run, "tier")
    return Page(
        title=f"Allocation at tier {tier}" if tier else "Allocation",
        kind="One allocation of the stock there is",
        about=str(run.result.get("description", "")),
        facts=_facts(run, everybody),
        headlines=allocation_sentences(grades, everybody, lowest_panel=_lowest_panel(panels)),
        lead=_grade_chart(grades),
        sections=(
            _people_section(statuses),
            _panel_section(panels),
            flow_section(run, share=share),
            reason_section(run, share=share),
            shadow_section(run, panels),
            proof_section(run, share=share),
            limits_section(),
            manifest_section(run.manifest, shared=share, changed=run.changed),
        ),
        shared=share,
        changed=run.changed,
    )


def allocation_headlines(run: AllocationRun) -> tuple[str, ...]:
    """The sentences that the page opens with, without drawing the page."""
    national = is_national(run.panels["panel"])
    grades = _grams(measures.fill_by_grade(run), share=False, national=national)
    panels = _grams(measures.fill_by_panel(run), share=False, national=False)
    _, everybody = _statuses(measures.status_by_grade(run), share=False, national=national)
    return allocation_sentences(grades, everybody, lowest_panel=_lowest_panel(panels))


def _option(run: AllocationRun, key: str) -> str:
    """A setting of the run, from the result or else from the manifest."""
    options = run.manifest.get("options", {})
    for place in (run.result, options if isinstance(options, Mapping) else {}):
        value = place.get(key)
        if value is not None and not isinstance(value, Mapping | list):
            return str(value)
    return ""


def _facts(run: AllocationRun, everybody: pd.DataFrame) -> tuple[tuple[str, str], ...]:
    facts = [
        ("Tier", _option(run, "tier")),
        ("As of", _option(run, "as_of")),
        ("Weeks", _option(run, "weeks")),
        ("Policy", words_of(_option(run, "policy"))),
        ("Patients", count(everybody["patients"].iloc[0])),
        ("Panels", number(run.panels["panel"].nunique(), 0)),
    ]
    return tuple((name, value) for name, value in facts if value)


def _grams(frame: pd.DataFrame, *, share: bool, national: bool) -> pd.DataFrame:
    if not share:
        return frame
    names = ("due_g", "planned_g", "given_g", "unmet_g")
    result = protect(
        frame,
        counts=("patients",),
        grams=dict.fromkeys(names, ("patients",)),
        resting={"fill_rate": ("patients",), "planned_rate": ("patients",)},
        national=national,
    )
    unknown = (frame["patients"] == 0) & (frame["due_g"] > 0)
    result.loc[unknown, [*names, "fill_rate", "planned_rate"]] = HIDDEN
    return result


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


def _lowest_panel(panels: pd.DataFrame) -> tuple[str, float | str] | None:
    four = panels[panels["grade"] == 4]
    numbers = shown(four, "fill_rate").dropna()
    if len(numbers) < 2 or numbers.max() - numbers.min() < 1e-9:
        return None
    return str(lowest(four, shown(four, "fill_rate"))["panel_name"]), float(numbers.min())


def _grade_chart(grades: pd.DataFrame) -> Chart:
    frame = grades.assign(
        name=[grade_name(int(grade)) for grade in grades["grade"]],
        label=[
            HIDDEN if is_hidden(row["fill_rate"]) else f"{percent(row['fill_rate'])} of {grams(row['due_g'])}"
            for row in records(grades)
        ],
    )
    data = table(
        frame,
        [
            Column("name", "Grade"),
            Column("patients", "Patients", count, counts_people=True),
            Column("due_g", "Due, g", whole),
            Column("planned_g", "Planned, g", whole),
            Column("given_g", "Given in whole vials, g", whole),
            Column("unmet_g", "Not given, g", whole),
            Column("planned_rate", "Planned, %", percent),
            Column("fill_rate", "Given, %", percent),
        ],
        key="grades",
        caption="Grams by grade",
        note="Planned is the optimum before vials; given is whole vials that were in stock.",
    )
    spoken = ", ".join(f"{row['name']} {row['label']}" for row in records(frame))
    return chart(
        lambda size: charts_groups.bars(
            frame, size=size, name="name", value="fill_rate", label="label", most=1.0, left_in=0.95
        ),
        key="grades-chart",
        finding="Share of the grams due that is given, by grade",
        description=f"{spoken}.",
        caption="Grams given in whole vials, as a share of the grams due.",
        data=data,
        desk=LEAD,
    )


def _people_section(frame: pd.DataFrame) -> Section:
    named = frame.assign(name=[grade_name(int(grade)) for grade in frame["grade"]])
    present = [name for name in frame.columns if f"{name}_share" in frame.columns]
    met = [name for name in present if any(value != 0 for value in frame[name])]
    headings = [(f"{name}_share", status_name(name)) for name in met]
    columns = [Column("name", "Grade"), Column("patients", "Patients", count, counts_people=True)]
    for name in present:
        heading = status_name(name)
        columns.append(Column(name, heading, count, counts_people=True))
    data = table(named, columns, key="statuses", caption="Patients by grade and by what becomes of them")
    if not headings:
        return Section(
            key="people-section", title="What becomes of the patients", words=("Nobody was due.",), parts=(data,)
        )
    finding = "What becomes of the patients of each grade"
    return Section(
        key="people-section",
        title="What becomes of the patients",
        parts=(
            chart(
                lambda size: charts_groups.statuses(named, size=size, columns=headings, text=whole_percent),
                key="statuses-chart",
                finding=finding,
                description=_statuses_spoken(named, headings),
                caption="Share of the patients of each grade. Every bar is on the same scale.",
                data=data,
            ),
        ),
    )


def _statuses_spoken(frame: pd.DataFrame, headings: list[tuple[str, str]]) -> str:
    said = []
    for row in records(frame):
        parts = ", ".join(f"{heading.lower()} {percent(row[column], 0)}" for column, heading in headings)
        said.append(f"{row['name']}: {parts}")
    return ". ".join(said) + "."


def _panel_section(frame: pd.DataFrame) -> Section:
    columns = [
        Column("panel_name", "Panel", roomy=True),
        Column("grade_name", "Grade"),
        Column("patients", "Patients", count, counts_people=True),
        Column("due_g", "Due, g", whole),
        Column("planned_g", "Planned, g", whole),
        Column("given_g", "Given, g", whole),
        Column("unmet_g", "Not given, g", whole),
        Column("fill_rate", "Given, %", percent),
    ]
    named = frame.assign(grade_name=[grade_name(int(grade)) for grade in frame["grade"]])
    data = table(named, columns, key="panels-data", caption="Grams by panel and grade", heads=2)
    title = "Panels"
    numbers = shown(frame, "fill_rate")
    if not (numbers < 1 - 1e-9).any():
        words = ("Every panel is served in full, as far as can be shown.",)
        return Section(key="panels-section", title=title, words=words, parts=(data,))
    short = frame["grade"].where(numbers < 1 - 1e-9)
    grade = int(short.max())
    worst = lowest(frame, numbers.where(frame["grade"] == grade))
    least = percent(worst["fill_rate"], 0)
    finding = f"{grade_name(grade)} is served least in {worst['panel_name']}: {least} of the grams due"
    cells = frame
    if frame["panel"].nunique() > charts_groups.MOST_PANELS:
        order = numbers.groupby(frame["panel"]).min().sort_values(kind="stable").head(charts_groups.MOST_PANELS)
        cells = frame[frame["panel"].isin(order.index)]
    drawn = chart(
        lambda size: charts_groups.heat(cells, size=size, value="fill_rate", text=whole_percent, fewer_is_darker=True),
        key="heat-fill",
        finding=finding,
        description=f"{finding}. The table below holds every panel and grade.",
        caption="Share of the grams due that is given. A darker cell is served less."
        + (" * is hidden." if any(is_hidden(value) for value in cells["fill_rate"]) else ""),
        data=data,
    )
    return Section(key="panels-section", title=title, parts=(drawn,))
