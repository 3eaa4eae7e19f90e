"""Sentences that open the page of a run."""

from __future__ import annotations

from allocation.reporting.headlines import ahead_sentence


def test_a_look_ahead_says_what_it_keeps_and_what_it_knows_to_come():
    ahead = {"weeks": 12, "kept_for_later_g": 450.0, "deliveries_counted_g": 0.0}
    assert ahead_sentence(ahead) == "Looking 12 weeks ahead, 450 g are kept for later weeks (no delivery known)."
    known = {**ahead, "weeks": 1, "kept_for_later_g": 0.0, "deliveries_counted_g": 80.0}
    assert ahead_sentence(known) == "Looking 1 week ahead, nothing is kept for later (deliveries known: 80 g)."
