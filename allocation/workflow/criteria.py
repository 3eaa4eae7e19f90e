"""The criteria of a rulebook, as a table or one row in full."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from allocation.workflow.rules_in_use import RulesInUse

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["as_json", "assumptions", "criteria", "criterion", "export", "general", "pathway"]


def criteria(
    rules: RulesInUse,
    *,
    grades: Collection[int] = (),
    categories: Collection[str] = (),
    specialties: Collection[str] = (),
    search: str = "",
    as_of: date | None = None,
) -> pd.DataFrame:
    """One row for each indication and situation that meets every condition given.

    Raises
    ------
    InputError
        Where a condition does not fit the rulebook.
    """
    from allocation.rules.select import narrowed
    from allocation.rules.table import criteria_table

    chosen = narrowed(
        rules.rulebook, grades=grades, categories=categories, specialties=specialties, search=search, as_of=as_of
    )
    return criteria_table(chosen)


def assumptions(rules: RulesInUse) -> pd.DataFrame:
    """Every assumption and source conflict of the rulebook with its ruling; of one that grades the crosswalk's too."""
    from allocation.rules.crosswalk import load_crosswalk
    from allocation.rules.table import assumptions_table

    more = load_crosswalk().assumption if rules.rulebook.kind == "grades" else ()
    return assumptions_table(rules.rulebook, more)


def pathway(rules: RulesInUse) -> pd.DataFrame:
    """The rules by which a patient stands with the panel, in their order.

    Raises
    ------
    InputError
        Where the rulebook has none.
    """
    from allocation.errors import Fault, InputError
    from allocation.rules.table import pathway_table

    if not rules.rulebook.panel_rule:
        raise InputError(Fault("--pathway", "a rulebook with a pathway (panel_rule)", value=rules.rulebook.id))
    return pathway_table(rules.rulebook)


def general(rules: RulesInUse) -> dict[str, Any]:
    """The general statements of the rulebook.

    Raises
    ------
    InputError
        Where it has none.
    """
    from allocation.errors import Fault, InputError
    from allocation.rules.table import describe_general

    told = describe_general(rules.rulebook)
    if not told:
        expected = "a rulebook with general statements"
        remedy = "The Prairie criteria have them: --rulebook prairie."
        raise InputError(Fault("--general", expected, value=rules.rulebook.id, remedy=remedy))
    return told


def as_json(told: pd.DataFrame | dict[str, Any]) -> str:
    """JSON of a table, one object a row, or of one entry in full; names keep their order."""
    import json

    value = told if isinstance(told, dict) else told.to_dict(orient="records")
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def export(told: pd.DataFrame | dict[str, Any], path: Path) -> None:
    """Write a table to CSV, JSON, XLSX or Parquet, by the suffix of the file; what is no table, to JSON.

    Raises
    ------
    InputError
        Where the suffix is another, or the place cannot be written.
    """
    from allocation.errors import Fault, InputError
    from allocation.records import write_text_atomic
    from allocation.tables import write_table

    if path.suffix.lower() == ".json":
        write_text_atomic(path, as_json(told))
    elif isinstance(told, dict):
        remedy = "Only a list of rows fits a table; everything about one is written as JSON."
        raise InputError(Fault("--out", "a file ending in .json", value=str(path), remedy=remedy))
    else:
        write_table(told, path)


def criterion(code: str, rules: RulesInUse) -> dict[str, Any]:
    """Everything the rulebook says about one code; of a row of the NHS plan the Prairie criteria's opinion too.

    Raises
    ------
    InputError
        Where the code is not in the rulebook; near ones are named.
    """
    from allocation.rules import load_rulebook
    from allocation.rules.crosswalk import describe_second_opinion, load_crosswalk
    from allocation.rules.table import describe_entry

    told = describe_entry(rules.rulebook, code)
    if rules.rulebook.kind == "grades":
        prairie = load_rulebook("prairie")
        opinion = describe_second_opinion(code, nhs=rules.rulebook, prairie=prairie, crosswalk=load_crosswalk())
        # A rulebook of the user's own may have codes that nobody has laid beside the other criteria.
        told |= {"second_opinion": opinion} if opinion else {}
    return told
