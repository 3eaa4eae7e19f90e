"""A dose in plain sentences: the arithmetic step by step, and what a person should look at again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from allocation.dosing.parameters import load_parameters
from allocation.dosing.vials import in_grams
from allocation.dosing.weights import ChildMethod, WeightWarning
from allocation.rules.models import DosingRules, Regimen

__all__ = [
    "DoseWarning",
    "day_steps",
    "is_pregnancy",
    "listed",
    "note_warning",
    "pregnancy_warning",
    "rounding_step",
    "together",
    "total_mg",
    "vials_text",
    "weight_steps",
    "weight_warnings",
]


@dataclass(frozen=True, slots=True)
class DoseWarning:
    """Something to look at again: a code that does not change, and a sentence."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


def weight_steps(
    rules: DosingRules,
    *,
    sex: str,
    age_years: float,
    height_cm: float | None,
    weight_kg: float,
    ideal_kg: float,
    dosing_kg: float,
    flags: int,
    child_method: ChildMethod | None = None,
) -> list[str]:
    """How ideal and dosing weight came about, from the weights and flags that ``dosing_weights`` gave."""
    if flags & WeightWarning.CHILD:
        if rules.child.basis == "actual":
            return [f"Dosing weight of a child: the actual weight, {dosing_kg:.1f} kg."]
        return [_child_step(child_method or rules.child.method, sex=sex, age=age_years, height=height_cm, kg=dosing_kg)]
    adult = rules.adult
    base = adult.base_kg_male if sex == "M" else adult.base_kg_female
    slope_kg, step_cm = adult.slope
    steps = "" if step_cm == 1 else f" / {step_cm:g}"
    formula = f"{base:g} + {slope_kg:.6g} x ({height_cm:g} cm - {adult.reference_height_cm:g} cm){steps}"
    if flags & WeightWarning.FORMULA_NOT_USABLE:
        return [
            f"Ideal weight: {formula} is not above 0, so the actual weight, {dosing_kg:.1f} kg, is the dosing weight."
        ]
    first = f"Ideal weight: {formula} = {ideal_kg:.1f} kg."
    if flags & WeightWarning.BELOW_IDEAL:
        return [first, f"Dosing weight: the actual weight, {dosing_kg:.1f} kg, because it is below the ideal weight."]
    above = f"{adult.adjustment_fraction:g} x ({weight_kg:g} - {ideal_kg:.1f})"
    return [first, f"Dosing weight: {ideal_kg:.1f} + {above} = {dosing_kg:.1f} kg."]


def _child_step(method: ChildMethod, *, sex: str, age: float, height: float | None, kg: float) -> str:
    if method == "bmi_by_age" and age >= load_parameters().child_bmi.row[0].age_years:
        whose = "boys" if sex == "M" else "girls"
        squared = (height or 0.0) / 100
        return (
            f"Dosing weight of a child: median body mass index of {whose} at age {age:g}, {kg / squared**2:.2f} kg/m2, "
            f"x ({squared:g} m)^2 = {kg:.1f} kg."
        )
    where = f"height {height:g} cm" if method == "table_by_height" else f"age {age:g} years"
    return f"Dosing weight of a child: the ideal weight from the table at {where}, {kg:.1f} kg."


def weight_warnings(
    rules: DosingRules, *, height_cm: float | None, weight_kg: float, ideal_kg: float, flags: int
) -> list[DoseWarning]:
    """A warning for each flag of a dosing weight but a missing height, which leaves no dose to warn about."""
    found, adult = WeightWarning(flags), rules.adult
    child_by_ideal = WeightWarning.CHILD in found and rules.child.basis == "ideal"
    used = "the ideal weight is used all the same" if child_by_ideal else "the actual weight is used"
    words = {
        WeightWarning.CHILD: "a child: dosed by the "
        + ("ideal weight, whatever the actual one." if child_by_ideal else "actual weight."),
        WeightWarning.NEONATE: f"a newborn of less than {load_parameters().neonate.below_days} days: compare with the "
        "actual weight, above all when born early or small.",
        WeightWarning.OUTSIDE_TABLE: "the table of the chosen method ends before this child; its nearest row is used.",
        WeightWarning.BELOW_IDEAL: f"actual weight {weight_kg:g} kg is below the ideal weight {ideal_kg:.1f} kg; "
        f"{used}.",
        WeightWarning.HEIGHT_BELOW_FORMULA: f"height {height_cm or 0:g} cm is below {adult.height_range_low_cm:g} cm, "
        "where the formula for the ideal weight was not made to go.",
        WeightWarning.FORMULA_NOT_USABLE: "the formula gives no weight above 0 at this height.",
        WeightWarning.BMI_HIGH: f"body mass index is {adult.bmi_flag_kg_m2 or 0:g} or more; "
        "the dose rests on the adjusted weight, so check the response.",
    }
    return [DoseWarning(str(flag.name), text) for flag, text in words.items() if flag in found]


def note_warning(code: str) -> DoseWarning | None:
    """What a ``weight_note`` calls for; None where it is blank or the weight is as it should be."""
    if not code:
        return None
    known = {note.code: note for note in load_parameters().weight_note}
    note = known.get(code.strip().lower())
    if note is None:
        allowed = ", ".join(known)
        return DoseWarning("WEIGHT_NOTE", f"weight_note is none of {allowed}: read it before the dose is given.")
    return DoseWarning(note.warning, note.text) if note.warning else None


def is_pregnancy(regimen: Regimen, entry_key: str = "") -> bool:
    """Whether a regimen treats a pregnancy: dosed at booking, timed by weeks of gestation, or of such a row."""
    timed = regimen.gestation_weeks or regimen.weekly_from_gestation_week or regimen.throughout_pregnancy
    booked = regimen.weight_basis in ("booking", "booking_adjusted")
    return bool(timed) or booked or entry_key in load_parameters().pregnancy_rows.entries


def pregnancy_warning() -> DoseWarning:
    """Asks for the weight at booking."""
    return DoseWarning(
        "BOOKING_WEIGHT",
        "a pregnancy: the weight must be the one at booking, the first visit; weight_note booking says that it is.",
    )


def rounding_step(rounding: str, sizes: Iterable[int], course_mg: int) -> str:
    """How the course became whole vials."""
    towards = "down" if rounding == "down" else "to the nearest amount"
    return f"Rounded {towards} to whole vials of {listed(in_grams(size) for size in sizes)} g: {in_grams(course_mg)} g."


def day_steps(by_day: tuple[Mapping[int, int], ...]) -> list[str]:
    """How the course is spread over days, and its vials."""
    given = listed(f"{in_grams(total_mg(day))} g" for day in by_day)
    vials = listed(f"{count} x {in_grams(size)} g" for size, count in together(by_day).items()) or "none"
    spread = [f"Over {len(by_day)} days, larger days first: {given}."] if len(by_day) > 1 else []
    return [*spread, f"Vials: {vials}."]


def vials_text(vials: Mapping[int, int]) -> str:
    """Vials for one cell of a table: ``5 x 20 g + 1 x 5 g``; blank for none."""
    return " + ".join(f"{count} x {in_grams(size)} g" for size, count in vials.items())


def together(by_day: tuple[Mapping[int, int], ...]) -> dict[int, int]:
    """Vials of all days, larger sizes first."""
    counts: dict[int, int] = {}
    for day in by_day:
        for size, count in day.items():
            counts[size] = counts.get(size, 0) + count
    return dict(sorted(counts.items(), reverse=True))


def total_mg(vials: Mapping[int, int]) -> int:
    """Milligrams in vials."""
    return sum(size * count for size, count in vials.items())


def listed(items: Iterable[str]) -> str:
    """Words in a row with commas, and before the last.

    >>> listed(["5", "10", "20"])
    '5, 10 and 20'
    """
    words = list(items)
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""
