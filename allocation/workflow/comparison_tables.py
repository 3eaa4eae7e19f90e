"""The tables and the summary of a comparison of policies, from the replications of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allocation.records import canonical_json, write_text_atomic
from allocation.workflow.run_folder import write_json

if TYPE_CHECKING:
    import pandas as pd

    from allocation.simulation import RunHead
    from allocation.simulation.demand import Floats
    from allocation.simulation.paired import Measured

__all__ = ["SideResult", "write_comparison"]

_TOLD = ("fill_grade_4_percent", "fill_rate_percent", "patients_late")
"""Outcomes that the few sentences speak of."""

_GRADES_DOWN = (4, 3, 2, 1, 0)


@dataclass(frozen=True, slots=True)
class SideResult:
    """What one policy came to.

    Attributes
    ----------
    policy
        Its record: name, title, rule, package and version, assumptions.
    outcomes
        Value of each replication by the name of the outcome, NaN where there is none.
    parts
        Folders of the replications, in the order of their numbers.
    """

    policy: Mapping[str, object]
    outcomes: Mapping[str, Floats]
    parts: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Name of the policy."""
        return str(self.policy["name"])


def write_comparison(
    folder: Path, sides: Sequence[SideResult], head: RunHead, reached: Mapping[str, object] | None
) -> tuple[str, ...]:
    """Write everything but the manifest and the rejects, and say in a few sentences what it comes to.

    Parameters
    ----------
    sides
        Of each policy; the others are compared with the first.
    reached
        What came of the precision asked for, if any.
    """
    import pandas as pd

    from allocation.reporting.headlines import precision_sentences
    from allocation.simulation import OUTCOMES, head_summary
    from allocation.simulation.paired import GROUP_MEASURES, by_replication, difference_rows, level_rows
    from allocation.tables import write_table

    frames = [
        pd.DataFrame({"policy": side.name, "replication": range(len(side.parts)), **side.outcomes}).astype(
            {"replication": "int32"}
        )
        for side in sides
    ]
    write_table(pd.concat(frames, ignore_index=True), folder / "outcomes.parquet")
    tables = [_groups(side) for side in sides]
    measured: dict[str, list[Measured]] = {
        "all": [{(name,): side.outcomes[name] for name in OUTCOMES} for side in sides],
        "grade": [by_replication(found["grade"], _GRADES_DOWN) for found in tables],
        "panel": [by_replication(found["panel"], head.places.panels) for found in tables],
    }
    names = [side.name for side in sides]
    levels: list[dict[str, object]] = []
    for group, file, words in (
        ("all", "differences.csv", OUTCOMES),
        ("grade", "by_grade.csv", GROUP_MEASURES),
        ("panel", "by_panel.csv", GROUP_MEASURES),
    ):
        base, *others = measured[group]
        rows = [
            row
            for name, values in zip(names[1:], others, strict=True)
            for row in difference_rows(name, names[0], values, base, words)
        ]
        write_table(_keyed(rows, group), folder / file)
        if group == "all":
            differences = rows
        levels += [
            row
            for name, values in zip(names, measured[group], strict=True)
            for row in level_rows(name, group, values, words)
        ]
    write_table(pd.DataFrame(levels), folder / "levels.csv")
    told = {
        "kind": "comparison",
        "replications": len(sides[0].parts),
        "policies": [dict(side.policy) for side in sides],
        "against": names[0],
        "outcomes": {name: _by_measure(levels, name) for name in names},
        "differences": {name: _by_outcome(differences, name) for name in names[1:]},
        **({"precision": dict(reached)} if reached else {}),
    }
    said = (*_headlines(head.scenario.title, sides, differences), *precision_sentences(told))
    write_json(folder / "summary.json", {**head_summary(head), **told, "headlines": list(said)})
    write_text_atomic(folder / "resolved.json", canonical_json(head.scenario.record()))
    return said


def _groups(side: SideResult) -> dict[str, list[pd.DataFrame]]:
    """Measures by grade and by panel of each replication."""
    import pandas as pd

    from allocation.simulation.paired import group_measures

    found: dict[str, list[pd.DataFrame]] = {"grade": [], "panel": []}
    for part in side.parts:
        weeks = pd.read_parquet(part / "weeks.parquet", columns=["panel", "grade", "due_g", "issued_g"])
        affected = pd.read_parquet(part / "affected.parquet")
        for by, tables in found.items():
            tables.append(group_measures(weeks, affected, by))
    return found


def _keyed(rows: Sequence[Mapping[str, Any]], group: str) -> pd.DataFrame:
    """Rows as a table, the key in columns of its own."""
    import pandas as pd

    names = ("outcome",) if group == "all" else (group, "measure")
    first = ("policy", "against", *names, "label", "unit")
    numbers = ("mean", "mean_against", "difference", "low", "high", "replications", "clear")
    lines = [{**row, **dict(zip(names, row["key"], strict=True))} for row in rows]
    frame = pd.DataFrame(lines, columns=[*first, *numbers])
    return frame.astype(dict.fromkeys(("mean", "mean_against", "difference", "low", "high"), "float64"))


def _by_measure(levels: Sequence[Mapping[str, Any]], policy: str) -> dict[str, object]:
    kept = ("label", "unit", "mean", "low", "high", "replications")
    return {
        str(row["measure"]): {name: row[name] for name in kept}
        for row in levels
        if row["policy"] == policy and row["group"] == "all"
    }


def _by_outcome(rows: Sequence[Mapping[str, Any]], policy: str) -> dict[str, object]:
    kept = ("label", "unit", "low", "high", "replications")
    return {
        str(row["key"][0]): {"mean": row["difference"], "clear": row["clear"] == "yes", **{n: row[n] for n in kept}}
        for row in rows
        if row["policy"] == policy
    }


def _headlines(title: str, sides: Sequence[SideResult], differences: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A sentence for each policy but the first."""
    count = len(sides[0].parts)
    times = "1 replication" if count == 1 else f"{count} replications"
    said = [f"{title}: {times} of {len(sides)} policies, on the same patients and the same luck."]
    for side in sides[1:]:
        rows = [row for row in differences if row["policy"] == side.name and row["key"][0] in _TOLD]
        parts = [_words(row) for row in rows if row["difference"] is not None]
        said.append(f"{side.name} against {sides[0].name}: {'; '.join(parts)}.")
    return tuple(said)


def _words(row: Mapping[str, Any]) -> str:
    label = f"{row['label'][0].lower()}{row['label'][1:]}"
    if row["low"] is not None and row["low"] == row["high"] == 0:
        return f"{label} the same"
    unit = "points" if row["unit"] == "%" else row["unit"]
    text = f"{label} {row['difference']:+,.1f} {unit}"
    return text if row["low"] is None else f"{text} ({row['low']:+,.1f} to {row['high']:+,.1f})"
