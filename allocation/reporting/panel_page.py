"""One page on one panel of an allocation: its people, its shelf, who gets what and why, and how others fare."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import pandas as pd

from allocation.reporting import charts_panel
from allocation.reporting.allocation_facts import option_of
from allocation.reporting.allocation_measures import STATUSES
from allocation.reporting.allocation_proof import status_name
from allocation.reporting.blocks import Chart, Column, Page, Section, Table, chart, table
from allocation.reporting.disclosure import is_hidden, shown
from allocation.reporting.frames import records
from allocation.reporting.load import AllocationRun
from allocation.reporting.panel_facts import PanelFacts, panel_facts
from allocation.reporting.style import LEAD
from allocation.reporting.words import (
    HIDDEN,
    NO_VALUE,
    count,
    grade_name,
    grams,
    joined,
    number,
    panel_name,
    percent,
    plural,
    whole,
    words_of,
)

__all__ = ["panel_page"]

_MOST_REASONS = 9
_EVEN = 0.005
"""Shares that differ by less are called the same."""

_PREFIX = re.compile(r"^Tier \d, grade \d: ")
_WORDS = {
    "treated": "treated in full",
    "reduced": "given a smaller dose",
    "deferred": "deferred",
    "suspended": "suspended",
    "not_funded": "without individual funding",
}


def panel_page(run: AllocationRun, code: str, *, share: bool) -> Page:
    """The report of one panel, made to be printed on one sheet; the internal one goes on with its patients.

    Parameters
    ----------
    run
        From :func:`~allocation.reporting.load.load_run`.
    code
        Panel, as in the cohort.
    share
        Whether small counts must be hidden and patients left out.

    Raises
    ------
    InputError
        Where the run has no such panel.
    """
    facts = panel_facts(run, code, share=share)
    sections = [_people(facts), _why(facts), _made(run)]
    if facts.patients is not None:
        sections.append(_patients(facts.patients))
    return Page(
        title=f"Panel {panel_name(code)}",
        kind=f"Panel report of one allocation{f', region {facts.region}' if facts.region else ''}",
        about=str(run.result.get("description", "")),
        facts=_head(facts),
        headlines=_sentences(facts),
        lead=_chart(facts),
        sections=tuple(sections),
        shared=share,
        changed=run.changed,
        layout="panel",
    )


def _head(facts: PanelFacts) -> tuple[tuple[str, str], ...]:
    run = facts.run
    pairs = [
        ("Tier", option_of(run, "tier")),
        ("As of", option_of(run, "as_of")),
        ("Weeks", option_of(run, "weeks")),
        ("Patients due", count(facts.together["patients"])),
    ]
    if "cohort" in facts.together:
        pairs.append(("Patients in the cohort", count(facts.together["cohort"])))
    if not _unknown(facts.stock_g):
        pairs.append(("Stock", grams(facts.stock_g)))
    if not _unknown(facts.cover_weeks):
        pairs.append(("Cover", HIDDEN if is_hidden(facts.cover_weeks) else f"{number(facts.cover_weeks)} weeks"))
    return tuple((name, value) for name, value in pairs if value)


def _unknown(value: float | str) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _sentences(facts: PanelFacts) -> tuple[str, ...]:
    said = [_given(facts), _outcomes(facts), _reviews(facts), _compared(facts)]
    return tuple(sentence for sentence in said if sentence)


def _given(facts: PanelFacts) -> str:
    due, given, fill = (facts.together[name] for name in ("due_g", "given_g", "fill_rate"))
    if due == 0:
        return "Nothing is due in the weeks of this allocation."
    if is_hidden(due):
        return "Too few patients are due for their grams to be shown."
    if is_hidden(given):
        return f"{grams(due)} are due; what is given rests on few patients and is hidden."
    return f"{grams(given)} of {grams(due)} due are given ({percent(fill)})."


def _outcomes(facts: PanelFacts) -> str:
    named = [
        f"{count(facts.together[name])} {_WORDS[name]}" for name in STATUSES if facts.together.get(name, 0) not in (0,)
    ]
    patients = facts.together["patients"]
    if not named or patients == 0:
        return ""
    return f"Of {count(patients)} patients due: {joined(named)}."


def _reviews(facts: PanelFacts) -> str:
    if not facts.has_reviews:
        return ""
    late, held = facts.together["reviews_overdue"], facts.together["overdue_due_g"]
    if late == 0:
        return "No annual review is overdue."
    first = f"Annual reviews overdue: {count(late)}"
    if is_hidden(held):
        return f"{first}; the grams they hold back are hidden."
    if held == 0:
        return f"{first}; nothing is due to these patients in these weeks."
    due = facts.together["due_g"]
    part = "" if is_hidden(due) or not due else f", {percent(float(held) / float(due), 0)} of all grams due"
    return f"{first}; until reviewed they hold back {grams(held)}{part}."


def _compared(facts: PanelFacts) -> str:
    """Where this panel is furthest from the median of the others, and its place among all."""
    own, others = shown(facts.grades, "fill_rate"), facts.grades["others"]
    gap = (own - others).dropna()
    worse = "No panel is" if facts.rank == 1 else f"{plural(facts.rank - 1, 'panel')} of {facts.of} are"
    place = f" {worse.replace('1 panel of', 'One panel of')} given less of all the grams due." if facts.rank else ""
    place = place.replace(f"One panel of {facts.of} are", f"One panel of {facts.of} is")
    if gap.empty:
        return f"No grade can be compared with other panels: too few of them, or too few patients.{place}"
    if gap.abs().max() < _EVEN:
        return f"Every grade fares as in the median of the other panels.{place}"
    furthest = int(gap.abs().to_numpy().argmax())
    row = records(facts.grades.loc[[gap.index[furthest]]])[0]
    word = "less" if gap.iloc[furthest] < 0 else "more"
    return (
        f"{grade_name(int(row['grade']))} gets {word} than in other panels: {percent(row['fill_rate'], 0)} of the "
        f"grams due, against a median of {percent(row['others'], 0)}.{place}"
    )


def _chart(facts: PanelFacts) -> Chart | None:
    frame = facts.grades[facts.grades["due_g"].map(lambda value: is_hidden(value) or value > 0)]
    if frame.empty:
        return None
    frame = frame.assign(
        label=[
            HIDDEN if is_hidden(row["fill_rate"]) else f"{percent(row['fill_rate'], 0)} of {grams(row['due_g'])}"
            for row in records(frame)
        ]
    )
    spoken = "; ".join(
        f"{grade_name(int(row['grade']))} {row['label']}, median of other panels {percent(row['others'], 0)}"
        for row in records(frame)
    )
    columns = [
        Column("name", "Grade"),
        Column("due_g", "Due, g", whole),
        Column("given_g", "Given, g", whole),
        Column("unmet_g", "Not given, g", whole),
        Column("fill_rate", "Given, %", percent),
        Column("others", "Median of other panels, %", percent),
        Column("nearby", "Median of the region's others, %", percent),
    ]
    named = frame.assign(name=[grade_name(int(grade)) for grade in frame["grade"]])
    medians = "Medians are of the panels that may be shown." if facts.share else ""
    return chart(
        lambda size: charts_panel.beside_others(frame, size=size),
        key="panel-fill",
        finding="Share of the grams due that is given, by grade",
        description=f"{spoken}.",
        caption="Grams given in whole vials, as a share of the grams due."
        + (" * is hidden." if any(is_hidden(value) for value in frame["fill_rate"]) else ""),
        data=table(named, columns, key="panel-grams", caption="Grams by grade beside other panels", note=medians),
        desk=LEAD,
    )


def _people(facts: PanelFacts) -> Section:
    present = [name for name in STATUSES if any(value != 0 for value in facts.grades[name])]
    columns = [Column("name", "Grade")]
    if facts.has_reviews:
        columns.append(Column("cohort", "In the cohort", count, counts_people=True))
    columns.append(Column("patients", "Due", count, counts_people=True))
    columns += [Column(name, status_name(name), count, counts_people=True) for name in present]
    columns += [
        Column("due_g", "Due, g", whole),
        Column("given_g", "Given, g", whole),
        Column("fill_rate", "Given, %", percent),
        Column("others", "Median of others, %", percent),
    ]
    if facts.grades["nearby"].notna().any():
        columns.append(Column("nearby", "Median in the region, %", percent))
    if facts.has_reviews:
        columns += [
            Column("reviews_overdue", "Reviews overdue", count, counts_people=True),
            Column("overdue_due_g", "Grams due to them", whole),
        ]
    named = facts.grades.assign(name=[grade_name(int(grade)) for grade in facts.grades["grade"]])
    whole_panel: dict[str, object] = {**facts.together, "name": "All", "others": math.nan, "nearby": math.nan}
    frame = pd.concat(
        [named.astype(object), pd.DataFrame([whole_panel]).reindex(columns=named.columns).astype(object)],
        ignore_index=True,
    )
    frame = frame.where(frame.notna(), math.nan)
    note = "Grams and shares are of patients who are funded."
    if not facts.has_reviews:
        note += " The run is older than this report: run it again for reviews overdue, stock and cover."
    made = table(frame, columns, key="panel-grades", caption="The panel's cohort by grade", note=note)
    return Section(key="people-section", title="Who is in the cohort and what becomes of them", parts=(made,))


def _why(facts: PanelFacts) -> Section:
    frame = facts.reasons.assign(status=[status_name(status) for status in facts.reasons["status"]])
    if frame.empty:
        words = ("No reason was given to 8 patients or more, and rarer ones are left out." if facts.share else "",)
        return Section(key="reasons-section", title="Why", words=words if facts.share else ("Nobody was due.",))
    columns = [
        Column("status", "Status"),
        Column("reason", "Reason given", roomy=True),
        Column("patients", "Patients", count, counts_people=True),
    ]
    note = "A patient's own figures are left out of the reason."
    if facts.share:
        note = "Reasons given to fewer than 8 patients are left out."
    if len(frame) > _MOST_REASONS:
        note += f" The {_MOST_REASONS} most frequent of {len(frame)}."
    made = table(frame.head(_MOST_REASONS), columns, key="panel-reasons", caption="Reasons given", note=note, heads=2)
    return Section(key="reasons-section", title="Why", parts=(made,))


def _patients(patients: pd.DataFrame) -> Section:
    frame = patients.assign(
        grade_name=[grade_name(int(grade)) for grade in patients["grade"]],
        status=[status_name(status) for status in patients["status"]],
        vials=patients.get("vials", ""),
        # Tier and grade stand in the heading and in a column of their own.
        reason=patients["reason"].str.replace(_PREFIX, "", regex=True).map(_first_up),
    )
    columns = [
        Column("patient_id", "Patient"),
        Column("grade_name", "Grade"),
        Column("status", "Status"),
        Column("due_g", "Due, g", _plain),
        Column("given_g", "Given, g", _plain),
        Column("product", "Product", roomy=True),
        Column("vials", "Vials", roomy=True),
        Column("from_location", "From", roomy=True),
        Column("reason", "Reason", roomy=True),
    ]
    # With commas and spaces, so that a course of several parts can be broken over lines.
    for name in ("product", "from_location"):
        frame[name] = frame[name].str.replace("+", ", ", regex=False)
    frame["vials"] = frame["vials"].astype(str).str.replace("+", " + ", regex=False).str.replace(";", "; ", regex=False)
    made = table(frame, columns, key="panel-patients", caption="Patients due, grade 4 first")
    made = Table(key=made.key, caption=made.caption, columns=made.columns, rows=made.rows, note=made.note, folded=False)
    words = ("This list names patients. It is for those who treat them and for the panel, and is not to be passed on.",)
    return Section(key="list-section", title="Patients", words=words, parts=(made,))


def _plain(value: object) -> str:
    amount = float(value)  # type: ignore[arg-type]
    return NO_VALUE if math.isnan(amount) else f"{amount:,.10g}"


def _made(run: AllocationRun) -> Section:
    """The manifest in two sentences; the page of the whole run has it in full."""
    record = run.manifest
    inputs = record.get("inputs", {})
    files = [
        f"{role} {item.get('file')} (SHA-256 {str(item.get('sha256', ''))[:12]}…)"
        for role, item in (inputs.items() if isinstance(inputs, Mapping) else ())
        if isinstance(item, Mapping)
    ]
    policy = option_of(run, "policy")
    made = [
        f"igalloc {record.get('version', '')}",
        f"rulebook {record.get('rulebook', '')}",
        *([f"policy {words_of(policy).lower()}"] if policy else []),
        *files,
        f"seed {record.get('seed')}",
    ]
    outputs = record.get("outputs")
    if run.changed:
        stamp = f"These files are not as the run wrote them: {', '.join(run.changed)}."
    elif isinstance(outputs, Mapping) and outputs:
        stamp = f"All {len(outputs)} files of the run are as it wrote them."
    else:
        stamp = "The run noted no hashes of its files."
    words = (f"Made by {'; '.join(made)}.", stamp)
    return Section(key="made-section", title="How this was made", words=words)


def _first_up(text: str) -> str:
    return text[:1].upper() + text[1:]
