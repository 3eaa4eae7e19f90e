"""Who is treated, as data: what ``data/england.toml`` may hold.

Every figure lives in the file with the name of a source, and so with a confidence. The models forbid unknown keys
and refuse shares that do not add up; what spans several tables is checked where the file is loaded.
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from allocation.rules.models import FLAGS, Code, Model, Positive, Source

__all__ = [
    "AdultBody",
    "AgeComponent",
    "Ages",
    "Body",
    "ChildBody",
    "Decision",
    "Epidemiology",
    "Interval",
    "Line",
    "Mix",
    "National",
    "Season",
    "Setting",
    "Spread",
    "Target",
]

Share = Annotated[float, Field(ge=0, le=1)]
Correlation = Annotated[float, Field(gt=-1, lt=1)]
Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?$")]
MONTHS = 12
_CLOSE = 1e-9


def _sums_to_one(shares: list[float], what: str) -> None:
    if abs(sum(shares) - 1) > _CLOSE:
        raise ValueError(f"{what} must sum to 1, not {sum(shares):.6g}")


class National(Model):
    """What the whole cohort comes to in a year, and how near a generated one must come."""

    patients: Positive
    grams_per_year: Positive
    tolerance: Positive
    neurology_tolerance: Positive
    source: Code


class Target(Model):
    """One line of the published or proposed breakdown that the cohort is checked against."""

    group: str
    patients: Positive
    grams_per_patient: Positive
    neurology: bool = False

    @property
    def grams_per_year(self) -> float:
        """Grams a year of the whole group."""
        return self.patients * self.grams_per_patient


class Setting(Model):
    """One number with its unit."""

    value: Annotated[float, Field(ge=0)]
    unit: str
    source: Code
    note: str = ""


class Decision(Model):
    """How often a panel has decided what."""

    share: dict[Literal["approved", "pending", "declined", "blank"], Share]
    source: Code

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        _sums_to_one(list(self.share.values()), "shares of decisions")
        return self

    @property
    def by_name(self) -> dict[str, float]:
        """Shares by name."""
        return {str(name): share for name, share in self.share.items()}


class AdultBody(Model):
    """Height (normal) and weight (lognormal) of adults of one sex."""

    height_mean_cm: Positive
    height_sd_cm: Positive
    weight_mean_kg: Positive
    weight_cv: Positive
    height_weight_correlation: Correlation
    spread_source: Code


class ChildBody(Model):
    """Mean height and weight by age, and the spread around them."""

    height_cv: Positive
    weight_cv: Positive
    height_weight_correlation: Correlation
    source: Code
    age_years: tuple[float, ...]
    male_weight_kg: tuple[Positive, ...]
    female_weight_kg: tuple[Positive, ...]
    male_height_cm: tuple[Positive, ...]
    female_height_cm: tuple[Positive, ...]

    @model_validator(mode="after")
    def _columns_fit(self) -> Self:
        columns = (self.male_weight_kg, self.female_weight_kg, self.male_height_cm, self.female_height_cm)
        if any(len(column) != len(self.age_years) for column in columns):
            raise ValueError("every column of the table must be as long as age_years")
        if list(self.age_years) != sorted(set(self.age_years)):
            raise ValueError("age_years must rise")
        return self


class Body(Model):
    """Bodies of patients; ``deviate_limit`` bounds normal deviates, so nobody is beyond belief."""

    adult_from_years: Positive
    full_size_from_years: Positive
    deviate_limit: Positive
    source: Code
    note: str = ""
    male: AdultBody
    female: AdultBody
    child: ChildBody

    @model_validator(mode="after")
    def _ages_follow(self) -> Self:
        if not self.child.age_years[-1] <= self.full_size_from_years:
            raise ValueError("full_size_from_years must not lie before the last row of the children's table")
        return self


class Mix(Model):
    """Share of patients on each product of one route."""

    source: Code
    share: dict[Code, Share]

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        _sums_to_one(list(self.share.values()), "shares of products")
        return self


class Interval(Model):
    """Whole weeks between courses, with their mean and, where more than two are allowed, their SD."""

    weeks: tuple[Annotated[int, Field(ge=1)], ...] = Field(min_length=1)
    mean: Positive
    sd: Positive | None = None
    need_correlation: Correlation = 0.0
    source: Code
    note: str = ""

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        low, high = self.weeks[0], self.weeks[-1]
        if list(self.weeks) != sorted(set(self.weeks)):
            raise ValueError("weeks must rise")
        if not (low < self.mean < high or low == self.mean == high):
            raise ValueError(f"the mean must lie between {low} and {high} weeks")
        if self.sd is not None and self.sd**2 >= (high - self.mean) * (self.mean - low):
            raise ValueError("no distribution on these weeks has so large an SD with this mean")
        return self


class Spread(Model):
    """How grams a week differ between patients of one dosing weight: lognormal, within bounds."""

    cv: Positive
    grams_per_week_low: Annotated[float, Field(ge=0)] = 0.0
    grams_per_week_high: Positive | None = None
    course_g_per_kg_high: Positive
    source: Code
    note: str = ""


class Season(Model):
    """Arrivals by month against the year's mean, January first."""

    factor: tuple[Annotated[float, Field(ge=0)], ...] = Field(min_length=MONTHS, max_length=MONTHS)
    source: Code
    note: str = ""

    @model_validator(mode="after")
    def _mean_is_one(self) -> Self:
        _sums_to_one([factor / MONTHS for factor in self.factor], "factors divided by twelve")
        return self


class AgeComponent(Model):
    """One part of an age distribution, in years, cut off at ``low`` and ``high``."""

    share: Share
    kind: Literal["normal", "lognormal", "uniform"]
    low: Annotated[float, Field(ge=0)]
    high: Annotated[float, Field(gt=0, le=110)]
    mean: Positive | None = None
    sd: Positive | None = None
    median: Positive | None = None
    sigma: Positive | None = None
    female_share: Share | None = None

    @model_validator(mode="after")
    def _parameters_fit(self) -> Self:
        wanted = {"normal": {"mean", "sd"}, "lognormal": {"median", "sigma"}, "uniform": set()}[self.kind]
        given = {name for name in ("mean", "sd", "median", "sigma") if getattr(self, name) is not None}
        if given != wanted:
            raise ValueError(f"{self.kind} takes {', '.join(sorted(wanted)) or 'low and high only'}")
        if self.low >= self.high:
            raise ValueError("low must be below high")
        return self


class Ages(Model):
    """A distribution of ages: a mixture of parts."""

    source: Code
    component: tuple[AgeComponent, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        _sums_to_one([part.share for part in self.component], "shares of the components")
        return self


class Line(Model):
    """One code of the criteria: how many are treated, who they are and how.

    ``patients`` is the number on treatment at any one time for a long-term line, and the number treated in a
    year for a short-term one.
    """

    code: Key
    group: str
    term: Literal["long", "short"]
    patients: Positive
    patients_source: Code
    courses_per_patient: Annotated[float, Field(ge=1)] | None = None
    courses_source: Code | None = None
    grams_per_year: Positive | None = None
    dose_source: Code | None = None
    years_on_treatment: Positive | None = None
    longest_years: Positive | None = None
    female_share: Share
    age: Code
    interval: Code | None = None
    spread: Code | None = None
    sc_share: Share = 0.0
    sc_source: Code | None = None
    season: Code = "flat"
    flags: dict[str, Share] = Field(default_factory=dict)
    note: str = ""

    @property
    def indication(self) -> str:
        """The indication's code."""
        return self.code.partition("/")[0]

    @property
    def situation(self) -> str:
        """The situation's code, empty where the indication has none."""
        return self.code.partition("/")[2]

    @property
    def courses_per_year(self) -> float:
        """Courses of a short-term line begun in a year."""
        return self.patients * (self.courses_per_patient or 1.0)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        long_only = ("grams_per_year", "dose_source", "years_on_treatment", "interval", "spread")
        if self.term == "long":
            missing = [name for name in long_only if getattr(self, name) is None]
            if missing:
                raise ValueError(f"a long-term line needs {', '.join(missing)}")
            if self.courses_per_patient is not None:
                raise ValueError("a long-term line takes no courses_per_patient")
        else:
            extra = [name for name in (*long_only, "longest_years") if getattr(self, name) is not None]
            if extra or self.sc_share:
                raise ValueError(f"a short-term line takes no {', '.join(extra) or 'sc_share'}")
        if (self.courses_per_patient is None) != (self.courses_source is None):
            raise ValueError("courses_per_patient and courses_source go together")
        if bool(self.sc_share) != (self.sc_source is not None):
            raise ValueError("sc_share and sc_source go together")
        unknown = sorted(set(self.flags) - set(FLAGS))
        if unknown:
            raise ValueError(f"unknown flag {', '.join(unknown)}; known: {', '.join(FLAGS)}")
        return self


class Epidemiology(Model):
    """A whole file of who is treated."""

    id: Code
    title: str
    version: str
    national: National
    source: dict[str, Source]
    target: tuple[Target, ...]
    setting: dict[
        Literal[
            "acute_window_days",
            "review_share",
            "early_review_share",
            "never_reviewed_share",
            "lapsed_days_mean",
            "overdue_share",
            "overdue_days_high",
            "product_recorded_share",
            "flag_recorded_share",
            "clinical_trial_share",
            "trust_size_exponent",
            "iv_step_g",
            "sc_step_g",
        ],
        Setting,
    ]
    decision: dict[Literal["established", "first_year", "acute"], Decision]
    body: Body
    products: dict[Literal["IV", "SC"], Mix]
    interval: dict[str, Interval]
    spread: dict[str, Spread]
    season: dict[str, Season]
    age: dict[str, Ages]
    line: tuple[Line, ...] = Field(min_length=1)

    @cached_property
    def long_lines(self) -> tuple[Line, ...]:
        """Lines of long-term treatment, in the order of the file."""
        return tuple(line for line in self.line if line.term == "long")

    @cached_property
    def acute_lines(self) -> tuple[Line, ...]:
        """Lines of short-term treatment, in the order of the file."""
        return tuple(line for line in self.line if line.term == "short")

    def of(self, name: str) -> float:
        """The value of a setting."""
        return self.setting[name].value  # type: ignore[index]
