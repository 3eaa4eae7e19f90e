"""What counts, how quantities become grams, and when a forecast is distrusted: read from ``data/settings.toml``."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Annotated

from pydantic import Field, field_validator

from allocation.resources import package_data
from allocation.rules.base import Fraction, Model, Positive, Source
from allocation.rules.load import parse, read_toml

__all__ = ["Backtest", "Breaks", "Group", "Medicines", "Series", "Settings", "Status", "load_settings"]

Count = Annotated[int, Field(ge=1)]


def _is_pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    return text


class Medicines(Model):
    """Which rows are human normal immunoglobulin, and what their units are worth."""

    immunoglobulin: str
    normal: tuple[str, ...]
    specific: tuple[str, ...]
    container_units: tuple[str, ...]
    ml_in_unit: dict[str, Positive]
    grams_in_unit: dict[str, Positive]
    source: Source

    _patterns = field_validator("immunoglobulin")(_is_pattern)

    @field_validator("normal", "specific")
    @classmethod
    def _are_patterns(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_is_pattern(text) for text in texts)


class Group(Model):
    """A product group, told by the name or by the concentration; one without either takes the rest."""

    name: str
    pattern: str = ""
    concentration_from_g_per_ml: Positive | None = None

    _patterns = field_validator("pattern")(_is_pattern)


class Status(Model):
    """Marks in a file's name that say whether its months are final."""

    finalised: str
    provisional: str
    source: Source

    _patterns = field_validator("finalised", "provisional")(_is_pattern)


class Series(Model):
    """Length of the season, and of the shortest history that can show it."""

    season_months: Count
    shortest_months: Count
    source: Source


class Breaks(Model):
    """When a month or a level stands out."""

    smallest_ratio: Positive
    smallest_share: Fraction
    longest_outlier_months: Count
    shortest_side_months: Count
    most: Count
    highest_autocorrelation: Fraction
    source: Source


class Backtest(Model):
    """How a forecast is tried on the past, and when its intervals are put right."""

    origins: Count
    step_months: Count
    shortest_horizon_months: Count
    largest_coverage_miss: Fraction
    fewest_scores: Count
    narrowest_factor: Fraction
    source: Source


class Settings(Model):
    """Everything that a forecast goes by."""

    medicines: Medicines
    group: tuple[Group, ...] = Field(min_length=1)
    group_source: Source
    status: Status
    series: Series
    breaks: Breaks
    backtest: Backtest


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The settings that come with igalloc."""
    path = package_data("forecast", "data", "settings.toml")
    return parse(Settings, read_toml(path), path.name)
