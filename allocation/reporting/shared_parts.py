"""What the page of a simulation and the page of an allocation have in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from allocation.reporting.blocks import Column, Section, Table, rows_of_mapping, table
from allocation.reporting.disclosure import protect, shared_count
from allocation.reporting.words import count, words_of

__all__ = [
    "CONFIDENCE",
    "assumptions_section",
    "cohort_frame",
    "cohort_table",
    "manifest_section",
    "named",
    "without_small_counts",
]

CONFIDENCE = {
    "F": "read in a public source",
    "F*": "read in a secondary source, or with a doubt",
    "D": "worked out from figures read",
    "M": "from memory, not verified",
    "P": "our proposal",
}
"""What each confidence code says of a figure."""


def assumptions_section(
    assumptions: Sequence[Mapping[str, Any]], sources: Sequence[Any], before: Iterable[Table]
) -> Section:
    """Assumptions with source and confidence, after the tables given, and the sources."""
    parts = list(before)
    words = []
    by_id = {str(item["id"]): item for item in sources if isinstance(item, Mapping) and item.get("id")}
    if assumptions:
        frame = pd.DataFrame(
            [
                {
                    "id": item.get("id", ""),
                    "title": item.get("title", ""),
                    "text": item.get("text", item.get("ruling", "")),
                    "source": _named_source(item.get("source", ""), by_id),
                    "confidence": _confidence(str(item.get("confidence", ""))),
                }
                for item in assumptions
            ]
        )
        weak = sum(str(item.get("confidence", "")) in ("M", "P") for item in assumptions)
        if weak:
            words.append(
                f"{weak} of {len(frame)} assumptions rest on memory or are our proposals; "
                "check those first if they matter to your decision."
            )
        columns = [
            Column("id", "Number"),
            Column("title", "Assumption", roomy=True),
            Column("text", "What is assumed", roomy=True),
            Column("source", "Source", roomy=True),
            Column("confidence", "Confidence", roomy=True),
        ]
        parts.append(table(frame, columns, key="assumptions", caption="Assumptions of this run"))
    else:
        words.append("The run lists no assumptions.")
    if sources:
        frame = pd.DataFrame(
            {
                "id": [str(item.get("id", "")) if isinstance(item, Mapping) else "" for item in sources],
                "source": [_source(item) for item in sources],
            }
        )
        columns = [Column("source", "Document and what was read there", roomy=True)]
        if by_id:
            columns.insert(0, Column("id", "Number"))
        parts.append(table(frame, columns, key="sources", caption="Sources", heads=1 if by_id else 0))
    return Section(key="assumptions-section", title="What was assumed", words=tuple(words), parts=tuple(parts))


def _confidence(code: str) -> str:
    return f"{code}: {CONFIDENCE[code]}" if code in CONFIDENCE else code or "not given"


def _named_source(value: object, by_id: Mapping[str, Mapping[str, Any]]) -> str:
    """A source by its document where it is a number of the list of sources, else as it stands."""
    known = by_id.get(str(value)) if isinstance(value, str) else None
    return _source(value) if known is None else f"{known.get('document') or _source(known)} ({value})"


def _source(value: object) -> str:
    if isinstance(value, Mapping):
        named = [str(value[key]) for key in ("document", "section", "note") if value.get(key)]
        code = str(value.get("confidence", ""))
        return ", ".join(named) + (f" ({CONFIDENCE[code]})" if code in CONFIDENCE else "") or "not given"
    if isinstance(value, list | tuple):
        return "; ".join(_source(item) for item in value)
    return str(value) or "not given"


def cohort_table(cohort: Mapping[str, Any], *, shared: bool, national: bool) -> Table | None:
    """Whom the run took from the cohort, whom it left out and why; None where it says no more than one number."""
    frame = cohort_frame(cohort, shared=shared, national=national)
    if frame is None:
        return None
    columns = [Column("name", "In the cohort"), Column("people", "Patients", count, counts_people=True)]
    return table(frame, columns, key="cohort", caption="Patients of the cohort, and what became of them in the run")


def cohort_frame(cohort: Mapping[str, Any], *, shared: bool, national: bool) -> pd.DataFrame | None:
    """Groups of the cohort by ``name`` and ``people``; None where there is no more than one number."""
    counts = {
        key: float(value)
        for key, value in cohort.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    if len(counts) < 2:
        return None
    frame = pd.DataFrame({"name": [words_of(key) for key in counts], "people": list(counts.values())})
    if shared:
        frame = protect(frame, counts=("people",), national=national)
    return frame


def manifest_section(
    manifest: Mapping[str, Any], *, shared: bool, changed: Sequence[str], before: Iterable[Table] = ()
) -> Section:
    """How the run can be repeated."""
    kept = {key: value for key, value in manifest.items() if key != "outputs"}
    outputs = manifest.get("outputs")
    if changed:
        stamp = f"Checked when this page was made: these files are not as the run wrote them: {', '.join(changed)}."
    elif isinstance(outputs, Mapping) and outputs:
        stamp = f"Checked when this page was made: all {len(outputs)} files are as the run wrote them."
    else:
        stamp = "The run noted no hashes of its files, so it cannot be told whether they were changed since."
    data = without_small_counts(kept) if shared else kept
    record = rows_of_mapping(data, key="manifest", caption="Manifest of the run", head="Entry", body="Value")
    words = ("The same inputs, options, seed and versions give the same results, byte for byte.", stamp)
    return Section(key="manifest-section", title="How this run was made", words=words, parts=(*before, record))


def without_small_counts(value: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with every number of patients among them as it may be shared."""
    result: dict[str, Any] = {}
    for key, item in value.items():
        if isinstance(item, Mapping):
            result[key] = without_small_counts(item)
        elif isinstance(item, int | float) and not isinstance(item, bool) and "patient" in str(key).lower():
            protected = shared_count(float(item))
            result[key] = protected if isinstance(protected, str) else int(protected)
        else:
            result[key] = item
    return result


def named(kind: object) -> str:
    """A code or a sentence as it stands in a table."""
    text = str(kind)
    return words_of(text) if "_" in text else text
