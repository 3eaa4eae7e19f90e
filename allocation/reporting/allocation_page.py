"""The page of one allocation: its numbers to sentences, charts and tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from allocation.reporting import charts_groups
from allocation.reporting.allocation_facts import AllocationFacts, allocation_facts, option_of
from allocation.reporting.allocation_proof import (
    flow_section,
    limits_section,
    proof_section,
    reason_section,
    shadow_section,
    status_name,
)
from allocation.reporting.blocks import Chart, Column, Page, Section, chart, table
from allocation.reporting.disclosure import HIDDEN, is_hidden, shown
from allocation.reporting.frames import lowest, records
from allocation.reporting.headlines import ahead_sentence, allocation_sentences
from allocation.reporting.load import AllocationRun
from allocation.reporting.savings_section import savings_section
from allocation.reporting.shared_parts import assumptions_section, manifest_section
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
from allocation.rules.rests_on import EVERY_ENTRY

__all__ = ["allocation_headlines", "allocation_page", "allocation_title", "head_facts", "sentences"]


def allocation_page(run: AllocationRun, *, share: bool, savings: pd.DataFrame | None = None) -> Page:
    """Everything the page of an allocation says, in order.

    Parameters
    ----------
    run
        From :func:`~allocation.reporting.load.load_run`.
    share
        Whether small counts must be hidden.
    savings
        What stewardship could free, patient by patient, where the cohort is at hand.
    """
    facts = allocation_facts(run, share=share)
    freed = () if savings is None else (savings_section(savings, share=share),)
    return Page(
        title=allocation_title(run),
        kind="One allocation of the stock there is",
        about=str(run.result.get("description", "")),
        facts=head_facts(facts),
        headlines=sentences(facts),
        lead=_grade_chart(facts.grades),
        sections=(
            _people_section(facts.statuses),
            _panel_section(facts.panels),
            flow_section(run, share=share),
            reason_section(run, share=share),
            shadow_section(run, facts.panels),
            *freed,
            proof_section(run, share=share),
            _assumption_section(run, share=share),
            limits_section(),
            manifest_section(run.manifest, shared=share, changed=run.changed),
        ),
        shared=share,
        changed=run.changed,
    )


def _assumption_section(run: AllocationRun, *, share: bool) -> Section:
    """What the rulebook's entries in use leave open, and how it was ruled."""
    found = [item for item in run.result.get("assumptions") or [] if isinstance(item, Mapping)]
    # A ruling on one rare condition says that somebody of the cohort has it.
    told = [item for item in found if not share or item.get("entries") == EVERY_ENTRY]
    section = assumptions_section(told, (), ())
    words = ["These are rulings on what the rulebook leaves open, of the entries that the cohort uses."] if told else []
    if len(told) < len(found):
        words.append("Rulings on single conditions are left out of a page that is shared.")
    return replace(section, words=(*words, *section.words))


def allocation_headlines(run: AllocationRun, *, share: bool = False) -> tuple[str, ...]:
    """The sentences that the page opens with, without drawing the page."""
    return sentences(allocation_facts(run, share=share))


def allocation_title(run: AllocationRun) -> str:
    """What the page and the workbook are called."""
    tier = option_of(run, "tier")
    return f"Allocation at tier {tier}" if tier else "Allocation"


def sentences(facts: AllocationFacts) -> tuple[str, ...]:
    """The answer, from measures already worked out."""
    said = allocation_sentences(facts.grades, facts.everybody, lowest_panel=facts.lowest_panel)
    ahead = facts.run.result.get("horizon")
    # Folders of an older release do not say which deliveries were counted.
    if not isinstance(ahead, Mapping) or "deliveries_counted_g" not in ahead:
        return said
    return (*said, ahead_sentence(ahead))


def head_facts(facts: AllocationFacts) -> tuple[tuple[str, str], ...]:
    """What the run was, as names and values: tier, day, weeks, policy, patients and panels."""
    run = facts.run
    pairs = [
        ("Tier", option_of(run, "tier")),
        ("As of", option_of(run, "as_of")),
        ("Weeks", option_of(run, "weeks")),
        ("Policy", words_of(option_of(run, "policy"))),
        ("Patients", count(facts.everybody["patients"].iloc[0])),
        ("Panels", number(run.panels["panel"].nunique(), 0)),
    ]
    return tuple((name, value) for name, value in pairs if value)


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
