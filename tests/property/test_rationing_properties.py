"""Rules for sharing out less than is claimed: published figures, and what must hold of any claims."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.optimise.policies.rationing import equal_awards, equal_losses, pro_rata, talmud, whole

RULES = (pro_rata, equal_awards, equal_losses, talmud)
# Claims against an estate left by a debtor, the example of Aumann and Maschler, "Game theoretic analysis of a
# bankruptcy problem from the Talmud", Journal of Economic Theory 1985;36:195-213: 100, 200 and 300.
CLAIMS = [100, 200, 300]
THIRD = Fraction(100, 3)

claims = st.lists(st.integers(0, 10**9), min_size=1, max_size=8)
shares = st.fractions(0, Fraction(5, 4))


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[int], int]:
    found = draw(claims)
    return found, int(sum(found) * draw(shares))


@pytest.mark.parametrize(
    ("rule", "estate", "awards"),
    [
        # Aumann and Maschler 1985, the table of the Mishna (estates 100, 200, 300), and 400 by the same rule.
        (talmud, 100, [THIRD, THIRD, THIRD]),
        (talmud, 200, [50, 75, 75]),
        (talmud, 300, [50, 100, 150]),
        (talmud, 400, [50, 125, 225]),
        # Constrained equal awards and losses, and proportional division, as defined in Thomson, "Axiomatic and
        # game-theoretic analysis of bankruptcy and taxation problems", Mathematical Social Sciences 2003;45:249-297.
        (equal_awards, 200, [2 * THIRD, 2 * THIRD, 2 * THIRD]),
        (equal_awards, 400, [100, 150, 150]),
        (equal_losses, 200, [0, 50, 150]),
        (pro_rata, 200, [THIRD, 2 * THIRD, 100]),
    ],
)
def test_published_figures(rule, estate, awards):
    assert rule(CLAIMS, estate) == awards
    assert sum(awards) == estate


@pytest.mark.parametrize("rule", RULES)
@given(case=cases())
def test_awards_add_up_and_keep_within_claims(rule, case):
    found, estate = case
    awards = rule(found, estate)
    assert sum(awards) == min(estate, sum(found))
    assert all(0 <= award <= claim for award, claim in zip(awards, found, strict=True))


@pytest.mark.parametrize("rule", RULES)
@given(case=cases(), more=st.integers(0, 10**9))
def test_nobody_loses_by_a_larger_estate(rule, case, more):
    found, estate = case
    assert all(low <= high for low, high in zip(rule(found, estate), rule(found, estate + more), strict=True))


@pytest.mark.parametrize("rule", RULES)
@given(case=cases())
def test_a_larger_claim_gets_no_less_and_loses_no_less(rule, case):
    found, estate = case
    ordered = sorted(zip(found, rule(found, estate), strict=True))
    for (claim, award), (larger, other) in pairwise(ordered):
        assert award <= other
        assert claim - award <= larger - other


@given(case=cases())
def test_the_talmud_rule_is_its_own_dual(case):
    found, estate = case
    estate = min(estate, sum(found))
    losses = talmud(found, sum(found) - estate)
    assert talmud(found, estate) == [claim - loss for claim, loss in zip(found, losses, strict=True)]


@given(case=cases())
def test_equal_awards_and_equal_losses_are_dual(case):
    found, estate = case
    estate = min(estate, sum(found))
    losses = equal_losses(found, sum(found) - estate)
    assert equal_awards(found, estate) == [claim - loss for claim, loss in zip(found, losses, strict=True)]


@given(case=cases(), data=st.data())
def test_weighted_awards_stand_to_each_other_as_their_weights(case, data):
    found, estate = case
    weights = data.draw(st.lists(st.integers(0, 50), min_size=len(found), max_size=len(found)))
    awards = equal_awards(found, estate, weights)
    assert sum(awards) == min(estate, sum(found))
    assert all(0 <= award <= claim for award, claim in zip(awards, found, strict=True))
    free = [place for place, award in enumerate(awards) if award < found[place] and weights[place]]
    levels = {awards[place] / weights[place] for place in free}
    assert len(levels) <= 1
    # Who has no weight gets something only when all others have all they claim.
    assert not free or not any(award for award, weight in zip(awards, weights, strict=True) if not weight)


@pytest.mark.parametrize("rule", RULES)
@given(case=cases())
def test_whole_awards_differ_from_exact_ones_by_less_than_one(rule, case):
    found, estate = case
    exact = rule(found, estate)
    rounded = whole(exact).tolist()
    assert sum(rounded) == min(estate, sum(found))
    assert all(abs(award - other) < 1 for award, other in zip(exact, rounded, strict=True))
    assert all(0 <= award <= claim for award, claim in zip(rounded, found, strict=True))


def test_milligrams_far_beyond_a_country_stay_exact():
    huge = [2**50 - 1, 2**50 - 3, 7]
    assert sum(whole(pro_rata(huge, 2**50))) == 2**50
