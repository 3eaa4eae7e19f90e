"""Age, sex, height and weight of patients, for whole arrays at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from allocation.cohort.distributions import AgeTable, lognormal_factor
from allocation.cohort.epidemiology import AdultBody, Body, Epidemiology

__all__ = ["Bodies", "BodyDraws", "BodyModel"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class BodyDraws:
    """The luck of n patients: uniform numbers for age and sex, standard normal deviates for height and weight."""

    component: Floats
    age: Floats
    sex: Floats
    height: Floats
    weight: Floats

    @classmethod
    def of(cls, rng: np.random.Generator, patients: int) -> Self:
        """All five from one stream."""
        component, age, sex = rng.random((3, patients))
        height, weight = rng.standard_normal((2, patients))
        return cls(component, age, sex, height, weight)


@dataclass(frozen=True, slots=True)
class Bodies:
    """Sex, age, height and weight of n patients, rounded as a clinic would record them."""

    female: npt.NDArray[np.bool_]
    age_years: Floats
    height_cm: Floats
    weight_kg: Floats

    @property
    def sex(self) -> npt.NDArray[np.object_]:
        """``"F"`` and ``"M"``."""
        return np.array(["M", "F"], dtype=object)[self.female.astype(np.int64)]


@dataclass(frozen=True, slots=True)
class _Growth:
    """Means and spreads by age of one sex: piecewise linear, constant beyond full size."""

    age_years: Floats
    height_cm: Floats
    height_cv: Floats
    weight_kg: Floats
    weight_cv: Floats
    correlation: Floats

    @classmethod
    def of(cls, body: Body, adult: AdultBody, *, male: bool) -> Self:
        child = body.child
        rows = len(child.age_years)
        grown = np.array([age >= body.adult_from_years for age in (*child.age_years, body.full_size_from_years)])
        heights = (*(child.male_height_cm if male else child.female_height_cm), adult.height_mean_cm)
        weights = (*(child.male_weight_kg if male else child.female_weight_kg), adult.weight_mean_kg)
        ages = (*child.age_years, body.full_size_from_years)
        keep = slice(0, rows if ages[-1] == ages[-2] else rows + 1)
        return cls(
            age_years=np.array(ages)[keep],
            height_cm=np.array(heights)[keep],
            height_cv=np.where(grown, adult.height_sd_cm / adult.height_mean_cm, child.height_cv)[keep],
            weight_kg=np.array(weights)[keep],
            weight_cv=np.where(grown, adult.weight_cv, child.weight_cv)[keep],
            correlation=np.where(grown, adult.height_weight_correlation, child.height_weight_correlation)[keep],
        )

    def bodies(self, age: Floats, *, tall: Floats, heavy: Floats, limit: float) -> tuple[Floats, Floats]:
        def at(column: Floats) -> Floats:
            return np.interp(age, self.age_years, column)

        tie = at(self.correlation)
        tied = np.clip(tie * tall + np.sqrt(1 - tie**2) * heavy, -limit, limit)
        height = at(self.height_cm) * (1 + at(self.height_cv) * np.clip(tall, -limit, limit))
        return height, at(self.weight_kg) * lognormal_factor(tied, at(self.weight_cv))


@dataclass(frozen=True, slots=True)
class BodyModel:
    """Bodies by line of the epidemiology.

    Attributes
    ----------
    ages
        Age mixtures, one row a line.
    female_share
        Share of women by line, used where a component of the ages has none of its own; shape (lines,).
    """

    ages: AgeTable
    female_share: Floats
    male: _Growth
    female: _Growth
    deviate_limit: float
    adult_from_years: float

    @classmethod
    def of(cls, epidemiology: Epidemiology, lines: tuple[int, ...] | None = None) -> Self:
        """For some lines of the file, told by their place in it, or for all."""
        chosen = [epidemiology.line[place] for place in (lines if lines is not None else range(len(epidemiology.line)))]
        body = epidemiology.body
        return cls(
            ages=AgeTable.of([epidemiology.age[line.age] for line in chosen]),
            female_share=np.array([line.female_share for line in chosen]),
            male=_Growth.of(body, body.male, male=True),
            female=_Growth.of(body, body.female, male=False),
            deviate_limit=body.deviate_limit,
            adult_from_years=body.adult_from_years,
        )

    def draw(self, line: Ints, luck: BodyDraws) -> Bodies:
        """Bodies of patients of the lines given, shape (n,)."""
        years, own_share = self.ages.draw(line, component=luck.component, age=luck.age)
        share = np.where(np.isnan(own_share), self.female_share[line], own_share)
        female = luck.sex < share
        age = self._recorded_age(years)
        height, weight = np.empty_like(age), np.empty_like(age)
        for growth, here in ((self.male, ~female), (self.female, female)):
            height[here], weight[here] = growth.bodies(
                age[here], tall=luck.height[here], heavy=luck.weight[here], limit=self.deviate_limit
            )
        return Bodies(female, age, np.round(height, 1), np.round(weight, 1))

    def _recorded_age(self, years: Floats) -> Floats:
        """Whole years for adults, tenths for children, hundredths in the first year; never rounded up."""
        places = np.where(years >= self.adult_from_years, 1.0, np.where(years >= 1, 10.0, 100.0))
        return np.floor(years * places) / places
