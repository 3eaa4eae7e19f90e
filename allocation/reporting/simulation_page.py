"""The page of a simulation: the answer, tiers and grades over time, assumptions and limits."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from allocation.reporting import charts, headlines
from allocation.reporting.blocks import Chart, Column, Page, Section, Table, chart, table
from allocation.reporting.disclosure import shared_count
from allocation.reporting.frames import records
from allocation.reporting.load import SimulationRun
from allocation.reporting.shared_parts import assumptions_section, cohort_table, manifest_section
from allocation.reporting.simulation_answer import sentences
from allocation.reporting.simulation_facts import Facts, facts_of, summary_list
from allocation.reporting.simulation_groups import indication_section, outcome_section, panel_section
from allocation.reporting.simulation_more import more_sections
from allocation.reporting.style import LEAD
from allocation.reporting.words import count, days, grade_name, kilograms, number, percent, plural, whole, whole_percent

__all__ = ["LIMITS", "head_facts", "simulation_page"]

_BAND_COLUMNS = (("p05", "5%"), ("p25", "25%"), ("median", "Median"), ("p75", "75%"), ("p95", "95%"))
_BAND_NOTE = "Columns headed by a percentage are quantiles over replications."
LIMITS = (
    (
        "Bands show what luck does to this scenario. They do not show how wrong its assumptions may be; for that, vary "
        "the assumptions and compare runs."
    ),
    (
        "A replication is a possible course of events, not a forecast. Who is late is counted by group; it says "
        "nothing about any one patient."
    ),
    (
        "Grades come from what is recorded about each patient. A record that is wrong or out of date gives a grade "
        "that is wrong."
    ),
    (
        "Weeks are counted from 0, the first week of the run. At the end of the run grams may still wait: they are "
        "neither given nor given up."
    ),
)


def simulation_page(run: SimulationRun, *, share: bool) -> Page:
    """Everything the page of a simulation says, in order.

    Parameters
    ----------
    run
        From :func:`~allocation.reporting.load.load_run`.
    share
        Whether small counts must be hidden.
    """
    facts = facts_of(run, share=share)
    return Page(
        title=str(run.summary["title"]),
        kind="Simulation of a shortage",
        about=str(run.summary.get("description") or ""),
        facts=head_facts(facts),
        headlines=sentences(facts.answer),
        lead=_cover_chart(facts),
        sections=(
            _tier_section(facts),
            _grade_section(facts),
            panel_section(facts),
            indication_section(facts),
            outcome_section(facts),
            *more_sections(run, share=share, national=facts.national),
            _assumption_section(facts),
            Section(key="limits-section", title="Limits", words=LIMITS),
            manifest_section(run.manifest, shared=share, changed=run.changed, before=_cohort(facts)),
        ),
        shared=share,
        changed=run.changed,
    )


def head_facts(facts: Facts) -> tuple[tuple[str, str], ...]:
    """What the run was, as names and values: scenario, length, replications, patients, cohort and seed."""
    summary = facts.run.summary
    cohort = summary.get("cohort") or {}
    cohort = cohort if isinstance(cohort, Mapping) else {"name": str(cohort)}
    people = cohort.get("patients")
    if people is not None:
        people = shared_count(float(people), national=facts.national) if facts.share else float(people)
    pairs = (
        ("Scenario", str(summary.get("scenario") or "")),
        ("Length", plural(int(summary["weeks"]), "week")),
        ("Replications", number(facts.replications, 0)),
        ("Patients in the cohort", "" if people is None else count(people)),
        ("Cohort", str(cohort.get("name") or "")),
        ("Seed", "" if summary.get("seed") is None else str(summary["seed"])),
    )
    return tuple((name, value) for name, value in pairs if value)


def _cohort(facts: Facts) -> list[Table]:
    cohort = facts.run.summary.get("cohort")
    if not isinstance(cohort, Mapping):
        return []
    made = cohort_table(cohort, shared=facts.share, national=facts.national)
    return [made] if made else []


def _letters(facts: Facts) -> str:
    told = [f"{row['letter']} = {row['what']}" for row in records(facts.disruptions)]
    return f" Marked in grey: {'; '.join(told)}." if told else ""


def _cover_chart(facts: Facts) -> Chart | None:
    if facts.cover["median"].isna().all():
        return None
    columns = [
        Column("week", "Week", whole),
        *(Column(key, label, number) for key, label in _BAND_COLUMNS),
        Column("stock_g", "Stock, kg (median)", kilograms),
        Column("demand_g", "Expected weekly demand, kg (median)", kilograms),
    ]
    bands = (
        " One replication, so no band."
        if facts.replications == 1
        else f" Line: median of {facts.replications} replications; bands: the middle half and the middle 90% of them."
    )
    return chart(
        lambda size: charts.cover(facts.cover, size=size, marks=facts.marks),
        key="cover",
        finding=headlines.cover_finding(facts.lowest, facts.answer.start_cover),
        description=headlines.cover_sentence(facts.lowest, facts.answer.start_cover),
        caption=f"Usable stock divided by expected weekly demand, all places together.{bands}{_letters(facts)}",
        data=table(facts.cover, columns, key="cover-data", caption="Weeks of cover by week", note=_BAND_NOTE),
        desk=LEAD,
    )


def _tier_section(facts: Facts) -> Section:
    names = {int(tier): f"Tier {tier}" for tier in facts.tiers["tier"].unique()}
    wide = facts.tiers.pivot(index="week", columns="tier", values="share").reset_index()
    wide.columns = pd.Index([str(name) for name in wide.columns])
    columns = [Column("week", "Week", whole), *(Column(str(t), names[t], whole_percent) for t in sorted(names))]
    finding = headlines.tier_finding(facts.reached, facts.replications)
    strip = chart(
        lambda size: charts.tiers(facts.tiers, size=size, names=names),
        key="tiers",
        finding=finding,
        description=headlines.tier_sentence(facts.reached, facts.replications),
        caption="Tier of the shortage by week. A darker cell means more replications are in that tier.",
        data=table(wide, columns, key="tiers-data", caption="Share of replications in each tier by week"),
    )
    parts: list[Chart | Table] = [strip]
    if not facts.reached.empty:
        frame = facts.reached.assign(
            name=[f"Tier {tier} or above" for tier in facts.reached["tier"]],
            often=[f"{hits} of {facts.replications}" for hits in facts.reached["replications"]],
        )
        columns = [
            Column("name", "Tier"),
            Column("often", "Replications that reach it"),
            Column("first_median", "First week, median", whole),
            Column("first_p05", "5%", whole),
            Column("first_p95", "95%", whole),
            Column("weeks_at_or_above", "Weeks held, median of all", whole),
        ]
        note = f"First weeks are over the replications that reach the tier. {_BAND_NOTE}"
        parts.append(table(frame, columns, key="tier-reached", caption="When each tier is reached", note=note))
    unplayed = headlines.unplayed_sentence(facts.run.summary)
    words = (unplayed,) if unplayed else ()
    return Section(key="tiers-section", title="Which tier, and when", words=words, parts=tuple(parts))


def _grade_section(facts: Facts) -> Section:
    parts: list[Chart | Table] = []
    graded = facts.fill[facts.fill["grade"] > 0]
    if graded["median"].notna().any():
        parts.append(
            chart(
                lambda size: charts.fill(graded, size=size, marks=facts.marks),
                key="fill",
                finding=headlines.fill_finding(graded),
                description=headlines.fill_sentence(facts.grades),
                caption="Of the grams newly due in a week or still waiting, the share given in that week. Line: median "
                f"of the replications; bands: the middle half and the middle 90% of them.{_letters(facts)}",
                data=_fill_table(facts),
            )
        )
    frame = facts.grades.assign(name=[grade_name(int(grade)) for grade in facts.grades["grade"]])
    columns = [
        Column("name", "Grade"),
        Column("patients", "Patients", count, counts_people=True),
        Column("patients_late", "Late at least once", count, counts_people=True),
        Column("late_share", "Late, %", percent),
        Column("days_each", "Longest delay of a late patient, days", days),
        Column("due_g", "Due, kg", kilograms),
        Column("issued_g", "Given, kg", kilograms),
        Column("fill", "Given, % of owed", percent),
        Column("unmet_g", "Given up, kg", kilograms),
        Column("wait_days", "Mean wait of a gram, days", days),
    ]
    note = "Means over replications for the whole run. Given up: never given, not merely late."
    parts.append(table(frame, columns, key="grades", caption="Grades over the whole run", note=note))
    return Section(key="grades-section", title="Who is served, by grade", parts=tuple(parts))


def _fill_table(facts: Facts) -> Table:
    frame = facts.fill.dropna(subset=["median"]).sort_values(["week", "grade"], ascending=[True, False])
    frame = frame.assign(name=[grade_name(int(grade)) for grade in frame["grade"]])
    columns = [
        Column("week", "Week", whole),
        Column("name", "Grade"),
        *(Column(key, label, percent) for key, label in _BAND_COLUMNS),
    ]
    caption = "Share of grams owed that is given, by week and grade"
    return table(frame, columns, key="fill-data", caption=caption, note=_BAND_NOTE, heads=2)


def _assumption_section(facts: Facts) -> Section:
    summary = facts.run.summary
    before = []
    if not facts.disruptions.empty:
        columns = [
            Column("letter", "Mark"),
            Column("kind", "Kind"),
            Column("text", "What happens", roomy=True),
            Column("start", "From week", whole),
            Column("weeks", "Weeks", whole),
            Column("role", "Role"),
        ]
        caption = "Disruptions of this scenario, and what is done about them"
        before.append(table(facts.disruptions, columns, key="disruptions", caption=caption))
    tiers = summary_list(summary, "tiers")
    if tiers:
        frame = pd.DataFrame([{"tier": f"Tier {item.get('tier')}", "name": item.get("name", "")} for item in tiers])
        columns = [Column("tier", "Tier"), Column("name", "What it means", roomy=True)]
        before.append(table(frame, columns, key="tier-names", caption="Tiers of the shortage"))
    return assumptions_section(summary_list(summary, "assumptions"), list(summary.get("sources") or []), before)
