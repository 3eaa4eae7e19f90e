"""Rulebooks, products, panels and tiers: data with a source, and the models that check it."""

from allocation.rules.load import load_panels, load_products, load_rulebook, load_tiers
from allocation.rules.models import CONDITIONS, FLAGS, Entry, Regimen, Rulebook, entry_key
from allocation.rules.supply import NATIONAL, PanelSet, ProductSet, TierSet

__all__ = [
    "CONDITIONS",
    "FLAGS",
    "NATIONAL",
    "Entry",
    "PanelSet",
    "ProductSet",
    "Regimen",
    "Rulebook",
    "TierSet",
    "entry_key",
    "load_panels",
    "load_products",
    "load_rulebook",
    "load_tiers",
]
