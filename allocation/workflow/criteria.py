"""The criteria of a rulebook, as a table or one row in full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from allocation.workflow.rules_in_use import RulesInUse

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["criteria", "criterion"]


def criteria(rules: RulesInUse) -> pd.DataFrame:
    """One row for each indication and situation."""
    from allocation.rules.table import criteria_table

    return criteria_table(rules.rulebook)


def criterion(code: str, rules: RulesInUse) -> dict[str, Any]:
    """Everything the rulebook says about one code.

    Raises
    ------
    InputError
        Where the code is not in the rulebook; near ones are named.
    """
    from allocation.rules.table import describe_entry

    return describe_entry(rules.rulebook, code)
