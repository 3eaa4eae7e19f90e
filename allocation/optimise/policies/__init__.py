"""Policies: who goes first. Each is a small plug-in found by the entry-point group ``allocation.policies``."""

from allocation.optimise.policies.base import CLAIM_COLUMNS, Case, Policy, Round, award_panels, award_rows, in_order
from allocation.optimise.policies.case import Claims, claims_of_demand, gather_claims, usual_mg_by_panel
from allocation.optimise.policies.prices import settled_prices
from allocation.optimise.policies.proof import told, verify_settled, with_priority
from allocation.optimise.policies.registry import (
    DEFAULT_POLICY,
    GROUP,
    FoundPolicy,
    check_policy,
    find_policy,
    list_policies,
    unusable_policies,
)
from allocation.optimise.policies.run import Settled, settle, settle_demand, tier_under, tiers_under

__all__ = [
    "CLAIM_COLUMNS",
    "DEFAULT_POLICY",
    "GROUP",
    "Case",
    "Claims",
    "FoundPolicy",
    "Policy",
    "Round",
    "Settled",
    "award_panels",
    "award_rows",
    "check_policy",
    "claims_of_demand",
    "find_policy",
    "gather_claims",
    "in_order",
    "list_policies",
    "settle",
    "settle_demand",
    "settled_prices",
    "tier_under",
    "tiers_under",
    "told",
    "unusable_policies",
    "usual_mg_by_panel",
    "verify_settled",
    "with_priority",
]
