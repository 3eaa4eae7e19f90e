"""The parts of an allocation's page that say why: flows, reasons, shadow prices, and how the result was checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from allocation.reporting import allocation_measures as measures
from allocation.reporting import charts_flows
from allocation.reporting.blocks import Chart, Column, Section, Table, chart, rows_of_mapping, table
from allocation.reporting.disclosure import HIDDEN, is_hidden, protect, shown
from allocation.reporting.frames import records
from allocation.reporting.load import AllocationRun
from allocation.reporting.words import count, grade_name, grams, panel_name, whole, words_of

__all__ = [
    "flow_section",
    "limits_section",
    "proof_section",
    "reason_section",
    "shadow_section",
    "shared_flows",
    "shared_reasons",
    "shown_prices",
    "status_name",
]

_MOST_ROWS = 25
_FEW = 7
_NAMED = 3
_SHARED_RESULT = ("status", "tier", "policy", "as_of", "weeks", "solver", "seconds", "sol_status")
_STATUS_WORDS = {
    "treated": "Treated in full",
    "reduced": "Smaller dose",
    "deferred": "Deferred",
    "suspended": "Suspended",
    "not_funded": "Not funded",
}


def status_name(status: str) -> str:
    """A status in words."""
    return _STATUS_WORDS.get(status, words_of(status))


def flow_section(run: AllocationRun, *, share: bool) -> Section:
    """What comes from another place than the patient's own panel, the largest first."""
    frame = measures.flow_table(run)
    moved = frame[frame["moved"]]
    title = "What is moved between places"
    total = float(frame["grams"].sum())
    if moved.empty:
        return Section(key="flows-section", title=title, words=("Nothing is moved: every panel uses its own stock.",))
    words = [f"{grams(moved['grams'].sum())} of {grams(total)} come from another place than the patient's own panel."]
    if share:
        words = []
        moved = shared_flows(moved)
        seen = ~moved["grams"].map(is_hidden).astype(bool)
        left_out = int((~seen).sum())
        if left_out:
            words.append("Flows that rest on few patients, or on an unknown number of them, are left out.")
        moved = moved[seen]
        if moved.empty:
            return Section(key="flows-section", title=title, words=tuple(words))
    else:
        moved = moved.assign(
            patients=[_range(low, high) for low, high in zip(moved["patients"], moved["most"], strict=True)]
        )
    drawn = _flow_chart(frame[frame["moved"]], share=share)
    columns = [
        Column("between", "From"),
        Column("panel", "To panel"),
        Column("product", "Product"),
        Column("grams", "Grams", whole),
        Column("patients", "Patients served by it", count if share else str, counts_people=True),
    ]
    note = f"The {_MOST_ROWS} largest of {len(moved)}; flows.csv has all." if len(moved) > _MOST_ROWS else ""
    made = table(
        moved.head(_MOST_ROWS), columns, key="flows", caption="Stock moved to other places", note=note, heads=3
    )
    parts = (made,) if drawn is None else (drawn, made)
    return Section(key="flows-section", title=title, words=tuple(words), parts=parts)


def _range(low: float, high: float) -> str:
    """How many were served by a flow: a course of several parts may or may not be among them."""
    return f"{low:.0f}" if high <= low else f"{low:.0f} to {high:.0f}"


def _flow_chart(moved: pd.DataFrame, *, share: bool) -> Chart | None:
    """Grams between each two places, all products together; None where none may be shown."""
    few = moved["patients"].between(0, _FEW) if share else pd.Series(data=False, index=moved.index)
    pairs = (
        moved.assign(few=few)
        .groupby(["between", "panel"], sort=True)
        .agg(grams=("grams", "sum"), patients=("patients", "sum"), few=("few", "any"))
        .reset_index()
    )
    all_pairs = len(pairs)
    if share:
        # A pair less its products that are shown would give the one that is hidden.
        pairs = protect(pairs[~pairs["few"]], counts=("patients",), grams={"grams": ("patients",)})
        pairs = pairs[~pairs["grams"].map(is_hidden).astype(bool)]
    if pairs.empty:
        return None
    pairs = pairs.assign(_order=-shown(pairs, "grams")).sort_values(["_order", "between", "panel"], ignore_index=True)
    pairs["label"] = [grams(value) for value in pairs["grams"]]
    first = records(pairs)[0]
    finding = f"Most goes from {first['between']} to {first['panel']}: {first['label']}"
    columns = [Column("between", "From"), Column("panel", "To panel"), Column("grams", "Grams", whole)]
    number_shown = min(len(pairs), charts_flows.MOST_FLOWS)
    caption = f"Grams moved between two places, all products together; the {number_shown} largest of {all_pairs}."
    if share:
        caption = "Grams moved between two places, where enough patients stand behind them to be shown."
    return chart(
        lambda size: charts_flows.flows(pairs, size=size),
        key="flows-chart",
        finding=finding,
        description="; ".join(
            f"from {row['between']} to {row['panel']} {row['label']}" for row in records(pairs.head(number_shown))
        )
        + ".",
        caption=caption,
        data=table(pairs, columns, key="flows-pairs", caption="Grams between places", heads=2),
    )


def shared_flows(moved: pd.DataFrame) -> pd.DataFrame:
    """What is moved, as it may be shared: hidden where few or nobody counted stand behind it, and ordered as shown."""
    unknown = (moved["patients"] == 0) & (moved["grams"] > 0)
    moved = protect(moved, counts=("patients",), grams={"grams": ("patients",)})
    moved.loc[unknown, ["grams", "patients"]] = HIDDEN
    return moved.assign(_order=-shown(moved, "grams").fillna(0.0)).sort_values(
        ["_order", "from_location", "panel", "product"], ignore_index=True
    )


def reason_section(run: AllocationRun, *, share: bool) -> Section:
    """How many patients were given each reason."""
    frame = measures.reason_table(run)
    if share:
        frame = shared_reasons(frame)
    frame = frame.assign(status=[status_name(status) for status in frame["status"]])
    columns = [
        Column("status", "Status"),
        Column("reason", "Reason given", roomy=True),
        Column("patients", "Patients", count, counts_people=True),
    ]
    note = "A patient's own figures are left out of the reason."
    if share:
        note += " Reasons given to fewer than 8 patients are left out."
    if len(frame) > _MOST_ROWS:
        note += f" The {_MOST_ROWS} most frequent of {len(frame)}; patients.csv has all."
    made = table(frame.head(_MOST_ROWS), columns, key="reasons", caption="Reasons given", note=note, heads=2)
    return Section(key="reasons-section", title="Why", parts=(made,))


def shared_reasons(frame: pd.DataFrame) -> pd.DataFrame:
    """Reasons as they may be shared. Rare ones go together, or their words would tell what the number must not."""
    frame = protect(frame.assign(patients=frame["patients"].astype("float64")), counts=("patients",))
    return frame[~frame["patients"].map(is_hidden).astype(bool)]


def shown_prices(run: AllocationRun, panels: pd.DataFrame) -> pd.DataFrame:
    """Shadow prices with names, without those of a panel and grade whose patients are hidden in ``panels``."""
    frame = measures.shadow_table(run)
    hidden = {(row["panel"], row["grade"]) for row in records(panels) if is_hidden(row["patients"])}
    kept = [(row["panel"], row["grade"]) not in hidden for row in records(frame)]
    frame = frame[pd.Series(kept, index=frame.index, dtype=bool)]
    return frame.assign(
        panel_name=[panel_name(code) for code in frame["panel"]],
        grade_name=[grade_name(int(grade)) for grade in frame["grade"]],
    )


def shadow_section(run: AllocationRun, panels: pd.DataFrame) -> Section:
    """What one more kilogram would buy, and for whom."""
    title = "What one more kilogram would buy"
    missing = measures.unpriced_words(run)
    frame = shown_prices(run, panels)
    if frame.empty:
        nothing = "One more kilogram would buy nothing that can be shown: stock is not what binds."
        return Section(key="shadow-section", title=title, words=missing or (nothing,))
    keys = ["grade", "grams_per_kg", "panel", "panel_name", "grade_name"]
    frame = frame.groupby(keys, sort=False)["product"].agg(_products).reset_index()
    columns = [
        Column("panel_name", "Panel", roomy=True),
        Column("product", "Products", roomy=True),
        Column("grade_name", "Grade that gains"),
        Column("grams_per_kg", "Grams given for 1 kg more", whole),
    ]
    note = f"The first {_MOST_ROWS} of {len(frame)}; shadow_prices.csv has all." if len(frame) > _MOST_ROWS else ""
    made = table(
        frame.head(_MOST_ROWS), columns, key="shadow", caption="Worth of one more kilogram", note=note, heads=2
    )
    words = ("Of one more kilogram of a product at a panel, the grams that would reach patients of a grade.", *missing)
    return Section(key="shadow-section", title=title, words=words, parts=(made,))


def _products(names: pd.Series[str]) -> str:
    """Products with the same worth: by name while they are few."""
    found = list(dict.fromkeys(names))
    return ", ".join(found) if len(found) <= _NAMED else f"each of {len(found)} products"


def proof_section(run: AllocationRun, *, share: bool) -> Section:
    """What the solver and the verifier said. A shared page keeps to what counts no grams and no people."""
    certificate = run.result.get("certificate", {})
    parts: list[Table] = []
    words = []
    verdicts = _verdicts(certificate)
    if verdicts:
        passed = sum(fine for _, fine in verdicts)
        words.append(f"Checks passed without the solver: {passed} of {len(verdicts)}.")
        frame = pd.DataFrame(
            {"check": [n for n, _ in verdicts], "result": ["passed" if ok else "FAILED" for _, ok in verdicts]}
        )
        columns = [Column("check", "Check"), Column("result", "Result")]
        parts.append(table(frame, columns, key="certificate", caption="Certificate of the verifier"))
    else:
        words.append("The result carries no checks that passed or failed.")
    rest: Mapping[str, Any] = {key: value for key, value in run.result.items() if key != "kind"}
    if share:
        rest = {key: rest[key] for key in _SHARED_RESULT if key in rest and not isinstance(rest[key], Mapping | list)}
        words.append("Objective values and rounding losses are left out of a page to be shared.")
    if rest:
        whole_result = rows_of_mapping(rest, key="result", caption="Result of the program", head="Entry", body="Value")
        parts.append(replace(whole_result, folded=True))
    return Section(key="proof-section", title="How the result was checked", words=tuple(words), parts=tuple(parts))


def _verdicts(value: object, path: str = "") -> list[tuple[str, bool]]:
    """Every yes or no in the certificate, whatever its shape: lists of checks or nested settings."""
    if isinstance(value, bool):
        return [(words_of(path) or "Verified", value)]
    if isinstance(value, Mapping):
        title = value.get("name") or value.get("check") or value.get("rule")
        verdict = next((value[key] for key in ("passed", "ok", "holds") if isinstance(value.get(key), bool)), None)
        if title is not None and verdict is not None:
            return [(words_of(str(title)), bool(verdict))]
        return [found for key in sorted(value) for found in _verdicts(value[key], f"{path} {key}".strip())]
    if isinstance(value, list | tuple):
        return [found for item in value for found in _verdicts(item, path)]
    return []


def limits_section() -> Section:
    """What an allocation cannot say."""
    words = (
        "The allocation serves what is recorded: a wrong grade, dose or stock count gives a wrong allocation.",
        "Planned grams are the optimum before vials. Given grams are whole vials, so a little stock can stay over.",
        (
            "Patients of one grade at one panel go by days overdue, then by a seeded lottery. This page counts "
            "patients and names none; patients.csv has the list for those who may see it."
        ),
    )
    return Section(key="limits-section", title="Limits", words=words)
