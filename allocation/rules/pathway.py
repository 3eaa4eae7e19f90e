"""The panel's part as rules: which facts about a patient lead to which status, the first rule that fits deciding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Annotated, Literal

from pydantic import AfterValidator

from allocation.rules.base import Code, Model

__all__ = ["PATHWAY_FACTS", "PanelRule", "Pathway", "every_case", "rule_for"]

PATHWAY_FACTS: Mapping[str, tuple[str, ...]] = {
    "commissioned": ("routine", "ifr", "no"),
    "decision": ("none", "pending", "approved", "declined"),
    "approval": ("required", "not_required", "retrospective"),
    "term": ("short", "long"),
    "review": ("in_date", "first_year", "lapsed", "unknown"),
    "trial": ("yes", "no"),
}
"""What a panel's part depends on, and the values each fact may have.

``commissioned``
    Routinely, by an approved individual funding request, or not.
``decision``
    The panel's, as recorded; ``none`` where it is blank.
``approval``
    What the rulebook asks for in the patient's phase.
``term``
    ``long`` for treatment that is reviewed every year.
``review``
    ``in_date`` within the days that a review counts; else ``first_year`` for as many days from the start on;
    else ``lapsed`` where an older review or an older start is recorded; else ``unknown``.
``trial``
    Whether the patient is in a clinical trial.
"""


class PanelRule(Model):
    """One rule: ``status`` for whoever has, of each fact named, one of the values given. A fact left out is free."""

    status: Code
    commissioned: tuple[Literal["routine", "ifr", "no"], ...] = ()
    decision: tuple[Literal["none", "pending", "approved", "declined"], ...] = ()
    approval: tuple[Literal["required", "not_required", "retrospective"], ...] = ()
    term: tuple[Literal["short", "long"], ...] = ()
    review: tuple[Literal["in_date", "first_year", "lapsed", "unknown"], ...] = ()
    trial: tuple[Literal["yes", "no"], ...] = ()
    meaning: str
    section: str
    assumption: str = ""

    def fits(self, case: Mapping[str, str]) -> bool:
        """Whether it speaks of a case, which has a value for each of :data:`PATHWAY_FACTS`."""
        wanted: dict[str, tuple[str, ...]] = {fact: getattr(self, fact) for fact in PATHWAY_FACTS}
        return all(not values or case[fact] in values for fact, values in wanted.items())


def every_case() -> Iterator[dict[str, str]]:
    """Every combination of facts, the last fact changing first."""
    for values in product(*PATHWAY_FACTS.values()):
        yield dict(zip(PATHWAY_FACTS, values, strict=True))


def rule_for(rules: tuple[PanelRule, ...], case: Mapping[str, str]) -> int:
    """Place of the first rule that speaks of a case; -1 where none does."""
    return next((place for place, rule in enumerate(rules) if rule.fits(case)), -1)


def _is_whole(rules: tuple[PanelRule, ...]) -> tuple[PanelRule, ...]:
    if not rules:
        return rules
    used = set()
    for case in every_case():
        place = rule_for(rules, case)
        if place < 0:
            told = ", ".join(f"{fact} {value}" for fact, value in case.items())
            raise ValueError(f"no rule speaks of this case: {told}")
        used.add(place)
    idle = [str(place + 1) for place in range(len(rules)) if place not in used]
    if idle:
        raise ValueError(f"rules that others before them leave nothing to: number {', '.join(idle)}")
    meanings: dict[str, str] = {}
    for rule in rules:
        if meanings.setdefault(rule.status, rule.meaning) != rule.meaning:
            raise ValueError(f"status {rule.status} has more than one meaning")
    return rules


Pathway = Annotated[tuple[PanelRule, ...], AfterValidator(_is_whole)]
"""All rules in their order: every case has a status, no rule is idle, and a status means one thing."""
