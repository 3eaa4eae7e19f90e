"""What every model of the rules is made of. Units stand in the names."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Code", "Confidence", "EntryCode", "Fraction", "Grade", "Model", "Positive", "Source"]

Confidence = Literal["F", "F*", "D", "M", "P"]
Grade = Annotated[int, Field(ge=1, le=4)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
EntryCode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)?$")]


class Model(BaseModel):
    """Frozen, strict about its keys, and without numbers that are none."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True, allow_inf_nan=False)


class Source(Model):
    """Where a figure or a rule was read."""

    document: str
    section: str = ""
    confidence: Confidence = "F"
    note: str = ""
