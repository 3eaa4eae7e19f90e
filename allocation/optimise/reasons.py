"""Why a patient is given what, in plain words: the rule, the tier, and what stock bound."""

from __future__ import annotations

import math

import pandas as pd

from allocation.dosing.vials import in_grams
from allocation.optimise.network import NONE, Network
from allocation.optimise.offers import Offers
from allocation.optimise.shelf import Drawn
from allocation.quantities import DAYS_PER_WEEK
from allocation.rules import NATIONAL
from allocation.rules.supply import Tier

__all__ = [
    "drawn_text",
    "given_reason",
    "lever_words",
    "short_reason",
    "unfunded_reason",
    "unserved_reason",
    "vials_text",
    "would_help",
]

_NATIONAL_WORDS = "stock that no panel holds"
# So many products are named; of more the own one and the number of the others.
_NAMED = 3


def _rank(tier: Tier, grade: int) -> str:
    """Tier and grade, as every reason begins."""
    return f"Tier {tier.tier}, {f'grade {grade}' if grade else 'ungraded'}"


def vials_text(drawn: list[Drawn]) -> str:
    """Vials as ``2x20+1x5``, larger first; several products are parted by ``;`` in the order of their codes.

    >>> vials_text([Drawn(0, 1, 5000, 1, None), Drawn(0, 1, 20000, 2, None)])
    '2x20+1x5'
    """
    counts: dict[int, dict[int, int]] = {}
    for part in drawn:
        sizes = counts.setdefault(part.product, {})
        sizes[part.vial_mg] = sizes.get(part.vial_mg, 0) + part.vials
    return ";".join(
        "+".join(f"{count}x{in_grams(size)}" for size, count in sorted(sizes.items(), reverse=True))
        for _, sizes in sorted(counts.items())
    )


def drawn_text(net: Network, drawn: list[Drawn]) -> tuple[str, str]:
    """Products and places of what was drawn, each parted by ``+`` in the order of their indices."""
    places = (*net.problem.panels, NATIONAL)
    products = "+".join(net.product_codes[p] for p in sorted({part.product for part in drawn}))
    return products, "+".join(places[p] for p in sorted({part.place for part in drawn}))


def given_reason(net: Network, c: int, drawn: list[Drawn], *, grade: int) -> str:
    """Why a whole course is what it is."""
    tier = net.problem.tier
    own, panel = int(net.own[c]), int(net.panel[c])
    words = [f"{_rank(tier, grade)}: whole course"]
    if own == NONE:
        words.append("of a product for the route (none is on record)")
    elif {part.product for part in drawn} == {own}:
        words.append("of the recorded product")
    else:
        words.append(f"of another product, as {net.product_codes[own]} is short")
    if {part.place for part in drawn} <= {panel}:
        words.append("from the panel's own stock.")
    elif {part.place for part in drawn} <= {panel, net.n_panels}:
        words.append(f"with {_NATIONAL_WORDS}.")
    else:
        words.append({"region": "with aid from the region.", "national": "from the national pool."}[tier.stock_reach])
    return " ".join(words)


def short_reason(offers: Offers, c: int, *, grade: int, due_mg: int, given_mg: int, held: bool, of: int = NONE) -> str:
    """Why a patient gets less than is due, or nothing: what was left in reach when the offer was made.

    Parameters
    ----------
    offers
        As they stand right after the offer.
    held
        Whether an emergency reserve is held in the pool.
    of
        The product given, where nobody is given several.
    """
    net, tier = offers.net, offers.net.problem.tier
    share = tier.smallest_share(max(grade, 1))
    left_mg = offers.left_mg(c)
    where = _reach_words(offers, c)
    what = _all_words(offers, c)
    left = f"{in_grams(left_mg)} g of {what} left {where}"
    limited = offers.switch_left_mg[int(net.panel[c])] < due_mg - given_mg
    bound, change = offers.bound_by(c, due_mg - given_mg, of)
    if given_mg:
        head = f"{_rank(tier, grade)}: {in_grams(given_mg)} g of the {in_grams(due_mg)} g due"
    elif grade in tier.suspend_grades:
        head = f"{_rank(tier, grade)}: treatment is suspended while those above are short"
    else:
        head = f"{_rank(tier, grade)}: waits for the next allocation"
    if bound:
        cause = f"{bound}; {change} would have helped"
    elif not left_mg:
        cause = _nothing_left(offers, c)
    elif limited and int(net.own[c]) != NONE and int(net.choice[c]) != NONE:
        own = net.product_codes[int(net.own[c])]
        cause = f"{own} is short {where} and the panel has used up what it may switch ({_quota(net, c)})"
    elif max(grade, 1) not in tier.reduce_grades and not given_mg:
        cause = _too_little(offers, c, due_mg, "a whole course")
    elif given_mg and tier.reduces_first and max(grade, 1) in tier.reduce_grades:
        cause = f"stock of {what} is short {where}, and courses are reduced before any is put off"
    elif given_mg:
        cause = _no_more(offers, c, of) if of != NONE else f"no vial of the {left} fits what is missing"
    else:
        cause = _too_little(offers, c, due_mg * share, f"{share:.0%} of the course, the least that may be given")
    reserve = ", the emergency reserve being kept" if held and not given_mg else ""
    order = "; who waits longest goes first, then the lottery" if not given_mg else ""
    return f"{head}: {cause}{reserve}{order}."


def would_help(offers: Offers, c: int, *, due_mg: int, given_mg: int, of: int = NONE) -> str:
    """What would have given a patient who goes short the whole course, as things stood when the offer was made.

    ``of`` is the product given, where nobody is given several.
    """
    net, missing_mg = offers.net, due_mg - given_mg
    _, change = offers.bound_by(c, missing_mg, of)
    if change:
        return f"{change[0].upper()}{change[1:]}."
    own, products, left, where = int(net.own[c]), offers.products(c), offers.left_of(c), _reach_words(offers, c)
    besides = offers.also_needed(c, missing_mg)
    besides = f", and {besides}" if besides else ""
    room_mg = offers.switch_left_mg[int(net.panel[c])]
    if room_mg < missing_mg and own != NONE and int(net.choice[c]) != NONE:
        # Of another product no more may be given; of the own one all of the course, where that may not be beside it.
        of_own_mg = missing_mg if of in (NONE, own) else due_mg
        more = f"{in_grams(of_own_mg - min(left[0], of_own_mg))} g more of {net.product_codes[own]} {where}"
        others = [mg for product, mg in zip(products, left, strict=True) if product != own and of in (NONE, product)]
        if max(others, default=0) >= missing_mg:
            return f"{more}, or room to switch {in_grams(missing_mg - room_mg)} g more{besides}."
        return f"{more}{besides}."
    left_mg, what = sum(left), _product_words(offers, c)
    if of != NONE or _of_one(offers, c):
        at = products.index(of) if of != NONE else left.index(max(left))
        left_mg = left[at]
        what = net.product_codes[products[at]] if left_mg or of != NONE else what
    if left_mg >= missing_mg:
        return f"The {in_grams(missing_mg)} g missing, of {what} {where}, in smaller vials{besides}."
    more = f"{in_grams(missing_mg - left_mg)} g more of {what} {where}{besides}"
    return f"{more}, beyond what those who come first still lack."


def _of_one(offers: Offers, c: int) -> bool:
    """Whether a class may take this product or that, but nobody of it several."""
    return len(offers.products(c)) > 1 and not offers.mixes(c)


def _too_little(offers: Offers, c: int, least_mg: float, least: str) -> str:
    """That what is left in reach does not make the least that may be given."""
    left, what, where = offers.left_of(c), _all_words(offers, c), _reach_words(offers, c)
    if not _of_one(offers, c):
        return f"the {in_grams(sum(left))} g of {what} left {where} do not make {least}"
    if max(left) < least_mg:
        return f"of {what} no more than {in_grams(max(left))} g of any one is left {where}, less than {least}"
    return f"of {what} no single one makes {least}, in the vials left {where}"


def _no_more(offers: Offers, c: int, of: int) -> str:
    """That nothing more of the product given can be had, while nobody is given several."""
    products, left = offers.products(c), offers.left_of(c)
    code, left_mg = offers.net.product_codes[of], left[products.index(of)]
    where = _reach_words(offers, c)
    cause = f"no vial of the {in_grams(left_mg)} g of {code} left {where} fits what is missing"
    cause = cause if left_mg else f"no more {code} is left {where}"
    return f"{cause}, and a course is of one product" if sum(left) > left_mg else cause


def _quota(net: Network, c: int) -> str:
    """What a panel may switch: its own quota in grams, or a share of what is due."""
    panel, limits = net.problem.panels[int(net.panel[c])], net.problem.limits
    share = net.problem.tier.switch_capacity
    if limits is not None and panel in limits.switch_mg:
        return f"its quota of {in_grams(limits.switch_mg[panel])} g"
    if limits is not None:
        share = limits.switch_share.get(panel, share)
    return f"{share:.0%}"


def _product_words(offers: Offers, c: int, *, joined: str = "or", others: str = "one of the") -> str:
    """What a class may be given: by name while they are few, else its own product and how many others."""
    codes = [offers.net.product_codes[product] for product in offers.products(c)]
    if len(codes) <= _NAMED:
        return f" {joined} ".join(codes)
    if int(offers.net.own[c]) == NONE:
        return f"{others} {len(codes)} products that may be given (none is on record)"
    return f"{codes[0]} {joined} {others} {len(codes) - 1} others that may be given"


def _all_words(offers: Offers, c: int) -> str:
    """All that a class may be given, together."""
    return _product_words(offers, c, joined="and", others="the")


def _nothing_left(offers: Offers, c: int) -> str:
    """That nothing is left of what a class may be given, or that there never was any."""
    net, products = offers.net, offers.products(c)
    own, codes = int(net.own[c]), [net.product_codes[product] for product in products]
    if len(codes) <= _NAMED:
        what = f"no {' or '.join(codes)}"
    elif own == NONE:
        what = f"none of the {len(codes)} products that may be given"
    else:
        what = f"neither {codes[0]} nor any of the {len(codes) - 1} others that may be given"
    if offers.held_once[offers.places(c)][:, products].any():
        return f"{what} is left {_reach_words(offers, c)}"
    return f"{_holder(offers, c)} holds {what}"


def _holder(offers: Offers, c: int) -> str:
    """Whose stock a class draws on."""
    reach = offers.net.problem.tier.stock_reach
    if reach == "panel":
        return offers.net.problem.panels[int(offers.net.panel[c])]
    return offers.pool_of(c).name if reach == "region" else "the country"


def _reach_words(offers: Offers, c: int) -> str:
    reach = offers.net.problem.tier.stock_reach
    if reach == "panel":
        return f"at {offers.net.problem.panels[int(offers.net.panel[c])]}"
    return f"in {offers.pool_of(c).name}" if reach == "region" else "in the country"


def unserved_reason(tier: Tier, grade: int) -> str:
    """Why a class gets nothing whatever is in stock."""
    return f"{_rank(tier, grade)}: no stage of this tier serves such patients."


def unfunded_reason(commissioned: str, decision: str) -> str:
    """Why a patient is not funded."""
    if decision == "declined":
        return "The panel has declined this treatment."
    if commissioned == "no":
        return "Not commissioned, and no individual funding request has been approved."
    return "Not funded."


def lever_words(tier: Tier, listed: pd.DataFrame, demand: pd.DataFrame, order: list[int]) -> list[str]:
    """For each patient listed the lever that was used, and its limit; blank for who is treated in full or not funded.

    Parameters
    ----------
    listed
        ``grade``, ``status`` and, where the tier stretches intervals, ``stretched_days``.
    demand, order
        The demand table, with ``cycle_weeks`` where the tier stretches intervals, and its row for each patient listed.
    """
    blank = [0] * len(listed)
    days = listed["stretched_days"].tolist() if "stretched_days" in listed else blank
    cycle = demand["cycle_weeks"].iloc[order].tolist() if "stretched_days" in listed else blank
    columns = (listed["grade"].tolist(), listed["status"].tolist(), days, cycle)
    return [_lever_text(tier, *values) for values in zip(*columns, strict=True)]


def _lever_text(tier: Tier, grade: int, status: str, days: int, cycle_weeks: float) -> str:
    treated_as = max(grade, 1)
    lever = tier.lever_of(treated_as)
    if days and lever is not None:
        most = math.floor(lever.longest_stretch_share * cycle_weeks * DAYS_PER_WEEK)
        return f" The interval is stretched by {days} days, within its limit of {most}."
    if status == "reduced" and treated_as in tier.reduce_grades:
        return f" The course is reduced; at least {tier.smallest_share(treated_as):.0%} of it may be given."
    if status not in ("deferred", "suspended"):
        return ""
    reducible = "reduce" in tier.lever_order and treated_as in tier.reduce_grades
    least = f"less than {tier.smallest_share(treated_as):.0%} of it may not be given" if reducible else ""
    if treated_as not in tier.defer_grades:
        return f" The course is put off, as {least or 'no lever may be used for this grade'}."
    share = 0.0 if lever is None or "stretch" not in tier.lever_order else lever.longest_stretch_share
    beyond = f" The course is put off, beyond the {share:.0%} by which the interval may be stretched" if share else ""
    beyond = beyond or " The course is put off; the interval may not be stretched"
    return f"{beyond}, and {least}." if least else f"{beyond}."
