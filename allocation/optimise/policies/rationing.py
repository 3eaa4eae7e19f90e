"""Rules for sharing out less than is claimed: pure and exact.

Each function takes claims and an estate in whole numbers and returns exact fractions that add up to the smaller of the
estate and the sum of the claims, none below 0 or above its claim. :func:`whole` makes whole numbers of them.

The rules, but for shares by weight, are those of the literature on bankruptcy problems: Aumann and Maschler, Journal of
Economic Theory 1985;36:195-213, and Thomson, Mathematical Social Sciences 2003;45:249-297.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

import numpy as np
import numpy.typing as npt

__all__ = ["equal_awards", "equal_losses", "pro_rata", "talmud", "whole"]

Awards = list[Fraction]


def pro_rata(claims: Sequence[int], estate: int) -> Awards:
    """The same share of each claim.

    >>> [str(award) for award in pro_rata([100, 200, 300], 200)]
    ['100/3', '200/3', '100']
    """
    claimed = sum(claims)
    if estate >= claimed:
        return [Fraction(claim) for claim in claims]
    return [Fraction(claim * estate, claimed) for claim in claims]


def equal_awards(claims: Sequence[int], estate: int, weights: Sequence[int] | None = None) -> Awards:
    """The same amount for each, but no more than is claimed (constrained equal awards).

    Parameters
    ----------
    weights
        Amounts stand to each other as these, 0 or more, where no claim binds; equal weights where left out. Who has
        weight 0 shares pro rata in what the others leave.

    >>> [str(award) for award in equal_awards([100, 200, 300], 400)]
    ['100', '150', '150']
    >>> [str(award) for award in equal_awards([100, 200, 300], 400, [1, 1, 3])]
    ['80', '80', '240']
    """
    weighing = [1] * len(claims) if weights is None else list(weights)
    awards = [Fraction(0)] * len(claims)
    left, weight = Fraction(max(estate, 0)), sum(weighing)
    heavy = [place for place, part in enumerate(weighing) if part > 0]
    heavy.sort(key=lambda place: Fraction(claims[place], weighing[place]))
    for number, place in enumerate(heavy):
        if claims[place] * weight > left * weighing[place]:
            level = left / weight
            for other in heavy[number:]:
                awards[other] = level * weighing[other]
            return awards
        awards[place] = Fraction(claims[place])
        left -= claims[place]
        weight -= weighing[place]
    light = [place for place, part in enumerate(weighing) if part == 0]
    for place, award in zip(light, pro_rata([claims[place] for place in light], int(left)), strict=True):
        awards[place] = award
    return awards


def equal_losses(claims: Sequence[int], estate: int) -> Awards:
    """The same amount short for each, but none below 0 (constrained equal losses).

    >>> [str(award) for award in equal_losses([100, 200, 300], 200)]
    ['0', '50', '150']
    """
    # Losing equally is being awarded equal parts of the loss.
    losses = equal_awards(claims, max(sum(claims) - estate, 0))
    return [claim - loss for claim, loss in zip(claims, losses, strict=True)]


def talmud(claims: Sequence[int], estate: int) -> Awards:
    """Equal awards up to half of each claim while the estate is at most half of all; equal losses beyond.

    >>> [str(award) for award in talmud([100, 200, 300], 300)]
    ['50', '100', '150']
    """
    claimed = sum(claims)
    if 2 * estate <= claimed:
        # Halves of claims against an estate are claims against twice the estate, halved.
        return [award / 2 for award in equal_awards(claims, 2 * estate)]
    losses = equal_awards(claims, max(2 * (claimed - estate), 0))
    return [claim - loss / 2 for claim, loss in zip(claims, losses, strict=True)]


def whole(awards: Sequence[Fraction]) -> npt.NDArray[np.int64]:
    """Whole numbers with the same sum: rounded down, then one more for the largest parts cut off.

    Of equal parts the first in order go first. The awards must add up to a whole number, as those of the rules do.

    >>> whole([Fraction(100, 3), Fraction(200, 3), Fraction(100)]).tolist()
    [33, 67, 100]
    """
    # Over one denominator whole numbers compare as the fractions do, and far sooner.
    over = lcm(*(award.denominator for award in awards))
    parts = [award.numerator * (over // award.denominator) for award in awards]
    floors = [part // over for part in parts]
    left = sum(parts) // over - sum(floors)
    if left:
        cut_off = [floor * over - part for floor, part in zip(floors, parts, strict=True)]
        for place in sorted(range(len(awards)), key=cut_off.__getitem__)[:left]:
            floors[place] += 1
    return np.array(floors, dtype=np.int64)
