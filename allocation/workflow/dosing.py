"""The dose of one patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from allocation.errors import Fault, InputError
from allocation.quantities import to_mg
from allocation.workflow.rules_in_use import RulesInUse

if TYPE_CHECKING:
    from allocation.dosing import ChildMethod, Dose

__all__ = ["dose", "vials_from_text"]

_LARGEST_MG = 2**31 - 1
"""Above this, sums of vials no longer fit the integers they are counted in."""


def vials_from_text(text: str | None, *, product: str | None, rules: RulesInUse) -> tuple[int, ...]:
    """Vial sizes in mg from ``5,10,20``, from a product's own, or those the rulebook takes where none is named.

    Raises
    ------
    InputError
        Where the sizes are not positive numbers, or the product is unknown.
    """
    if text is None:
        unnamed = rules.rulebook.dosing.vial_g_if_unnamed
        if product is None and unnamed:
            return tuple(sorted(to_mg(size) for size in unnamed))
        chosen = product or next(iter(rules.products.by_code))
        if chosen not in rules.products.by_code:
            raise InputError(Fault("--product", f"one of {', '.join(rules.products.by_code)}", value=chosen))
        return rules.products.by_code[chosen].vial_mg
    try:
        sizes = tuple(sorted({to_mg(float(part)) for part in text.split(",")}))
    except (ValueError, OverflowError):
        sizes = ()
    if not sizes or sizes[0] <= 0 or sizes[-1] > _LARGEST_MG:
        raise InputError(Fault("--vials", "vial sizes in grams with commas between, such as 5,10,20", value=text))
    return sizes


def dose(
    *,
    sex: str,
    age_years: float,
    height_cm: float | None,
    weight_kg: float,
    g_per_kg: float,
    days: int,
    vial_mg: tuple[int, ...],
    rules: RulesInUse,
    child_method: ChildMethod | None = None,
) -> Dose:
    """Ideal and dosing weight, exact and whole-vial course, and its split over days.

    Raises
    ------
    InputError
        With every value that cannot be right.
    """
    from allocation.dosing import dose_patient

    return dose_patient(
        rules.rulebook,
        sex=sex,
        age_years=age_years,
        height_cm=height_cm,
        weight_kg=weight_kg,
        g_per_kg=g_per_kg,
        days=days,
        vial_mg=vial_mg,
        child_method=child_method,
    )
