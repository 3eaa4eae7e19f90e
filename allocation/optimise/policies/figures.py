"""Figures that policies weigh claims by: read once from the data beside this file, each with where it comes from."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, Field, model_validator

from allocation.resources import package_data
from allocation.rules.base import Code, Confidence, Model, Source
from allocation.rules.load import parse, read_toml

__all__ = ["GradeWeights", "HarmFigures", "grade_weights", "harm_figures"]

Weight = Annotated[int, Field(ge=0)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Text = Annotated[str, Field(min_length=1)]
_Figures = TypeVar("_Figures", bound=BaseModel)


class GradeWeights(Model):
    """What a gram due weighs by grade."""

    grade_4: Weight
    grade_3: Weight
    grade_2: Weight
    grade_1: Weight
    ungraded: Weight
    assumption: Text
    confidence: Confidence

    def of(self, grade: int) -> int:
        """Weight of a grade, 0 for ungraded."""
        return (self.ungraded, self.grade_1, self.grade_2, self.grade_3, self.grade_4)[grade]

    def assumptions(self) -> tuple[str, ...]:
        """What a reader must know."""
        return (_line(self.assumption, self.confidence),)


class GradeHarm(Model):
    """Weighed setbacks for each kilogram withheld, where nothing better is known than the grade."""

    emergency: NotNegative
    grade_4: NotNegative
    grade_3: NotNegative
    grade_2: NotNegative
    grade_1: NotNegative
    ungraded: NotNegative
    assumption: Text
    confidence: Confidence


class HarmEntry(Model):
    """Setbacks for each kilogram withheld, of some indications."""

    indications: Annotated[tuple[Code, ...], Field(min_length=1)]
    situation: Code | None = None
    setbacks_per_kg: NotNegative
    weight: NotNegative
    confidence: Confidence
    assumption: Text
    source: Source | None = None

    @model_validator(mode="after")
    def _says_where_from(self) -> Self:
        if self.source is None and self.confidence not in ("M", "P"):
            raise ValueError("a figure that is not a proposal (P) or from memory (M) needs a source")
        return self


class HarmFigures(Model):
    """Expected harm of withholding."""

    by_grade: GradeHarm
    entry: tuple[HarmEntry, ...] = ()

    def per_kg(self, indication: str, situation: str, grade: int, emergency: bool) -> float:  # noqa: FBT001 - a column
        """Weighed setbacks for each kilogram withheld from such a patient."""
        default = self.by_grade
        if emergency:
            return default.emergency
        for entry in self.entry:
            if indication in entry.indications and entry.situation in (None, situation):
                return round(entry.setbacks_per_kg * entry.weight, 6)
        return (default.ungraded, default.grade_1, default.grade_2, default.grade_3, default.grade_4)[grade]

    def assumptions(self) -> tuple[str, ...]:
        """What a reader must know of each figure."""
        by_grade = _line(self.by_grade.assumption, self.by_grade.confidence)
        return (by_grade, *(_line(entry.assumption, entry.confidence) for entry in self.entry))


def _line(text: str, confidence: str) -> str:
    return f"{' '.join(text.split())} [{confidence}]"


def _read(model: type[_Figures], name: str) -> _Figures:
    path = package_data("optimise", "policies", "data", name)
    return parse(model, read_toml(path), str(path))


@lru_cache(maxsize=1)
def grade_weights() -> GradeWeights:
    """Weights of the policy ``weighted``."""
    return _read(GradeWeights, "grade_weights.toml")


@lru_cache(maxsize=1)
def harm_figures() -> HarmFigures:
    """Rates of the policy ``least_harm``."""
    return _read(HarmFigures, "harm.toml")
