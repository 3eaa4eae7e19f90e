"""The frozen model that all parts of a scenario share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "Code",
    "Confidence",
    "CoverWeeks",
    "Days",
    "Grams",
    "Model",
    "PerYear",
    "PositiveDays",
    "Ratio",
    "RunWeek",
    "RunWeeks",
]

# What lies outside is a slip of the keyboard, and would end in a run without end or in numbers that overflow. The
# limits stand far above anything that could be meant.
_MOST_WEEKS = 1040
_MOST_DAYS = 3650
_MOST_COVER_WEEKS = 520
_MOST_RATIO = 10
_MOST_GRAMS = 1e9

RunWeek = Annotated[int, Field(ge=0, le=_MOST_WEEKS)]
RunWeeks = Annotated[int, Field(ge=1, le=_MOST_WEEKS)]
Days = Annotated[float, Field(ge=0, le=_MOST_DAYS)]
PositiveDays = Annotated[float, Field(gt=0, le=_MOST_DAYS)]
CoverWeeks = Annotated[float, Field(ge=0, le=_MOST_COVER_WEEKS)]
PerYear = Annotated[float, Field(ge=0, le=_MOST_RATIO)]
Ratio = Annotated[float, Field(gt=0, le=_MOST_RATIO)]
"""A share of what there is that may exceed the whole of it."""
Grams = Annotated[float, Field(ge=0, le=_MOST_GRAMS)]

Confidence = Literal["F", "F*", "D", "M", "P"]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Model(BaseModel):
    """Frozen, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False)
