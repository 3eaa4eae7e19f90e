"""The workbook of one allocation: who gets what in whole vials, panels, flows, prices, reasons and checks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from allocation.reporting import allocation_measures as measures
from allocation.reporting.allocation_facts import AllocationFacts, allocation_facts, option_of
from allocation.reporting.allocation_page import allocation_title, head_facts, sentences
from allocation.reporting.allocation_proof import (
    limits_section,
    proof_section,
    shared_flows,
    shared_reasons,
    shown_prices,
    status_name,
)
from allocation.reporting.blocks import Table
from allocation.reporting.frames import records
from allocation.reporting.load import AllocationRun
from allocation.reporting.words import grade_name
from allocation.reporting.workbook.common import GRADE, PANEL, SERVED, finished, run_facts, served
from allocation.reporting.workbook.model import Field, Sheet, Tone, Workbook, code_sheet, text_sheet
from allocation.rules import load_rulebook, load_tiers

__all__ = ["STATUS_TONES", "allocation_workbook"]

STATUS_TONES: dict[str, Tone] = {
    "Treated in full": "good",
    "Smaller dose": "part",
    "Deferred": "bad",
    "Suspended": "bad",
    "Not funded": "quiet",
}
_VIAL = re.compile(r"^(\d+)x(\d+(?:\.\d+)?)$")
_PATIENTS = Field("patients", "Patients", "Number of patients.", "count")
_DUE = Field("due_g", "Due (g)", "Grams due in the weeks of this allocation, of patients who are funded.", "grams")
_PLANNED = Field("planned_g", "Planned (g)", "Grams of the program's optimum, before whole vials.", "grams", digits=0)
_GIVEN = Field("given_g", "Given (g)", "Grams given, in whole vials that were in stock.", "grams")
_UNMET = Field("unmet_g", "Not given (g)", "Grams due less grams given.", "grams")
_FILL = Field("fill_rate", "Given (% of due)", "Grams given as a share of the grams due.", "share")
_SERVED = Field("served", "Served", "The share given in words.", tones=SERVED)


def allocation_workbook(run: AllocationRun, *, share: bool, more: tuple[Sheet, ...] = ()) -> Workbook:
    """Everything the workbook of an allocation holds.

    Parameters
    ----------
    share
        Leave out every row of a patient and hide small counts.
    more
        Sheets from elsewhere, to stand after our own tables.
    """
    facts = allocation_facts(run, share=share)
    book = Workbook(
        title=allocation_title(run),
        kind="One allocation of the stock there is" + (", shared version" if share else ""),
        about=str(run.result.get("description", "")),
        answer=sentences(facts),
        facts=(*head_facts(facts), *run_facts(run.manifest)),
        sheets=(),
        shared=share,
        changed=run.changed,
    )
    lists = () if share else (_patients(run), _vials(run))
    proof = proof_section(run, share=share)
    book = book.with_sheets(
        *lists,
        _grades(facts),
        _statuses(facts),
        _panels(facts),
        _flows(facts),
        _prices(facts),
        _reasons(facts),
        *more,
        *(_proof(part) for part in proof.parts if isinstance(part, Table)),
        *_rulings(run),
    )
    return finished(book, manifest=run.manifest, limits=limits_section().words[:2], words=proof.words)


def _patients(run: AllocationRun) -> Sheet:
    frame = run.patients.assign(
        grade_name=_grades_of(run.patients),
        status_name=[status_name(status) for status in run.patients["status"]],
        unmet_g=(run.patients["due_g"] - run.patients["given_g"]).round(3),
    )
    for name in ("product", "vials", "from_location"):
        if name in frame:
            frame[name] = frame[name].str.replace("+", " + ").str.replace(";", "; ")
    for name in ("days_overdue", "lottery"):
        if name in frame:
            frame[name] = pd.to_numeric(frame[name], errors="coerce")
    fields = (
        Field("patient_id", "Patient", "Pseudonym, as in the cohort file."),
        Field("panel", "Panel", "Code of the panel that decides on the patient."),
        GRADE,
        Field(
            "status_name",
            "Decision",
            "Treated in full, smaller dose, deferred, suspended or not funded.",
            tones=STATUS_TONES,
        ),
        Field("due_g", "Due (g)", "Grams due in the weeks of this allocation.", "grams"),
        Field("given_g", "Given (g)", "Grams given, in whole vials that are in stock.", "grams"),
        Field("unmet_g", "Not given (g)", "Grams due less grams given.", "grams"),
        Field("product", "Product", "Product given, or on record where nothing is given; several are parted by +."),
        Field("vials", "Vials", "Number and size: 2x10 + 1x5 is two of 10 g and one of 5 g; products are parted by ;."),
        Field("from_location", "From", "Place the vials come from: a panel or NATIONAL; several are parted by +."),
        Field("days_overdue", "Overdue (days)", "Days past the due date on the day of this allocation.", "whole"),
        Field("reason", "Reason", "Rule, tier and stock behind the decision.", roomy=True),
        Field(
            "lottery",
            "Lottery",
            "Seeded draw from 0 to 1 that parts those alike in grade, panel and days.",
            "number",
            digits=4,
        ),
    )
    return Sheet(
        "Patient list",
        "Treat, reduce or defer: one row for each patient, by panel and grade",
        tuple(field for field in fields if field.key in frame),
        frame,
        note="Patients of one grade at one panel go by days overdue, then by a seeded lottery.",
    )


def _vials(run: AllocationRun) -> Sheet:
    """Vials to give out by panel, product and size, summed over patients."""
    rows: list[tuple[str, str, float, int]] = []
    if "vials" in run.patients:
        for panel, product, vials in run.patients[["panel", "product", "vials"]].itertuples(index=False, name=None):
            for code, part in zip(product.split("+"), vials.split(";"), strict=False):
                found = filter(None, map(_VIAL.match, part.split("+")))
                rows.extend((panel, code, float(vial[2]), int(vial[1])) for vial in found)
    frame = pd.DataFrame(rows, columns=["panel", "product", "vial_g", "vials"])
    frame = frame.groupby(["panel", "product", "vial_g"], sort=True)["vials"].sum().reset_index()
    frame["grams"] = frame["vials"] * frame["vial_g"]
    fields = (
        Field("panel", "Panel", "Code of the panel whose patients get the vials."),
        Field("product", "Product", "Product code."),
        Field("vial_g", "Vial (g)", "Size of one vial.", "grams"),
        Field("vials", "Vials", "Number of vials given to all patients of the panel.", "whole"),
        Field("grams", "Grams (g)", "Vials times size.", "grams"),
    )
    what = "Whole vials to give out, by panel, product and size"
    return Sheet("Vials", what, fields, frame, heads=3)


def _grades_of(frame: pd.DataFrame) -> list[str]:
    return [grade_name(int(grade)) for grade in frame["grade"]]


def _with_words(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(grade_name=_grades_of(frame), served=[served(value) for value in frame["fill_rate"]])


def _grades(facts: AllocationFacts) -> Sheet:
    planned = Field("planned_rate", "Planned (% of due)", "Grams planned as a share of the grams due.", "share")
    fields = (GRADE, _PATIENTS, _DUE, _PLANNED, _GIVEN, _UNMET, planned, _FILL, _SERVED)
    return Sheet(
        "Grades",
        "Patients and grams by grade",
        fields,
        _with_words(facts.grades),
        note="Planned is the optimum before vials; given is whole vials that were in stock.",
    )


def _statuses(facts: AllocationFacts) -> Sheet:
    """One row for each grade and decision."""
    names = [str(name) for name in facts.statuses if f"{name}_share" in facts.statuses]
    frame = pd.DataFrame(
        [
            (grade_name(int(row["grade"])), status_name(name), row[name], row[f"{name}_share"])
            for row in records(facts.statuses)
            for name in names
        ],
        columns=["grade_name", "status", "patients", "part"],
    )
    fields = (
        GRADE,
        Field("status", "Decision", "What becomes of the patients.", tones=STATUS_TONES),
        _PATIENTS,
        Field("part", "Patients (% of grade)", "Patients as a share of all of the grade.", "share"),
    )
    return Sheet("Decisions", "Patients by grade and by what becomes of them", fields, frame, heads=2)


def _panels(facts: AllocationFacts) -> Sheet:
    fields = (PANEL, GRADE, _PATIENTS, _DUE, _PLANNED, _GIVEN, _UNMET, _FILL, _SERVED)
    return Sheet("Panels", "Patients and grams by panel and grade", fields, _with_words(facts.panels), heads=2)


def _flows(facts: AllocationFacts) -> Sheet:
    frame = measures.flow_table(facts.run)
    note = "A row from a panel to itself is its own stock; NATIONAL is stock that no panel holds."
    if facts.share:
        frame = shared_flows(frame[frame["moved"]])
        note = "Only what is moved to another place is listed."
    frame = frame.assign(way=["Moved" if moved else "Own stock" for moved in frame["moved"]])
    fields = (
        Field("from_location", "From", "Place the stock lies at: a panel's code or NATIONAL."),
        Field("panel", "To panel", "Panel whose patients get it."),
        Field("product", "Product", "Product code."),
        Field("way", "Way", "Whether it is moved between places.", tones={"Moved": "part", "Own stock": "quiet"}),
        Field("grams", "Grams (g)", "Grams planned to go this way.", "grams", digits=1),
        Field("patients", "Patients served by it", "Patients given this product from this place alone.", "count"),
    )
    return Sheet("Flows", "Grams between places, the largest first", fields, frame, heads=3, note=note)


def _prices(facts: AllocationFacts) -> Sheet:
    frame = shown_prices(facts.run, facts.panels)
    fields = (
        PANEL,
        Field("product", "Product", "Product code."),
        GRADE,
        Field(
            "grams_per_kg",
            "Given for 1 kg more (g)",
            "Grams that would reach patients of the grade.",
            "grams",
            digits=0,
        ),
    )
    what = "What one more kilogram of a product at a panel would buy, and for which grade"
    return Sheet("Shadow prices", what, fields, frame, heads=2, note=" ".join(measures.unpriced_words(facts.run)))


def _reasons(facts: AllocationFacts) -> Sheet:
    frame = measures.reason_table(facts.run)
    note = "A patient's own figures are left out of the reason."
    if facts.share:
        frame = shared_reasons(frame)
        note += " Reasons given to fewer than 8 patients are left out."
    frame = frame.assign(status=[status_name(status) for status in frame["status"]])
    fields = (
        Field("status", "Decision", "What becomes of the patients.", tones=STATUS_TONES),
        Field("reason", "Reason", "Rule, tier and stock behind the decision.", roomy=True),
        _PATIENTS,
    )
    return Sheet("Reasons", "How many patients were given each reason", fields, frame, note=note)


def _proof(table: Table) -> Sheet:
    if table.key == "certificate":
        made = text_sheet(
            table,
            name="Checks",
            what="What was checked without the solver",
            meanings=("What was checked.", "Whether it passed."),
        )
        tones: Mapping[str, Tone] = {"passed": "good", "FAILED": "bad"}
        result = Field("result", "Result", "Whether it passed.", tones=tones)
        check = Field("check", "Check", "What was checked.", roomy=True)
        return Sheet(made.name, made.what, (check, result), made.frame)
    table = replace(table, rows=tuple(row for row in table.rows if not row[0].text.startswith("certificate")))
    meanings = ("Entry of the result.", "Its value; grams unless the entry says otherwise.")
    return text_sheet(table, name="Result", what="What the solver and the rounding to vials left", meanings=meanings)


def _rulings(run: AllocationRun) -> tuple[Sheet, ...]:
    """What the rulebook and the tier assume, where they are ours: those of a user's own file are not known here."""
    own = set(run.manifest.get("inputs", {}))
    rows: list[tuple[str, ...]] = []
    if run.manifest.get("rulebook") and "rulebook" not in own:
        for name in ("nhs", "prairie"):
            book = load_rulebook(name)
            if f"{book.id} {book.version}" == run.manifest["rulebook"]:
                rows += [(item.id, item.title, item.open_point, item.ruling, book.document) for item in book.assumption]
    tier = option_of(run, "tier")
    if tier in ("1", "2", "3", "4") and "tiers" not in own:
        regime = load_tiers().of(int(tier))
        source = f"{regime.source.document}, {regime.source.section}"
        rows += [
            (f"T{tier}.{place}", f"Tier {tier}", "How the tier works in the program", text, source)
            for place, text in enumerate(regime.assumption, 1)
        ]
    columns = (
        ("id", "Number", "Number of the assumption."),
        ("title", "Assumption", "What it is about."),
        ("open_point", "Open point", "What the documents leave open."),
        ("ruling", "Ruling", "How it is read here."),
        ("document", "Document", "The document that leaves it open."),
    )
    return (
        code_sheet(
            "Assumptions", "How the rulebook and the tier are read where the documents leave it open", columns, rows
        ),
    )
