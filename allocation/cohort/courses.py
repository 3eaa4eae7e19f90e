"""What a long-term patient is given: route, product, weeks between courses and grams of a course.

Grams a week go by the dosing weight and a spread between patients, scaled for each line so that the mean grams
a year are those of the epidemiology. A dose is then one that whole vials of the patient's product can make:
the makeable amount above or below, by a draw that keeps the mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from allocation.cohort.bodies import Bodies, BodyDraws, BodyModel
from allocation.cohort.distributions import IntervalTable, Pick, lognormal_factor, stratified_normal
from allocation.cohort.epidemiology import Epidemiology, Line
from allocation.cohort.in_use import route_vials
from allocation.dosing import dosing_weights, round_to_vials
from allocation.errors import Fault, InputError
from allocation.quantities import MG_PER_G, WEEKS_PER_YEAR, to_g, to_mg
from allocation.rules.models import Rulebook
from allocation.rules.supply import ProductSet
from allocation.seeds import stream

__all__ = ["CourseDraws", "CourseModel", "Courses", "dose_grid"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]

# The scale of a line does not depend on the seed of a cohort, so the luck it is found with is fixed.
_CALIBRATION_SEED = 0
_CALIBRATION_PATIENTS = 8000
_BISECTIONS = 40
_SCALE_HIGH = 50.0


@dataclass(frozen=True, slots=True)
class CourseDraws:
    """The luck of n patients: uniform numbers, and standard normal deviates for need and interval."""

    route: Floats
    product: Floats
    recorded: Floats
    need: Floats
    interval: Floats
    vials: Floats

    @classmethod
    def of(cls, seed: int, line: Ints, *, purpose: str = "cohort") -> Self:
        """Each from a stream of its own name; ``line`` is each patient's line, shape (n,)."""
        patients = len(line)

        def rng(name: str) -> np.random.Generator:
            return stream(seed, purpose, "course", name)

        return cls(
            route=rng("route").random(patients),
            product=rng("product").random(patients),
            recorded=rng("product recorded").random(patients),
            need=stratified_normal(line, rng("need")),
            interval=rng("interval").standard_normal(patients),
            vials=rng("vials").random(patients),
        )


@dataclass(frozen=True, slots=True)
class Courses:
    """Regimens of n patients; ``product`` is blank where it is not on record."""

    subcutaneous: Bools
    product: Texts
    dose_g: Floats
    interval_weeks: Floats

    @property
    def route(self) -> Texts:
        """``"IV"`` or ``"SC"``."""
        return np.array(["IV", "SC"], dtype=object)[self.subcutaneous.astype(np.int64)]


@dataclass(frozen=True, slots=True)
class CourseModel:
    """Regimens by long-term line; see :meth:`of`."""

    rulebook: Rulebook
    products: ProductSet
    intravenous: Pick
    subcutaneous: Pick
    intervals: IntervalTable
    recorded_share: float
    step_mg: tuple[int, int]
    sc_share: Floats
    cv: Floats
    low_g_per_week: Floats
    high_g_per_week: Floats
    course_g_per_kg_high: Floats
    scale: Floats

    @classmethod
    def of(
        cls, epidemiology: Epidemiology, *, rulebook: Rulebook, products: ProductSet, lines: tuple[int, ...]
    ) -> Self:
        """For the long-term lines at these places of the file, calibrated to their grams a year.

        Raises
        ------
        InputError
            Where a product of the mix is not known, or a line's grams cannot be reached within its bounds.
        """
        chosen = [epidemiology.line[place] for place in lines]
        spreads = [epidemiology.spread[line.spread or ""] for line in chosen]
        _refuse_unknown(epidemiology, products)
        names = ("subcutaneous", "facilitated", *[line.interval or "" for line in chosen])
        start = cls(
            rulebook=rulebook,
            products=products,
            intravenous=Pick.of(epidemiology.products["IV"].share),
            subcutaneous=Pick.of(epidemiology.products["SC"].share),
            intervals=IntervalTable.of([epidemiology.interval[name] for name in names]),
            recorded_share=epidemiology.of("product_recorded_share"),
            step_mg=(to_mg(epidemiology.of("iv_step_g")), to_mg(epidemiology.of("sc_step_g"))),
            sc_share=np.array([line.sc_share for line in chosen]),
            cv=np.array([spread.cv for spread in spreads]),
            low_g_per_week=np.array([spread.grams_per_week_low for spread in spreads]),
            high_g_per_week=np.array([spread.grams_per_week_high or np.inf for spread in spreads]),
            course_g_per_kg_high=np.array([spread.course_g_per_kg_high for spread in spreads]),
            scale=np.ones(len(chosen)),
        )
        return start._calibrated(chosen, BodyModel.of(epidemiology, lines))

    def draw(self, line: Ints, bodies: Bodies, luck: CourseDraws) -> Courses:
        """Regimens of patients; ``line`` counts the long-term lines this model was made for."""
        weight = self._dosing_kg(bodies)
        subcutaneous, product, facilitated = self._products(line, luck)
        weeks = self._weeks(line, luck, subcutaneous=subcutaneous, facilitated=facilitated)
        exact = self._exact_g(line, luck.need, weight_kg=weight, weeks=weeks, scale=self.scale)
        unrecorded = luck.recorded >= self.recorded_share
        product[unrecorded] = ""
        small_steps = subcutaneous & (unrecorded | ~facilitated)
        dose = self._in_vials(exact, product, luck.vials, subcutaneous=subcutaneous, small_steps=small_steps)
        return Courses(subcutaneous, product, dose, weeks)

    def _dosing_kg(self, bodies: Bodies) -> Floats:
        weights = dosing_weights(
            self.rulebook.dosing,
            sex=bodies.sex,
            age_years=bodies.age_years,
            height_cm=bodies.height_cm,
            weight_kg=bodies.weight_kg,
        )
        return weights.dosing_kg

    def _products(self, line: Ints, luck: CourseDraws) -> tuple[Bools, Texts, Bools]:
        subcutaneous = luck.route < self.sc_share[line]
        product = np.empty(len(line), dtype=object)
        facilitated = np.zeros(len(line), dtype=np.bool_)
        for pick, here in ((self.intravenous, ~subcutaneous), (self.subcutaneous, subcutaneous)):
            index = pick.draw(luck.product[here])
            product[here] = np.array(pick.names, dtype=object)[index]
            facilitated[here] = np.array([self.products.by_code[name].facilitated for name in pick.names])[index]
        return subcutaneous, product, facilitated

    def _weeks(self, line: Ints, luck: CourseDraws, *, subcutaneous: Bools, facilitated: Bools) -> Floats:
        # Rows 0 and 1 of the table are the subcutaneous intervals, then comes one row a line.
        row = np.where(subcutaneous, facilitated.astype(np.int64), line + 2)
        return self.intervals.draw(row, need=luck.need, deviate=luck.interval)

    def _exact_g(self, line: Ints, need: Floats, *, weight_kg: Floats, weeks: Floats, scale: Floats) -> Floats:
        a_week = scale[line] * weight_kg * lognormal_factor(need, self.cv[line])
        a_week = np.clip(a_week, self.low_g_per_week[line], self.high_g_per_week[line])
        return np.minimum(a_week * weeks, self.course_g_per_kg_high[line] * weight_kg)

    def _in_vials(
        self, exact_g: Floats, product: Texts, uniform: Floats, *, subcutaneous: Bools, small_steps: Bools
    ) -> Floats:
        exact = exact_g * MG_PER_G
        dose = np.zeros(len(exact), dtype=np.int64)
        for route, by_route in (("IV", ~subcutaneous), ("SC", subcutaneous)):
            for name in sorted(set(product[by_route])):
                here = by_route & (product == name)
                vials = self.products.by_code[name].vial_mg if name else route_vials(self.products, route)
                step = self.step_mg[int(small_steps[here][0])]
                grid = dose_grid(vials, step_mg=step, top_mg=int(exact[here].max()) + 1)
                dose[here] = _keeping_mean(exact[here], grid, uniform[here])
        return to_g(dose)

    def _calibrated(self, lines: Sequence[Line], body_model: BodyModel) -> Self:
        count = _CALIBRATION_PATIENTS
        line = np.repeat(np.arange(len(lines)), count)
        rng = stream(_CALIBRATION_SEED, "cohort calibration", "bodies")
        bodies = body_model.draw(line, BodyDraws.of(rng, len(line)))
        luck = CourseDraws.of(_CALIBRATION_SEED, line, purpose="cohort calibration")
        weight = self._dosing_kg(bodies)
        subcutaneous, _, facilitated = self._products(line, luck)
        weeks = self._weeks(line, luck, subcutaneous=subcutaneous, facilitated=facilitated)
        wanted = np.array([entry.grams_per_year for entry in lines])

        def grams_a_year(scale: Floats) -> Floats:
            course = self._exact_g(line, luck.need, weight_kg=weight, weeks=weeks, scale=scale)
            mean: Floats = (course / weeks).reshape(len(lines), count).mean(axis=1)
            return mean * WEEKS_PER_YEAR

        low, high = np.zeros(len(lines)), np.full(len(lines), _SCALE_HIGH)
        reachable = (grams_a_year(low) <= wanted) & (wanted <= grams_a_year(high))
        if not reachable.all():
            raise InputError(
                Fault(
                    "epidemiology",
                    "grams that the bounds of its spread allow",
                    column=f"line {entry.code}.grams_per_year",
                    value=str(entry.grams_per_year),
                )
                for entry, fine in zip(lines, reachable, strict=True)
                if not fine
            )
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            below = grams_a_year(middle) < wanted
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return replace(self, scale=(low + high) / 2)


def dose_grid(vial_mg: tuple[int, ...], *, step_mg: int, top_mg: int) -> Ints:
    """Doses in mg that are multiples of a step and that whole vials can make, up to the first at or above ``top_mg``.

    Where hardly any multiple can be made (vials of 1.65 g only, steps of 1 g), every amount that can be made counts.

    >>> dose_grid((5000, 10000), step_mg=2500, top_mg=12000).tolist()
    [5000, 10000, 15000]
    """
    smallest, unit = min(vial_mg), math.gcd(*vial_mg, step_mg)

    def made(every_mg: int) -> Ints:
        # Beyond the top, a makeable multiple comes within one least common multiple of step and smallest vial.
        amounts = np.arange(every_mg, top_mg + math.lcm(every_mg, smallest) + 1, every_mg, dtype=np.int64)
        makeable: Ints = amounts[round_to_vials(to_g(amounts), vial_mg) == amounts]
        return makeable

    on_step = made(step_mg)
    chosen = on_step if on_step[0] <= max(2 * step_mg, smallest) else made(unit)
    return chosen[: int(np.searchsorted(chosen, top_mg)) + 1]


def _keeping_mean(exact_mg: Floats, grid: Ints, uniform: Floats) -> Ints:
    """Neighbour of each amount in the grid, above or below, so that the expected amount is the exact one."""
    above = np.clip(np.searchsorted(grid, exact_mg), 0, len(grid) - 1)
    below = np.maximum(above - 1, 0)
    gap = np.maximum(grid[above] - grid[below], 1)
    share = np.clip((exact_mg - grid[below]) / gap, 0, 1)
    return np.where(uniform < share, grid[above], grid[below])


def _refuse_unknown(epidemiology: Epidemiology, products: ProductSet) -> None:
    faults = [
        Fault(
            "epidemiology",
            f"a product known to this run that is given {route}",
            column=f"products.{route}.share",
            value=name,
        )
        for route, mix in epidemiology.products.items()
        for name in mix.share
        if name not in products.by_code or route not in products.by_code[name].routes
    ]
    if faults:
        raise InputError(faults)
