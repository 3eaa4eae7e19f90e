"""Sentences that open the page of a run."""

from __future__ import annotations

import pandas as pd
import pytest

from allocation.reporting.headlines import (
    ahead_sentence,
    cover_finding,
    cover_sentence,
    fill_finding,
    late_sentence,
    precision_sentences,
    tier_sentence,
)


def lows(*cover_at_week):
    return pd.DataFrame(cover_at_week, columns=["cover_weeks", "week"])


def test_never_is_said_only_where_it_holds_in_every_replication():
    assert cover_finding(lows((4.5, 3), (4.49, 9)), 4.5) == "Cover never falls below the 4.5 weeks it starts with"
    found = cover_finding(lows((4.5, 3), (4.5, 9), (3.2, 9)), 4.5)
    assert found == "Cover mostly stays at the 4.5 weeks it starts with; 3.2 at worst"
    assert cover_finding(lows((2.0, 3), (1.8, 9), (1.7, 9)), 4.5) == "Cover falls from 4.5 to 1.8 weeks"


def test_the_week_of_lowest_cover_is_told_with_its_spread():
    told = cover_sentence(lows((2.0, 5), (2.0, 5), (2.0, 24)), 4.5)
    assert told.startswith("Cover is lowest in week 5 (weeks 5 to 22), at 2.0 weeks of demand")
    assert cover_sentence(lows((2.0, 5)), 4.5) == "Cover is lowest in week 5, at 2.0 weeks of demand; it starts at 4.5."


FOUR_MOSTLY = "grade 4 in full in most replications in each week"


def weekly(*rows):
    return pd.DataFrame(rows, columns=["week", "grade", "median", "least"])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([(0, 4, 1.0, 1.0), (0, 1, 1.0, 1.0)], "Every grade is served in full in every week of every replication"),
        (
            [(0, 4, 1.0, 0.402), (0, 1, 1.0, 1.0)],
            "In each week most replications serve every grade in full; grade 4 falls to 40.2% at worst",
        ),
        (
            [(0, 4, 1.0, 0.905), (0, 1, 0.0, 0.0)],
            f"Grade 1 falls lowest: nothing is given in week 0; {FOUR_MOSTLY}, 90.5% at worst",
        ),
    ],
)
def test_the_heading_of_fill_says_what_holds_week_by_week(rows, said):
    assert fill_finding(weekly(*rows)) == said


def test_only_the_highest_tier_met_is_named_alone():
    reached = pd.DataFrame(
        [(2, 4, 1.0, 1.0, 1.0, 9.0), (3, 4, 1.0, 1.0, 1.0, 8.0), (4, 4, 1.0, 1.0, 1.0, 7.0)],
        columns=["tier", "replications", "first_p05", "first_median", "first_p95", "weeks_at_or_above"],
    )
    assert tier_sentence(reached, 4) == (
        "Tier 4 is reached in all 4 replications, first in week 1; "
        "tier 3 or above in all 4 replications, first in week 1."
    )


def test_days_late_are_told_as_each_patients_longest_delay():
    told = late_sentence({"patients": 100.0, "late": 20.0, "days_each": 12.0, "unmet_g": 0.0})
    assert told == (
        "20 of the 100 patients (20.0%) get at least one course late, their longest delay 12 days on average; "
        "nothing due is given up for good."
    )


def test_an_outcome_that_never_happened_is_not_cured_by_more_replications():
    asked = {"reached": False, "half_width": None, "half_width_wanted": 1.0, "pilot_replications": 2}
    asked["replications_needed_by_pilot"] = 2
    (told,) = precision_sentences({"precision": {"first_tier_2_week": asked}, "replications": 2})
    assert "after 2 replications it has no interval, as fewer than two of them have a value of it" in told
    assert "--most-replications" not in told


def test_a_look_ahead_says_what_it_keeps_and_what_it_knows_to_come():
    ahead = {"weeks": 12, "kept_for_later_g": 450.0, "deliveries_counted_g": 0.0}
    assert ahead_sentence(ahead) == "Looking 12 weeks ahead, 450 g are kept for later weeks (no delivery known)."
    known = {**ahead, "weeks": 1, "kept_for_later_g": 0.0, "deliveries_counted_g": 80.0}
    assert ahead_sentence(known) == "Looking 1 week ahead, nothing is kept for later (deliveries known: 80 g)."
