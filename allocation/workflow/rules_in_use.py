"""The rules a run goes by, loaded once from what the user named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from allocation.rules import (
    PanelSet,
    ProductSet,
    Rulebook,
    TierSet,
    load_panels,
    load_products,
    load_rulebook,
    load_tiers,
)

__all__ = ["RulesInUse", "load_rules"]


@dataclass(frozen=True, slots=True)
class RulesInUse:
    """Rulebook, products, panels and tiers of a run, and the user's own files among them."""

    rulebook: Rulebook
    products: ProductSet
    panels: PanelSet
    tiers: TierSet
    own_files: dict[str, Path]

    def on(self, as_of: date) -> RulesInUse:
        """The same with the rulebook of one day."""
        return replace(self, rulebook=self.rulebook.on(as_of))


def load_rules(
    *,
    rulebook: str = "nhs",
    products: Path | None = None,
    panels: Path | None = None,
    tiers: Path | None = None,
) -> RulesInUse:
    """Load the rules.

    Raises
    ------
    InputError
        Where a named file is missing or does not hold to its schema.
    """
    own = {"products": products, "panels": panels, "tiers": tiers}
    return RulesInUse(
        rulebook=load_rulebook(rulebook),
        products=load_products(products),
        panels=load_panels(panels),
        tiers=load_tiers(tiers),
        own_files={name: path for name, path in own.items() if path is not None},
    )
