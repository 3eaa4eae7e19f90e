"""Plain words for the conditions of the rules, and the reason of a grade put together from them."""

from __future__ import annotations

from datetime import date
from enum import IntEnum

from allocation.rules.models import Entry, Settings, Upgrade

__all__ = ["REVIEW", "Review", "blocked", "review_missing", "source_of"]

REVIEW = "annual_review_complete"
"""The one condition that is reckoned from dates instead of read from a flag."""

_HELD = {
    "ig_dependent": "the patient depends on immunoglobulin",
    "ongoing_need_proven": "an ongoing need is proven",
    "alternatives_exhausted": "the alternatives are exhausted",
    "plex_unavailable": "plasma exchange is unavailable",
    "platelet_refractory": "platelets do not work",
    "bleeding": "the patient is bleeding",
    "life_threatening": "it threatens life",
    "acute_emergency": "it is an acute emergency",
    "status_epilepticus": "the patient is in status epilepticus",
    "transfusion_dependent": "the patient depends on transfusion",
    "steroid_refractory": "steroids have failed",
    "ifr_approved": "an individual funding request is approved",
    "clinical_trial": "the patient is in a clinical trial",
}


class Review(IntEnum):
    """Whether the annual review counts on the as-of date, and why not."""

    DONE = 0
    FIRST_YEAR_APPROVED = 1
    FIRST_YEAR_NOT_APPROVED = 2
    OUT_OF_DATE = 3
    IN_THE_FUTURE = 4
    NONE = 5

    @property
    def counts(self) -> bool:
        """Whether an upgrade may rest on it."""
        return self in (Review.DONE, Review.FIRST_YEAR_APPROVED)


_WHY_NOT = {
    Review.FIRST_YEAR_NOT_APPROVED: "first year, and the panel has not approved the start",
    Review.OUT_OF_DATE: "the last one is older",
    Review.IN_THE_FUTURE: "the date recorded lies in the future",
    Review.NONE: "none is recorded",
}


def review_missing(review: Review, settings: Settings, as_of: date) -> str:
    """Why the annual review does not count."""
    span = f"no annual review in the {settings.review_valid_days} days to {as_of.isoformat()}"
    return f"{span} ({_WHY_NOT[review]})" if review in _WHY_NOT else span


def blocked(upgrade: Upgrade, *, held: frozenset[str], review: Review, settings: Settings, as_of: date) -> str:
    """What an upgrade that does not apply is missing."""

    def words(condition: str) -> str:
        if condition == REVIEW:
            return review_missing(review, settings, as_of)
        return f"no record that {_HELD[condition]}"

    missing = [words(condition) for condition in upgrade.all_of if condition not in held]
    if upgrade.any_of and not held.intersection(upgrade.any_of):
        first, *others = upgrade.any_of
        missing.append(" or ".join([words(first), *(words(other).replace("no record ", "") for other in others)]))
    return " and ".join(missing)


def source_of(entry: Entry) -> str:
    """Where the rule stands: specialty and title of the entry."""
    return f"{entry.specialty.replace('_', ' ').capitalize()}: {entry.title}"
